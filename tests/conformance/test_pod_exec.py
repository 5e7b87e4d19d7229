"""What every PodExec promises: the tests' fake, and the real one through an API server to kwok's nodes."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from time import monotonic

import pytest

from runner.adapters.kubernetes import KubernetesCluster
from runner.adapters.kubernetes_exec import KubernetesExec
from runner.errors import ExecTimedOut, ItemNotFound
from runner.volume_ports import Ended, PodExec
from tests.fakes.pod_exec import FakePodExec
from tests.parts.controlplane import ControlPlane
from tests.parts.nodes import Nodes

_NUMBERS = count(1)


@dataclass(frozen=True)
class Place:
    """A Pod `db-0` with a container `main`, and what runs commands in it."""

    exec: PodExec
    namespace: str

    def run(self, script: str, *, pod: str = "db-0", container: str = "main", timeout: float = 20) -> Ended:
        """Runs a line of shell."""
        return self.exec.run(self.namespace, pod, container, ("sh", "-c", script), timeout=timeout, most=4096)


def _fake() -> Place:
    """Acts out the scripts that these tests give."""
    fake = FakePodExec(
        {
            "echo out; echo err >&2": Ended(0, "out\nerr\n"),
            "echo no; exit 7": Ended(7, "no\n"),
            "exit 137": Ended(137, ""),
            "yes flood | head -n 200000; echo the end": Ended(0, "flood\n" * 200_000 + "the end\n"),
            "printf 'a\\377b'": Ended(0, "a�b"),
        },
        seconds={"sleep 30": 30.0},
        by=lambda command: command[-1],
        pods={("shop", "db-0"): ("main",)},
    )
    return Place(fake, "shop")


@pytest.fixture
def api_server(control_plane: ControlPlane, nodes: Nodes) -> Iterator[Place]:
    """A Pod on a node of kwok's."""
    namespace = f"exec-{next(_NUMBERS)}"
    control_plane.kubectl("create", "namespace", namespace)
    containers = [{"name": "main", "image": "registry.example.com/db:1"}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0"}, "spec": {"containers": containers}}
    control_plane.must("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    control_plane.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/db-0", "--timeout=60s")
    cluster = KubernetesCluster.connect(kubeconfig=str(control_plane.kubeconfig))
    yield Place(KubernetesExec(cluster.connection), namespace)
    control_plane.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(params=["fake", pytest.param("api_server", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest) -> Place:
    """Each in turn."""
    if request.param == "fake":
        return _fake()
    found: Place = request.getfixturevalue("api_server")
    return found


def test_what_a_command_prints_comes_back(place: Place) -> None:
    """Standard output and standard error, both, and the exit code."""
    ended = place.run("echo out; echo err >&2")
    assert (ended.code, sorted(ended.output.split()), ended.cut) == (0, ["err", "out"], False)


@pytest.mark.parametrize(("script", "code"), [("echo no; exit 7", 7), ("exit 137", 137)])
def test_a_command_that_fails_is_an_outcome(place: Place, script: str, code: int) -> None:
    """Its exit code comes back, with what it printed: that is no error."""
    ended = place.run(script)
    assert ended.code == code
    assert ended.output == ("no\n" if code == 7 else "")


def test_the_end_of_a_flood_is_kept(place: Place) -> None:
    """Of more output than is wanted the last bytes come back, and that there was more."""
    ended = place.run("yes flood | head -n 200000; echo the end")
    assert (ended.code, len(ended.output), ended.cut) == (0, 4096, True)
    assert ended.output.endswith("flood\nthe end\n")


def test_bytes_that_are_no_text_are_replaced(place: Place) -> None:
    """Output may be anything."""
    assert place.run("printf 'a\\377b'").output == "a�b"


def test_a_command_that_hangs_is_left_when_its_time_is_over(place: Place) -> None:
    """ExecTimedOut, in time."""
    begun = monotonic()
    with pytest.raises(ExecTimedOut, match="did not end within 1 s"):
        place.run("sleep 30", timeout=1)
    assert monotonic() - begun < 10


@pytest.mark.parametrize(("pod", "container"), [("gone-0", "main"), ("db-0", "gone")])
def test_a_pod_or_a_container_that_is_not_there(place: Place, pod: str, container: str) -> None:
    """ItemNotFound, for both."""
    with pytest.raises(ItemNotFound):
        place.run("exit 0", pod=pod, container=container)


@pytest.mark.real
def test_a_silent_command_is_waited_for(api_server: Place) -> None:
    """Silence for longer than we are silent ourselves is no end: words of ours go to and fro meanwhile."""
    assert api_server.run("sleep 7; echo done").output == "done\n"


@pytest.mark.real
def test_nothing_is_left_of_many_conversations(api_server: Place) -> None:
    """Several at once do not mix, and no thread outlives its command."""
    before = threading.active_count()
    results: dict[int, Ended] = {}

    def one(number: int) -> None:
        results[number] = api_server.run(f"echo {number}")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: ended.output for number, ended in results.items()} == {n: f"{n}\n" for n in range(8)}
    assert threading.active_count() == before


@pytest.mark.real
def test_words_are_handed_over_as_they_are(api_server: Place) -> None:
    """No shell of ours looks at them: blanks, quotes, line breaks and letters of all kinds arrive."""
    words = ("printf", "[%s]", "a b", "'\"$HOME\"'", "ü€", "x\ny", "&=#?%2F", "-n")
    assert shutil.which("printf")
    ended = api_server.exec.run(api_server.namespace, "db-0", "main", words, timeout=20, most=4096)
    assert ended.output == "[a b]['\"$HOME\"'][ü€][x\ny][&=#?%2F][-n]"
