"""What is wrong with a backup, a policy or a cluster is a clear error, and what can be done is done and told."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.parts.controlplane import ControlPlane
from tests.real.places import Place, folder_place
from tests.real.restores import backed_up, done, fates, make, planned, reasons
from tests.real.trysail import Trysail
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]

RBAC: Final = "rbac.authorization.k8s.io"
MAPS: Final = [f"settings-{number}" for number in range(6)]
LARGE: Final = 300_000  # bytes that do not compress, before base64: an archive of several members


@dataclass(frozen=True)
class Lost:
    """A backup of some large ConfigMaps, which are gone."""

    trysail: Trysail
    plane: ControlPlane
    namespace: str
    policy: Path
    place: Place

    @property
    def words(self) -> tuple[str | Path, ...]:
        """What each restore begins with."""
        return ("latest", "-f", self.policy)

    def there(self) -> set[str]:
        """Which of them are."""
        listed = self.plane.must("GET", f"/api/v1/namespaces/{self.namespace}/configmaps")["items"]
        return {item["metadata"]["name"] for item in listed} & set(MAPS)


@pytest.fixture
def lost(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Lost:
    """In a namespace that stays."""
    trysail = Trysail(tmp_path, {"KUBECONFIG": str(control_plane.kubeconfig)})
    make(control_plane, [_map(namespace, number) for number in range(len(MAPS))])
    place = folder_place(tmp_path / "backups")
    policy = trysail.policy(
        location=place.location,
        includedNamespaces=[namespace],
        includedNamespaceScopedResources=["configmaps"],
        includedClusterScopedResources=[],
        excludedItems=[{"name": "kube-root-ca.crt"}],
    )
    backed_up(trysail, policy)
    control_plane.kubectl("delete", "configmap", *MAPS, "-n", namespace)
    return Lost(trysail, control_plane, namespace, policy, place)


def test_a_damaged_backup(lost: Lost, tmp_path: Path) -> None:
    """One bit is another: it is refused; with --allow-damaged, what can be proven is restored, the rest is named."""
    (archive,) = (tmp_path / "backups").rglob("k8s-objects.tar.gz")
    content = bytearray(archive.read_bytes())
    content[len(content) - 50_000] ^= 1
    archive.chmod(0o600)
    archive.write_bytes(content)

    refused = lost.trysail("restore", *lost.words, "--auto-approve", code=4)
    assert "--allow-damaged" in refused.err
    assert lost.there() == set()

    plan = planned(lost.trysail, *lost.words, "--allow-damaged", code=4)
    invalid = {name.rpartition("/")[2] for name, fate in fates(plan).items() if fate == "invalid"}
    assert MAPS[-1] in invalid
    assert MAPS[0] not in invalid
    why = {reasons(plan)[f"{lost.namespace}/configmaps/{name}"].partition(": ")[0] for name in invalid}
    assert why == {"k8s-objects.tar.gz is not what was recorded"}
    ended = lost.trysail("restore", *lost.words, "--allow-damaged", "--auto-approve", code=4)
    assert lost.there() == set(MAPS) - invalid
    assert f"{len(invalid)} invalid" in ended.said


def test_a_quota_that_runs_out(lost: Lost) -> None:
    """What did not fit is named with the quota, and what did is there; when there is room, the next restore goes on."""
    hard = {"count/configmaps": "4"}  # one of them is the cluster's own
    path = f"/api/v1/namespaces/{lost.namespace}/resourcequotas"
    lost.plane.must("POST", path, {"metadata": {"name": "few"}, "spec": {"hard": hard}})
    wait_for(
        lambda: lost.plane.must("GET", f"{path}/few")["status"].get("used") == {"count/configmaps": "1"}, "a count"
    )
    ended = lost.trysail("restore", *lost.words, "--auto-approve", code=3)
    assert (done(ended)["created"], done(ended)["failed"]) == (3, 3)
    assert "exceeded quota: few, requested: count/configmaps=1" in ended.said
    assert len(lost.there()) == 3
    lost.plane.kubectl("delete", "resourcequota", "few", "-n", lost.namespace)
    assert done(lost.trysail("restore", *lost.words, "--auto-approve"))["created"] == 3
    assert lost.there() == set(MAPS)


def test_a_namespace_that_is_forbidden(lost: Lost) -> None:
    """Who may not write into it is told so item by item, exit code 3; whoever may goes on from there."""
    viewer = ("--context", lost.plane.context("viewer"))
    with _reader(lost):
        plan = planned(lost.trysail, *lost.words, *viewer, code=4)
        ended = lost.trysail("restore", *lost.words, *viewer, "--auto-approve", code=3)
    assert [gap["what"] for gap in plan["gaps"]] == [f"the right to create configmaps in namespace {lost.namespace}"]
    assert done(ended)["failed"] == len(MAPS)
    assert 'User "viewer" cannot create resource "configmaps"' in ended.said
    assert lost.there() == set()
    assert done(lost.trysail("restore", *lost.words, "--auto-approve"))["created"] == len(MAPS)


@pytest.mark.parametrize(
    ("name", "must"), [("Not_A_Name", "be lower case"), ("a" * 64, "have at most 63"), ("-first", "be lower case")]
)
def test_a_mapping_to_no_name(name: str, must: str, lost: Lost) -> None:
    """Is an error of the command line, which says what a name is."""
    mapping = ("--namespace-mappings", f"{lost.namespace}:{name}")
    ended = lost.trysail("restore", *lost.words, *mapping, "--auto-approve", code=1)
    assert f"Error: --namespace-mappings: must {must}" in ended.err
    assert lost.there() == set()


def test_a_patch_that_does_not_apply(lost: Lost, tmp_path: Path) -> None:
    """The item that it is for is invalid, with the patch's reason; the others are restored."""
    patch = {"operation": "remove", "path": "/data/never-was"}
    rule = {
        "conditions": {"groupResource": "configmaps", "resourceNameRegex": f"^{MAPS[1]}$"},
        "patches": [patch],
    }
    file = tmp_path / "restore.yaml"
    spec = {"storageLocation": lost.place.location, "resourceModifiers": [rule]}
    document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "RestorePolicy", "metadata": {"name": "patched"}}
    file.write_text(yaml.safe_dump({**document, "spec": spec}))
    plan = planned(lost.trysail, "-f", file, code=4)
    item = f"{lost.namespace}/configmaps/{MAPS[1]}"
    assert fates(plan)[item] == "invalid"
    assert "/data/never-was" in reasons(plan)[item]
    ended = lost.trysail("restore", "-f", file, "--auto-approve", code=4)
    assert "1 invalid" in ended.said
    assert lost.there() == set(MAPS) - {MAPS[1]}


