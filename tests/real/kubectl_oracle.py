"""kubectl as the judge of what was archived: it knows Kubernetes' own reader of YAML, and nothing of Trysail."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tests.parts.controlplane import ControlPlane
from tests.parts.kubectl import kubectl_program

Json = dict[str, Any]

_LABEL = ("read", "back")


class Name(NamedTuple):
    """Names an object among all of a cluster."""

    api_version: str
    kind: str
    namespace: str
    name: str


def read_back(*arguments: str | Path, stdin: bytes = b"") -> dict[Name, Json]:
    """The objects of files (`-R -f folder`), as kubectl reads them without any cluster.

    `kubectl label --local` is its one reader that changes nothing else; the label is taken off again.
    """
    label = f"{_LABEL[0]}={_LABEL[1]}"
    command = [kubectl_program(), "label", "--local", "-o", "json", "--show-managed-fields", label, *arguments]
    # Somewhere without a kubeconfig: there is no cluster to ask.
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, env={"HOME": "/nonexistent"})
    assert done.returncode == 0, done.stderr.decode()
    found = by_name(_documents(done.stdout.decode()))
    for value in found.values():
        labels = value["metadata"]["labels"]
        assert labels.pop(_LABEL[0]) == _LABEL[1]
        if not labels:
            del value["metadata"]["labels"]
    return found


def seen(plane: ControlPlane, *types: str) -> dict[Name, Json]:
    """The objects of types, whole, as the API server gives them."""
    arguments = ("get", ",".join(types), "-A", "-o", "json", "--show-managed-fields")
    found: list[Json] = json.loads(plane.kubectl(*arguments).stdout)["items"]
    return by_name(found)


def by_name(objects: Iterable[Json]) -> dict[Name, Json]:
    """Objects under their names; each name once."""
    found: dict[Name, Json] = {}
    for value in objects:
        metadata = value["metadata"]
        name = Name(value["apiVersion"], value["kind"], metadata.get("namespace", ""), metadata["name"])
        assert name not in found, f"{name} twice"
        found[name] = value
    return found


def _documents(text: str) -> list[Json]:
    """Several objects come as a List, or one after the other."""
    decoder = json.JSONDecoder()
    found: list[Json] = []
    rest = text.lstrip()
    while rest:
        value, end = decoder.raw_decode(rest)
        found += value["items"] if value["kind"] == "List" else [value]
        rest = rest[end:].lstrip()
    return found
