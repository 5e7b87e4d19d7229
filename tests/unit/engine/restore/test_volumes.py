"""A restore brings the data of volumes back with their claims; a claim whose data cannot be had is not created."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from runner.archive.layout import MANIFEST, VOLUMES
from runner.engine.execute import Ports, execute
from runner.engine.planning import make_plan
from runner.engine.restore.restore import RestorePorts, restore
from runner.engine.restore.rights import Rights
from runner.engine.restore.volumes import Restorers
from runner.engine.restore.waits import Patience
from runner.engine.retry import Retrier
from runner.engine.volumes.protect import VolumePorts
from runner.engine.volumes.run import Protecting
from runner.errors import Forbidden, ItemNotFound, VolumeRejected
from runner.model.policy_set import ResolvedPolicy
from runner.model.restored import RestoreResult
from runner.model.snapshot_location import AwsSnapshotLocation
from tests.fakes.cluster import Call, FakeCluster
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.fakes.pod_exec import FakePodExec
from tests.fakes.restore_stage import BACKUP, RestoreStage
from tests.fakes.snapshotter import FakeRestorer, FakeSnapshotter, failing
from tests.unit.plan.build import policy

Json = dict[str, Any]

EBS = AwsSnapshotLocation.model_validate({"provider": "aws", "config": {"region": "eu-west-1"}, "tags": {"team": "x"}})
SERVES = ["configmaps", "persistentvolumeclaims", "persistentvolumes", "pods", "volumesnapshotclasses"]


def claim(name: str, *, namespace: str = "shop", **spec: Any) -> Json:
    """A claim that is bound to `pv-<name>`."""
    given = {"volumeName": f"pv-{name}", "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": given,
        "status": {"phase": "Bound"},
    }


def volume(name: str, *, reclaim: str = "Delete", namespace: str = "shop", driver: str = "ebs.csi.aws.com") -> Json:
    """Its PersistentVolume, on an EBS disk."""
    expression = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-west-1c"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pv-{name}", "finalizers": ["external-attacher/ebs-csi-aws-com"]},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "persistentVolumeReclaimPolicy": reclaim,
            "claimRef": {"namespace": namespace, "name": name, "uid": "old"},
            "csi": {"driver": driver, "volumeHandle": f"vol-{name}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        },
        "status": {"phase": "Bound"},
    }


def config_map() -> Json:
    """Something that comes after claims."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop"}}


class DiskStage(RestoreStage):
    """A RestoreStage whose backups keep the data of volumes, and whose restores bring it back."""

    def __init__(self, *objects: Json, target: FakeCluster | None = None, **selection: Any) -> None:
        self.provider = FakeSnapshotter()
        self.restorer = FakeRestorer()
        self.files = FakeRestorer(when="after", native=False)
        super().__init__(*objects, target=target or FakeCluster(), **selection)

    def back_up(self, name: str = BACKUP, **selection: Any) -> None:
        """Makes a backup, with a snapshot of each EBS volume."""
        executor, retrier = SimulatedExecutor(), Retrier(self.clock, RecordingObserver())
        resolved = policy(onUncovered="ignore", **selection)
        resolved = ResolvedPolicy(resolved.policy, resolved.location, "", "policy.yaml", EBS)
        planned = make_plan(resolved, self.source, executor, retrier)
        ports = [SimulatedExecutor() for _ in range(3)]
        volumes = VolumePorts(
            self.source,
            Protecting({"native-snapshot": self.provider}, {}, *ports),
            FakePodExec(),
            holder="here",
            alive=lambda _: None,
            redact=lambda text: text,
        )
        execute(
            planned.plan,
            name,
            Ports(self.source, self.store, executor, self.clock, RecordingObserver(), volumes=volumes),
            planned.inventory,
        )

    def bring_back(self, *, patience: Patience | None = None, restorers: Restorers | None = None, **spec: Any) -> Any:
        """Plans, and does it."""
        made = self.planned(**spec)
        brings = restorers or Restorers({"native-snapshot": self.restorer, "fs-backup": self.files})
        ports = RestorePorts(self.target, self.executor, self.clock, self.observer, brings)
        quick = patience or Patience(binding=0, definition=0, webhook=0)
        result: RestoreResult = restore(made.plan, made.facts, ports, patience=quick)
        return result


