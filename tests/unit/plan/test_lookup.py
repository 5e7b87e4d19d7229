"""The words of a command line lead to items as kubectl's hands expect, or to an error that says how to go on."""

from __future__ import annotations

from typing import Any

import pytest

from runner.archive.stream import Unpacked, index_lines
from runner.errors import ItemNotFound, UsageError
from runner.plan.lookup import Lookup, Target, Wanted, parse_targets
from tests.fakes.stored_backup import Made, config_map, deployment, item, namespace_item, packed

SHORT = {"deploy": ["deployments.apps"], "cm": ["configmaps"], "ev": ["events", "events.events.k8s.io"]}


def _ingress(group: str) -> Made:
    return item("Ingress", f"ingresses.{group}", f"{group}/v1", "web", "shop")


ITEMS = [
    namespace_item("shop"),
    namespace_item("stage"),
    config_map("shop", "settings", labels={"app": "web"}),
    config_map("shop", "colours"),
    config_map("stage", "settings", labels={"app": "web"}),
    deployment("shop", "api", labels={"app": "api"}),
    deployment("shop", "web", labels={"app": "web"}),
    item("Event", "events", "v1", "e", "shop"),
    item("Event", "events.events.k8s.io", "events.k8s.io/v1", "e", "shop"),
    _ingress("networking.k8s.io"),
    _ingress("example.com"),
]


def _look(*words: str, **more: Any) -> list[str]:
    lookup = Lookup(Wanted(parse_targets(words), **more), SHORT)
    for line in index_lines(Unpacked([packed(ITEMS)[1]])):
        lookup.see(line)
    return [str(line.id) for line in lookup.chosen()]


@pytest.mark.parametrize(
    "word",
    ["deployments.apps", "deployments", "deployment", "Deployment", "deployment.apps", "DEPLOYMENTS.APPS", "deploy"],
)
def test_a_type_has_many_names(word: str) -> None:
    """Plural, with its group, kind, singular, short; in any case of letters."""
    assert _look(word) == ["shop/deployments.apps/api", "shop/deployments.apps/web"]


@pytest.mark.parametrize(
    ("words", "more", "found"),
    [
        (["deploy", "web"], {}, ["shop/deployments.apps/web"]),
        (["deploy/web"], {}, ["shop/deployments.apps/web"]),
        (["deploy", "web", "api"], {}, ["shop/deployments.apps/api", "shop/deployments.apps/web"]),
        (["deploy/web", "cm/colours"], {}, ["shop/configmaps/colours", "shop/deployments.apps/web"]),
        (["deploy/web", "deployment/web"], {}, ["shop/deployments.apps/web"]),
        (["shop/deployments.apps/web"], {}, ["shop/deployments.apps/web"]),
        (["stage/configmaps/settings"], {}, ["stage/configmaps/settings"]),
        (["namespaces/shop"], {}, ["namespaces/shop"]),
        (["namespaces"], {}, ["namespaces/shop", "namespaces/stage"]),
        (["namespaces"], {"namespace": "shop"}, ["namespaces/shop", "namespaces/stage"]),
        (["cm"], {"namespace": "stage"}, ["stage/configmaps/settings"]),
        (["cm,deploy", "settings", "web"], None, []),
        (["cm", "settings"], {"everywhere": True}, ["shop/configmaps/settings", "stage/configmaps/settings"]),
        ([], {"namespace": "stage"}, ["stage/configmaps/settings"]),
        (["events"], {}, ["shop/events/e"]),
        (["events.events.k8s.io"], {}, ["shop/events.events.k8s.io/e"]),
        (["ingresses.example.com"], {}, ["shop/ingresses.example.com/web"]),
    ],
)
def test_words_lead_to_items(words: list[str], more: dict[str, Any] | None, found: list[str]) -> None:
    """In the archive's order, each once; cluster-scoped types are not bound to a namespace."""
    if more is None:
        with pytest.raises(ItemNotFound):
            _look(*words)
        return
    assert _look(*words, **more) == found


