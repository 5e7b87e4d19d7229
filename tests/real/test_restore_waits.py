"""What a restore waits for: services behind webhooks, definitions, namespaces and items that are on their way out."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.nodes import Nodes
from tests.real.fault_proxy import FaultProxy
from tests.real.places import folder_place
from tests.real.restores import RESTLESS, backed_up, done, emptied, fates, planned, reasons
from tests.real.round_trip import create
from tests.real.trysail import Running, Trysail
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]

WEBHOOKS: Final = "validatingwebhookconfigurations.admissionregistration.k8s.io"
FINALIZER: Final = "example.com/kept"
ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


@dataclass(frozen=True)
class Guarded:
    """A namespace in which a webhook wants to see every ConfigMap; its pods run where a node has the label of it."""

    trysail: Trysail
    plane: ControlPlane
    namespace: str
    policy: Path

    @property
    def restore(self) -> tuple[str | Path, ...]:
        """The words of its restore."""
        return ("restore", "latest", "-f", self.policy, "--auto-approve")

    def has_webhook(self) -> bool:
        """Whether the configuration is there."""
        return self.plane.request("GET", f"{ADMISSION}/{self.namespace}")[0] == 200

    def exists(self, path: str) -> bool:
        """Whether an object is: `apps/v1` … of its namespace."""
        kind, _, name = path.rpartition("/")
        version, _, plural = kind.rpartition("/")
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        return self.plane.request("GET", f"{root}/namespaces/{self.namespace}/{plural}/{name}")[0] == 200

    def let_pods_run(self) -> None:
        """Gives a node the label."""
        self.plane.kubectl("label", "node", "node-1", f"{self.namespace}=here")


@pytest.fixture(scope="module")
def never_ready(
    control_plane: ControlPlane, nodes: Nodes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Guarded, Running]]:
    """Its restore, which goes on while the other tests run: it waits for a whole minute."""
    folder = tmp_path_factory.mktemp("never")
    with _guarded(control_plane, folder) as guarded, guarded.trysail.start(*guarded.restore) as running:
        yield guarded, running


@pytest.fixture
def guarded(control_plane: ControlPlane, nodes: Nodes, never_ready: object, tmp_path: Path) -> Iterator[Guarded]:
    """Another one."""
    with _guarded(control_plane, tmp_path) as found:
        yield found


def test_a_webhook_waits_for_its_service(guarded: Guarded) -> None:
    """It is held back until an endpoint is ready; what it would have refused is there by then."""
    with guarded.trysail.start(*guarded.restore) as running:
        wait_for(lambda: guarded.exists("apps/v1/deployments/guard"), "the workload behind it")
        wait_for(lambda: guarded.exists(f"{guarded.namespace}.example.com/v1/rules/one"), "what comes last before it")
        assert not guarded.has_webhook()
        assert not running.ended
        guarded.let_pods_run()
        running.wait(0)
    assert guarded.has_webhook()
    assert guarded.exists("v1/configmaps/settings")
    assert "No changes." in guarded.trysail(*guarded.restore).out


def test_what_needs_workloads_comes_after_them(guarded: Guarded) -> None:
    """In the plan: definitions, workloads, objects of a type that converts by webhook, webhooks."""
    plan = planned(guarded.trysail, "latest", "-f", guarded.policy)
    tiers = {step["resource"]: step["tier"] for step in plan["steps"]}
    order = [
        "customresourcedefinitions.apiextensions.k8s.io",
        "namespaces",
        "configmaps",
        "services",
        "deployments.apps",
        f"rules.{guarded.namespace}.example.com",
        WEBHOOKS,
    ]
    assert sorted(order, key=lambda name: tiers[name]) == order
    assert len({tiers[name] for name in order}) == len(order)


@pytest.fixture
def lingering(control_plane: ControlPlane, tmp_path: Path) -> Iterator[tuple[Trysail, Path, str]]:
    """A namespace, backed up, with a ConfigMap that stays until its finalizer is taken off."""
    namespace = f"lingering-{secrets.token_hex(4)}"
    trysail = Trysail(tmp_path, {"KUBECONFIG": str(control_plane.kubeconfig)})
    kept = {"name": "kept", "namespace": namespace, "finalizers": [FINALIZER]}
    create(
        control_plane,
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": kept, "data": {"colour": "blue"}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": namespace}},
        ],
    )
    policy = trysail.policy(location=folder_place(tmp_path / "backups").location, includedNamespaces=[namespace])
    backed_up(trysail, policy)
    yield trysail, policy, namespace
    _release(control_plane, namespace)
    control_plane.kubectl("delete", "namespace", namespace, "--wait=false")


def test_a_namespace_on_its_way_out(
    lingering: tuple[Trysail, Path, str], control_plane: ControlPlane, tmp_path: Path
) -> None:
    """It is waited for, and made anew with all that was in it, finalizers too."""
    trysail, policy, namespace = lingering
    old = control_plane.must("GET", f"/api/v1/namespaces/{namespace}")["metadata"]["uid"]
    control_plane.kubectl("delete", "namespace", namespace, "--wait=false")
    plan = planned(trysail, "latest", "-f", policy)
    assert reasons(plan)[f"namespaces/{namespace}"].startswith("it is being deleted")
    with FaultProxy(control_plane, tmp_path) as proxy:
        words = ("restore", "latest", "-f", policy, "--auto-approve", "--kubeconfig", proxy.kubeconfig)
        with trysail.start(*words) as running:
            looks = f"/api/v1/namespaces/{namespace}"
            wait_for(lambda: [ask for ask in proxy.asked if ask.path == looks][2:], "it to look again and again")
            assert proxy.written == []
            _release(control_plane, namespace)
            running.wait(0)
    assert control_plane.must("GET", f"/api/v1/namespaces/{namespace}")["metadata"]["uid"] != old
    kept = control_plane.must("GET", f"/api/v1/namespaces/{namespace}/configmaps/kept")
    assert (kept["metadata"]["finalizers"], kept["data"]) == ([FINALIZER], {"colour": "blue"})


def test_an_item_on_its_way_out(lingering: tuple[Trysail, Path, str], control_plane: ControlPlane) -> None:
    """It is waited for and created anew; one that is to be recreated too."""
    trysail, policy, namespace = lingering
    path = f"/api/v1/namespaces/{namespace}/configmaps/kept"
    old = control_plane.must("GET", path)["metadata"]["uid"]
    control_plane.must("PATCH", path, {"data": {"colour": "red"}})
    words = ("restore", "latest", "-f", policy, "--auto-approve", "--existing-resource-policy", "recreate")
    with trysail.start(*words) as running:
        wait_for(lambda: control_plane.must("GET", path)["metadata"].get("deletionTimestamp"), "it to be deleted")
        assert not running.ended
        _release(control_plane, namespace)
        running.wait(0)
    kept = control_plane.must("GET", path)
    assert (kept["metadata"]["finalizers"], kept["data"]) == ([FINALIZER], {"colour": "blue"})
    assert kept["metadata"]["uid"] != old


def _release(plane: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps/kept"
    plane.request("PATCH", path, {"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")


def test_a_webhook_whose_service_never_answers(never_ready: tuple[Guarded, Running]) -> None:
    """Is named as held back, exit code 3, and all else is restored; the next restore completes it."""
    guarded, running = never_ready
    ended = running.wait(3)
    assert done(ended)["failed"] == 1
    held = f"held back: no endpoint of its service {guarded.namespace}/guard is ready, and it would refuse requests"
    assert f"! {held}; restore again once it is create {WEBHOOKS} {guarded.namespace}" in ended.said
    assert not guarded.has_webhook()
    assert guarded.exists("v1/configmaps/settings")

    guarded.let_pods_run()
    left = planned(guarded.trysail, "latest", "-f", guarded.policy)
    assert [name for name, fate in fates(left).items() if fate == "create"] == [f"{WEBHOOKS}/{guarded.namespace}"]
    assert done(guarded.trysail(*guarded.restore))["created"] == 1
    assert guarded.has_webhook()


@contextmanager
def _guarded(plane: ControlPlane, folder: Path) -> Iterator[Guarded]:
    """Backed up and lost."""
    namespace = f"guarded-{secrets.token_hex(4)}"
    trysail = Trysail(folder, {"KUBECONFIG": str(plane.kubeconfig)})
    create(plane, _objects(namespace))
    policy = trysail.policy(
        location=folder_place(folder / "backups").location,
        includedNamespaces=[namespace],
        includedClusterScopedResources="all",
        excludedNamespaceScopedResources=RESTLESS,
        includedItems=[{"namespace": namespace, "name": "*"}, {"name": f"*{namespace}*"}],
    )
    backed_up(trysail, policy)
    _lose(plane, namespace)
    yield Guarded(trysail, plane, namespace, policy)
    _lose(plane, namespace)
    plane.kubectl("label", "node", "node-1", f"{namespace}-")


def _lose(plane: ControlPlane, namespace: str) -> None:
    plane.kubectl("delete", WEBHOOKS, namespace, "--ignore-not-found")
    emptied(plane, namespace)
    plane.kubectl("delete", "crd", f"rules.{namespace}.example.com", "--ignore-not-found")


def _objects(namespace: str) -> list[Json]:
    labels = {"app": "guard"}
    pod = {
        "nodeSelector": {namespace: "here"},
        "containers": [{"name": "guard", "image": "example.com/guard"}],
        "terminationGracePeriodSeconds": 1,
    }
    deployment = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    service = {"selector": labels, "ports": [{"port": 443}]}
    items: list[Json] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"strict": "true"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "guard"}, "spec": service},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "guard"}, "spec": deployment},
        {"apiVersion": f"{namespace}.example.com/v1", "kind": "Rule", "metadata": {"name": "one"}},
    ]
    for item in items:
        item["metadata"]["namespace"] = namespace
    namespaced = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    return [namespaced, _definition(namespace), *items, _webhook(namespace)]


def _definition(namespace: str) -> Json:
    """Of a type that converts by a webhook, which is not asked as long as there is one version."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    client = {"service": {"namespace": namespace, "name": "guard", "path": "/convert"}}
    spec = {
        "group": f"{namespace}.example.com",
        "scope": "Namespaced",
        "names": {"plural": "rules", "singular": "rule", "kind": "Rule", "listKind": "RuleList"},
        "versions": [version],
        "conversion": {
            "strategy": "Webhook",
            "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]},
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"rules.{namespace}.example.com"},
        "spec": spec,
    }


def _webhook(namespace: str) -> Json:
    """Every ConfigMap of the namespace is refused while nothing answers, which it never does."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    hook = {
        "name": f"guard.{namespace}.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 1,
        "clientConfig": {"service": {"namespace": namespace, "name": "guard", "path": "/"}},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [hook],
    }
