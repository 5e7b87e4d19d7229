"""Into another namespace, onto volumes that were kept, to ports that are free or not: references hold."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.real.estate import SIZE, node_port, storage_class
from tests.real.places import folder_place
from tests.real.restores import backed_up, emptied, fates, make, planned, reasons
from tests.real.round_trip import create
from tests.real.trysail import Trysail

pytestmark = pytest.mark.real

Json = dict[str, Any]

RBAC: Final = "rbac.authorization.k8s.io"
ACCOUNTS: Final = "system:serviceaccounts:"


@dataclass(frozen=True)
class Lost:
    """A backup of a namespace that is gone; its volume was kept, and so were its rights in the cluster."""

    trysail: Trysail
    plane: ControlPlane
    namespace: str
    policy: Path
    chosen: int  # the node port that Kubernetes had chosen
    volume: str  # the uid of the PersistentVolume

    @property
    def words(self) -> tuple[str | Path, ...]:
        """What every restore of it begins with."""
        return ("latest", "-f", self.policy)

    def restore(self, *more: str, code: int = 0) -> str:
        """What the restore says, as one line."""
        return self.trysail("restore", *self.words, *more, "--auto-approve", code=code).said

    def ports(self) -> list[int]:
        """The node ports of the Service edge: the one that was asked for, and the one that was chosen."""
        path = f"/api/v1/namespaces/{self.namespace}/services/edge"
        return [port["nodePort"] for port in self.plane.must("GET", path)["spec"]["ports"]]


@pytest.fixture(scope="module")
def backup(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lost]:
    """Taken of what lives."""
    namespace = f"mapping-{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp("mapping")
    trysail = Trysail(folder, {"KUBECONFIG": str(control_plane.kubeconfig)})
    create(control_plane, _objects(namespace))
    _wait_until_bound(control_plane, namespace)
    policy = trysail.policy(
        location=folder_place(folder / "backups").location,
        includedNamespaces=[namespace],
        excludedNamespaceScopedResources=["events", "events.events.k8s.io"],
    )
    backed_up(trysail, policy)
    ports = control_plane.must("GET", f"/api/v1/namespaces/{namespace}/services/edge")["spec"]["ports"]
    volume = control_plane.must("GET", f"/api/v1/persistentvolumes/{namespace}-data")["metadata"]["uid"]
    yield Lost(trysail, control_plane, namespace, policy, ports[1]["nodePort"], volume)
    emptied(control_plane, namespace)
    control_plane.kubectl("delete", "clusterrole,clusterrolebinding", f"{namespace}:reader", "--ignore-not-found")
    control_plane.kubectl("delete", "persistentvolume", f"{namespace}-data", "--ignore-not-found")


@pytest.fixture
def lost(backup: Lost) -> Lost:
    """After the namespace was deleted."""
    emptied(backup.plane, backup.namespace)
    return backup


@pytest.fixture
def beside(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of somebody else."""
    name = f"beside-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "service", "taker", "-n", name, "--ignore-not-found")
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


def test_a_kept_volume_is_bound_again(lost: Lost) -> None:
    """Its claim's old uid is taken off, so that the new claim binds to the very volume; nothing else of it changes."""
    name = f"{lost.namespace}-data"
    assert lost.plane.must("GET", f"/api/v1/persistentvolumes/{name}")["status"]["phase"] == "Released"
    plan = planned(lost.trysail, *lost.words)
    assert fates(plan)[f"persistentvolumes/{name}"] == "update"
    assert reasons(plan)[f"persistentvolumes/{name}"].startswith("it is released, and its claim is restored")
    lost.restore()
    _wait_until_bound(lost.plane, lost.namespace)
    volume = lost.plane.must("GET", f"/api/v1/persistentvolumes/{name}")
    claim = lost.plane.must("GET", f"/api/v1/namespaces/{lost.namespace}/persistentvolumeclaims/data")
    assert volume["metadata"]["uid"] == lost.volume
    assert volume["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"]
    assert claim["spec"]["volumeName"] == name
    assert "No changes." in lost.restore()


def test_a_port_that_was_asked_for_is_kept_and_another_is_not(lost: Lost, beside: str) -> None:
    """Somebody has taken the port that Kubernetes had chosen by then: it chooses another."""
    make(lost.plane, [_taking(beside, lost.chosen)])
    lost.restore()
    asked, chosen = lost.ports()
    assert asked == node_port(lost.namespace)
    assert chosen != lost.chosen