def outcomes(result: RestoreResult) -> dict[str, str]:
    """Claim → how its data fared."""
    return {f"{one.namespace}/{one.claim}": one.outcome for one in result.volumes}


def fates(stage: DiskStage, **spec: Any) -> dict[str, str]:
    """Claim → what the plan says of its data."""
    return {f"{one.namespace}/{one.claim}": one.action for one in stage.plan(**spec).volumes}


def test_a_disk_comes_back_with_its_volume_and_its_claim() -> None:
    """The PersistentVolume is the backup's, but for the disk, the zone and the old binding; the claim names it."""
    stage = DiskStage(claim("data"), volume("data"), config_map())
    assert fates(stage) == {"shop/data": "restore"}
    result = stage.bring_back()
    assert outcomes(result) == {"shop/data": "restored"}
    made = stage.live("persistentvolumes", "", "pv-data")
    assert made["spec"]["csi"] == {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-of-snap-1"}
    terms = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert terms[0]["matchExpressions"][0]["values"] == ["eu-west-1a"]
    assert made["spec"]["claimRef"] == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": "shop",
        "name": "data",
    }
    assert made["metadata"]["labels"] == {"trysail.dev/backup": BACKUP}
    assert "finalizers" not in made["metadata"]
    assert stage.live("persistentvolumeclaims", "shop", "data")["spec"]["volumeName"] == "pv-data"
    asked = stage.restorer.asked["shop/data"]
    assert (asked.backup, asked.user_tags) == (BACKUP, {"team": "x"})


def test_nothing_is_made_for_a_claim_that_may_be_there() -> None:
    """Where claims may not be listed, a disk would be made that nobody uses, each time anew."""
    stage = DiskStage(claim("data"), volume("data"))
    stage.target.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    stage.target.forbid("persistentvolumeclaims", verbs=["list"])
    made = stage.plan()
    (one,) = made.volumes
    assert one.action == "refuse"
    assert one.why.startswith("whether the claim is there cannot be seen: persistentvolumeclaims is forbidden")


def test_the_data_of_a_volume_that_no_claim_uses_is_said_to_stay_away() -> None:
    """Its PersistentVolume comes back as it was; nobody shall take the old disk for the restored one."""
    kept = volume("data", reclaim="Retain")
    del kept["spec"]["claimRef"]
    stage = DiskStage(kept, includeClusterResources=True)
    made = stage.plan()
    assert made.volumes == ()
    assert made.warnings == (
        "the data of PersistentVolume pv-data is not brought back, since no claim of the backup uses it: "
        "it is in snap-1",
    )


def test_the_second_restore_finds_nothing_to_do() -> None:
    """Whatever was made for the claim is there, and is left alone."""
    stage = DiskStage(claim("data"), volume("data"))
    stage.bring_back()
    again = stage.plan()
    assert (again.items, again.changes_anything) == (0, False)
    assert fates(stage) == {"shop/data": "leave"}


def test_a_claim_that_is_there_keeps_its_data() -> None:
    """Nothing is written over, and no disk is made."""
    target = FakeCluster(claim("data"), volume("data"))
    stage = DiskStage(claim("data"), volume("data"), target=target)
    assert fates(stage) == {"shop/data": "leave"}
    stage.bring_back()
    assert stage.restorer.calls == []


def test_data_that_cannot_be_brought_back_leaves_its_claim_out() -> None:
    """An application that finds an empty volume begins anew in it: better that it waits for its claim."""
    stage = DiskStage(claim("data"), volume("data"), claim("log"), volume("log"), config_map())
    stage.restorer.on_call = failing("bring", "shop/data", VolumeRejected("the snapshot is gone", hint="look"))
    result = stage.bring_back()
    assert outcomes(result) == {"shop/data": "failed", "shop/log": "restored"}
    (failed,) = result.failed
    assert failed.reason == "its data could not be brought back: the snapshot is gone (look)"
    with pytest.raises(ItemNotFound):
        stage.live("persistentvolumeclaims", "shop", "data")
    assert stage.live("configmaps", "shop", "web")
    assert result.exit_code == 3


