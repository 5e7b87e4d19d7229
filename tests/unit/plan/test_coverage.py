"""Tests of what no policy protects: honest about namespaces and volumes, and about decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.model.cluster import DiscoveryFailure
from runner.model.inventory import Inventory, PodFacts, PodVolume, Row, Unreadable
from runner.plan.backup import plan_backup
from runner.plan.coverage import Coverage, Judged, coverage
from runner.plan.selection import Selection
from tests.unit.plan.build import claim, named, namespace, policy, row, seen, volume

KEEP: dict[str, Any] = {
    "snapshotLocation": {"provider": "aws", "config": {"region": "eu-west-1"}},
    "volumePolicies": [{"conditions": {"volumeTypes": ["emptyDir"]}, "action": {"type": "skip", "reason": "scratch"}}],
}
SKIPPED = "volumePolicies[0]: volumeTypes emptyDir (scratch)"
EMPTY = {"configmaps": named("kube-root-ca.crt"), "serviceaccounts": named("default")}


def pod(name: str, *volumes: PodVolume, phase: str = "Running", **fields: Any) -> Row:
    """A Pod with volumes of its own."""
    facts = PodFacts(claims=(), priority_class="", service_account="default", volumes=volumes, phase=phase)
    return row(name, facts=facts, **fields)


CACHE = PodVolume("cache", "emptyDir")
SHOP: dict[str, Any] = {
    "shop/configmaps": named("web", "kube-root-ca.crt"),
    "shop/persistentvolumeclaims": [claim("data", "pv-1"), claim("pending")],
    "shop/pods": [pod("web-0", CACHE, PodVolume("shm", "emptyDir", memory=True))],
    "other/persistentvolumeclaims": [claim("data", "pv-2")],
    "persistentvolumes": [volume("pv-1", "shop/data"), volume("pv-2", "other/data"), volume("pv-3", "gone/data")],
}


def looked(contents: dict[str, Any] | Inventory, **policies: dict[str, Any]) -> Coverage:
    """The coverage of a cluster by policies: name=spec."""
    inventory = contents if isinstance(contents, Inventory) else seen(contents)
    judged = []
    for name, spec in policies.items():
        resolved = policy(**spec)
        location = resolved.policy.spec.snapshot_location
        assert not isinstance(location, str)
        plan = plan_backup(replace(resolved, snapshot_location=location), inventory)
        judged.append(Judged(name, Selection(resolved.policy.spec), plan))
    return coverage(inventory, judged)


def volumes_of(found: Coverage) -> dict[str, str]:
    """The volumes that are kept by no policy, with the reason."""
    return {volume.name: volume.why for volume in found.open_volumes}


def namespaces_of(found: Coverage) -> dict[str, str]:
    """The namespaces that no policy protects, with the reason."""
    return {one.name: one.why for one in found.open_namespaces}


# volumes


def test_every_volume_is_kept_or_named() -> None:
    """Bound claims, PersistentVolumes that no claim has, volumes within Pods; a claim that is unbound holds nothing."""
    found = looked(SHOP, a={"includedNamespaces": ["shop"], **KEEP})
    assert volumes_of(found) == {
        "other/data": "policy a: not in includedNamespaces",
        "pv-3": "policy a: nothing selected is related to it",
    }
    assert [(volume.name, volume.why) for volume in found.on_purpose] == [("shop/web-0:cache", f"policy a: {SKIPPED}")]
    assert found.volumes == 4
    assert found.findings


def test_what_one_policy_keeps_is_kept() -> None:
    """Whatever the others say of it."""
    found = looked(SHOP, a={"onUncovered": "warn"}, b=KEEP)
    assert not found.findings
    assert volumes_of(found) == {}
    assert found.policies == ("a", "b")


def test_the_nearest_reason_is_told() -> None:
    """That of the policy which came closest: its own line before its filters, an exclusion before no inclusion."""
    far, near = {"includedNamespaces": ["x"], **KEEP}, {"includedNamespaces": ["shop"]}
    found = looked(SHOP, a=far, b=near)
    assert volumes_of(found)["shop/data"] == "policy b: no rule protects it"
    excluded = {"includedNamespaces": ["*"], "excludedNamespaces": ["other"], **KEEP}
    found = looked(SHOP, a=far, c=excluded)
    assert volumes_of(found)["other/data"] == 'policy c: excludedNamespaces "other"'
    without_claims = {"excludedResources": ["persistentvolumeclaims", "persistentvolumes"], **KEEP}
    found = looked(SHOP, a=excluded, b=without_claims)
    assert volumes_of(found)["other/data"] == 'policy b: excludedResources "persistentvolumeclaims"'


@pytest.mark.parametrize("phase", ["Pending", "Lost"])
def test_a_volume_whose_name_a_claim_only_gives_is_not_that_claims(phase: str) -> None:
    """It is a finding by itself: it holds data, and the claim does not have it. What is Lost is missed as well."""
    contents = {
        "shop/persistentvolumeclaims": [claim("data", "pv-1", phase=phase)],
        "persistentvolumes": [volume("pv-1", "shop/data")],
    }
    found = volumes_of(looked(contents, a={}))
    lost = "policy a: the claim is Lost: its PersistentVolume is gone, or bound to another claim"
    assert found.pop("pv-1") == "policy a: no rule protects it"
    assert found == ({"shop/data": lost} if phase == "Lost" else {})
    assert "pv-1" not in volumes_of(looked(contents, a=KEEP))


def test_a_decision_is_no_finding() -> None:
    """A rule that skips in any policy, or a label on the claim itself; but no filter, however it is meant."""
    labelled = claim("data", "pv-1", labels={"trysail.dev/exclude-from-backup": "true"})
    disk = volume("pv-1", "shop/data", labels={"trysail.dev/exclude-from-backup": "true"})
    contents = {"shop/persistentvolumeclaims": [labelled], "shop/configmaps": named("a"), "persistentvolumes": [disk]}
    found = looked(contents, a=KEEP)
    assert not found.findings
    assert [volume.why for volume in found.on_purpose] == ["policy a: label trysail.dev/exclude-from-backup=true"]
    skip = {"volumePolicies": [{"action": {"type": "skip", "reason": "disposable"}}]}
    found = looked(SHOP, a=skip, b={"onUncovered": "warn"})
    assert not found.open_volumes
    assert {volume.why for volume in found.on_purpose} == {"policy a: volumePolicies[0]: every volume (disposable)"}
    by_name = {"excludedItems": [{"resource": "persistentvolumeclaims", "name": "data"}], **KEEP}
    found = looked(SHOP, a={**by_name, "includedClusterScopedResources": []})
    assert volumes_of(found)["shop/data"] == "policy a: excludedItems persistentvolumeclaims/data"


@pytest.mark.parametrize("scope", [{}, {"includedClusterScopedResources": "related"}])
@pytest.mark.parametrize("on_claim", [True, False])
def test_a_label_on_claim_or_namespace_is_a_decision_on_its_volume(scope: dict[str, Any], on_claim: bool) -> None:
    """Whatever label the PersistentVolume itself has; the namespace is named all the same."""
    label = {"trysail.dev/exclude-from-backup": "true"}
    contents = {
        "shop/persistentvolumeclaims": [claim("data", "pv-1", labels=label if on_claim else {})],
        "persistentvolumes": [volume("pv-1", "shop/data")],
    }
    inventory = seen(contents, namespaces=[namespace("shop", {} if on_claim else label)])
    found = looked(inventory, a={**KEEP, **scope})
    assert not found.open_volumes
    (left,) = found.on_purpose
    assert left.why.startswith("policy a: label trysail.dev/exclude-from-backup=true")
    assert list(namespaces_of(found)) == ["shop"]


def test_what_holds_no_data_is_not_counted() -> None:
    """Volumes in memory, of Pods that are over, and of what is being deleted; a claim that is unbound."""
    contents = {
        "shop/pods": [pod("done", CACHE, phase="Succeeded"), pod("dying", CACHE, terminating=True),
                      pod("fast", PodVolume("shm", "emptyDir", memory=True))],
        "shop/persistentvolumeclaims": [claim("dying", "pv-1", terminating=True), claim("pending")],
        "persistentvolumes": [volume("pv-1", "shop/dying")],
    }  # fmt: skip
    found = looked(contents, a={})
    assert found.volumes == 0
    assert not found.findings


# namespaces


def test_namespaces_that_no_filter_takes() -> None:
    """The system's own as any other, with the number of their items; each with why."""
    contents = {**SHOP, "kube-system/configmaps": named("a", "b"), "default/serviceaccounts": named("default")}
    found = looked(contents, a={"includedNamespaces": ["shop"]})
    assert namespaces_of(found) == {
        "kube-system": "policy a: not in includedNamespaces",
        "other": "policy a: not in includedNamespaces",
    }
    assert [one.items for one in found.open_namespaces] == [2, 1]
    assert found.namespaces == 3


