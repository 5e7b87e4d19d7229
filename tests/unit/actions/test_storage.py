"""Tests of the rules for claims, volumes and snapshots."""

from __future__ import annotations

import pytest

from tests.unit.actions.restoring import TheOthers, outcome, restored, rules_of, stored, why_left

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: data
  namespace: shop
  annotations:
    pv.kubernetes.io/bind-completed: "yes"
    pv.kubernetes.io/bound-by-controller: "yes"
    volume.kubernetes.io/storage-provisioner: ebs.csi.aws.com
    volume.beta.kubernetes.io/storage-provisioner: ebs.csi.aws.com
    volume.kubernetes.io/selected-node: node-1
    trysail.dev/restoring: snap-of-another-backup
    note: kept
  finalizers: [kubernetes.io/pvc-protection]
spec:
  accessModes: [ReadWriteOnce]
  dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: nightly}
  dataSourceRef: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: nightly}
  resources: {requests: {storage: 1Gi}}
  storageClassName: gp2
  volumeMode: Filesystem
  volumeName: pvc-63a8993f
"""

VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata:
  name: pvc-63a8993f
  annotations:
    pv.kubernetes.io/bound-by-controller: "yes"
    pv.kubernetes.io/provisioned-by: ebs.csi.aws.com
  finalizers:
  - external-provisioner.volume.kubernetes.io/finalizer
  - kubernetes.io/pv-protection
  - external-attacher/ebs-csi-aws-com
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 1Gi}
  claimRef:
    apiVersion: v1
    kind: PersistentVolumeClaim
    name: data
    namespace: shop
    resourceVersion: "335"
    uid: 63a8993f-14ad-413d-8978-96c775408cea
  csi: {driver: ebs.csi.aws.com, volumeHandle: vol-1}
  persistentVolumeReclaimPolicy: Retain
  storageClassName: gp2
"""

CONTENT = """
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotContent
metadata:
  name: snapcontent-1
  annotations:
    snapshot.storage.kubernetes.io/volumesnapshot-being-created: "yes"
    snapshot.storage.kubernetes.io/deletion-secret-name: s
  finalizers: [snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection]
spec:
  deletionPolicy: Delete
  driver: ebs.csi.aws.com
  source: {volumeHandle: vol-1}
  sourceVolumeMode: Filesystem
  volumeSnapshotClassName: ebs
  volumeSnapshotRef:
    apiVersion: snapshot.storage.k8s.io/v1
    kind: VolumeSnapshot
    name: nightly
    namespace: shop
    resourceVersion: "400"
    uid: 0f344dc4
"""

SNAPSHOT = """
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: nightly, namespace: shop}
spec: {source: {persistentVolumeClaimName: data}, volumeSnapshotClassName: ebs}
"""
CONTENTS, SNAPSHOTS = "volumesnapshotcontents.snapshot.storage.k8s.io", "volumesnapshots.snapshot.storage.k8s.io"
CLASSES = {"gp2": "gp3"}


def test_the_notes_of_a_claims_binding_are_dropped() -> None:
    """What binder, scheduler and provisioner had written; the user's annotations and the finalizer stay."""
    metadata = restored("persistentvolumeclaims", stored(CLAIM, phase="Bound"))["metadata"]
    assert metadata["annotations"] == {"note": "kept"}
    assert metadata["finalizers"] == ["kubernetes.io/pvc-protection"]


def test_a_claim_whose_volume_does_not_come_is_provisioned_anew() -> None:
    """It would wait for the old volume for ever."""
    assert "volumeName" not in restored("persistentvolumeclaims", stored(CLAIM))["spec"]


def test_a_claim_whose_volume_comes_is_bound_to_it() -> None:
    """By name: the volume waits for it too."""
    body = restored("persistentvolumeclaims", stored(CLAIM), others=TheOthers(volumes=("pvc-63a8993f",)))
    assert body["spec"]["volumeName"] == "pvc-63a8993f"


def test_the_data_source_of_a_claim_is_kept() -> None:
    """Where its volume began is part of what was asked for."""
    item = stored(CLAIM)
    body = restored("persistentvolumeclaims", item)
    assert body["spec"]["dataSource"] == item["spec"]["dataSource"]
    assert body["spec"]["dataSourceRef"] == item["spec"]["dataSourceRef"]


def test_the_storage_class_of_a_claim_is_mapped() -> None:
    """In the field, and in the annotation that it replaced."""
    item = stored(CLAIM)
    item["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"] = "gp2"
    body = restored("persistentvolumeclaims", item, rules_of(classes=CLASSES))
    assert body["spec"]["storageClassName"] == "gp3"
    assert body["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"] == "gp3"