def stateful_set(name: str = "db", template: str = "data") -> Json:
    """One that has the claim `data-db-0` made where there is none."""
    metadata = {"name": name, "namespace": "shop"}
    spec = {"replicas": 1, "volumeClaimTemplates": [{"metadata": {"name": template}}]}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}


def test_nothing_that_would_make_a_claim_empty_comes_before_its_data() -> None:
    """A StatefulSet's controller creates the claims that are not there; others of the namespace are restored."""
    stage = DiskStage(claim("data-db-0"), volume("data-db-0"), stateful_set(), stateful_set("cache"), config_map())
    stage.restorer.on_call = failing("bring", "shop/data-db-0", VolumeRejected("the snapshot is gone"))
    result = stage.bring_back()
    reasons = {failed.name: failed.reason for failed in result.failed}
    assert reasons == {
        "data-db-0": "its data could not be brought back: the snapshot is gone",
        "db": "held back: it would make its claim data-db-0 anew, and empty: the snapshot is gone",
    }
    assert stage.live("statefulsets.apps", "shop", "cache")
    assert stage.live("configmaps", "shop", "web")
    assert stage.bring_back().exit_code == 0
    assert stage.live("statefulsets.apps", "shop", "db")
    assert stage.live("persistentvolumeclaims", "shop", "data-db-0")["spec"]["volumeName"] == "pv-data-db-0"


def test_a_claim_without_data_in_the_backup_is_not_created_empty() -> None:
    """The plan says so, of the StatefulSet that would create it too; restoreVolumes: false does it all the same."""
    stage = without_data(DiskStage(claim("data-db-0"), volume("data-db-0"), stateful_set(), config_map()))
    assert fates(stage) == {"shop/data-db-0": "refuse"}
    invalid = {name: step.why for step in stage.plan().steps if step.action == "invalid" for name in step.names}
    why = "the backup has no data of it: quota exceeded"
    assert invalid == {
        "data-db-0": why,
        "db": f"held back: it would make its claim data-db-0 anew, and empty: {why}",
    }
    assert stage.bring_back().exit_code == 4
    assert stage.live("configmaps", "shop", "web")
    for plural, name in (("persistentvolumeclaims", "data-db-0"), ("statefulsets.apps", "db")):
        with pytest.raises(ItemNotFound):
            stage.live(plural, "shop", name)
    assert stage.bring_back(restoreVolumes=False).exit_code == 0
    assert stage.live("statefulsets.apps", "shop", "db")


def test_a_disk_that_is_never_ready_is_given_up() -> None:
    """CsiSnapshotTimeout of the restore; what it says meanwhile is in the reason."""
    stage = DiskStage(claim("data"), volume("data"))
    stage.restorer.states, stage.restorer.reason = ("pending",), "still copying"
    result = stage.bring_back(patience=Patience(binding=0, snapshot=30.0))
    assert result.volumes[0].reason == "not ready after 30 s: still copying"
    assert 30 <= stage.clock.passed < 60


def test_a_disk_that_fails_is_taken_back() -> None:
    """Nobody will use it."""
    stage = DiskStage(claim("data"), volume("data"))
    stage.restorer.states, stage.restorer.reason = ("pending", "failed"), "no capacity"
    result = stage.bring_back()
    assert result.volumes[0].reason == "no capacity"
    assert stage.restorer.calls[-1] == ("discard", "shop/data")


