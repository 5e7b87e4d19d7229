"""Files by Jobs, over a cluster in memory: how a Job's stand is read, and what is taken away."""

from __future__ import annotations

import base64
import json

import pytest

from runner.adapters.mover import MoverRestorer, MoverSnapshots
from runner.adapters.mover_jobs import JOBS, PODS, SECRETS
from runner.errors import ClusterUnreachable, Forbidden, SnapshotNotFound, TrysailError
from runner.model.moved import Moved
from runner.model.volumes import RestoringVolume, RunTags, Snapshot, StoredVolume
from tests.fakes.cluster import Call, FakeCluster
from tests.unit.adapters.mover_stage import (
    SETTINGS,
    TAGS,
    Json,
    condition,
    container,
    ended,
    listed,
    one,
    pod,
    remove,
    shop,
    volume,
)


def test_a_job_and_its_secret() -> None:
    """No value is in the Job; all that the mover is told is; and no backup stores either."""
    cluster = shop()
    snapshot = MoverSnapshots(cluster, SETTINGS).start(volume(), TAGS)
    job, secret = one(cluster, JOBS), one(cluster, SECRETS)
    assert snapshot == Snapshot(
        provider="restic",
        id="",
        state="asked",
        started="",  # a cluster in memory stamps nothing
        object=f"shop/{job['metadata']['name']}",
        repository="files/real",
    )
    assert container(job)["command"] == [
        *("trysail", "mover", "backup", "--path", "/volume", "--repository", "s3:http://store/b/files/real"),
        *("--option", "s3.bucket-lookup=path", "--insecure-tls", "--cluster", "real", "--claim", "shop/data"),
        *("--backup", "shop-1", "--result", "/dev/termination-log"),
    ]
    assert "sesame" not in json.dumps(job)
    assert "hidden" not in json.dumps(job)
    assert {key: base64.b64decode(value).decode() for key, value in secret["data"].items()} == SETTINGS.secrets
    assert secret["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    for made in (job, secret, job["spec"]["template"]):
        assert made["metadata"]["labels"]["trysail.dev/exclude-from-backup"] == "true"
    assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["ttlSecondsAfterFinished"]) == (600, 86400)
    assert "sesame" not in repr(SETTINGS)


def waits(cluster: FakeCluster) -> dict[str, bool]:
    """By claim: whether its mover waits for another one to make the repository."""
    return {
        job["metadata"]["annotations"]["trysail.dev/pvc"]: "--wait-for-repository" in container(job)["command"]
        for job in listed(cluster, JOBS)
    }


def test_one_mover_of_a_run_makes_the_repository() -> None:
    """Two at once would leave one that nobody can read."""
    cluster = shop()
    snapshots = MoverSnapshots(cluster, SETTINGS)
    for claim in ("shop/a", "shop/b", "web/c"):
        snapshots.start(volume(claim), TAGS)
    assert waits(cluster) == {"shop/a": False, "shop/b": True, "web/c": True}


@pytest.mark.parametrize(
    ("error", "makers"),
    [
        (Forbidden("no"), {"shop/b": False}),
        # It may be there: whoever asks again for it makes the repository, and nobody else.
        (ClusterUnreachable("lost"), {"shop/b": True}),
    ],
)
def test_another_one_makes_it_where_the_first_never_begins(error: TrysailError, makers: dict[str, bool]) -> None:
    """An answer that was lost says nothing of that."""
    cluster = shop()
    snapshots = MoverSnapshots(cluster, SETTINGS)

    def fail(call: Call) -> None:
        if call.verb == "create":
            raise error

    cluster.on_call = fail
    with pytest.raises(type(error)):
        snapshots.start(volume("shop/a"), TAGS)
    cluster.on_call = lambda call: None
    snapshots.start(volume("shop/b"), TAGS)
    assert waits(cluster) == makers


