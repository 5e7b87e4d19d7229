"""Killed at one write after the other and started again each time: complete, nothing twice, owners right."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.real.fault_proxy import FaultProxy
from tests.real.killed_restore import Deadly
from tests.real.restores import dead_owners, fates, let_the_collector_work, planned
from tests.real.small_shop import SmallShop, small_shop

pytestmark = pytest.mark.real

LEAST_DEATHS: Final = 5  # from a command, and from a saved plan


@pytest.fixture
def shop(control_plane: ControlPlane, tmp_path: Path) -> Iterator[SmallShop]:
    """A small application, backed up and lost."""
    with small_shop(control_plane, f"killed-{secrets.token_hex(4)}", tmp_path) as found:
        found.lose()
        yield found


@pytest.fixture
def proxy(control_plane: ControlPlane, tmp_path: Path) -> Iterator[FaultProxy]:
    """Between Trysail and the API server."""
    with FaultProxy(control_plane, tmp_path) as between:
        yield between


def test_killed_and_started_again_until_it_is_done(shop: SmallShop, proxy: FaultProxy) -> None:
    """Before and after the first, the second, the third … write of what is left, by command and by saved plan."""
    fresh = _fresh(shop, proxy)
    saved = shop.trysail.folder / "plan.json"
    shop.trysail("restore", "latest", "-f", shop.policy, "--out", saved)
    commands = [fresh, ("restore", saved, "--auto-approve", "--kubeconfig", proxy.kubeconfig)]
    deaths = 0
    for number in count():
        deadly = Deadly(proxy, write=1 + number // 2, after=bool(number % 2))
        if deadly.ends(shop.trysail, *commands[number % 2]):
            break
        deaths += 1
        assert dead_owners(shop.plane, shop.namespace) == []
    assert deaths > LEAST_DEATHS
    _assert_complete(shop, proxy)


def test_killed_before_owners_are_named(shop: SmallShop, proxy: FaultProxy) -> None:
    """What was created before its owner, and whose owner no run has named yet, gets it from the next one."""
    fresh = _fresh(shop, proxy)
    for after in (False, True):
        deadly = Deadly(proxy, method="PATCH", after=after)
        assert not deadly.ends(shop.trysail, *fresh)
        assert dead_owners(shop.plane, shop.namespace) == []
        left = fates(planned(shop.trysail, "latest", "-f", shop.policy))
        assert set(left.values()) <= {"unchanged", "update"}
    shop.trysail(*fresh)
    _assert_complete(shop, proxy)


def _fresh(shop: SmallShop, proxy: FaultProxy) -> tuple[str | Path, ...]:
    return ("restore", "latest", "-f", shop.policy, "--auto-approve", "--kubeconfig", proxy.kubeconfig)


def _assert_complete(shop: SmallShop, proxy: FaultProxy) -> None:
    """All is there, was created once, has its owners, and another restore has nothing to do."""
    assert _created_twice(proxy) == []
    let_the_collector_work(shop.plane, shop.namespace)
    assert shop.state() == shop.before
    assert dead_owners(shop.plane, shop.namespace) == []
    assert "No changes." in shop.trysail(*_fresh(shop, proxy)).out


def _created_twice(proxy: FaultProxy) -> list[tuple[str, str]]:
    """Whatever the API server was made to create more than once."""
    made = Counter(
        (ask.path, json.loads(ask.body)["metadata"]["name"])
        for ask, code in proxy.answered
        if ask.writes and ask.method == "POST" and code == 201
    )
    return [name for name, times in made.items() if times > 1]
