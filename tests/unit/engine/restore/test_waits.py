"""What a restore waits for, each with an end: namespaces that go, definitions, the services behind webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from runner.engine.restore.waits import Patience
from runner.errors import Forbidden, ItemNotFound, NamespaceTerminating, Rejected
from runner.model.event import PhaseBegun
from runner.model.restored import Failed
from tests.fakes.cluster import Call, FakeCluster, config_map, definition
from tests.fakes.restore_stage import RestoreStage, fates

PATIENT = Patience(deletion=300, definition=60, webhook=60)
Json = dict[str, Any]


def namespace(name: str, **metadata: Any) -> Json:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


def going(name: str) -> Json:
    """A Namespace on its way out."""
    return namespace(name, deletionTimestamp="2026-03-01T01:59:00Z")


def widget(name: str, namespace: str = "shop") -> Json:
    """A custom resource."""
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"n": 1},
    }


WIDGETS = definition("widgets", "Widget", "example.com")


# namespaces


def test_a_terminating_namespace_is_waited_for() -> None:
    """Then it and all that is in it are created; what it held until then does not count as there."""
    made = RestoreStage(
        config_map("shop", "web", a="1"), target=FakeCluster(config_map("shop", "web", a="1"), going("shop"))
    )

    def look(call: Call) -> None:
        if call.verb == "get" and made.clock.passed > 120:
            made.target.on_call = lambda _: None
            made.target.take("configmaps", "shop", "web")
            made.target.take("namespaces", "", "shop")

    assert fates(made.plan())["shop/configmaps/web"] == "create"
    made.target.on_call = look
    result = made.restore(patience=PATIENT)
    assert (result.created, result.failed) == (2, ())
    assert 120 < made.clock.passed < 130
    assert "waiting for the old namespace shop to go" in [event.name for event in made.observer.of(PhaseBegun)]


def test_a_terminating_namespace_that_stays() -> None:
    """Once, for as long as the patience lasts; then its items fail at once, each with that reason, and others go on."""
    names = [f"c{n}" for n in range(50)]
    made = RestoreStage(
        *(config_map("shop", name) for name in names), config_map("other", "web"), target=FakeCluster(going("shop"))
    )
    result = made.restore(patience=PATIENT)
    assert {one.name for one in result.failed} == {"shop", *names}
    assert {one.reason for one in result.failed} == {
        "its namespace is being deleted, and does not go away: see kubectl get namespace -o yaml"
    }
    assert made.clock.passed < PATIENT.deletion + 5
    assert made.live("configmaps", "other", "web")
    assert not [call for call in made.target.calls if call.verb == "create" and call.namespace == "shop"]


def test_a_namespace_that_is_forbidden() -> None:
    """Its items fail with its reason, without a call each."""
    made = RestoreStage(config_map("shop", "web"), config_map("shop", "api"), config_map("other", "web"))
    made.target.reject = lambda _verb, _type, _space, name, _body: (
        Forbidden("no shops here") if name == "shop" else None
    )
    result = made.restore()
    assert [(one.name, one.reason) for one in result.failed] == [
        ("api", "its namespace was not created: no shops here"),
        ("web", "its namespace was not created: no shops here"),
        ("shop", "no shops here"),
    ]
    assert [call.name for call in made.target.calls if call.verb == "create"] == ["other", "shop", "web"]


def test_a_namespace_that_begins_to_go_midway() -> None:
    """The first item to hear of it gives up in the end; those after it do not try for as long again, one by one."""
    made = RestoreStage(*(config_map("shop", f"c{n:03}") for n in range(200)))
    made.restore(excludedResources=["configmaps"])
    made.target.put(namespace("shop"))
    planned = made.planned()
    made.target.put(going("shop"))
    tried = len(made.target.calls)
    result = made.restore(planned=planned)
    assert len(result.failed) == 200
    assert any("being deleted" in one.reason for one in result.failed)
    assert len(made.target.calls) - tried < 7 * 70
    assert NamespaceTerminating.retriable


def test_names_of_namespaces_that_are_mapped() -> None:
    """A failure is told under the name that the namespace would have had, as all its items are."""
    made = RestoreStage(config_map("shop", "web"))
    made.target.reject = lambda _v, _t, _s, name, _b: Rejected("denied") if name == "market" else None
    result = made.restore(namespaceMapping={"shop": "market"})
    assert result.failed == (
        Failed("configmaps", "market", "web", "create", "its namespace was not created: denied"),
        Failed("namespaces", "", "market", "create", "denied"),
    )


# definitions


def test_a_custom_resource_comes_after_its_definition() -> None:
    """In one restore: the definition is waited for, discovery asked again, and then its objects follow."""
    made = RestoreStage(WIDGETS, widget("w"))
    plan = made.plan()
    assert [step.why for step in plan.steps if step.resource == "widgets.example.com"] == [
        "it is not there; after customresourcedefinition widgets.example.com"
    ]
    assert not made.restore(patience=PATIENT).failed
    assert made.live("widgets.example.com", "shop", "w")["spec"] == {"n": 1}
    assert made.plan().items == 0


def test_a_type_that_answers_a_moment_later() -> None:
    """Established is not served everywhere: 404 is tried again, within the patience."""
    made = RestoreStage(WIDGETS, widget("w"))
    until = 20.0

    def unknown(call: Call) -> None:
        if call.verb == "create" and call.name == "w" and made.clock.passed < until:
            raise ItemNotFound("the server could not find the requested resource")

    made.target.on_call = unknown
    assert not made.restore(patience=PATIENT).failed
    assert made.clock.passed >= until


def test_a_type_that_never_answers() -> None:
    """The patience is that of the type, not of each of its items."""
    made = RestoreStage(WIDGETS, *(widget(f"w{n:02}") for n in range(40)))

    def unknown(call: Call) -> None:
        if call.verb == "create" and call.resource is not None and call.resource.plural == "widgets":
            raise ItemNotFound("the server could not find the requested resource")

    made.target.on_call = unknown
    result = made.restore(patience=PATIENT)
    assert len(result.failed) == 40
    assert made.clock.passed < 2 * PATIENT.definition


def test_a_definition_that_is_refused() -> None:
    """Its objects fail at once with its reason; nobody waits for a type that does not come."""
    made = RestoreStage(WIDGETS, widget("w"))
    made.target.reject = lambda _v, _t, _s, name, _b: Rejected("bad schema") if name == "widgets.example.com" else None
    result = made.restore(patience=PATIENT)
    assert [(one.name, one.reason) for one in result.failed] == [
        ("widgets.example.com", "bad schema"),
        ("w", "its definition was not created: bad schema"),
    ]
    assert made.clock.passed < 1


def test_a_definition_that_is_not_established() -> None:
    """It is named once, after its patience, and its objects with it."""
    made = RestoreStage(WIDGETS, widget("w"))

    def unready(call: Call) -> None:
        if call.verb == "create" and call.name == "widgets.example.com":
            crd = made.live("customresourcedefinitions.apiextensions.k8s.io", "", "widgets.example.com")
            made.target.put({**crd, "status": {"conditions": [{"type": "Established", "status": "False"}]}})

    made.target.after_call = unready
    result = made.restore(patience=PATIENT)
    assert {one.name for one in result.failed} == {"widgets.example.com", "w"}
    assert {one.reason for one in result.failed} == {"the API server has not established its definition in time"}
    assert PATIENT.definition - 3 < made.clock.passed < PATIENT.definition + 3


def test_an_api_that_flaps_at_the_second_discovery() -> None:
    """What was served when it was planned is tried as planned; its own answer is what counts."""
    gadgets = definition("gadgets", "Gadget", "other.example.com")
    gadget = {**widget("g"), "apiVersion": "other.example.com/v1", "kind": "Gadget"}
    made = RestoreStage(WIDGETS, gadgets, widget("w"), gadget, target=FakeCluster(gadgets))
    planned = made.planned()

    def flap(call: Call) -> None:
        if call.verb == "create":
            made.target.break_group("other.example.com/v1")

    made.target.on_call = flap
    result = made.restore(planned=planned)
    assert [one.name for one in result.failed] == ["g"]
    assert "503" in result.failed[0].reason


# webhooks


def webhook(policy: str = "Fail") -> Json:
    """A configuration whose service is in the namespace `shop`."""
    client = {"service": {"namespace": "shop", "name": "guard"}}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "guard"},
        "webhooks": [{"name": "guard.example.com", "failurePolicy": policy, "clientConfig": client}],
    }


def endpoints(*, ready: bool = True) -> Json:
    """The endpoint of that service."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "guard-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "guard"}},
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}],
    }


