"""The ways by which kubeconfigs say who somebody is: tokens, files, programs and certificates. None is ever shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.parts.controlplane import ControlPlane
from tests.real.fault_proxy import FaultProxy, status
from tests.real.kubeconfigs import EXEC_VERSION, plugin, write_kubeconfig
from tests.real.places import Place, folder_place
from tests.real.trysail import Ended, Trysail, assert_no_secret
from tests.unit.adapters.scripted_server import make_certificate

pytestmark = pytest.mark.real

Json = dict[str, Any]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """In a folder: it is the cluster that matters here."""
    return folder_place(tmp_path / "backups")


@pytest.fixture
def policy(trysail: Trysail, place: Place, namespace: str) -> Path:
    """An empty namespace."""
    return trysail.policy(location=place.location, includedNamespaces=[namespace])


def run_as(trysail: Trysail, policy: Path, plane: ControlPlane, user: Json) -> Ended:
    """A run whose kubeconfig names `user`; nothing that identifies the admin is in what it says or stores."""
    kubeconfig = write_kubeconfig(trysail.folder / "kubeconfig", plane, user=user)
    ended = trysail("run", "-f", policy, "--auto-approve", "--kubeconfig", kubeconfig)
    assert_no_secret(ended.out, ended.err, more=(plane.token,))
    for path in (trysail.folder / "backups").rglob("*.json"):
        assert_no_secret(path.read_bytes(), more=(plane.token,))
    return ended


def test_a_token_file(
    trysail: Trysail, policy: Path, place: Place, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """The token is read from where the kubeconfig says, relative to itself too."""
    (tmp_path / "token").write_text(control_plane.token)
    run_as(trysail, policy, control_plane, {"tokenFile": "token"})
    assert place.manifest()["phase"] == "Completed"


def test_a_program(trysail: Trysail, policy: Path, place: Place, control_plane: ControlPlane, tmp_path: Path) -> None:
    """Is run, told what it should know, and its token is used."""
    script = f'printf %s "$KUBERNETES_EXEC_INFO" > {tmp_path}/told; cat {tmp_path}/credential'
    _credential(tmp_path / "credential", control_plane.token)
    run_as(trysail, policy, control_plane, plugin(tmp_path / "plugin", script))
    assert place.manifest()["phase"] == "Completed"
    assert json.loads((tmp_path / "told").read_text())["apiVersion"] == EXEC_VERSION


def test_a_program_whose_tokens_expire(
    trysail: Trysail, policy: Path, place: Place, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """It is asked again when its token has run out, while the run goes on."""
    past = datetime.now(UTC) - timedelta(minutes=1)
    _credential(tmp_path / "credential", control_plane.token, expires=past)
    script = f"echo >> {tmp_path}/asked; cat {tmp_path}/credential"
    run_as(trysail, policy, control_plane, plugin(tmp_path / "plugin", script))
    assert place.manifest()["phase"] == "Completed"
    assert len((tmp_path / "asked").read_text().splitlines()) > 1


def test_a_program_that_fails_later(
    trysail: Trysail, policy: Path, control_plane: ControlPlane, tmp_path: Path, place: Place
) -> None:
    """The token has run out and there is no other: an error that says so, and no backup; not a run as nobody."""
    past = datetime.now(UTC) - timedelta(minutes=1)
    _credential(tmp_path / "credential", control_plane.token, expires=past)
    script = f"cat {tmp_path}/credential; rm {tmp_path}/credential"
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", control_plane, user=plugin(tmp_path / "plugin", script))
    ended = trysail("run", "-f", policy, "--auto-approve", "--kubeconfig", kubeconfig, code=1)
    assert "the credential plugin failed: it ended with exit code 1" in ended.err
    assert "hint: run the credential plugin of this context by hand" in ended.err
    assert_no_secret(ended.err, more=(control_plane.token,))
    assert place.all_keys() == []


def test_a_client_certificate(
    trysail: Trysail, policy: Path, place: Place, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Is shown to a server that asks for one; here an authenticating proxy, which takes nobody without."""
    (tmp_path / "client").mkdir()
    pair = make_certificate(tmp_path / "client")
    with FaultProxy(control_plane, tmp_path, client_authority=pair) as proxy:
        with_certificate = write_kubeconfig(
            tmp_path / "kubeconfig",
            control_plane,
            server=proxy.server,
            authority=proxy.certificate,
            user={"client-certificate": str(pair), "client-key": str(pair)},
        )
        ended = trysail("run", "-f", policy, "--auto-approve", "--kubeconfig", with_certificate)
        assert "PRIVATE KEY" not in ended.out + ended.err
        assert place.manifest()["phase"] == "Completed"
        stranger = write_kubeconfig(
            tmp_path / "stranger", control_plane, server=proxy.server, authority=proxy.certificate, user={}
        )
        refused = trysail("plan", "-f", policy, "--kubeconfig", stranger, code=1)
    assert "certificate required" in refused.err.lower()


def test_a_context_of_several(trysail: Trysail, policy: Path, place: Place, control_plane: ControlPlane) -> None:
    """--context picks the user; the manifest names the server, and no context would be a secret."""
    admin, viewer = control_plane.context("admin"), control_plane.context("viewer")
    trysail("plan", "-f", policy, "--context", viewer, code=4)
    trysail("run", "-f", policy, "--context", admin, "--auto-approve")
    assert place.manifest()["server"] == control_plane.server


def test_a_refusal_that_repeats_the_token(
    trysail: Trysail, policy: Path, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """What a server says is shown, as it says why; a token that it sends back is not our doing, and is not in ours."""
    with FaultProxy(control_plane, tmp_path) as proxy:
        proxy.always(lambda ask: ask.path == "/apis", status(401, b"expired yesterday"))
        ended = trysail("plan", "-f", policy, "--kubeconfig", proxy.kubeconfig, code=1)
    assert "expired yesterday" in ended.err
    assert_no_secret(ended.err, more=(control_plane.token,))


def _credential(path: Path, token: str, expires: datetime | None = None) -> None:
    granted: Json = {"token": token}
    if expires is not None:
        granted["expirationTimestamp"] = f"{expires:%Y-%m-%dT%H:%M:%SZ}"
    path.write_text(json.dumps({"apiVersion": EXEC_VERSION, "kind": "ExecCredential", "status": granted}))