def test_several_types_at_once() -> None:
    """As `kubectl get deploy,namespace`."""
    assert len(_look("deploy,namespace")) == 4


def test_everything_is_everything() -> None:
    """-A without a type."""
    assert len(_look(everywhere=True)) == len(ITEMS)


def test_labels_pick() -> None:
    """A selector alone, with a type, and in a namespace."""

    def web(labels: Any) -> bool:
        return bool(labels.get("app") == "web")

    assert _look(labels=web, namespace="shop") == ["shop/configmaps/settings", "shop/deployments.apps/web"]
    assert _look("deploy", labels=web) == ["shop/deployments.apps/web"]
    assert len(_look(labels=web, everywhere=True)) == 3


@pytest.mark.parametrize(
    ("words", "more", "message", "hint"),
    [
        (["cm", "settings"], {}, "cm settings is in 2 namespaces", "-n NAMESPACE, or take all with -A"),
        (["cm"], {}, "cm are in 2 namespaces", "-n NAMESPACE, or take all with -A"),
        ([], {"labels": bool}, "these items are in 2 namespaces", "-A"),
        (["ingress"], {}, "the name of several types", "ingresses.example.com or ingresses.networking.k8s.io"),
        (["ev"], {}, "the name of several types", "events or events.events.k8s.io"),
    ],
)
def test_what_is_not_clear_is_asked(words: list[str], more: dict[str, Any], message: str, hint: str) -> None:
    """No namespace and no type is guessed."""
    with pytest.raises(UsageError) as caught:
        _look(*words, **more)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_the_candidates_are_listed() -> None:
    """The namespaces that an item is in."""
    with pytest.raises(UsageError) as caught:
        _look("cm/settings")
    assert caught.value.context == {"namespaces": "shop, stage"}


@pytest.mark.parametrize(
    ("words", "more", "message", "hint"),
    [
        (["deploymnets"], {}, 'no type "deploymnets"', "deployments"),
        (["zzz"], {}, 'no type "zzz"', "trysail describe"),
        (["deploy", "wbe"], {}, 'no deploy named "wbe"', "was web meant?"),
        (["deploy", "web", "nope"], {}, 'no deploy named "nope"', ""),
        (["cm", "colours"], {"namespace": "stage"}, 'named "colours" in namespace stage', "in namespace shop"),
        (["deploy"], {"namespace": "stage"}, "no deploy in namespace stage", ""),
        (["deploy"], {"namespace": "shpo"}, "nothing in namespace shpo", "was shop meant?"),
        (["stag/cm/settings"], {}, "nothing in namespace stag", "was stage meant?"),
        (["deploy"], {"labels": lambda labels: False}, "no deploy with such labels", ""),
        (["deploy", "web"], {"labels": lambda labels: False}, 'named "web" with such labels', "was web meant?"),
        ([], {"labels": lambda labels: False}, "no items with such labels", ""),
    ],
)
def test_what_is_not_there_brings_close_names(words: list[str], more: dict[str, Any], message: str, hint: str) -> None:
    """The error says what is missing, and what may have been meant."""
    with pytest.raises(ItemNotFound) as caught:
        _look(*words, **more)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("words", [["deploy", "a/b"], ["a/b", "deploy"], ["/b"], ["a/"], ["a/b/c/d"], ["a//c"]])
def test_words_that_name_nothing(words: list[str]) -> None:
    """A mistake in the form is a usage error."""
    with pytest.raises(UsageError):
        parse_targets(words)


def test_targets_are_read() -> None:
    """The three forms."""
    assert parse_targets(["a,b", "x", "y"]) == (Target("a", ("x", "y")), Target("b", ("x", "y")))
    assert parse_targets(["a/x", "n/b/y"]) == (Target("a", ("x",)), Target("b", ("y",), "n"))
    assert parse_targets([]) == ()
