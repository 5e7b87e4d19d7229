"""What goes wrong between Trysail and the API server is survived where it passes, and named where it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any, Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.seaweedfs import SeaweedFS
from tests.real.conftest import environment
from tests.real.fault_proxy import (
    Ask,
    Fault,
    FaultProxy,
    after,
    cut,
    dropped,
    expired,
    held,
    status,
    truncated,
)
from tests.real.places import Place, folder_place, seaweed_place
from tests.real.trysail import Ended, Trysail

pytestmark = pytest.mark.real

Json = dict[str, Any]

SPACE: Final = "wire-faults"
CONFIG_MAPS: Final = 120  # three pages of a run, which knows nothing of their size at first
TYPES: Final = ["configmaps", "secrets", "serviceaccounts"]
MANY_ATTEMPTS: Final = 7

PASSING: Final[dict[str, Fault]] = {
    "throttled": status(429, Retry_After="1"),
    "error": status(500),
    "bad gateway": status(502, b"<html>bad gateway"),
    "unavailable": status(503, b"service unavailable"),
    "late": status(504),
    "dropped": dropped(),
    "cut": cut(),
    "truncated": truncated(),
    "another page": status(200, b"<html>Please log in"),
    "no list": status(200, b'{"kind": "Status", "metadata": {}}'),
}


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """A namespace with three pages of ConfigMaps, and some Secrets."""
    items: list[Json] = [{"kind": "Namespace", "metadata": {"name": SPACE}}]
    items += [_item("ConfigMap", f"settings-{number:03}") for number in range(CONFIG_MAPS - 1)]
    items += [_item("Secret", f"password-{number}") for number in range(5)]
    listed = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", **item} for item in items]}
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(listed).encode())
    control_plane.kubectl("wait", "--for=create", "configmap/kube-root-ca.crt", "-n", SPACE, "--timeout=60s")
    control_plane.kubectl("wait", "--for=create", "serviceaccount/default", "-n", SPACE, "--timeout=60s")
    return control_plane


@pytest.fixture
def proxy(cluster: ControlPlane, tmp_path: Path) -> Iterator[FaultProxy]:
    """In front of the API server; nothing goes wrong until a test says so."""
    with FaultProxy(cluster, tmp_path) as between:
        yield between


@pytest.fixture(scope="module")
def unhurt(cluster: ControlPlane, seaweedfs: SeaweedFS, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The archive of a run to which nothing happened."""
    folder = tmp_path_factory.mktemp("unhurt")
    place = seaweed_place(seaweedfs, bucket, "unhurt")
    trysail = Trysail(folder, environment(cluster, seaweedfs))
    trysail("run", "-f", policy(trysail, place), "--auto-approve")
    return place.read("k8s-objects.tar.gz")


def policy(trysail: Trysail, place: Place) -> Path:
    """The namespace, and of it the three types."""
    return trysail.policy(
        location=place.location,
        includedNamespaces=[SPACE],
        includedNamespaceScopedResources=TYPES,
        includedClusterScopedResources=[],
    )


def run(trysail: Trysail, place: Place, proxy: FaultProxy, code: int = 0) -> Ended:
    """A run through the proxy."""
    return trysail("run", "-f", policy(trysail, place), "--auto-approve", "--kubeconfig", proxy.kubeconfig, code=code)


@pytest.mark.parametrize("name", PASSING)
def test_what_happens_once_to_everything_is_survived(
    name: str, trysail: Trysail, weed: Place, proxy: FaultProxy, unhurt: bytes
) -> None:
    """Each question, of discovery, plan and run, is answered wrongly once: the backup is the one without faults."""
    seen: set[str] = set()

    def first_time(ask: Ask) -> bool:
        known = ask.target in seen
        seen.add(ask.target)
        return not known

    proxy.always(first_time, PASSING[name])
    ended = run(trysail, weed, proxy)
    # Discovery is two questions and one call, so that what is wrong with both answers may be noticed once; and from an
    # answer that is JSON nobody expects to learn the server's version.
    assert len(seen) - 2 <= ended.err.count("retrying") <= len(seen)
    assert weed.manifest()["phase"] == "Completed"
    assert weed.read("k8s-objects.tar.gz") == unhurt
    trysail("verify", "latest", "-f", policy(trysail, weed))