def test_a_webhook_whose_service_answers_comes_last() -> None:
    """After everything else, so that it refuses nothing of this restore."""
    made = RestoreStage(WIDGETS, webhook(), config_map("shop", "web"), widget("w"), target=FakeCluster(endpoints()))
    assert not made.restore(patience=PATIENT).failed
    assert [call.name for call in made.target.calls if call.verb == "create"][-1] == "guard"


@pytest.mark.parametrize("live", [(), (endpoints(ready=False),)])
def test_a_webhook_whose_service_does_not_answer_is_held_back(live: tuple[Json, ...]) -> None:
    """It would refuse requests: it is named, with what to do; all else is restored."""
    made = RestoreStage(webhook(), config_map("shop", "web"), target=FakeCluster(*live))
    result = made.restore(patience=PATIENT)
    (failed,) = result.failed
    assert failed.reason.startswith("held back: no endpoint of its service shop/guard is ready")
    assert made.clock.passed < PATIENT.webhook + 3
    assert made.live("configmaps", "shop", "web")


def test_a_webhook_that_may_be_ignored_is_not_held_back() -> None:
    """Requests pass where it does not answer."""
    made = RestoreStage(webhook("Ignore"))
    assert not made.restore(patience=PATIENT).failed
    assert made.clock.passed < 1


@pytest.mark.parametrize("moment", [10.0, 50.0])
def test_a_webhook_is_restored_once_its_service_answers(moment: float) -> None:
    """The workloads behind it may come up while we wait."""
    made = RestoreStage(webhook())

    def come_up(call: Call) -> None:
        if call.verb == "page" and made.clock.passed > moment:
            made.target.on_call = lambda _: None
            made.target.put(endpoints())

    planned = made.planned()
    made.target.on_call = come_up
    assert not made.restore(planned=planned, patience=PATIENT).failed
    assert moment < made.clock.passed < moment + 4