def test_ports_are_preserved_where_that_is_wanted(lost: Lost) -> None:
    """`--preserve-nodeports` asks for the chosen one too."""
    lost.restore("--preserve-nodeports")
    assert lost.ports() == [node_port(lost.namespace), lost.chosen]


def test_a_port_that_another_has(lost: Lost, beside: str) -> None:
    """Is an error that is named in the result, exit code 3, and all else is done; when it is free again, so is this."""
    make(lost.plane, [_taking(beside, node_port(lost.namespace))])
    said = lost.restore(code=3)
    assert f"{node_port(lost.namespace)}: provided port is already allocated" in said
    assert f"create {lost.namespace}/services edge" in said
    assert lost.plane.request("GET", f"/api/v1/namespaces/{lost.namespace}/serviceaccounts/web")[0] == 200
    lost.plane.kubectl("delete", "service", "taker", "-n", beside)
    assert "1 created" in lost.restore()
    assert lost.ports()[0] == node_port(lost.namespace)


def test_into_another_namespace(lost: Lost, beside: str) -> None:
    """Subjects, groups of accounts and the claim of a volume follow; what is there by its old name is left alone."""
    mapped = ("--namespace-mappings", f"{lost.namespace}:{beside}")
    name, binding = f"persistentvolumes/{lost.namespace}-data", f"clusterrolebindings.{RBAC}/{lost.namespace}:reader"
    plan = planned(lost.trysail, *lost.words, *mapped)
    assert (fates(plan)[name], fates(plan)[binding]) == ("skip", "skip")
    assert reasons(plan)[name] == f"it is bound to the claim {lost.namespace}/data"

    lost.plane.kubectl("delete", "clusterrole,clusterrolebinding", f"{lost.namespace}:reader")
    lost.plane.kubectl("delete", "persistentvolume", f"{lost.namespace}-data")
    lost.restore(*mapped)

    _wait_until_bound(lost.plane, beside)
    for who in ("web", "other"):
        account = ("--as", f"system:serviceaccount:{beside}:{who}", "--as-group", f"{ACCOUNTS}{beside}")
        for question in (("get", "configmaps", "-n", beside), ("list", "nodes")):
            lost.plane.kubectl("auth", "can-i", *question, *account)
    old = ("--as", f"system:serviceaccount:{lost.namespace}:web", "--as-group", f"{ACCOUNTS}{lost.namespace}")
    assert lost.plane.kubectl("auth", "can-i", "list", "nodes", *old, check=False).returncode == 1
    assert lost.plane.request("GET", f"/api/v1/namespaces/{lost.namespace}")[0] == 404
    volume = lost.plane.must("GET", f"/api/v1/persistentvolumes/{lost.namespace}-data")
    assert volume["spec"]["claimRef"]["namespace"] == beside
    assert "No changes." in lost.restore(*mapped)


def _wait_until_bound(plane: ControlPlane, namespace: str) -> None:
    bound = "--for=jsonpath={.status.phase}=Bound"
    plane.kubectl("wait", bound, "persistentvolumeclaim/data", "-n", namespace, "--timeout=60s")


def _taking(namespace: str, port: int) -> Json:
    """A Service of somebody else's that has a node port."""
    spec = {"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}
    metadata = {"name": "taker", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _objects(namespace: str) -> list[Json]:
    rules = [{"apiGroups": [""], "resources": ["configmaps", "nodes"], "verbs": ["get", "list"]}]
    subjects = [
        {"kind": "ServiceAccount", "name": "web", "namespace": namespace},
        {"kind": "Group", "apiGroup": RBAC, "name": f"{ACCOUNTS}{namespace}"},
    ]
    claim = {"kind": "PersistentVolumeClaim", "namespace": namespace, "name": "data"}
    modes = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class(namespace)}
    volume = {**modes, "capacity": SIZE, "persistentVolumeReclaimPolicy": "Retain", "claimRef": claim}
    ports = [{"name": "http", "port": 80, "nodePort": node_port(namespace)}, {"name": "metrics", "port": 90}]
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": f"{namespace}:reader"}
    here = {"namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{namespace}-data"},
            "spec": {**volume, "hostPath": {"path": f"/data/{namespace}"}},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", **here},
            "spec": {**modes, "resources": {"requests": SIZE}},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", **here}},
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "web", **here}, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "web", **here},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "web"},
            "subjects": subjects,
        },
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": role["name"]}, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role["name"]},
            "roleRef": role,
            "subjects": subjects,
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "edge", **here},
            "spec": {"type": "NodePort", "ports": ports},
        },
    ]