def test_the_server_says_how_long_to_wait(trysail: Trysail, weed: Place, proxy: FaultProxy) -> None:
    """Retry-After is obeyed: the wait that is said is that long, and a little more, so that not all come at once."""
    proxy.when(lambda ask: _list_of("secrets")(ask) and ask.whole, status(429, Retry_After="2"))
    ended = run(trysail, weed, proxy)
    (said,) = [line for line in ended.err.splitlines() if "retrying" in line]
    assert said.startswith(f"  retrying list of secrets in {SPACE} in 2.")
    assert "answers 429" in said


def test_an_expired_token_is_gone_on_from(trysail: Trysail, weed: Place, proxy: FaultProxy, unhurt: bytes) -> None:
    """410 with a fresh token: nothing is stored twice, nothing is missing, and the list is marked."""
    proxy.when(lambda ask: bool(ask.token) and ask.whole, expired(resumable=True))
    ended = run(trysail, weed, proxy)
    manifest = weed.manifest()
    inconsistent = [listed["resource"] for listed in manifest["lists"] if not listed["consistent"]]
    assert [name for name in inconsistent if name != "namespaces"] == ["configmaps"]
    assert "Lists that took longer than the API server keeps them" in ended.out
    assert weed.read("k8s-objects.tar.gz") == unhurt


def test_an_expired_token_without_another_is_a_gap(trysail: Trysail, weed: Place, proxy: FaultProxy) -> None:
    """410 without a fresh token: the rest of that list is missing, by name, and what was read is kept."""
    proxy.when(lambda ask: bool(ask.token) and ask.whole, expired(resumable=False))
    ended = run(trysail, weed, proxy, code=3)
    assert f"? the rest of configmaps in namespace {SPACE}, after 50 items The provided continue" in ended.said
    trysail("verify", weed.manifest()["name"], "-f", policy(trysail, weed))


def test_rights_that_are_withdrawn_meanwhile_are_a_gap(trysail: Trysail, weed: Place, proxy: FaultProxy) -> None:
    """403 in the middle of a list is not tried again; the run goes on with the next type."""
    proxy.always(lambda ask: bool(ask.token) and ask.whole, status(403, b"no longer"))
    ended = run(trysail, weed, proxy, code=3)
    assert "retrying" not in ended.err
    stored = {listed["resource"]: listed["stored"] for listed in weed.manifest()["lists"]}
    assert stored == {"namespaces": 1, "configmaps": 50, "secrets": 5, "serviceaccounts": 1}


def test_credentials_that_expire_meanwhile_end_the_run(trysail: Trysail, weed: Place, proxy: FaultProxy) -> None:
    """401 would meet every further question alike: an error, and nothing half-visible."""
    proxy.always(lambda ask: bool(ask.token) and ask.whole, status(401, b"expired"))
    assert "does not accept the credentials" in run(trysail, weed, proxy, code=1).err
    weed.assert_no_backup()


def test_objects_deleted_while_they_are_listed(
    trysail: Trysail, weed: Place, proxy: FaultProxy, cluster: ControlPlane
) -> None:
    """A list shows one moment: what goes away after its first page is still in it, and the plan's count holds."""
    cluster.kubectl("create", "configmap", "zz-goes", "-n", SPACE)

    def delete() -> None:
        cluster.kubectl("delete", "configmap", "zz-goes", "-n", SPACE)

    proxy.when(lambda ask: bool(ask.token) and ask.whole, after(delete))
    run(trysail, weed, proxy)
    assert f"{SPACE}/configmaps/zz-goes" in trysail("get", "latest", "-f", policy(trysail, weed)).out


