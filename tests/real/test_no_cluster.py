"""Clusters that cannot be had, and what users are told, word for word: tests/real/golden/*.txt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.golden.golden import assert_golden
from tests.parts.controlplane import ControlPlane
from tests.parts.ports import free_port
from tests.real.kubeconfigs import plugin, write_kubeconfig
from tests.real.places import folder_place
from tests.real.trysail import Ended, Trysail, assert_no_secret
from tests.unit.adapters.scripted_server import make_certificate

pytestmark = pytest.mark.real

Kubeconfig = Callable[[Path, ControlPlane], Path]

GOLDEN: Final = Path(__file__).parent / "golden"
WRONG_TOKEN: Final = "0123456789-of-a-token-that-has-expired"


def _user(user: dict[str, Any]) -> Kubeconfig:
    return lambda folder, plane: write_kubeconfig(folder / "kubeconfig", plane, user=user)


def _plugin(script: str) -> Kubeconfig:
    return lambda folder, plane: write_kubeconfig(folder / "kubeconfig", plane, user=plugin(folder / "plugin", script))


def _text(text: str) -> Kubeconfig:
    def write(folder: Path, plane: ControlPlane) -> Path:
        (folder / "kubeconfig").write_text(text)
        return folder / "kubeconfig"

    return write


CASES: Final[dict[str, Kubeconfig]] = {
    "expired-token": _user({"token": WRONG_TOKEN}),
    "no-credentials": _user({}),
    "missing-token-file": _user({"tokenFile": "/no/such/token"}),
    "missing-certificate": _user({"client-certificate": "/no/such/certificate", "client-key": "/no/such/key"}),
    "plugin-fails": _plugin(f"echo the token {WRONG_TOKEN} has expired | tee /dev/stderr; exit 3"),
    "plugin-talks": _plugin(f"echo {WRONG_TOKEN}"),
    "plugin-has-no-token": _plugin(
        'echo \'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "", "status": {}}\''
    ),
    "plugin-is-missing": _user({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/no/such/one"}}),
    "wrong-authority": lambda folder, plane: write_kubeconfig(
        folder / "kubeconfig", plane, authority=make_certificate(folder)
    ),
    "missing-file": lambda folder, plane: folder / "kubeconfig",
    "malformed-file": _text("clusters: ["),
    "other-file": _text("kind: ConfigMap\n"),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_cluster_that_cannot_be_had(case: str, trysail: Trysail, control_plane: ControlPlane, tmp_path: Path) -> None:
    """Exit code 1, and an error that says which and what to do, at once: nothing of this heals by waiting."""
    kubeconfig = CASES[case](tmp_path, control_plane)
    policy = trysail.policy(location=folder_place(tmp_path / "backups").location)
    ended = trysail("run", "-f", policy, "--auto-approve", "--kubeconfig", kubeconfig, code=1)
    assert_no_secret(ended.err, more=(WRONG_TOKEN,))
    assert_golden(GOLDEN / f"{case}.txt", _without_places(ended, tmp_path, control_plane.server))
    assert not (tmp_path / "backups").exists()


def test_a_context_that_is_not_there(trysail: Trysail, control_plane: ControlPlane, tmp_path: Path) -> None:
    """Is named, with the command that lists those that are."""
    policy = trysail.policy(location=folder_place(tmp_path / "backups").location)
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", control_plane)
    ended = trysail("plan", "-f", policy, "--kubeconfig", kubeconfig, "--context", "production", code=1)
    assert_golden(GOLDEN / "wrong-context.txt", _without_places(ended, tmp_path, control_plane.server))


def test_a_cluster_without_a_server(trysail: Trysail, control_plane: ControlPlane, tmp_path: Path) -> None:
    """A refused connection is tried again, each time saying so, and given up in the end."""
    server = f"https://127.0.0.1:{free_port()}"
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", control_plane, server=server)
    policy = trysail.policy(location=folder_place(tmp_path / "backups").location)
    ended = trysail.process("plan", "-f", policy, "--kubeconfig", kubeconfig, code=1)
    *retries, _, _ = ended.err.splitlines()
    assert any("retrying discovery" in line and "attempt 6 failed" in line for line in retries)
    error = "\n".join(line for line in ended.err.splitlines() if "retrying" not in line) + "\n"
    assert_golden(GOLDEN / "refused.txt", error.replace(server, "SERVER"))


def _without_places(ended: Ended, folder: Path, server: str) -> str:
    assert ended.out == ""
    return ended.err.replace(str(folder), "FOLDER").replace(server, "SERVER")
