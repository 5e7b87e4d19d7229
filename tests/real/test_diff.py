"""A backup held against the live cluster that it was made of, and against a later backup."""

from __future__ import annotations

import json

import pytest

from tests.parts.controlplane import ControlPlane
from tests.real.places import Place
from tests.real.trysail import Trysail
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

TYPES = ["configmaps", "secrets", "deployments.apps", "serviceaccounts"]


def test_a_backup_and_its_cluster(trysail: Trysail, weed: Place, control_plane: ControlPlane, namespace: str) -> None:
    """Nothing differs, not even once an object was made anew; then exactly what was changed, live and stored."""

    def kubectl(*words: str) -> None:
        control_plane.kubectl(*words, "-n", namespace)

    def settled() -> bool:
        raw = control_plane.kubectl("get", "deployment", "web", "-n", namespace, "-o", "json").stdout
        return bool(json.loads(raw).get("status", {}).get("replicas"))

    kubectl("wait", "--for=create", "serviceaccount/default", "configmap/kube-root-ca.crt", "--timeout=60s")
    kubectl("create", "configmap", "settings", "--from-literal=mode=on")
    kubectl("create", "secret", "generic", "password", "--from-literal=key=first")
    kubectl("create", "deployment", "web", "--image=web:1")
    wait_for(settled, "the Deployment's first Pod")
    policy = trysail.policy(
        location=weed.location, includedNamespaces=[namespace], includedNamespaceScopedResources=TYPES
    )
    trysail("run", "-f", policy, "--auto-approve")
    kubectl("delete", "configmap", "settings")
    kubectl("create", "configmap", "settings", "--from-literal=mode=on")
    assert "No differences." in trysail("diff", "latest", "-f", policy).out

    kubectl("set", "image", "deployment/web", "web=web:2")
    kubectl("patch", "secret", "password", "--type=merge", '-p={"stringData":{"key":"second"}}')
    kubectl("create", "configmap", "new")
    kubectl("delete", "configmap", "settings")
    live = trysail("diff", "latest", "-f", policy, "-o", "json", code=1)
    assert "c2Vjb25k" not in live.out
    found = json.loads(live.out)
    assert [one["name"] for one in found["added"]] == ["new"]
    assert [one["name"] for one in found["removed"]] == ["settings"]
    changed = {one["name"]: [field["path"] for field in one["fields"]] for one in found["changed"]}
    assert changed["password"] == ["data.key"]
    assert "spec.template.spec.containers[name=web].image" in changed["web"]

    first = trysail("list", "-f", policy, "-o", "name").out.strip()
    trysail("run", "-f", policy, "--auto-approve")
    between = json.loads(trysail("diff", first, "latest", "-f", policy, "-o", "json", code=1).out)
    assert {name: between[name] for name in ("added", "removed", "counts")} == {
        name: found[name] for name in ("added", "removed", "counts")
    }
    assert "No differences." in trysail("diff", "latest", "-f", policy).out