def test_beside_the_original_a_volume_gets_another_name() -> None:
    """The old PersistentVolume keeps its own, and the same restore finds its work done."""
    target = FakeCluster(claim("data"), volume("data"))
    stage = DiskStage(claim("data"), volume("data"), target=target)
    mapping = {"shop": "copy"}
    result = stage.bring_back(namespaceMapping=mapping)
    assert outcomes(result) == {"copy/data": "restored"}
    named = stage.live("persistentvolumeclaims", "copy", "data")["spec"]["volumeName"]
    assert named != "pv-data"
    assert stage.live("persistentvolumes", "", named)["spec"]["csi"]["volumeHandle"] == "vol-of-snap-1"
    assert stage.live("persistentvolumes", "", "pv-data")["spec"]["csi"]["volumeHandle"] == "vol-data"
    assert not stage.plan(namespaceMapping=mapping).changes_anything


@pytest.mark.parametrize("phase", ["Bound", "Released"])
def test_a_volume_that_goes_with_its_old_claim_is_not_relied_on(phase: str) -> None:
    """Deleted with its namespace, it is seen until its driver has deleted the disk: the data comes from the backup."""
    going = volume("data") | {"status": {"phase": phase}}
    stage = DiskStage(claim("data"), volume("data"), target=FakeCluster(going))
    assert fates(stage) == {"shop/data": "restore"}
    assert outcomes(stage.bring_back()) == {"shop/data": "restored"}
    named = stage.live("persistentvolumeclaims", "shop", "data")["spec"]["volumeName"]
    assert named != "pv-data"
    assert stage.live("persistentvolumes", "", named)["spec"]["csi"]["volumeHandle"] == "vol-of-snap-1"


def test_a_volume_of_an_earlier_restore_that_goes_with_its_claim_is_not_taken_again() -> None:
    """The namespace was restored, deleted, and is restored again before the driver has deleted the disk."""
    stage = DiskStage(claim("data"), volume("data"))
    stage.bring_back()
    made = stage.live("persistentvolumes", "", "pv-data")
    made["spec"]["claimRef"]["uid"] = "of-the-first-restore"
    stage.target = FakeCluster(made | {"status": {"phase": "Released"}})
    assert outcomes(stage.bring_back()) == {"shop/data": "restored"}
    assert stage.live("persistentvolumeclaims", "shop", "data")["spec"]["volumeName"] != "pv-data"


@pytest.mark.parametrize("existing", ["none", "update", "recreate"])
def test_a_claim_that_is_bound_to_its_volume_is_as_it_was_stored(existing: str) -> None:
    """Though its volume would go with it."""
    stage = DiskStage(claim("data"), volume("data"), target=FakeCluster(claim("data"), volume("data")))
    assert not stage.plan(existingResourcePolicy=existing).changes_anything


def test_a_restore_that_was_killed_before_its_claims_goes_on() -> None:
    """The PersistentVolume is there for its claim already: the claim binds to it."""
    stage = DiskStage(claim("data"), volume("data"))
    stage.bring_back()
    stage.target.delete("persistentvolumeclaims", "shop", "data")
    assert fates(stage) == {"shop/data": "leave"}
    stage.bring_back()
    assert stage.live("persistentvolumeclaims", "shop", "data")["spec"]["volumeName"] == "pv-data"
    assert len(stage.restorer.calls) == 1


def test_data_that_is_not_wanted_stays_in_the_backup() -> None:
    """restoreVolumes: false provisions claims anew."""
    stage = DiskStage(claim("data"), volume("data"))
    assert fates(stage, restoreVolumes=False) == {"shop/data": "empty"}
    stage.bring_back(restoreVolumes=False)
    assert "volumeName" not in stage.live("persistentvolumeclaims", "shop", "data")["spec"]


def test_what_nobody_here_can_bring_back_says_why() -> None:
    """A method without a provider, as where the backup does not say where its snapshots lie."""
    stage = DiskStage(claim("data"), volume("data"))
    nobody = Restorers({}, {"native-snapshot": "give snapshotLocation"})
    result = stage.bring_back(restorers=nobody)
    assert result.volumes[0].reason == "give snapshotLocation"


def test_claims_that_are_not_selected_bring_no_data() -> None:
    """A restore of ConfigMaps makes no disk."""
    stage = DiskStage(claim("data"), volume("data"), config_map())
    assert fates(stage, includedResources=["configmaps"]) == {}


