"""What is known before anything is touched: plans that are kept, what a dry run says, which rights are missing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.parts.controlplane import ControlPlane
from tests.real.admission import Webhook, calling, denying
from tests.real.places import folder_place
from tests.real.restores import backed_up, fates, make, planned, reasons, unverifiable
from tests.real.trysail import Ended, Trysail, assert_no_secret
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]

SUNDAYS: Final = "not on Sundays"
RBAC: Final = "rbac.authorization.k8s.io"
PASSWORDS: Final = ("open sesame, first", "open sesame, second")


@dataclass(frozen=True)
class World:
    """A namespace that lives, and a backup of it."""

    trysail: Trysail
    plane: ControlPlane
    namespace: str
    policy: Path

    @property
    def words(self) -> tuple[str | Path, ...]:
        """What each restore begins with."""
        return ("latest", "-f", self.policy)

    def item(self, resource: str, name: str) -> str:
        """As plans call it here."""
        return f"{self.namespace}/{resource}/{name}"

    def delete(self, *words: str) -> None:
        """Something of the namespace."""
        self.plane.kubectl("delete", *words, "-n", self.namespace)

    def names(self, resource: str) -> set[str]:
        """What is live."""
        listed = self.plane.kubectl("get", resource, "-n", self.namespace, "-o", "name").stdout.decode()
        return {line.rpartition("/")[2] for line in listed.splitlines()}


@pytest.fixture
def world(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> World:
    """It is made, and backed up."""
    trysail = Trysail(tmp_path, {"KUBECONFIG": str(control_plane.kubeconfig)})
    make(control_plane, _objects(namespace))
    policy = trysail.policy(
        location=folder_place(tmp_path / "backups").location,
        includedNamespaces=[namespace],
        includedNamespaceScopedResources=TYPES,
        includedClusterScopedResources=[],
        excludedItems=[{"name": "kube-root-ca.crt"}, {"resource": "serviceaccounts", "name": "default"}],
    )
    backed_up(trysail, policy)
    return World(trysail, control_plane, namespace, policy)


class TestSavedPlans:
    """`--out plan.json`, and later `restore plan.json`."""

    def test_what_was_reviewed_is_done(self, world: World) -> None:
        """That, and nothing else; done again, nothing is left to do."""
        world.delete("configmap", "first")
        plan = self._save(world)
        assert world.names("configmaps") == {"kube-root-ca.crt", "second"}
        ended = world.trysail("restore", plan, "--auto-approve")
        assert "1 created" in ended.said
        assert world.names("configmaps") == {"kube-root-ca.crt", "first", "second"}
        again = world.trysail("restore", plan, "--auto-approve")
        assert "Done already, by an earlier run: 1 item" in again.err
        assert "created" not in again.out

    def test_more_to_do_makes_it_stale(self, world: World) -> None:
        """It would create what nobody has reviewed: exit code 5, the item is named, and nothing is done."""
        world.delete("configmap", "first")
        plan = self._save(world)
        world.delete("configmap", "second")
        ended = world.trysail("restore", plan, "--auto-approve", code=5)
        assert "the saved plan does not fit any more" in ended.err
        assert f"{world.item('configmaps', 'second')} would be created now" in ended.err
        assert "hint: make a new one" in ended.err
        assert world.names("configmaps") == {"kube-root-ca.crt"}

    def test_less_to_do_does_not(self, world: World) -> None:
        """Somebody has made one of the two by hand, as it was stored."""
        world.delete("configmap", "first", "second")
        plan = self._save(world)
        make(world.plane, [_map(world.namespace, "second")])
        assert "1 created" in world.trysail("restore", plan, "--auto-approve").said

    def test_another_cluster(self, world: World, tmp_path: Path) -> None:
        """Is another place than the one that was reviewed."""
        world.delete("configmap", "first")
        plan = self._save(world)
        folder = tmp_path / "cluster"
        folder.mkdir()
        (folder / "a.json").write_text(json.dumps(_map(world.namespace, "other")))
        ended = world.trysail("restore", plan, "--auto-approve", "--manifests", folder, code=5)
        assert "it was made for the cluster with UID" in ended.err

    def test_a_policy_that_was_changed_since(self, world: World, tmp_path: Path) -> None:
        """With -f, the plan is held against the RestorePolicy as it is in git now."""
        world.delete("configmap", "first")
        file = tmp_path / "restore.yaml"
        spec = {"storageLocation": folder_place(tmp_path / "backups").location, "includedNamespaces": [world.namespace]}
        document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "RestorePolicy", "metadata": {"name": "back"}}
        file.write_text(yaml.safe_dump({**document, "spec": spec}))
        plan = tmp_path / "plan.json"
        world.trysail("restore", "-f", file, "--out", plan)
        file.write_text(yaml.safe_dump({**document, "spec": {**spec, "labels": {"drill": "yes"}}}))
        ended = world.trysail("restore", plan, "-f", file, "--auto-approve", code=5)
        assert "the policy back has changed since" in ended.err
        file.write_text(yaml.safe_dump({**document, "spec": spec}))
        assert "1 created" in world.trysail("restore", plan, "-f", file, "--auto-approve").said

    def _save(self, world: World) -> Path:
        plan = world.trysail.folder / "plan.json"
        ended = world.trysail("restore", *world.words, "--out", plan)
        assert f"trysail restore {plan}" in ended.out
        return plan


class TestServerDryRun:
    """What the API server itself says, before anything changes."""

    def test_what_it_accepts_and_refuses(self, world: World) -> None:
        """A field that cannot change is invalid with the server's words, what it takes stays; nothing is written."""
        world.delete("configmap", "first")
        world.delete("deployment", "web")
        make(world.plane, [_deployment(world.namespace, "other")])
        words = (*world.words, "--server-dry-run", "--existing-resource-policy", "update", "--force-conflicts")
        plan = planned(world.trysail, *words, code=4)
        deployment = world.item("deployments.apps", "web")
        assert fates(plan)[deployment] == "invalid"
        assert "field is immutable" in reasons(plan)[deployment]
        assert fates(plan)[world.item("configmaps", "first")] == "create"
        assert unverifiable(plan) == {}
        assert plan["serverDryRun"]
        assert "first" not in world.names("configmaps")
        # What is invalid is not tried, and the rest is done.
        ended = world.trysail("restore", *words, "--auto-approve", code=4)
        assert "1 created" in ended.said

    def test_what_a_policy_of_the_cluster_denies(self, world: World) -> None:
        """Is invalid, with the words of the policy."""
        world.delete("configmap", "first", "second")
        with denying(world.plane, world.namespace, "first"):
            plan = planned(world.trysail, *world.words, "--server-dry-run", code=4)
        assert fates(plan)[world.item("configmaps", "first")] == "invalid"
        assert "no firsts here" in reasons(plan)[world.item("configmaps", "first")]
        assert fates(plan)[world.item("configmaps", "second")] == "create"

    def test_what_a_webhook_denies(self, world: World, tmp_path: Path) -> None:
        """Is invalid too; done without the dry run, it is named as failed, and is done where the webhook is gone."""
        world.delete("configmap", "first", "second")
        first = world.item("configmaps", "first")

        def denied(item: Json) -> str:
            return SUNDAYS if item["metadata"]["name"] == "first" else ""

        with Webhook(tmp_path, denied) as webhook, calling(world.plane, world.namespace, webhook, "first", SUNDAYS):
            plan = planned(world.trysail, *world.words, "--server-dry-run", code=4)
            ended = world.trysail("restore", *world.words, "--auto-approve", code=3)
        assert fates(plan)[first] == "invalid"
        assert reasons(plan)[first].endswith(f"denied the request: {SUNDAYS}")
        assert fates(plan)[world.item("configmaps", "second")] == "create"
        assert f"denied the request: {SUNDAYS} create {world.namespace}/configmaps first" in ended.said
        assert "1 created" in world.trysail("restore", *world.words, "--auto-approve").said

    def test_what_it_cannot_know(self, world: World) -> None:
        """Is unverifiable, and not valid: a namespace that is not there yet, the sum that a quota counts."""
        mapped = ("--namespace-mappings", f"{world.namespace}:{world.namespace}-new")
        elsewhere = unverifiable(planned(world.trysail, *world.words, "--server-dry-run", *mapped))
        assert set(elsewhere.values()) == {"its namespace is not there yet"}
        assert f"{world.namespace}-new/configmaps/first" in elsewhere

        world.delete("configmap", "first")
        quota = {"metadata": {"name": "few", "namespace": world.namespace}, "spec": {"hard": {"pods": "5"}}}
        make(world.plane, [{"apiVersion": "v1", "kind": "ResourceQuota", **quota}])
        counted = unverifiable(planned(world.trysail, *world.words, "--server-dry-run"))
        assert "quota" in counted[world.item("configmaps", "first")]


