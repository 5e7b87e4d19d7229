"""What may not be read is a line in the plan and decides the exit code: never silence, and never the end of a run."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.real.agreeing import agreed
from tests.real.places import Place
from tests.real.trysail import Trysail

pytestmark = pytest.mark.real

Json = dict[str, Any]
Grant = Callable[..., None]

FIRST, SECOND = "forbidden-a", "forbidden-b"
NAMESPACED: Final[Json] = {"includedNamespaces": [FIRST, SECOND], "includedClusterScopedResources": []}
RBAC: Final = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """Two namespaces with a ConfigMap and a Secret each."""
    for namespace in (FIRST, SECOND):
        control_plane.kubectl("create", "namespace", namespace)
        control_plane.kubectl("create", "configmap", "settings", "-n", namespace)
        control_plane.kubectl("create", "secret", "generic", "password", "--from-literal=a=b", "-n", namespace)
        control_plane.kubectl("wait", "--for=create", "configmap/kube-root-ca.crt", "-n", namespace, "--timeout=60s")
        control_plane.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=60s")
    return control_plane


@pytest.fixture
def grant(cluster: ControlPlane) -> Iterator[Grant]:
    """Gives viewer rights, in a namespace or everywhere, and takes them back in the end."""
    given: list[bytes] = []

    def give(*resources: str, namespace: str = "") -> None:
        rule = {"apiGroups": ["*"], "resources": list(resources), "verbs": ["get", "list"]}
        prefix = "" if namespace else "Cluster"
        name = f"viewer-{secrets.token_hex(4)}"
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        role = {"apiVersion": f"{RBAC}/v1", "kind": f"{prefix}Role", "metadata": metadata, "rules": [rule]}
        binding = {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{prefix}RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": f"{prefix}Role", "name": name},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "viewer"}],
        }
        listed = {"apiVersion": "v1", "kind": "List", "items": [role, binding]}
        given.append(json.dumps(listed).encode())
        cluster.kubectl("create", "-f", "-", stdin=given[-1])
        asked = resources[0].replace("*", "pods")
        where = ("-n", namespace) if namespace else ("-A",)
        context = cluster.context("viewer")
        # The API server's authorizer learns of the role a moment after it is made.
        while cluster.kubectl("auth", "can-i", "get", asked, *where, context=context, check=False).returncode:
            continue

    yield give
    for listed in given:
        cluster.kubectl("delete", "-f", "-", "--wait=false", stdin=listed)


@pytest.fixture
def viewer(cluster: ControlPlane) -> str:
    """The context of a user with no rights but those that a test grants."""
    return cluster.context("viewer")


def test_each_namespace_is_listed_where_the_cluster_may_not_be(
    trysail: Trysail, weed: Place, grant: Grant, viewer: str
) -> None:
    """Rights in the namespaces alone give the very plan that an admin has, and a complete backup."""
    grant("namespaces")
    grant("*", namespace=FIRST)
    grant("*", namespace=SECOND)
    policy = trysail.policy(location=weed.location, **NAMESPACED)
    agreed(
        lambda: trysail("plan", "-f", policy, "-o", "json").out,
        lambda: trysail("plan", "-f", policy, "--context", viewer, "-o", "json").out,
    )
    trysail("run", "-f", policy, "--context", viewer, "--auto-approve")
    assert weed.manifest()["phase"] == "Completed"
    trysail("verify", "latest", "-f", policy)


def test_a_type_that_may_not_be_read_anywhere(trysail: Trysail, weed: Place, grant: Grant, viewer: str) -> None:
    """Is a line for each selected namespace; the plan exits with 4, the run stores the rest and exits with 3."""
    grant("namespaces")
    for namespace in (FIRST, SECOND):
        grant("configmaps", "serviceaccounts", namespace=namespace)
    spec = {**NAMESPACED, "includedNamespaceScopedResources": ["configmaps", "secrets", "serviceaccounts"]}
    policy = trysail.policy(location=weed.location, **spec)
    plan = trysail("plan", "-f", policy, "--context", viewer, code=4).out
    assert f"? secrets in namespace {FIRST}" in plan
    assert f"? secrets in namespace {SECOND}" in plan
    ended = trysail("run", "-f", policy, "--context", viewer, "--auto-approve", code=3)
    manifest = weed.manifest()
    assert manifest["phase"] == "PartiallyFailed"
    missing = [gap["what"] for gap in manifest["missing"]]
    assert missing == [f"secrets in namespace {FIRST}", f"secrets in namespace {SECOND}"]
    for what in missing:
        assert f"? {what} secrets is forbidden" in ended.said
        assert f"Missing: {what}: secrets is forbidden" in ended.err
    assert manifest["items"] == 8  # of each namespace: itself, two ConfigMaps and the ServiceAccount
    trysail("verify", manifest["name"], "-f", policy)


def test_a_type_that_may_not_be_read_in_one_namespace(trysail: Trysail, weed: Place, grant: Grant, viewer: str) -> None:
    """Is one line; the other namespace's items are stored."""
    grant("namespaces")
    grant("*", namespace=FIRST)
    grant("configmaps", namespace=SECOND)
    spec = {**NAMESPACED, "includedNamespaceScopedResources": ["configmaps", "secrets"]}
    policy = trysail.policy(location=weed.location, **spec)
    trysail("run", "-f", policy, "--context", viewer, "--auto-approve", code=3)
    manifest = weed.manifest()
    assert [gap["what"] for gap in manifest["missing"]] == [f"secrets in namespace {SECOND}"]
    got = trysail("get", manifest["name"], "secrets", "-A", "-o", "name", "-f", policy).out
    assert got == f"{FIRST}/secrets/password\n"