# files


def with_files(stage: DiskStage) -> DiskStage:
    """The stage, whose backup says that restic keeps the files of its claims."""
    (key,) = [key for key in stage.store.objects if key.endswith(VOLUMES)]
    record = json.loads(stage.store.read(key))
    for line in record["volumes"]:
        line["planned"]["method"] = "fs-backup"
        line["snapshot"] |= {"provider": "restic", "id": f"r-{line['planned']['claim'].replace('/', '-')}"}
    rewritten(stage, key, json.dumps(record).encode())
    return stage


def without_data(stage: DiskStage) -> DiskStage:
    """The stage, whose backup has the data of no claim: their snapshots could not be taken."""
    (key,) = [key for key in stage.store.objects if key.endswith(VOLUMES)]
    record = json.loads(stage.store.read(key))
    for line in record["volumes"]:
        del line["snapshot"]
        line |= {"outcome": "failed", "error": "quota exceeded"}
    rewritten(stage, key, json.dumps(record).encode())
    return stage


def rewritten(stage: DiskStage, key: str, content: bytes) -> None:
    """Another content under a key, and a manifest that vouches for it."""
    import hashlib  # noqa: PLC0415 -- this test's alone

    from runner.model.canonical import canonical, digest, readable  # noqa: PLC0415

    (manifest_key,) = [one for one in stage.store.objects if one.endswith(MANIFEST)]
    manifest = json.loads(stage.store.read(manifest_key))
    manifest["keys"][VOLUMES] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["digest"] = digest(canonical({**manifest, "digest": ""}))
    stage.store.objects[key] = content
    stage.store.objects[manifest_key] = readable(manifest)


def notes(stage: DiskStage, name: str) -> Json:
    """Of a claim in `shop`."""
    found: Json = stage.live("persistentvolumeclaims", "shop", name)["metadata"].get("annotations") or {}
    return found


def test_files_are_written_once_the_claim_is_there_and_before_what_would_use_them() -> None:
    """The claim says that its files are on their way, and no more once they are there."""
    stage = with_files(DiskStage(claim("data"), volume("data"), config_map()))
    seen: list[Any] = []

    def look(verb: str, _: str) -> None:
        if verb == "bring":
            seen.append(notes(stage, "data"))
            with pytest.raises(ItemNotFound):
                stage.live("configmaps", "shop", "web")

    stage.files.on_call = look
    result = stage.bring_back()
    assert outcomes(result) == {"shop/data": "restored"}
    assert seen == [{"trysail.dev/restoring": "r-shop-data"}]
    assert notes(stage, "data") == {}
    assert stage.live("configmaps", "shop", "web")


def test_nothing_begins_beside_files_that_are_not_all_there() -> None:
    """The rest of the namespace is held back, with the reason; and the same command goes on from there."""
    stage = with_files(DiskStage(claim("data"), volume("data"), config_map()))
    stage.files.states, stage.files.reason = ("failed",), "the repository is locked"
    result = stage.bring_back()
    assert outcomes(result) == {"shop/data": "failed"}
    reasons = {failed.resource: failed.reason for failed in result.failed}
    assert "nothing shall begin without it: the repository is locked" in reasons["configmaps"]
    assert notes(stage, "data") == {"trysail.dev/restoring": "r-shop-data"}

    stage.files = FakeRestorer(when="after", native=False)
    assert fates(stage) == {"shop/data": "restore"}
    assert stage.plan().changes_anything
    again = stage.bring_back()
    assert outcomes(again) == {"shop/data": "restored"}
    assert notes(stage, "data") == {}
    assert stage.live("configmaps", "shop", "web")


# claims from snapshots in the cluster


