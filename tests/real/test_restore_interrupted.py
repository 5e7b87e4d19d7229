"""What interrupts a restore without ending it, or ends it in order: the wire, the API server's haste, signals."""

from __future__ import annotations

import json
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any, Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.real.fault_proxy import Ask, Fault, FaultProxy, cut, dropped, held, status, truncated
from tests.real.killed_restore import Deadly
from tests.real.restores import dead_owners, done, let_the_collector_work
from tests.real.small_shop import SmallShop, small_shop
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]

BUSY: Final = (
    b'{"kind": "Status", "status": "Failure", "reason": "InternalError", "message": "etcd is slow", "code": 500}'
)

PASSING: Final[dict[str, Fault]] = {
    "throttled": status(429, Retry_After="1"),
    "error": status(500, BUSY),
    "unavailable": status(503, b"service unavailable"),
    "dropped": dropped(),
    "lost answer": cut(),
    "nonsense": truncated(),
}


@pytest.fixture(scope="module")
def shop(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallShop]:
    """A small application, backed up, which goes on living."""
    with small_shop(control_plane, f"faults-{secrets.token_hex(4)}", tmp_path_factory.mktemp("faults")) as found:
        yield found


@pytest.fixture
def proxy(control_plane: ControlPlane, tmp_path: Path) -> Iterator[FaultProxy]:
    """Between Trysail and the API server."""
    with FaultProxy(control_plane, tmp_path) as between:
        yield between


@pytest.fixture
def release() -> Iterator[Event]:
    """Lets a held answer go, at the latest in the end."""
    event = Event()
    yield event
    event.set()


@pytest.fixture
def maps(shop: SmallShop) -> list[str]:
    """Its ConfigMaps, which are gone."""
    names = [name.removeprefix("ConfigMap/") for name in shop.before if name.startswith("ConfigMap/")]
    shop.plane.kubectl("delete", "configmap", "-n", shop.namespace, "--ignore-not-found", *names)
    return names


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_is_survived(fault: Fault, shop: SmallShop, proxy: FaultProxy, maps: list[str]) -> None:
    """Some of the writes meet it, once each: nothing fails, and nothing is created twice."""
    for name in ("settings-0", "settings-2", "of-the-shop"):
        proxy.when(_creates(name), fault)
    did = done(shop.trysail(*_restore(shop, proxy)))
    assert (did["failed"], did["created"] + did["done already"]) == (0, len(maps))
    assert shop.state() == shop.before
    assert dead_owners(shop.plane, shop.namespace) == []


def test_what_does_not_pass_is_named(shop: SmallShop, proxy: FaultProxy, maps: list[str]) -> None:
    """An item that is refused is named with the server's reason, and the rest is done; the next restore mends it."""
    refusal = {"kind": "Status", "status": "Failure", "reason": "Invalid", "message": "it is too odd", "code": 422}
    proxy.always(_creates("settings-3"), status(422, json.dumps(refusal).encode(), Content_Type="application/json"))
    ended = shop.trysail(*_restore(shop, proxy), code=3)
    did = done(ended)
    assert (did["failed"], did["created"]) == (1, len(maps) - 1)
    assert f"! it is too odd create {shop.namespace}/configmaps settings-3" in ended.said
    proxy.forget()
    assert done(shop.trysail(*_restore(shop, proxy)))["created"] == 1
    assert shop.state() == shop.before


def test_an_api_server_that_stays_away(shop: SmallShop, proxy: FaultProxy, maps: list[str]) -> None:
    """Is an error that says how far it came, and that the same command goes on; which it does."""
    proxy.when(lambda ask: ask.writes, lambda _, forward: forward(), times=2)
    proxy.always(lambda ask: ask.writes, dropped())
    ended = shop.trysail(*_restore(shop, proxy), code=1)
    assert "the same command goes on from here" in ended.err
    proxy.forget()
    assert done(shop.trysail(*_restore(shop, proxy)))["failed"] == 0
    assert shop.state() == shop.before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_in_the_middle(
    number: signal.Signals, shop: SmallShop, proxy: FaultProxy, maps: list[str], release: Event
) -> None:
    """Exit code 130, at once though an answer is still awaited, and the hint; the same command does the rest."""
    proxy.always(_creates("settings-0"), held(release))
    with shop.trysail.start(*_restore(shop, proxy)) as running:
        wait_for(lambda: [ask for ask in proxy.written if b"settings-0" in ask.body], "the write")
        running.send(number)
        ended = running.wait(130)
    assert f"cancelled by {number.name}: the restore was interrupted" in ended.err
    assert "nothing is lost; the same command goes on from here" in ended.err
    release.set()
    proxy.forget()
    assert done(shop.trysail(*_restore(shop, proxy)))["failed"] == 0
    assert shop.state() == shop.before


def test_killed_while_it_recreates(shop: SmallShop, proxy: FaultProxy, maps: list[str]) -> None:
    """Killed at each kind of write, it ends complete; all that was overwritten is in the undo backup of the first."""
    shop.trysail(*_restore(shop, proxy))
    patch = json.dumps({"data": {"name": "changed"}})
    shop.plane.kubectl("patch", "configmap", *maps, "-n", shop.namespace, "--type=merge", "-p", patch)
    words = (*_restore(shop, proxy), "--existing-resource-policy", "recreate")
    for method, write, after in (("DELETE", 1, True), ("POST", 1, False), ("DELETE", 2, True), ("POST", 2, True)):
        deadly = Deadly(proxy, method, write, after)
        if deadly.ends(shop.trysail, *words):
            break
        assert dead_owners(shop.plane, shop.namespace) == []
    shop.trysail(*words)
    let_the_collector_work(shop.plane, shop.namespace)
    assert shop.state() == shop.before
    url = str(shop.trysail.folder / "backups")
    listed = json.loads(shop.trysail("list", "--location", url, "-o", "json").out)["backups"]
    first = min((one for one in listed if one["policy"] == "before-restore"), key=lambda one: one["started"])
    saved = json.loads(shop.trysail("get", first["name"], "configmaps", "-o", "json", "--location", url).out)["items"]
    assert sorted(item["metadata"]["name"] for item in saved) == sorted(maps)
    assert {item["data"]["name"] for item in saved} == {"changed"}


def _restore(shop: SmallShop, proxy: FaultProxy) -> tuple[str | Path, ...]:
    return ("restore", shop.backup, "-f", shop.policy, "--auto-approve", "--kubeconfig", proxy.kubeconfig)


def _creates(name: str) -> Callable[[Ask], bool]:
    """Of a ConfigMap of this name."""

    def matches(ask: Ask) -> bool:
        return ask.method == "POST" and ask.path.endswith("/configmaps") and _name(ask.body) == name

    return matches


def _name(body: bytes) -> str:
    return str(json.loads(body)["metadata"]["name"])
