"""The Jobs that copy the files of volumes: rendered, created with their Secret, looked at, and taken away again."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, NamedTuple

import msgspec
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from runner.actions.fields import part, parts, text
from runner.adapters.csi_objects import EXCLUDED, Objects
from runner.errors import AlreadyExists, ClusterError
from runner.model.cluster import ListRequest, Resource
from runner.model.moved import Moved, read_moved
from runner.plan.repository import Repository
from runner.ports import Cluster

JOBS = Resource("batch", "jobs", "v1", "Job", namespaced=True)
PODS = Resource("", "pods", "v1", "Pod", namespaced=True)
SECRETS = Resource("", "secrets", "v1", "Secret", namespaced=True)
CLAIMS = Resource("", "persistentvolumeclaims", "v1", "PersistentVolumeClaim", namespaced=True)
NAMESPACES = Resource("", "namespaces", "v1", "Namespace", namespaced=False)

MOVER = "trysail.dev/mover"  # a label of Jobs and their Pods: backup | restore
PASSWORD = "TRYSAIL_REPOSITORY_PASSWORD"  # noqa: S105 -- the variable's name

_OF_JOB = "batch.kubernetes.io/job-name"
_ENFORCED = "pod-security.kubernetes.io/enforce"
_VOLUME = "/volume"
_AUTHORITY_KEY = "ca.crt"  # in the Secret, beside the variables
_KEPT = 24 * 3600  # seconds that a Job stays at least, once it has ended
_SAID = 400  # characters of what a mover said that did not come to a word of its own


@dataclass(frozen=True)
class MoverSettings:
    """What all movers of a run have in common. `secrets` are values by the variable that a mover finds them in."""

    image: str
    repository: Repository
    secrets: Mapping[str, str] = field(repr=False)
    authority: str = ""  # certificates that vouch for the store, in PEM form; "" for the image's own
    deadline: int = 4 * 3600  # seconds
    service_account: str = ""


class Work(NamedTuple):
    """One volume's files to be copied."""

    name: str  # of the Job
    namespace: str
    claim: str
    kind: Literal["backup", "restore"]
    words: tuple[str, ...]  # of `trysail mover`, beside those that all have
    labels: dict[str, str]
    annotations: dict[str, str]


class Stand(NamedTuple):
    """How far a Job is."""

    state: Literal["going", "done", "failed"]
    moved: Moved | None
    reason: str