def test_a_claim_takes_its_data_from_what_stands_for_the_snapshot() -> None:
    """DataSource names the VolumeSnapshot, and the claim asks for no less than the snapshot needs."""
    stage = DiskStage(claim("data"), volume("data"))
    stage.restorer.native = False
    result = stage.bring_back()
    assert outcomes(result) == {"shop/data": "restored"}
    spec = stage.live("persistentvolumeclaims", "shop", "data")["spec"]
    assert spec["dataSource"] == {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "back-data"}
    assert "volumeName" not in spec
    with pytest.raises(ItemNotFound):
        stage.live("persistentvolumes", "", "pv-data")


def storage_class(name: str, provisioner: str) -> Json:
    """That binds at once."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
    }


@pytest.mark.parametrize(
    ("provisioner", "reason"),
    [
        ("", "its StorageClass gp3 is not there: make it, or name another by storageClassMapping"),
        (
            "rbd.csi.ceph.com",
            "its StorageClass gp3 is of rbd.csi.ceph.com, and the snapshot of ebs.csi.aws.com: "
            "name another by storageClassMapping",
        ),
        (
            "kubernetes.io/no-provisioner",
            "its StorageClass gp3 is of kubernetes.io/no-provisioner, and the snapshot of ebs.csi.aws.com: "
            "name another by storageClassMapping",
        ),
        ("ebs.csi.aws.com", ""),
        ("kubernetes.io/aws-ebs", ""),  # which stands for the driver
    ],
)
def test_a_claim_that_nobody_would_provision_is_not_said_to_be_brought_back(provisioner: str, reason: str) -> None:
    """It would wait for ever, and in a class that waits for Pods nobody would look; what stood for it is taken back."""
    there = [storage_class("gp3", provisioner)] if provisioner else []
    stage = DiskStage(claim("data", storageClassName="gp3"), volume("data"), target=FakeCluster(*there))
    stage.restorer.native = False
    result = stage.bring_back()
    assert result.volumes[0].reason == reason
    assert outcomes(result) == {"shop/data": "failed" if reason else "restored"}
    if reason:
        assert stage.restorer.calls[-1] == ("discard", "shop/data")
        with pytest.raises(ItemNotFound):
            stage.live("persistentvolumeclaims", "shop", "data")


def test_a_claim_that_wants_no_class_cannot_begin_as_a_snapshot() -> None:
    """As those of volumes made by hand: it would be Pending for ever, and in the way of a restore that gives it one."""
    stage = from_snapshots(claim("data", storageClassName=""), volume("data"))
    result = stage.bring_back()
    assert "give it another by resourceModifiers" in result.volumes[0].reason
    with pytest.raises(ItemNotFound):
        stage.live("persistentvolumeclaims", "shop", "data")
    conditions = {"groupResource": "persistentvolumeclaims"}
    patches = [{"operation": "replace", "path": "/spec/storageClassName", "value": "gp3"}]
    again = stage.bring_back(resourceModifiers=[{"conditions": conditions, "patches": patches}])
    assert outcomes(again) == {"shop/data": "restored"}


@pytest.mark.parametrize("files", [True, False])
@pytest.mark.parametrize("problem", [True, False])
def test_what_has_a_claims_name_is_not_that_claim(files: bool, problem: bool) -> None:
    """A Service, a Secret and a claim of an application often have its name: only the claim takes the data."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"ports": [{"port": 80}]},
    }
    stage = from_snapshots(claim("web", storageClassName="gp3"), volume("web"), config_map(), service)
    stage = with_files(stage) if files else stage
    if problem and not files:
        stage.restorer.on_call = failing("bring", "shop/web", VolumeRejected("the snapshot is gone"))
    result = stage.bring_back()
    assert {failed.resource for failed in result.failed} <= {"persistentvolumeclaims"}
    assert stage.live("services", "shop", "web")["spec"] == {"ports": [{"port": 80}]}
    for plural in ("configmaps", "services"):
        found = stage.live(plural, "shop", "web")
        assert "annotations" not in found["metadata"]
    assert "spec" not in stage.live("configmaps", "shop", "web")