def test_a_volume_that_its_class_deletes_is_left_to_the_provisioner() -> None:
    """Its data went with its claim."""
    item = stored(VOLUME)
    item["spec"]["persistentVolumeReclaimPolicy"] = "Delete"
    assert "comes and goes with its claim" in why_left("persistentvolumes", item)


def test_a_retained_volume_is_restored_as_it_is() -> None:
    """It points at data that is still there."""
    item = stored(VOLUME, phase="Bound")
    spec = restored("persistentvolumes", item)["spec"]
    assert spec["csi"] == {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}
    assert spec["persistentVolumeReclaimPolicy"] == "Retain"


def test_a_volume_waits_for_its_claim_under_any_uid() -> None:
    """The claim gets a new one; a volume that names the old one counts as released."""
    claim = restored("persistentvolumes", stored(VOLUME))["spec"]["claimRef"]
    assert claim == {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": "data", "namespace": "shop"}


def test_a_volume_waits_for_its_claim_in_the_mapped_namespace() -> None:
    """Where the claim goes."""
    body = restored("persistentvolumes", stored(VOLUME), rules_of({"shop": "drill"}))
    assert body["spec"]["claimRef"]["namespace"] == "drill"


def test_a_volume_bound_by_the_controller_is_bound_by_us() -> None:
    """With the note, the controller would take claimRef away again; who provisioned it stays true."""
    annotations = restored("persistentvolumes", stored(VOLUME))["metadata"]["annotations"]
    assert annotations == {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"}


def test_a_volume_loses_its_drivers_finalizers() -> None:
    """Processes that never saw it do not let go of it."""
    assert restored("persistentvolumes", stored(VOLUME))["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]


def test_the_storage_class_of_a_volume_is_mapped() -> None:
    """As its claim's is: they only bind if both name the same."""
    body = restored("persistentvolumes", stored(VOLUME), rules_of(classes=CLASSES))
    assert body["spec"]["storageClassName"] == "gp3"


def test_a_snapshot_content_stands_for_the_snapshot_that_was_taken() -> None:
    """By its handle: as it was asked for, a new snapshot would be taken of a volume that may be gone."""
    spec = restored(CONTENTS, stored(CONTENT, snapshotHandle="snap-1", readyToUse=True))["spec"]
    assert spec["source"] == {"snapshotHandle": "snap-1"}
    assert spec["sourceVolumeMode"] == "Filesystem"


def test_a_snapshot_content_is_retained() -> None:
    """A backup's data does not go with a namespace."""
    assert restored(CONTENTS, stored(CONTENT, snapshotHandle="snap-1"))["spec"]["deletionPolicy"] == "Retain"


def test_a_snapshot_content_waits_for_its_snapshot_under_any_uid() -> None:
    """In the namespace where it goes."""
    body = restored(CONTENTS, stored(CONTENT, snapshotHandle="snap-1"), rules_of({"shop": "drill"}))
    reference = body["spec"]["volumeSnapshotRef"]
    assert reference.keys() == {"apiVersion", "kind", "name", "namespace"}
    assert reference["namespace"] == "drill"


def test_a_snapshot_content_loses_the_notes_of_work_under_way() -> None:
    """The names of its secrets stay."""
    body = restored(CONTENTS, stored(CONTENT, snapshotHandle="snap-1"))
    assert body["metadata"]["annotations"] == {"snapshot.storage.kubernetes.io/deletion-secret-name": "s"}


def test_a_snapshot_is_bound_to_its_content() -> None:
    """It would else take a new snapshot of the claim."""
    spec = restored(SNAPSHOTS, stored(SNAPSHOT, boundVolumeSnapshotContentName="snapcontent-1"))["spec"]
    assert spec == {"source": {"volumeSnapshotContentName": "snapcontent-1"}, "volumeSnapshotClassName": "ebs"}


@pytest.mark.parametrize(("resource", "text"), [(CONTENTS, CONTENT), (SNAPSHOTS, SNAPSHOT)])
def test_a_snapshot_that_was_not_taken_yet_is_left_out(resource: str, text: str) -> None:
    """There is nothing that it could stand for."""
    assert "not been taken" in why_left(resource, stored(text, readyToUse=False))


def test_a_snapshot_of_the_users_own_handle_is_kept() -> None:
    """One that was made from a handle needs no status."""
    item = stored(CONTENT)
    item["spec"]["source"] = {"snapshotHandle": "snap-9"}
    assert outcome(CONTENTS, item).body["spec"]["source"] == {"snapshotHandle": "snap-9"}