class TestRights:
    """Somebody who may not do all of it is told so in the plan."""

    def test_without_any(self, world: World) -> None:
        """Each thing that cannot be read or done is a gap; exit code 4, and nothing is tried behind one's back."""
        world.delete("configmap", "first")
        user = ("--context", world.plane.context("nobody"))
        plan = planned(world.trysail, *world.words, *user, code=4)
        gaps = [gap["what"] for gap in plan["gaps"]]
        assert f"configmaps in namespace {world.namespace}" in gaps
        assert any(gap.startswith("the right to create configmaps") for gap in gaps)
        assert any("escalate" in gap for gap in gaps)
        assert any("bind" in gap for gap in gaps)

    def test_without_the_right_to_grant(self, world: World) -> None:
        """Who may create Roles may not yet grant with them what he has not: that is said before, and that it failed."""
        world.delete("role", "wide")
        world.delete("rolebinding", "wide")
        role = {"name": "restorer", "namespace": world.namespace}
        rules = [{"apiGroups": ["", "apps", RBAC], "resources": ["*"], "verbs": ["get", "list", "create", "patch"]}]
        subject = {"apiGroup": RBAC, "kind": "User", "name": "viewer"}
        reference = {"apiGroup": RBAC, "kind": "Role", "name": "restorer"}
        make(
            world.plane,
            [
                {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": role, "rules": rules},
                {
                    "apiVersion": f"{RBAC}/v1",
                    "kind": "RoleBinding",
                    "metadata": role,
                    "roleRef": reference,
                    "subjects": [subject],
                },
            ],
        )
        viewer = world.plane.context("viewer")
        asked = ("auth", "can-i", "create", "roles", "-n", world.namespace)
        wait_for(lambda: not world.plane.kubectl(*asked, context=viewer, check=False).returncode, "the right")
        words = (*world.words, "--context", viewer, "-n", world.namespace, "--no-cluster-resources")
        text = world.trysail("restore", *words, "--plan", code=4).said
        assert "2 to create" in text  # the namespace is there: he may read it, though he may not list them
        assert "a role that grants more than we have ourselves is refused without it" in text
        ended = world.trysail("restore", *words, "--auto-approve", code=3)
        assert "is attempting to grant RBAC permissions not currently held" in ended.said
        assert world.names("roles") == {"restorer"}


def test_secrets_are_told_by_digests_alone(world: World) -> None:
    """A Secret that differs is shown as two digests, in every form of the plan, and in log and result too."""
    path = f"/api/v1/namespaces/{world.namespace}/secrets/password"
    world.plane.must("PATCH", path, {"stringData": {"password": PASSWORDS[1]}})
    words = ("restore", *world.words, "--existing-resource-policy", "update", "--force-conflicts")
    said: list[Ended] = []
    for form in ("text", "json", "markdown"):
        said.append(world.trysail(*words, "--plan", "--diff", "-o", form))
        assert "sha256:" in said[-1].out
        assert "data.password" in said[-1].out
    said.append(world.trysail(*words, "--server-dry-run", "--auto-approve", "--diff"))
    for ended in said:
        assert_no_secret(ended.out, ended.err, more=PASSWORDS)


TYPES: Final = [
    "configmaps",
    "secrets",
    "deployments.apps",
    f"roles.{RBAC}",
    f"rolebindings.{RBAC}",
]


def _objects(namespace: str) -> list[Json]:
    metadata = {"name": "wide", "namespace": namespace}
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    subjects = [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}]
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "wide"}
    secret = {"metadata": {"name": "password", "namespace": namespace}, "stringData": {"password": PASSWORDS[0]}}
    return [
        _map(namespace, "first"),
        _map(namespace, "second"),
        {"apiVersion": "v1", "kind": "Secret", **secret},
        _deployment(namespace, "web"),
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": reference,
            "subjects": subjects,
        },
    ]


def _map(namespace: str, name: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


def _deployment(namespace: str, app: str) -> Json:
    labels = {"app": app}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "example.com/web"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": pods},
    }