def test_the_class_that_counts_is_the_one_that_the_claim_will_have() -> None:
    """A modifier may name another than the backup and the mapping do."""
    target = FakeCluster(storage_class("fast", "ebs.csi.aws.com"))
    stage = DiskStage(claim("data", storageClassName="gp3"), volume("data"), target=target)
    stage.restorer.native = False
    conditions = {"groupResource": "persistentvolumeclaims"}
    patches = [{"operation": "replace", "path": "/spec/storageClassName", "value": "fast"}]
    modifiers = [{"conditions": conditions, "patches": patches}]
    assert outcomes(stage.bring_back(resourceModifiers=modifiers)) == {"shop/data": "restored"}


def from_snapshots(*objects: Json, **class_fields: Any) -> DiskStage:
    """A stage whose claims, of a class with these fields, begin as VolumeSnapshots of their namespace."""
    stage = DiskStage(*objects, target=FakeCluster(storage_class("gp3", "ebs.csi.aws.com") | class_fields))
    stage.restorer.native = False
    return stage


def slow_to_bind(stage: DiskStage, seconds: float) -> None:
    """A driver that copies snapshots: claims have their volumes after that time."""

    def on_call(call: Call) -> None:
        if call.verb == "get" and call.namespace == "shop" and stage.clock.passed > seconds:
            live = stage.live("persistentvolumeclaims", "shop", call.name)
            stage.target.put({**live, "status": {"phase": "Bound"}})

    stage.target.on_call = on_call


def test_claims_are_waited_for_all_at_once() -> None:
    """As long as one may take, however many there are."""
    names = ("a", "b", "c")
    stage = from_snapshots(*(claim(name, storageClassName="gp3") for name in names), *(volume(name) for name in names))
    slow_to_bind(stage, 300)
    result = stage.bring_back(patience=Patience(definition=0, webhook=0))
    assert outcomes(result) == {f"shop/{name}": "restored" for name in names}
    assert stage.clock.passed < 330
    assert [verb for verb, _ in stage.restorer.calls].count("discard") == 3


def test_a_claim_that_is_never_bound_is_said_to_be_not() -> None:
    """What stands for its snapshot stays: the same command goes on with it."""
    stage = from_snapshots(claim("a", storageClassName="gp3"), volume("a"))
    slow_to_bind(stage, 10_000)
    (one,) = stage.bring_back(patience=Patience(definition=0, webhook=0)).volumes
    assert one.reason == (
        "its claim is not bound to its volume: see kubectl describe pvc; shop/back-a stays in the cluster"
    )
    assert 600 <= stage.clock.passed < 630


def test_nothing_stands_for_a_claim_that_was_left_out() -> None:
    """Never ready, or its claim refused: a VolumeSnapshot is soon made again, and would be left for ever."""
    late = from_snapshots(claim("data", storageClassName="gp3"), volume("data"))
    late.restorer.states = ("pending",)
    assert late.bring_back(patience=Patience(binding=0, snapshot=30.0)).volumes[0].reason == "not ready after 30 s"
    assert late.restorer.calls[-1] == ("discard", "shop/data")

    refused = from_snapshots(claim("data", storageClassName="gp3"), volume("data"))
    refused.target.forbid("persistentvolumeclaims", verbs=["create"])
    assert "its claim was not created" in refused.bring_back().volumes[0].reason
    assert refused.restorer.calls[-1] == ("discard", "shop/data")


@pytest.mark.parametrize("method", ["csi-snapshot", "fs-backup"])
def test_the_rights_to_complete_a_claim_are_asked_for(method: str) -> None:
    """Else its data would be there, and the restore would fail over what is left beside it."""
    stage = DiskStage(claim("data"), volume("data"))
    made = stage.plan()
    volumes = tuple(msgspec.structs.replace(one, method=method) for one in made.volumes)
    stage.target.forbid(verbs=["*"])  # who may do everything is asked nothing else
    for type_name in ("persistentvolumeclaims", "volumesnapshots.snapshot.storage.k8s.io"):
        stage.target.forbid(type_name, verbs=["patch", "delete"])
    rights = Rights(stage.target, SimulatedExecutor(), Retrier(stage.clock, stage.observer))
    missing = [gap.what for gap in rights.missing(msgspec.structs.replace(made, steps=(), volumes=volumes))]
    taken_away = ["the right to delete volumesnapshots.snapshot.storage.k8s.io in namespace shop"]
    patched = ["the right to patch persistentvolumeclaims in namespace shop"]
    assert missing == (taken_away if method == "csi-snapshot" else []) + patched