class Jobs:
    """Makes them and looks at them, in one cluster."""

    def __init__(self, cluster: Cluster, settings: MoverSettings) -> None:
        self.objects = Objects(cluster)
        self._cluster, self._settings = cluster, settings

    def create(self, work: Work) -> dict[str, Any]:
        """The Job, and the Secret that it owns. One of ours that is there already is an answer that was lost."""
        try:
            job = self.objects.create(JOBS, work.namespace, self.body(work))
        except AlreadyExists:
            job = self.objects.get(JOBS, work.namespace, work.name)
        # After the Job, so that it is never there without somebody whose end is its own. The kubelet waits for it.
        with suppress(AlreadyExists):
            self.objects.create(SECRETS, work.namespace, self._secret(work, job))
        return job

    def body(self, work: Work) -> dict[str, Any]:
        """The Job as it is sent."""
        settings, repository = self._settings, self._settings.repository
        command = ["trysail", "mover", work.kind, "--path", _VOLUME, "--repository", repository.url]
        options = list(repository.options)
        for at, word in enumerate(options):
            if word == "-o":
                command += ["--option", options[at + 1]]
            elif word == "--insecure-tls":
                command.append(word)
        if settings.authority:
            command += ["--ca-file", f"/authority/{_AUTHORITY_KEY}"]
        node, tolerations = self._placement(work)
        rendered = _template().render(
            name=work.name,
            namespace=work.namespace,
            claim=work.claim,
            labels={**work.labels, MOVER: work.kind, EXCLUDED: "true"},
            annotations=work.annotations,
            deadline=settings.deadline,
            kept=max(_KEPT, 2 * settings.deadline),  # a run that waits for other Jobs still looks at this one
            service_account=settings.service_account,
            image=settings.image,
            command=[*command, *work.words, "--result", "/dev/termination-log"],
            environment=sorted(repository.environment.items()),
            secrets=sorted(settings.secrets),
            authority=_AUTHORITY_KEY if settings.authority else "",
            restricted=self._is_restricted(work.namespace),
            writes=work.kind == "restore",
            node=node,
            tolerations=tolerations,
        )
        body: dict[str, Any] = yaml.safe_load(rendered)
        return body

    def stand(self, namespace: str, name: str) -> Stand:
        """How far a Job is, and what its mover said."""
        job = self.objects.find(JOBS, namespace, name)
        if job is None:
            return Stand("failed", None, "its Job was deleted")
        pods = list(self._pods(namespace, name))
        moved = next((found for pod in reversed(pods) if (found := _last_word(pod)) is not None), None)
        for condition in parts(job, "status", "conditions"):
            if condition.get("status") != "True":
                continue
            if condition.get("type") == "Complete":
                if moved is None:
                    return Stand("failed", None, "its Job has ended, and nothing is known of what it did")
                return Stand("failed", moved, moved.error) if moved.error else Stand("done", moved, "")
            if condition.get("type") == "Failed":
                said = moved.error if moved is not None and moved.error else ""
                return Stand("failed", moved, said or text(condition, "message") or "its Job failed")
        return Stand("going", None, next(filter(None, map(_waits_for, reversed(pods))), ""))

    def found(self, selector: str) -> list[dict[str, Any]]:
        """Jobs by their labels."""
        return list(self.objects.list(JOBS, selector))

    def remove(self, namespace: str, name: str) -> None:
        """The Job with its Pods and its Secret. Gone already is no error."""
        job = self.objects.find(JOBS, namespace, name)
        if job is not None:
            self.objects.delete(JOBS, namespace, name, text(job, "metadata", "uid"))
        for pod in self._pods(namespace, name):
            self.objects.delete(PODS, namespace, text(pod, "metadata", "name"), text(pod, "metadata", "uid"))
        secret = self.objects.find(SECRETS, namespace, name)
        if secret is not None:
            self.objects.delete(SECRETS, namespace, name, text(secret, "metadata", "uid"))

    def _secret(self, work: Work, job: dict[str, Any]) -> dict[str, Any]:
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": work.name, "uid": text(job, "metadata", "uid")}
        values = dict(self._settings.secrets)
        if self._settings.authority:
            values[_AUTHORITY_KEY] = self._settings.authority
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        metadata = {
            "name": work.name,
            "namespace": work.namespace,
            "labels": {**work.labels, MOVER: work.kind, EXCLUDED: "true"},
            "ownerReferences": [owner],
        }
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}

    def _placement(self, work: Work) -> tuple[str, list[dict[str, Any]]]:
        """The node of the Pod that uses a claim which one node alone may mount; and what that Pod tolerates."""
        claim = self.objects.find(CLAIMS, work.namespace, work.claim)
        modes = (claim or {}).get("spec", {}).get("accessModes") or []
        if "ReadWriteMany" in modes or "ReadOnlyMany" in modes:
            return "", []
        for pod in self._listed(work.namespace, ""):
            used = {text(volume, "persistentVolumeClaim", "claimName") for volume in parts(pod, "spec", "volumes")}
            node = text(pod, "spec", "nodeName")
            if work.claim in used and node and text(pod, "status", "phase") not in {"Succeeded", "Failed"}:
                return node, parts(pod, "spec", "tolerations")
        return "", []

    def _is_restricted(self, namespace: str) -> bool:
        try:
            found = self.objects.find(NAMESPACES, "", namespace)
        except ClusterError:
            return False  # it may not be read: then the API server says what it does not take
        return text(found or {}, "metadata", "labels", _ENFORCED) == "restricted"

    def _pods(self, namespace: str, job: str) -> list[dict[str, Any]]:
        found = self._listed(namespace, f"{_OF_JOB}={job}")
        return sorted(found, key=lambda pod: text(pod, "metadata", "creationTimestamp"))

    def _listed(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        page = self._cluster.page(ListRequest(PODS, namespace=namespace, limit=500, label_selector=selector))
        found = [_DECODER.decode(raw) for raw in page.items]
        while page.continue_token:
            page = self._cluster.page(
                ListRequest(
                    PODS, namespace=namespace, limit=500, label_selector=selector, continue_token=page.continue_token
                )
            )
            found += [_DECODER.decode(raw) for raw in page.items]
        return found


def _last_word(pod: dict[str, Any]) -> Moved | None:
    for status in parts(pod, "status", "containerStatuses"):
        ended = part(status, "state", "terminated")
        if ended:
            moved = read_moved(text(ended, "message"))
            code = ended.get("exitCode", 0)
            if moved is not None or not code:
                return moved
            said = " ".join(text(ended, "message").split())[-_SAID:]
            words = f"the mover ended with exit code {code}: {text(ended, 'reason')}"
            return Moved(error=f"{words}: {said}" if said else words)
    return None


def _waits_for(pod: dict[str, Any]) -> str:
    """Why a Pod does not run yet: no node takes it, or its image cannot be had."""
    for condition in parts(pod, "status", "conditions"):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"no node takes its Pod: {text(condition, 'message')}"
    for status in parts(pod, "status", "containerStatuses"):
        waiting = part(status, "state", "waiting")
        if waiting and text(waiting, "reason") not in {"ContainerCreating", "PodInitializing"}:
            return f"its Pod waits: {text(waiting, 'reason')} {text(waiting, 'message')}".rstrip()
    return ""


@cache
def _template() -> Any:
    # What is put in is JSON, which YAML reads as it is; nothing here is HTML.
    environment = Environment(loader=PackageLoader("runner.adapters"), undefined=StrictUndefined)  # noqa: S701
    return environment.get_template("mover-job.yaml.jinja")


_DECODER = msgspec.json.Decoder(dict[str, Any])
