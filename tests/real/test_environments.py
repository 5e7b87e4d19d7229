"""The same run from a laptop's terminal, in CI, and in a pod."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.parts.controlplane import ControlPlane
from tests.real.agreeing import agreed
from tests.real.places import Place, folder_place
from tests.real.trysail import COMMAND, Trysail, assert_no_secret

pytestmark = pytest.mark.real

SPACE: Final = "environments"
ACCOUNT: Final = "trysail"

# The client reads these fixed paths. A mount namespace gives them to one process, and leaves the machine as it is.
SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
IN_A_POD: Final = f"""
set -e
mount -t tmpfs none "$(readlink -f /var/run)"
mkdir -p {SERVICE_ACCOUNT}
cp "$POD_FILES"/* {SERVICE_ACCOUNT}
exec "$@"
"""
IN_A_FOLDER: Final = pytest.mark.parametrize("place", ["folder"], indirect=True)

# Without the rights of root, a user namespace gives those that are needed.
UNSHARE: Final = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """A namespace, and a ServiceAccount that may read everything in the cluster."""
    control_plane.kubectl("create", "namespace", SPACE)
    control_plane.kubectl("create", "serviceaccount", ACCOUNT, "-n", SPACE)
    control_plane.kubectl("create", "configmap", "settings", "-n", SPACE, "--from-literal=a=b")
    control_plane.kubectl("wait", "--for=create", "configmap/kube-root-ca.crt", "-n", SPACE, "--timeout=60s")
    account = f"--serviceaccount={SPACE}:{ACCOUNT}"
    control_plane.kubectl("create", "clusterrole", "trysail-reads", "--verb=get,list", "--resource=*.*")
    control_plane.kubectl("create", "clusterrolebinding", "trysail-reads", "--clusterrole=trysail-reads", account)
    return control_plane


@pytest.fixture
def policy(trysail: Trysail, place: Place, cluster: ControlPlane) -> Path:
    """The namespace, in either kind of place."""
    return trysail.policy(
        location=place.location,
        includedNamespaces=[SPACE],
        includedNamespaceScopedResources=["configmaps", "serviceaccounts"],
        includedClusterScopedResources=[],
    )


class TestTerminal:
    """Somebody is there to be asked."""

    def test_the_plan_is_shown_and_yes_stores_it(
        self, trysail: Trysail, place: Place, policy: Path, cluster: ControlPlane
    ) -> None:
        """Plan, context, server and cluster are named before the question; `yes` is the only word that stores."""
        uid = cluster.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}").stdout.decode()
        code, screen = _at_a_terminal(trysail, ("run", "-f", str(policy)), "yes\n")
        assert code == 0, screen
        question = screen.index("Only 'yes' will be accepted")
        for expected in ("Plan: 5 to store", f"context  {cluster.context('admin')}", cluster.server, uid):
            assert 0 <= screen.index(expected) < question
        assert place.manifest()["phase"] == "Completed"
        trysail("verify", "latest", "-f", policy)

    @pytest.mark.parametrize("answer", ["no\n", "y\n", "\n", "YES\n"], ids=repr)
    @IN_A_FOLDER
    def test_anything_but_yes_writes_nothing(self, trysail: Trysail, policy: Path, place: Place, answer: str) -> None:
        """It is said that nothing was written, and so it is; the shell hears that no backup was made."""
        code, screen = _at_a_terminal(trysail, ("run", "-f", str(policy)), answer)
        assert code == 1, screen
        assert "nothing was written" in screen
        assert place.all_keys() == []

    @IN_A_FOLDER
    def test_end_of_input_is_a_no(self, trysail: Trysail, policy: Path, place: Place) -> None:
        """Control-D at the question."""
        code, screen = _at_a_terminal(trysail, ("run", "-f", str(policy)), "\x04")
        assert code in {1, 130}, screen
        assert place.all_keys() == []

    @IN_A_FOLDER
    def test_bars_are_drawn(self, trysail: Trysail, policy: Path, place: Place) -> None:
        """Where standard error is a terminal; the result is the same text as elsewhere."""
        code, screen = _at_a_terminal(trysail, ("run", "-f", str(policy), "--auto-approve"), "")
        assert code == 0, screen
        assert "5/5" in screen
        assert "Completed: 5 items" in screen


class TestCI:
    """Nobody is there; CI=true and no terminal, as every other test of this folder."""

    @IN_A_FOLDER
    def test_consent_is_needed(self, trysail: Trysail, policy: Path, place: Place) -> None:
        """Without it an error says both ways to give it; nothing is written."""
        ended = trysail.process("run", "-f", policy, code=1)
        assert "nobody is here to be asked" in ended.err
        assert "--auto-approve" in ended.err
        assert "trysail plan --out plan.json" in ended.err
        assert place.all_keys() == []

    def test_a_saved_plan_is_consent(self, trysail: Trysail, policy: Path, place: Place) -> None:
        """Somebody has reviewed it: plain lines, no bars, no question."""
        plan = trysail.folder / "plan.json"
        trysail.process("plan", "-f", policy, "--out", plan)
        ended = trysail.process("run", plan)
        assert "\x1b" not in ended.out + ended.err
        assert "storing objects …" in ended.err
        assert place.manifest()["phase"] == "Completed"


class TestPod:
    """The service account of the pod that Trysail runs in."""

    def test_the_service_account_is_used(
        self, trysail: Trysail, weed: Place, cluster: ControlPlane, tmp_path: Path
    ) -> None:
        """With its token, its CA and the address from the environment; the token is shown nowhere."""
        token = cluster.kubectl("create", "token", ACCOUNT, "-n", SPACE).stdout.decode().strip()
        pod = _pod(trysail, cluster, tmp_path, token)
        policy = trysail.policy(location=weed.location, includedNamespaces=[SPACE])
        agreed(
            lambda: trysail("plan", "-f", policy, "-o", "json").out,
            lambda: pod.process("plan", "-f", policy, "-o", "json", command=_in_a_pod()).out,
        )
        ended = pod.process("run", "-f", policy, "--auto-approve", command=_in_a_pod())
        assert_no_secret(ended.out, ended.err, more=(token,))
        assert weed.manifest()["server"] == cluster.server
        trysail("verify", "latest", "-f", policy)

    def test_a_token_that_is_not_accepted(
        self, trysail: Trysail, weed: Place, cluster: ControlPlane, tmp_path: Path
    ) -> None:
        """Is an error without the token in it."""
        pod = _pod(trysail, cluster, tmp_path, "not-a-token-of-this-cluster")
        policy = trysail.policy(location=weed.location)
        ended = pod.process("plan", "-f", policy, code=1, command=_in_a_pod())
        assert "does not accept the credentials" in ended.err
        assert "not-a-token-of-this-cluster" not in ended.err

    def test_a_pod_without_its_token(self, trysail: Trysail, cluster: ControlPlane, tmp_path: Path) -> None:
        """automountServiceAccountToken: false is named as what to look at."""
        pod = _pod(trysail, cluster, tmp_path, "")
        (tmp_path / "pod" / "token").unlink()
        policy = trysail.policy(location=folder_place(tmp_path / "backups").location)
        ended = pod.process("plan", "-f", policy, code=1, command=_in_a_pod())
        assert "the pod's service account cannot be used" in ended.err
        assert "automountServiceAccountToken" in ended.err


def _pod(trysail: Trysail, cluster: ControlPlane, folder: Path, token: str) -> Trysail:
    """Trysail with what a pod has: three files and two variables, and no kubeconfig."""
    files = folder / "pod"
    files.mkdir()
    (files / "token").write_text(token)
    (files / "ca.crt").write_bytes(cluster.ca_file.read_bytes())
    (files / "namespace").write_text(SPACE)
    address = urlsplit(cluster.server)
    return trysail.with_env(
        KUBECONFIG=str(folder / "no-kubeconfig"),
        KUBERNETES_SERVICE_HOST=str(address.hostname),
        KUBERNETES_SERVICE_PORT=str(address.port),
        POD_FILES=str(files),
    )


def _in_a_pod() -> tuple[str, ...]:
    return (*UNSHARE, "/bin/sh", "-c", IN_A_POD, "sh", *COMMAND)


def _at_a_terminal(trysail: Trysail, words: tuple[str, ...], typed: str) -> tuple[int, str]:
    """Exit code and screen of a command at a terminal of its own; `typed` is answered to its question."""
    ours, its = pty.openpty()
    environment = {key: value for key, value in trysail.environment().items() if key != "CI"}
    with subprocess.Popen(
        [*COMMAND, *words],
        stdin=its,
        stdout=its,
        stderr=its,
        cwd=trysail.folder,
        env={**environment, "TERM": "xterm", "COLUMNS": "120"},
        start_new_session=True,
    ) as process:
        os.close(its)
        screen = _read(ours, lambda text: bool(typed) and "will be accepted" in text)
        if typed:
            os.write(ours, typed.encode())
            screen += _read(ours, lambda _: False)
        code = process.wait(60)
    os.close(ours)
    assert_no_secret(screen)
    assert "Traceback" not in screen
    return code, screen


def _read(terminal: int, enough: Callable[[str], bool]) -> str:
    """What comes until it is enough, or until the other side has gone."""
    content = b""
    while not enough(content.decode(errors="replace")):
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            break
        if not piece:
            break
        content += piece
    return content.decode(errors="replace")