def test_what_cannot_be_taken_back_is_said_beside_the_reason() -> None:
    """Both matter."""
    stage = from_snapshots(claim("data", storageClassName="gp3"), volume("data"))
    stage.restorer.states = ("pending",)
    stage.restorer.on_call = failing("discard", "shop/data", Forbidden("you may not"))
    result = stage.bring_back(patience=Patience(binding=0, snapshot=30.0))
    assert result.volumes[0].reason == "not ready after 30 s; you may not; shop/back-data stays in the cluster"


@pytest.mark.parametrize("files", [True, False])
def test_a_claim_is_free_of_what_its_old_volume_was_found_or_made_by(files: bool) -> None:
    """A provisioner refuses a claim with a selector; and the snapshot that it once began as need not be there."""
    old = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "of-last-year"}
    fields: Json = {"dataSource": old, "dataSourceRef": old, "selector": {"matchLabels": {"disk": "a"}}}
    stage = from_snapshots(claim("data", storageClassName="gp3", **fields), volume("data"))
    stage = with_files(stage) if files else stage
    assert outcomes(stage.bring_back()) == {"shop/data": "restored"}
    spec = stage.live("persistentvolumeclaims", "shop", "data")["spec"]
    assert "dataSourceRef" not in spec
    assert (spec.get("dataSource") or {}).get("name") == (None if files else "back-data")
    assert ("selector" in spec) == files


def test_a_restore_that_was_killed_beside_a_claim_from_a_snapshot_is_completed() -> None:
    """The claim says that it is not complete: it is waited for again, and what stood for the snapshot is taken away."""
    stage = from_snapshots(claim("data", storageClassName="gp3"), volume("data"))
    stage.restorer.on_call = failing("discard", "shop/data", Forbidden("you may not"))
    assert stage.bring_back().exit_code == 3
    assert notes(stage, "data") == {"trysail.dev/restoring": "snap-1"}
    assert fates(stage) == {"shop/data": "restore"}
    assert outcomes(stage.bring_back()) == {"shop/data": "restored"}
    assert stage.restorer.calls[-1] == ("discard", "shop/data")
    assert notes(stage, "data") == {}
    assert not stage.plan().changes_anything


def test_a_claim_whose_class_waits_for_a_pod_is_finished_by_the_next_restore() -> None:
    """Its volume is made when a Pod uses it, from the VolumeSnapshot: that stays until then, and the result says so."""
    waits = {"volumeBindingMode": "WaitForFirstConsumer"}
    stage = from_snapshots(claim("data", storageClassName="gp3"), volume("data"), **waits)
    first = stage.bring_back()
    assert outcomes(first) == {"shop/data": "restored"}
    (warning,) = first.warnings
    assert "shop/data" in warning
    assert "discard" not in {verb for verb, _ in stage.restorer.calls}
    made = stage.live("persistentvolumeclaims", "shop", "data")
    stage.target.put(made | {"status": {"phase": "Bound"}})
    again = stage.bring_back()
    assert (outcomes(again), again.warnings) == ({"shop/data": "restored"}, ())
    assert stage.restorer.calls[-1] == ("discard", "shop/data")
    assert not stage.plan().changes_anything


def names(calls: Sequence[tuple[str, str]], verb: str) -> list[str]:
    """Whom a verb was called for."""
    return [name for called, name in calls if called == verb]


def test_many_volumes_come_back_each_once() -> None:
    """Twenty claims of two namespaces."""
    objects = [one for n in range(20) for one in (claim(f"c{n}"), volume(f"c{n}"))]
    stage = DiskStage(*objects)
    assert set(outcomes(stage.bring_back()).values()) == {"restored"}
    assert len(names(stage.restorer.calls, "bring")) == 20
