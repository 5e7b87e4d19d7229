"""Fetches secrets that policies name: from the environment, a file, a command, or a Secret of the cluster.

Values go to the adapter that needs them and nowhere else; no message here holds one.
"""

from __future__ import annotations

import base64
import binascii
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec

from runner.errors import ClusterError, SecretError
from runner.model.cluster import Resource
from runner.model.location import SecretKeyRef, SecretRef
from runner.ports import ClusterReader

EXEC_SECONDS = 60.0

_SECRETS = Resource(group="", plural="secrets", version="v1", kind="Secret", namespaced=True)


class _Secret(msgspec.Struct):
    data: dict[str, str] | None = None


def fetch_secret(reference: SecretRef, cluster: Callable[[], ClusterReader]) -> str:
    """The secret's text, without a trailing newline. SecretError where it cannot be had or is empty."""
    if reference.env is not None:
        value = os.environ.get(reference.env)
        if value is None:
            raise SecretError(f"the environment variable {reference.env} is not set", hint=f"export {reference.env}=…")
        name = reference.env
    elif reference.file is not None:
        value, name = _from_file(reference.file), reference.file
    elif reference.exec is not None:
        value, name = _from_command(reference.exec), reference.exec[0]
    else:
        assert reference.secret_key_ref is not None
        ref = reference.secret_key_ref
        value, name = _from_cluster(ref, cluster()), f"{ref.namespace}/{ref.name}, key {ref.key}"
    value = value.rstrip("\r\n")
    if not value:
        raise SecretError(f"the secret from {name} is empty", hint="check where it is made")
    return value


def _from_file(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SecretError(f"the secret's file {path} cannot be read: {reason}", hint="check path and rights") from error


def _from_command(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 -- the policy names the command, and it runs without a shell
            command, check=False, capture_output=True, timeout=EXEC_SECONDS, text=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise SecretError(f"the secret's command {command[0]} failed: {reason}", hint="run it by hand") from error
    if done.returncode != 0:
        # Neither of its outputs is shown: what goes wrong in such a command may well print the secret.
        raise SecretError(
            f"the secret's command {command[0]} ended with exit code {done.returncode}", hint="run it by hand"
        )
    return done.stdout


def _from_cluster(reference: SecretKeyRef, cluster: ClusterReader) -> str:
    where = f"Secret {reference.namespace}/{reference.name}"
    try:
        secret = msgspec.json.decode(cluster.get(_SECRETS, reference.namespace, reference.name), type=_Secret)
    except ClusterError as error:
        reason = f"{where} cannot be read: {error.message}"
        raise SecretError(reason, hint="check its name, and the right get") from error
    encoded = (secret.data or {}).get(reference.key)
    if encoded is None:
        raise SecretError(f"{where} has no key {reference.key}", hint="kubectl describe secret shows its keys")
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SecretError(f"{where}, key {reference.key}, is not text", hint="the value must be UTF-8 text") from error
