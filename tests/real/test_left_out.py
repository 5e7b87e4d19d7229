"""What is there and cannot be stored: an aggregated API whose backend is down, and what is being deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.real.places import Place
from tests.real.trysail import Trysail

pytestmark = pytest.mark.real

Json = dict[str, Any]

GONE: Final = "gone.example.com"
FINALIZER: Final = "example.com/never"
SERVICE: Final = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    "metadata": {"name": f"v1beta1.{GONE}"},
    "spec": {
        "group": GONE,
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 10,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "default", "name": "nothing"},
    },
}


@pytest.fixture
def broken_api(control_plane: ControlPlane) -> Iterator[str]:
    """The group of an aggregated API without a backend, as a metrics server leaves behind that was uninstalled."""
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(SERVICE).encode())
    missing = "--for=jsonpath={.status.conditions[0].reason}=ServiceNotFound"
    control_plane.kubectl("wait", missing, f"apiservice/v1beta1.{GONE}", "--timeout=60s")
    yield GONE
    control_plane.kubectl("delete", "apiservice", f"v1beta1.{GONE}")


@pytest.fixture
def terminating(control_plane: ControlPlane, namespace: str) -> Iterator[str]:
    """A namespace with a ConfigMap that is being deleted and that a finalizer holds, and one that stays."""
    held = {"metadata": {"name": "held", "namespace": namespace, "finalizers": [FINALIZER]}}
    made = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", **held}).encode()
    control_plane.kubectl("create", "-f", "-", stdin=made)
    control_plane.kubectl("create", "configmap", "stays", "-n", namespace)
    control_plane.kubectl("wait", "--for=create", "configmap/kube-root-ca.crt", "-n", namespace, "--timeout=60s")
    control_plane.kubectl("delete", "configmap", "held", "-n", namespace, "--wait=false")
    yield namespace
    release = '{"metadata": {"finalizers": null}}'
    control_plane.kubectl("patch", "configmap", "held", "-n", namespace, "--type=merge", "-p", release)


def test_an_api_whose_backend_is_down_is_a_line(trysail: Trysail, weed: Place, namespace: str, broken_api: str) -> None:
    """The plan names every type of it and exits with 4; a run stores all else, says what is missing, exits with 3."""
    policy = trysail.policy(location=weed.location, includedNamespaces=[namespace])
    plan = trysail("plan", "-f", policy, code=4).out
    assert f"? every type of {broken_api}/v1beta1" in plan
    ended = trysail("run", "-f", policy, "--auto-approve", code=3)
    assert f"? every type of {broken_api}/v1beta1 its API server did not answer" in ended.said
    manifest = weed.manifest()
    assert [gap["what"] for gap in manifest["missing"]] == [f"every type of {broken_api}/v1beta1"]
    assert manifest["items"] > 0
    trysail("verify", manifest["name"], "-f", policy)


def test_an_api_that_is_excluded_may_be_down(trysail: Trysail, weed: Place, namespace: str, broken_api: str) -> None:
    """Who leaves the group out by a pattern hears no more of it; the same for who names the types that count."""
    excluded = {"excludedNamespaceScopedResources": [f"*.{broken_api}"]}
    policy = trysail.policy(location=weed.location, includedNamespaces=[namespace], **excluded)
    trysail("run", "-f", policy, "--auto-approve")
    named = {"includedNamespaceScopedResources": ["configmaps"]}
    policy = trysail.policy("named", location=weed.location, includedNamespaces=[namespace], **named)
    trysail("run", "-f", policy, "--auto-approve")


def test_a_pattern_that_may_mean_the_broken_api(trysail: Trysail, weed: Place, namespace: str, broken_api: str) -> None:
    """A type that is asked for and not found may be one of those that could not be discovered."""
    named = {"includedNamespaceScopedResources": ["configmaps", f"widgets.{broken_api}"]}
    policy = trysail.policy(location=weed.location, includedNamespaces=[namespace], **named)
    plan = json.loads(trysail("plan", "-f", policy, "-o", "json", code=4).out)
    assert [gap["what"] for gap in plan["gaps"]] == [f"every type of {broken_api}/v1beta1"]
    assert plan["emptyIncludes"] == [f'"widgets.{broken_api}" matches no type']


def test_an_inventory_remembers_the_broken_api(trysail: Trysail, weed: Place, namespace: str, broken_api: str) -> None:
    """A plan from the saved inventory has the same gap, long after."""
    inventory = trysail.folder / "inventory.json"
    ended = trysail("inventory", "--out", inventory, code=4)
    assert f"Could not be discovered: {broken_api}/v1beta1" in ended.err
    policy = trysail.policy(location=weed.location, includedNamespaces=[namespace])
    plan = trysail("plan", "-f", policy, "--inventory", inventory, code=4).out
    assert f"? every type of {broken_api}/v1beta1" in plan


def test_an_object_that_is_being_deleted_is_left_out(trysail: Trysail, weed: Place, terminating: str) -> None:
    """The run says so and why, the backup is complete without it."""
    policy = trysail.policy(
        location=weed.location, includedNamespaces=[terminating], includedNamespaceScopedResources=["configmaps"]
    )
    trysail("plan", "-f", policy)
    ended = trysail("run", "-f", policy, "--auto-approve")
    assert "- 1 configmaps (it is being deleted)" in ended.out
    manifest = weed.manifest()
    assert manifest["leftOut"] == [{"what": "configmaps", "why": "it is being deleted", "count": 1}]
    got = trysail("get", "latest", "configmaps", "-A", "-o", "name", "-f", policy).out
    assert got.splitlines() == [f"{terminating}/configmaps/{name}" for name in ("kube-root-ca.crt", "stays")]


def test_a_namespace_that_is_being_deleted_is_left_out(
    trysail: Trysail, weed: Place, control_plane: ControlPlane, terminating: str
) -> None:
    """With the reason in the plan; a policy that selects nothing else has a finding, and no backup is worth making."""
    control_plane.kubectl("delete", "namespace", terminating, "--wait=false")
    policy = trysail.policy(location=weed.location, includedNamespaces=[terminating])
    plan = json.loads(trysail("plan", "-f", policy, "-o", "json", code=4).out)
    assert {"what": f"namespace {terminating}", "why": "it is being deleted"} in plan["leftOut"]
    assert plan["steps"] == []
    assert plan["emptyIncludes"] == ["the policy selects no item at all"]
