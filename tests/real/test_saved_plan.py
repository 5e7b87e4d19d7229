"""A saved plan is run as it was reviewed, or not at all: what makes it stale, and what is merely different."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.real.places import Place
from tests.real.trysail import Ended, Trysail

pytestmark = pytest.mark.real

Json = dict[str, Any]

SHOP: Final = Path(__file__).parents[2] / "examples" / "clusters" / "shop"
GROUP: Final = "plans.example.com"


@dataclass(frozen=True)
class Saved:
    """A plan that somebody has reviewed, of a namespace with a ConfigMap and a claim."""

    trysail: Trysail
    cluster: ControlPlane
    place: Place
    namespace: str
    policy: Path
    plan: Path

    def make(self) -> None:
        """Plans, of the cluster as it is."""
        self.trysail("plan", "-f", self.policy, "--out", self.plan)

    def run(self, *more: str | Path, code: int = 0) -> Ended:
        """Runs it."""
        return self.trysail("run", self.plan, *more, code=code)

    def stale(self, *more: str | Path) -> str:
        """Why it may not be run any more; nothing is written."""
        ended = self.run(*more, code=5)
        assert "Error: the saved plan does not fit any more" in ended.err
        assert "hint: make a new one: trysail plan --out plan.json" in ended.err
        assert self.place.all_keys() == []
        return ended.err


@pytest.fixture
def widgets(control_plane: ControlPlane, namespace: str) -> Iterator[str]:
    """A type of the test's own."""
    plural = f"widgets{namespace.removeprefix('test-')}"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": plural[:-1], "kind": plural.capitalize()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(crd).encode())
    control_plane.kubectl("wait", "--for=condition=Established", f"crd/{plural}.{GROUP}", "--timeout=60s")
    yield plural
    control_plane.kubectl("delete", "crd", f"{plural}.{GROUP}", "--ignore-not-found", "--wait=false")


@pytest.fixture
def saved(trysail: Trysail, weed: Place, control_plane: ControlPlane, namespace: str) -> Saved:
    """Planned, and nothing has changed yet."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "no"}
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": claim},
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()
    control_plane.kubectl("create", "-n", namespace, "-f", "-", stdin=listed)
    for name in ("configmap/kube-root-ca.crt", "serviceaccount/default"):
        control_plane.kubectl("wait", "--for=create", name, "-n", namespace, "--timeout=60s")
    policy = trysail.policy(
        location=weed.location, includedNamespaces=[namespace], excludedNamespaceScopedResources=["events"]
    )
    found = Saved(trysail, control_plane, weed, namespace, policy, trysail.folder / "plan.json")
    found.make()
    return found


def test_it_is_what_is_run(saved: Saved) -> None:
    """The very plan lies in the backup, and nobody is asked: somebody has reviewed it."""
    ended = saved.run("-f", saved.policy)
    assert "since the plan was made" not in ended.err
    assert saved.place.read("plan.json") == saved.plan.read_bytes()
    saved.trysail("verify", "latest", "-f", saved.policy)


def test_another_cluster(saved: Saved) -> None:
    """A plan taken to another cluster is refused, with both names."""
    plan = json.loads(saved.plan.read_bytes())
    reason = saved.stale("--manifests", SHOP)
    assert f"it was made for the cluster with UID {plan['cluster']['uid']}, this one is " in reason


def test_a_changed_policy(saved: Saved) -> None:
    """With -f the policy is held against the plan's own; a plan that nobody updated is refused."""
    location = saved.place.location
    changed = saved.trysail.policy("shop", location=location, includedNamespaces=["*"])
    assert "the policy shop has changed since" in saved.stale("-f", changed)


def test_a_changed_location(saved: Saved) -> None:
    """The same for where backups are kept."""
    elsewhere = {"provider": "filesystem", "path": str(saved.trysail.folder / "elsewhere")}
    moved = saved.trysail.policy(
        location=elsewhere, includedNamespaces=[saved.namespace], excludedNamespaceScopedResources=["events"]
    )
    assert "the storage location has changed since" in saved.stale("-f", moved)


def test_a_type_that_is_gone(saved: Saved, widgets: str) -> None:
    """Its CRD was deleted: a planned type is not served any more."""
    item = {"apiVersion": f"{GROUP}/v1", "kind": widgets.capitalize(), "metadata": {"name": "one"}}
    saved.cluster.kubectl("create", "-n", saved.namespace, "-f", "-", stdin=json.dumps(item).encode())
    saved.make()
    saved.cluster.kubectl("delete", "crd", f"{widgets}.{GROUP}", "--timeout=60s")
    assert f"type {widgets}.{GROUP} is not served any more" in saved.stale()


def test_a_namespace_that_is_gone(saved: Saved) -> None:
    """A planned namespace is not there any more."""
    saved.cluster.kubectl("delete", "namespace", saved.namespace, "--timeout=60s")
    assert f"namespace {saved.namespace} is gone" in saved.stale()


def test_a_volume_that_is_gone(saved: Saved) -> None:
    """A planned claim is not there any more."""
    saved.cluster.kubectl("delete", "pvc", "data", "-n", saved.namespace, "--timeout=60s")
    assert f"persistentvolumeclaims/{saved.namespace}/data is gone" in saved.stale()


def test_other_differences_are_said_and_stored(saved: Saved) -> None:
    """More or fewer items than planned are no reason to stop: they are reported, and what is there is stored."""
    saved.cluster.kubectl("create", "configmap", "later", "-n", saved.namespace)
    saved.cluster.kubectl("create", "secret", "generic", "new-type", "--from-literal=a=b", "-n", saved.namespace)
    ended = saved.run()
    said = "Warning: since the plan was made, "
    assert f"{said}configmaps in {saved.namespace}: 3 items now, 2 when it was planned" in ended.err
    assert f"{said}secrets in {saved.namespace}: new since the plan, not stored" in ended.err
    got = saved.trysail("get", "latest", "-f", saved.policy).out
    assert f"{saved.namespace}/configmaps/later" in got
    assert "secrets" not in got
    saved.trysail("verify", "latest", "-f", saved.policy)


def test_one_that_was_altered(saved: Saved) -> None:
    """A plan whose digest does not fit is no plan: somebody has changed what was reviewed."""
    saved.plan.write_bytes(
        saved.plan.read_bytes().replace(b'"settings"', b'"secret"').replace(b'"count": 2', b'"count": 3')
    )
    ended = saved.run(code=1)
    assert "the plan was altered after it was made" in ended.err
    assert saved.place.all_keys() == []