def test_an_empty_namespace_is_no_finding() -> None:
    """It has what every namespace has, and old events."""
    contents = {f"bare/{name}": rows for name, rows in EMPTY.items()}
    contents |= {"bare/events": named("e"), "bare/events.events.k8s.io": named("e"), "shop/secrets": named("tls")}
    found = looked(contents, a={"includedNamespaces": ["shop"]})
    assert not found.findings
    assert found.namespaces == 1


def test_a_namespace_that_goes_is_no_finding() -> None:
    """Nobody could protect it any more."""
    inventory = seen({"old/secrets": named("tls")}, namespaces=[namespace("old", phase="Terminating")])
    assert not looked(inventory, a={"includedNamespaces": ["shop"], "allowEmpty": True}).open_namespaces


def test_a_namespace_of_which_nothing_is_stored_is_not_protected() -> None:
    """A policy that takes it and then nothing in it protects nothing."""
    found = looked(SHOP, a={"includedResources": ["secrets"], "includedNamespaces": ["shop"]})
    assert namespaces_of(found)["shop"] == "policy a: nothing in it is selected"


# what cannot be read


def test_what_cannot_be_read_is_a_finding() -> None:
    """Nobody knows whether it is protected."""
    inventory = seen(
        {"shop/secrets": named("tls")},
        unreadable=[Unreadable("pods", "shop", "forbidden")],
        failures=[DiscoveryFailure("metrics.k8s.io/v1beta1", "stale")],
    )
    found = looked(inventory, a={})
    assert found.findings
    assert [(gap.what, gap.reason) for gap in found.unreadable] == [
        ("every type of metrics.k8s.io/v1beta1", "stale"),
        ("pods in namespace shop", "forbidden"),
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_policies_does_not_matter(order: int) -> None:
    """The same answer, whichever file came first."""
    specs = [("a", {"includedNamespaces": ["x"]}), ("b", {"includedNamespaces": ["y"]}), ("c", {})]
    assert looked(SHOP, **dict(specs[::order])) == looked(SHOP, **dict(specs))
