"""Tests of what no policy protects, as text: findings with their reasons, decisions apart, and a line that counts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.plan import Gap
from runner.plan.coverage import Coverage, OpenNamespace
from runner.report.coverage_text import render_coverage
from tests.golden.golden import assert_golden
from tests.unit.report.ledger import disk, scratch

GOLDEN = Path(__file__).parents[2] / "golden" / "coverage"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
OUTSIDE = "policy shop: not in includedNamespaces"


def coverage(**fields: Any) -> Coverage:
    """A cluster of which all is protected, but for what is given."""
    usual: dict[str, Any] = {
        "cluster": "5b181d0f-010e-43d5-bafe-a9404b9f8dc3",
        "context": "prod-eu",
        "policies": ("infra", "shop"),
        "namespaces": 4,
        "volumes": 21,
        "open_namespaces": (),
        "open_volumes": (),
        "on_purpose": (),
        "unreadable": (),
    }
    return Coverage(**{**usual, **fields})


def eventful() -> Coverage:
    """Something of everything that there is to say."""
    return coverage(
        open_namespaces=(
            OpenNamespace("default", 3, OUTSIDE),
            OpenNamespace("kube-system", 41, 'policy infra: excludedNamespaces "kube-*"'),
            OpenNamespace("legacy", 1, OUTSIDE),
        ),
        open_volumes=(
            disk("legacy/data", method="uncovered", why=OUTSIDE),
            disk("shop-prod/queue", method="uncovered", why="policy shop: no rule protects it", storage_class="local",
                 source="local"),
            *(scratch(f"legacy/app-{number}", method="uncovered", why=OUTSIDE) for number in range(3)),
        ),
        on_purpose=tuple(
            scratch(f"shop-prod/web-{number}", why="policy shop: volumePolicies[1]: volumeTypes emptyDir (scratch)")
            for number in range(12)
        ),
        unreadable=(Gap("pods in namespace secret", "pods is forbidden"),),
    )  # fmt: skip


def test_coverage_is_said_word_for_word() -> None:
    """What people have read and found good stays so."""
    assert_golden(GOLDEN / "findings.txt", render_coverage(eventful()))
    assert_golden(GOLDEN / "covered.txt", render_coverage(coverage(policies=("shop",))))


def test_the_last_line_counts() -> None:
    """What is left out on purpose is not among the volumes that should be kept."""
    assert render_coverage(eventful()).splitlines()[-1] == (
        "Coverage: 1 of 4 namespaces protected, 4 of 9 volumes kept; 12 volumes left out on purpose; 1 unreadable."
    )


def test_a_thousand_volumes_are_a_page() -> None:
    """A line a namespace and reason, all of them counted."""
    volumes = tuple(
        disk(f"team-{number // 50:02}/data-{number % 50}", method="uncovered", why=OUTSIDE) for number in range(1000)
    )
    found = render_coverage(coverage(volumes=1000, open_volumes=volumes))
    assert found.count("\n") < 40
    assert sum(map(int, re.findall(r"(?m)^  ! (\d+)  team-", found))) == 1000
    assert "Summed up: -o json has every volume" in found
    assert max(map(len, found.splitlines())) <= 80


def test_colours_change_nothing_but_colours() -> None:
    """Without its escape sequences the coloured text is the plain one."""
    colored = render_coverage(eventful(), color=True)
    assert ANSI.search(colored)
    assert ANSI.sub("", colored) == render_coverage(eventful())


OWN = (" ", "What ", "1 namespace", "2 volumes", "1 thing", "Left out", "─", "Coverage: ")


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_nothing_from_elsewhere_steers_a_terminal(name: str, reason: str) -> None:
    """Whatever a name or a server's error holds, no control character and no line of its own comes of it."""
    odd = coverage(
        context=f"a{name}",
        cluster=name,
        policies=(name, name),
        open_namespaces=(OpenNamespace(name, 1, reason),),
        open_volumes=(disk(name, why=reason, source=name), scratch(name, name, why=reason)),
        on_purpose=(disk(name, why=reason),),
        unreadable=(Gap(name, reason),),
    )
    found = render_coverage(odd)
    assert all(line.isprintable() for line in found.split("\n"))
    assert all(not line or line.startswith(OWN) for line in found.split("\n"))