def test_what_is_not_selected_need_not_be_readable(trysail: Trysail, weed: Place, grant: Grant, viewer: str) -> None:
    """A type that the policy leaves out is not asked for, and no gap."""
    grant("namespaces")
    for namespace in (FIRST, SECOND):
        grant("configmaps", namespace=namespace)
    spec = {**NAMESPACED, "includedNamespaceScopedResources": ["configmaps"]}
    policy = trysail.policy(location=weed.location, **spec)
    trysail("run", "-f", policy, "--context", viewer, "--auto-approve")
    assert weed.manifest()["missing"] == []


def test_cluster_scoped_types_that_may_not_be_read(trysail: Trysail, weed: Place, grant: Grant, viewer: str) -> None:
    """Whether anything is related to what is selected is not known then: a line each."""
    grant("namespaces")
    grant("*", namespace=FIRST)
    policy = trysail.policy(location=weed.location, includedNamespaces=[FIRST])
    plan = json.loads(trysail("plan", "-f", policy, "--context", viewer, "-o", "json", code=4).out)
    assert [gap["what"] for gap in plan["gaps"]] == [
        f"clusterrolebindings.{RBAC}",
        f"clusterroles.{RBAC}",
        "customresourcedefinitions.apiextensions.k8s.io",
        "persistentvolumes",
    ]


def test_namespaces_that_are_named_need_not_be_listed(trysail: Trysail, weed: Place, grant: Grant, viewer: str) -> None:
    """Who has rights in one namespace, which reach to its own object and to no list of them, backs it up by name."""
    grant("*", namespace=FIRST)
    spec = {**NAMESPACED, "includedNamespaces": [FIRST], "includedNamespaceScopedResources": ["configmaps"]}
    policy = trysail.policy(location=weed.location, **spec)
    trysail("run", "-f", policy, "--context", viewer, "--auto-approve")
    got = trysail("get", "latest", "-f", policy).out
    assert got == f"namespaces/{FIRST}\n{FIRST}/configmaps/kube-root-ca.crt\n{FIRST}/configmaps/settings\n"


def test_globs_need_the_list_of_namespaces(trysail: Trysail, weed: Place, grant: Grant, viewer: str) -> None:
    """Which namespaces a glob means is not to be known then: an error with both ways out."""
    grant("*", namespace=FIRST)
    policy = trysail.policy(location=weed.location, includedNamespaces=["forbidden-*"])
    ended = trysail("plan", "-f", policy, "--context", viewer, code=1)
    assert 'User "viewer" cannot list resource "namespaces"' in ended.err
    assert "hint: grant list on namespaces, or name them in includedNamespaces without globs" in ended.err


def test_an_inventory_names_what_may_not_be_read(trysail: Trysail, weed: Place, grant: Grant, viewer: str) -> None:
    """It exits with 4 and says so; the plan that is made from it has the same gaps as the live one."""
    grant("namespaces")
    grant("configmaps", namespace=FIRST)
    policy = trysail.policy(
        location=weed.location,
        includedNamespaces=[FIRST],
        includedClusterScopedResources=[],
        includedNamespaceScopedResources=["configmaps", "secrets"],
    )
    inventory = trysail.folder / "inventory.json"

    def from_inventory() -> str:
        ended = trysail("inventory", "--out", inventory, "--context", viewer, code=4)
        assert f"Could not be read: secrets in namespace {FIRST}: secrets is forbidden" in ended.err
        return trysail("plan", "-f", policy, "--inventory", inventory, "-o", "json", code=4).out

    saved = agreed(lambda: trysail("plan", "-f", policy, "--context", viewer, "-o", "json", code=4).out, from_inventory)
    assert [gap["what"] for gap in json.loads(saved)["gaps"]] == [f"secrets in namespace {FIRST}"]


def test_nobody_reads_nothing(trysail: Trysail, weed: Place, cluster: ControlPlane) -> None:
    """A user without any rights is told so; a run that could store nothing makes no backup and does not pretend."""
    nobody = cluster.context("nobody")
    by_glob = trysail.policy("glob", location=weed.location, includedNamespaces=["forbidden-*"])
    assert (
        'User "nobody" cannot list resource "namespaces"'
        in trysail("run", "-f", by_glob, "--context", nobody, "--auto-approve", code=1).err
    )
    unnamed = trysail.policy("unnamed", location=weed.location, includedNamespaces=[FIRST], clusterName=None)
    assert "set spec.clusterName" in trysail("plan", "-f", unnamed, "--context", nobody, code=1).err
    named = trysail.policy(location=weed.location, includedNamespaces=[FIRST])
    plan = trysail("plan", "-f", named, "--context", nobody, code=4).out
    assert "Plan: 0 to store" in plan
    assert f"? configmaps in namespace {FIRST}" in plan