def test_another_run_makes_it() -> None:
    """Then all of this one's movers wait for that; it is asked once."""
    cluster = shop()
    asked: list[str] = []

    def may_make() -> bool:
        asked.append("asked")
        return False

    snapshots = MoverSnapshots(cluster, SETTINGS, may_make)
    for claim in ("shop/a", "shop/b"):
        snapshots.start(volume(claim), TAGS)
    assert waits(cluster) == {"shop/a": True, "shop/b": True}
    assert asked == ["asked"]


def test_asked_again_it_is_the_same_job() -> None:
    """An answer that was lost makes no second one, and a Secret that is not there yet comes then."""
    cluster = shop()
    snapshots = MoverSnapshots(cluster, SETTINGS)
    first = snapshots.start(volume(), TAGS)
    remove(cluster, SECRETS)
    assert snapshots.start(volume(), TAGS) == first
    one(cluster, SECRETS)


def looked(cluster: FakeCluster, snapshots: MoverSnapshots, before: Snapshot) -> Snapshot:
    """How it stands."""
    (found,) = snapshots.look([before])
    return found


def test_a_job_that_is_complete_is_a_snapshot() -> None:
    """Its numbers are those of the mover's last word."""
    cluster = shop()
    snapshots = MoverSnapshots(cluster, SETTINGS)
    before = snapshots.start(volume(), TAGS)
    job = one(cluster, JOBS)
    assert looked(cluster, snapshots, before) == before
    ended(cluster, job, code=137, reason="OOMKilled")
    ended(cluster, job, word=Moved("5eed", 3, 30, 10).line().decode(), at=1)
    condition(cluster, job, "Complete")
    now = looked(cluster, snapshots, before)
    assert (now.state, now.id, now.files, now.size, now.stored) == ("ready", "5eed", 3, 30, 10)


@pytest.mark.parametrize(
    ("code", "word", "reason", "said"),
    [
        (1, Moved(error="wrong password").line().decode(), "Error", "wrong password"),
        (3, Moved("5eed", error="1 files could not be read: a").line().decode(), "Error", "1 files could not be"),
        (137, "", "OOMKilled", "the mover ended with exit code 137: OOMKilled"),
        (128, 'exec: "trysail": not found', "StartError", 'code 128: StartError: exec: "trysail": not found'),
    ],
)
def test_a_job_that_failed_says_why(code: int, word: str, reason: str, said: str) -> None:
    """The mover's word, or what Kubernetes knows of its end, before what the Job controller says of it."""
    cluster = shop()
    snapshots = MoverSnapshots(cluster, SETTINGS)
    before = snapshots.start(volume(), TAGS)
    job = one(cluster, JOBS)
    ended(cluster, job, code=code, word=word, reason=reason)
    condition(cluster, job, "Failed", "Job has reached the specified backoff limit")
    now = looked(cluster, snapshots, before)
    assert now.state == "failed"
    assert said in now.reason


def test_a_job_without_a_word() -> None:
    """Past its deadline its Pods are gone: then the Job controller's is the reason. One that is gone has failed."""
    cluster = shop()
    snapshots = MoverSnapshots(cluster, SETTINGS)
    before = snapshots.start(volume(), TAGS)
    job = one(cluster, JOBS)
    condition(cluster, job, "Failed", "Job was active longer than specified deadline")
    assert looked(cluster, snapshots, before).reason == "Job was active longer than specified deadline"
    condition(cluster, job, "Complete")
    assert "nothing is known of what it did" in looked(cluster, snapshots, before).reason
    remove(cluster, JOBS)
    assert looked(cluster, snapshots, before).reason == "its Job was deleted"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}]},
            "no node takes its Pod: 0/2 nodes are available",
        ),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}]},
            "its Pod waits: ErrImagePull not found",
        ),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, ""),
    ],
)
def test_a_pod_that_does_not_begin_says_what_it_waits_for(status: Json, said: str) -> None:
    """While it waits that is the snapshot's reason, and what is said when its time is over."""
    cluster = shop()
    snapshots = MoverSnapshots(cluster, SETTINGS)
    before = snapshots.start(volume(), TAGS)
    pod(cluster, one(cluster, JOBS), "waiting", status)
    now = looked(cluster, snapshots, before)
    assert (now.state, now.reason) == ("asked", said)