def test_objects_deleted_between_plan_and_run(
    trysail: Trysail, weed: Place, proxy: FaultProxy, cluster: ControlPlane
) -> None:
    """They are gone, which is no error; the run says that it stored fewer than planned, and of what."""
    cluster.kubectl("create", "secret", "generic", "goes", "--from-literal=a=b", "-n", SPACE)

    def delete() -> None:
        cluster.kubectl("delete", "secret", "goes", "-n", SPACE)

    proxy.when(lambda ask: _list_of("secrets")(ask) and ask.whole, after(delete))
    ended = run(trysail, weed, proxy)
    assert f"~ secrets in namespace {SPACE}: planned 6, stored 5" in ended.said
    assert weed.manifest()["phase"] == "Completed"


def test_slow_answers_change_nothing(trysail: Trysail, weed: Place, proxy: FaultProxy, unhurt: bytes) -> None:
    """The first list is answered last of all that are under way: the archive has the plan's order all the same."""
    others = Event()
    proxy.when(lambda ask: _list_of("serviceaccounts")(ask) and ask.whole, held(others))

    def released() -> None:
        others.set()

    proxy.when(lambda ask: _list_of("secrets")(ask) and ask.whole, after(released))
    run(trysail, weed, proxy)
    assert weed.read("k8s-objects.tar.gz") == unhurt


def test_what_never_passes_is_named(cluster: ControlPlane, trysail: Trysail, tmp_path: Path) -> None:
    """Faults for ever: the retries have an end. What is lost to a plan or a run is a gap; without anything, an error.

    The four are under way together, as each waits for as long as Trysail has patience.
    """
    lists = _list_of("secrets")
    faults: dict[str, tuple[Callable[[Ask], bool], Fault, int]] = {
        "malformed in the run": (
            lambda ask: lists(ask) and ask.whole,
            status(200, b'{"kind": "SecretList", "items": ['),
            3,
        ),
        "unavailable in both": (lists, status(503, b"service unavailable"), 3),
        "no discovery": (lambda ask: ask.path == "/apis", status(500), 1),
        "nothing to read": (
            lambda ask: ask.whole and ("/namespaces/" + SPACE in ask.path or "fieldSelector" in ask.target),
            dropped(),
            1,
        ),
    }
    places, running, ended = {}, {}, {}
    with ExitStack() as stack:
        for name, (matches, fault, _) in faults.items():
            folder = tmp_path / name.replace(" ", "-")
            folder.mkdir()
            places[name] = folder_place(folder / "backups")
            proxy = stack.enter_context(FaultProxy(cluster, folder))
            proxy.always(matches, fault)
            alone = Trysail(folder, trysail.env)
            words = ("run", "-f", policy(alone, places[name]), "--auto-approve", "--kubeconfig", proxy.kubeconfig)
            running[name] = stack.enter_context(alone.start(*words))
        for name, (_, _, code) in faults.items():
            ended[name] = running[name].wait(code)

    lost = f"? secrets in namespace {SPACE} the list of secrets is not what Kubernetes' API promises"
    assert lost in ended["malformed in the run"].said
    assert "? secrets the API server answers 503: service unavailable" in ended["unavailable in both"].said
    for name in ("malformed in the run", "unavailable in both"):
        manifest = places[name].manifest()
        assert manifest["phase"] == "PartiallyFailed"
        assert len(manifest["missing"]) == 1
        assert manifest["items"] == 1 + CONFIG_MAPS + 1
        trysail("verify", manifest["name"], "--location", places[name].url)
    assert "the API server answers 500" in ended["no discovery"].err
    assert "nothing of what was planned could be read: no backup was made" in ended["nothing to read"].err
    for name in ("no discovery", "nothing to read"):
        places[name].assert_no_backup()
        assert f"attempt {MANY_ATTEMPTS - 1} failed" in ended[name].err


def _list_of(plural: str) -> Callable[[Ask], bool]:
    return lambda ask: ask.path.endswith(f"/{plural}")


def _item(kind: str, name: str) -> Json:
    return {"kind": kind, "metadata": {"name": name, "namespace": SPACE}, "data": {"key": "dmFsdWU="}}
