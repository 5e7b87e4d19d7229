"""What the tests of movers share: a cluster in memory, settings, and Jobs that come to their end by hand."""

from __future__ import annotations

from typing import Any

import msgspec

from runner.adapters.mover_jobs import PASSWORD, MoverSettings
from runner.model.cluster import ListRequest, Resource
from runner.model.volumes import PlannedVolume, RunTags
from runner.plan.repository import Repository
from tests.fakes.cluster import FakeCluster

Json = dict[str, Any]

REPOSITORY = Repository("s3:http://store/b/files/real", "files/real", ("-o", "s3.bucket-lookup=path", "--insecure-tls"))
SETTINGS = MoverSettings(
    image="registry.example.com/trysail:1",
    repository=REPOSITORY,
    secrets={PASSWORD: "sesame", "AWS_SECRET_ACCESS_KEY": "hidden"},
    deadline=600,
)
TAGS = RunTags(cluster="real", policy="shop", backup="shop-1", plan="sha256:1")


def shop() -> FakeCluster:
    """A cluster with namespaces."""
    cluster = FakeCluster()
    cluster.put(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("shop", "web")))
    return cluster


def volume(claim: str = "shop/data", **more: str) -> PlannedVolume:
    """A line of the plan."""
    return PlannedVolume(method="fs-backup", why="a rule", claim=claim, uid=f"uid-of-{claim}", **more)


def listed(cluster: FakeCluster, resource: Resource) -> list[Json]:
    """All of a type."""
    return [msgspec.json.decode(item) for item in cluster.page(ListRequest(resource, limit=500)).items]


def one(cluster: FakeCluster, resource: Resource) -> Json:
    """The only one of a type."""
    (found,) = listed(cluster, resource)
    return found


def remove(cluster: FakeCluster, resource: Resource) -> None:
    """The only one of a type, by somebody else."""
    metadata = one(cluster, resource)["metadata"]
    cluster.delete(resource, metadata["namespace"], metadata["name"], uid=metadata["uid"])


def container(job: Json) -> Json:
    """The mover's."""
    found: Json = job["spec"]["template"]["spec"]["containers"][0]
    return found


def ended(cluster: FakeCluster, job: Json, *, code: int = 0, word: str = "", reason: str = "", at: int = 0) -> None:
    """A Pod of a Job comes to its end; after the last one the Job has this condition."""
    state = {"terminated": {"exitCode": code, "message": word, "reason": reason}}
    pod(cluster, job, f"pod-{at}", {"containerStatuses": [{"name": "mover", "state": state}]}, at)


def pod(cluster: FakeCluster, job: Json, name: str, status: Json, at: int = 0) -> None:
    """A Pod of a Job."""
    labels = {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    metadata = {"name": name, "namespace": job["metadata"]["namespace"], "labels": labels}
    metadata["creationTimestamp"] = f"2026-11-27T10:00:0{at}Z"
    cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})


def condition(cluster: FakeCluster, job: Json, kind: str, message: str = "") -> None:
    """What the Job controller says of a Job in the end."""
    said = {"type": kind, "status": "True", "message": message}
    cluster.put({"apiVersion": "batch/v1", "kind": "Job", **job, "status": {"conditions": [said]}})