def test_no_backup_and_no_consent(lost: Lost) -> None:
    """A name that is none, and nobody to be asked: nothing is done."""
    assert (
        "no-such-backup" in lost.trysail("restore", "no-such-backup", "-f", lost.policy, "--auto-approve", code=1).err
    )
    assert "nobody is here to be asked" in lost.trysail.process("restore", *lost.words, code=1).err
    assert lost.there() == set()


def _map(namespace: str, number: int) -> Json:
    noise = base64.b64encode(random.Random(number).randbytes(LARGE)).decode()
    metadata = {"name": MAPS[number], "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": {"noise": noise}}


@contextmanager
def _reader(lost: Lost) -> Iterator[None]:
    """The viewer may read the namespace, and write nothing."""
    metadata = {"name": "reader", "namespace": lost.namespace}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "reader"}
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]
    subjects = [{"apiGroup": RBAC, "kind": "User", "name": "viewer"}]
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules}
    binding = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": metadata, "roleRef": reference}
    make(lost.plane, [role, {**binding, "subjects": subjects}])
    asked = ("auth", "can-i", "list", "configmaps", "-n", lost.namespace)
    viewer = lost.plane.context("viewer")
    wait_for(lambda: not lost.plane.kubectl(*asked, context=viewer, check=False).returncode, "the right to read")
    yield
    lost.plane.kubectl("delete", "rolebinding,role", "reader", "-n", lost.namespace)
