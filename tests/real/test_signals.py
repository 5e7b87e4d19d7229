"""SIGINT and SIGTERM end a run in order: what was begun is taken back, whatever is still on its way."""

from __future__ import annotations

import base64
import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.real.fault_proxy import Ask, FaultProxy, held
from tests.real.places import Place
from tests.real.trysail import Running, Trysail
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

SPACE: Final = "signals"
SECRETS: Final = 12
SECRET_BYTES: Final = 750_000  # before base64, and nothing that compresses: together two parts of an upload


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """A namespace that makes an upload of several parts."""
    noise = random.Random(1)
    control_plane.kubectl("create", "namespace", SPACE)
    control_plane.kubectl("wait", "--for=create", "configmap/kube-root-ca.crt", "-n", SPACE, "--timeout=60s")
    items = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"large-{number:02}"},
            "data": {"noise": base64.b64encode(noise.randbytes(SECRET_BYTES)).decode()},
        }
        for number in range(SECRETS)
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()
    control_plane.kubectl("create", "-n", SPACE, "-f", "-", stdin=listed)
    return control_plane


@pytest.fixture
def release() -> Iterator[Event]:
    """Lets a held answer go, at the latest in the end."""
    event = Event()
    yield event
    event.set()


@pytest.fixture
def proxy(cluster: ControlPlane, tmp_path: Path, release: Event) -> Iterator[FaultProxy]:
    """Holds back the answer to the last list of a run, so that it is in the middle of its upload until released."""
    with FaultProxy(cluster, tmp_path) as between:
        between.always(_last_list, held(release))
        yield between


def begin(trysail: Trysail, place: Place, proxy: FaultProxy) -> Running:
    """A run as a process, of Secrets first and ConfigMaps last."""
    policy = trysail.policy(
        location=place.location,
        includedNamespaces=[SPACE],
        includedNamespaceScopedResources=["secrets", "configmaps"],
        includedClusterScopedResources=[],
    )
    return trysail.start("run", "-f", policy, "--auto-approve", "--kubeconfig", proxy.kubeconfig, "--name", "ended")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_in_the_middle_of_an_upload(
    number: signal.Signals, trysail: Trysail, place: Place, proxy: FaultProxy
) -> None:
    """Exit code 130, at once though an answer is still awaited; no upload, no key and no backup is left."""
    with begin(trysail, place, proxy) as running:
        wait_for(lambda: place.store.unfinished(""), "an upload in parts")
        wait_for(lambda: any(map(_last_list, proxy.asked)), "the last list")
        running.send(number)
        ended = running.wait(130)
    assert f"Error: cancelled by {number.name}: no backup was made" in ended.err
    assert "hint: unfinished uploads were taken back" in ended.err
    assert place.store.unfinished("") == ()
    assert place.all_keys() == []
    assert "never finished" not in trysail("list", "--location", place.url).out


def test_a_run_goes_on_when_it_is_let(trysail: Trysail, weed: Place, proxy: FaultProxy, release: Event) -> None:
    """The runs above would have ended well: it was the signal that ended them, in an upload of more than one part."""
    with begin(trysail, weed, proxy) as running:
        wait_for(lambda: weed.store.unfinished(""), "an upload in parts")
        release.set()
        running.wait(0)
    archive = weed.manifest()["keys"]["k8s-objects.tar.gz"]
    assert archive["size"] > 5 * 1024 * 1024
    trysail("verify", "ended", "--location", weed.url)


@pytest.mark.parametrize("words", [("run", "--auto-approve"), ("plan",)], ids=lambda words: words[0])
def test_ctrl_c_while_the_cluster_is_slow(
    words: tuple[str, ...], trysail: Trysail, weed: Place, cluster: ControlPlane, tmp_path: Path, release: Event
) -> None:
    """Before anything is written too: exit code 130, without waiting for an answer that may take minutes."""
    policy = trysail.policy(location=weed.location, includedNamespaces=[SPACE])
    with FaultProxy(cluster, tmp_path) as proxy:
        proxy.always(lambda ask: ask.path == "/apis", held(release))
        with trysail.start(*words, "-f", policy, "--kubeconfig", proxy.kubeconfig) as running:
            wait_for(lambda: any(ask.path == "/apis" for ask in proxy.asked), "discovery")
            running.send(signal.SIGINT)
            assert "cancelled" in running.wait(130).err.lower()
        release.set()
    assert weed.all_keys() == []


def _last_list(ask: Ask) -> bool:
    return ask.whole and ask.path == f"/api/v1/namespaces/{SPACE}/configmaps"
