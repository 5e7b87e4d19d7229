"""Kubeconfigs that differ from the control plane's own in what a test says: the user, the server, its certificate."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, Final

import yaml

from tests.parts.controlplane import ControlPlane

Json = dict[str, Any]

EXEC_VERSION: Final = "client.authentication.k8s.io/v1"


def write_kubeconfig(
    path: Path, plane: ControlPlane, *, user: Json | None = None, server: str = "", authority: Path | None = None
) -> Path:
    """One context, `test`. By default the admin's token, and the control plane's own address and certificate."""
    cluster = {"server": server or plane.server, "certificate-authority": str(authority or plane.ca_file)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": plane.token} if user is None else user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def plugin(path: Path, script: str) -> Json:
    """A user whose credentials come from a program, which is made here of shell."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": EXEC_VERSION, "command": str(path), "interactiveMode": "Never"}}