def test_it_is_found_adopted_and_taken_away() -> None:
    """By a later run of the same policy; nothing but other people's things stays."""
    cluster = shop()
    before = MoverSnapshots(cluster, SETTINGS).start(volume(), TAGS)
    snapshots = MoverSnapshots(cluster, SETTINGS)
    other = RunTags(cluster="real", policy="another", backup="b", plan="p")
    assert snapshots.found(other) == ()
    (found,) = snapshots.found(TAGS)
    assert found.snapshot == before
    assert (found.backup, found.plan, found.volume_uid, found.claim) == (
        *("shop-1", "sha256:1", "uid-of-shop/data", "shop/data"),
    )
    later = RunTags(cluster="real", policy="shop", backup="shop-2", plan="sha256:1")
    assert snapshots.adopt(found, later) == before
    assert snapshots.found(later)[0].backup == "shop-2"
    snapshots.start(volume("shop/more"), later)
    assert waits(cluster) == {"shop/data": False, "shop/more": True}
    for snapshot in (before, before):
        pod(cluster, {"metadata": {"name": before.object.partition("/")[2], "namespace": "shop"}}, "p", {})
        snapshots.discard(snapshot)
    assert [job["metadata"]["annotations"]["trysail.dev/pvc"] for job in listed(cluster, JOBS)] == ["shop/more"]
    assert len(listed(cluster, SECRETS)) == 1
    assert listed(cluster, PODS) == []


def test_one_that_failed_is_not_adopted() -> None:
    """It would be another run's error."""
    cluster = shop()
    snapshots = MoverSnapshots(cluster, SETTINGS)
    snapshots.start(volume(), TAGS)
    condition(cluster, one(cluster, JOBS), "Failed", "no luck")
    with pytest.raises(SnapshotNotFound, match="no luck"):
        snapshots.adopt(snapshots.found(TAGS)[0], TAGS)


def restoring() -> RestoringVolume:
    """A claim that gets its files back."""
    snapshot = Snapshot("restic", "5eed", "ready", repository="files/real")
    stored = StoredVolume(volume(), "stored", snapshot)
    return RestoringVolume(stored, "shop", "data", backup="shop-1", cluster="uid")


def test_files_are_brought_back_by_a_job() -> None:
    """It may write; asked again, it is the same one; in the end it is taken away."""
    cluster = shop()
    restorer = MoverRestorer(cluster, SETTINGS)
    brought = restorer.bring(restoring())
    assert (brought.state, brought.adopted) == ("pending", False)
    assert restorer.bring(restoring()).adopted
    job = one(cluster, JOBS)
    assert container(job)["command"][2] == "restore"
    assert container(job)["command"][-4:-2] == ["--snapshot", "5eed"]
    assert container(job)["volumeMounts"][0] == {"name": "volume", "mountPath": "/volume", "readOnly": False}
    ended(cluster, job, word=Moved("5eed", 3, 30).line().decode())
    condition(cluster, job, "Complete")
    now = restorer.look(restoring(), brought)
    assert now.state == "ready"
    restorer.discard(restoring(), now)
    restorer.discard(restoring(), now)
    assert [listed(cluster, resource) for resource in (JOBS, PODS, SECRETS)] == [[], [], []]


def test_a_job_of_an_earlier_try_that_failed_makes_room_for_another() -> None:
    """The same command goes on."""
    cluster = shop()
    restorer = MoverRestorer(cluster, SETTINGS)
    restorer.bring(restoring())
    old = one(cluster, JOBS)
    condition(cluster, old, "Failed", "no luck")
    brought = restorer.bring(restoring())
    assert brought.state == "pending"
    now = restorer.look(restoring(), brought)
    assert now.state == "pending"
    assert one(cluster, JOBS)["metadata"]["uid"] != old["metadata"]["uid"]
