"""Hooks for real, through an API server to kwok's nodes: frozen, recorded, thawed; and thawed by whoever comes next."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner import wiring, wiring_volumes
from runner.engine.restore.hooks import RestoreHookPorts, pods_there, run_restore_hooks
from runner.engine.volumes.freeze import FreezePorts, Freezer
from runner.engine.volumes.frozen_records import list_left
from runner.engine.volumes.protect import PODS
from runner.model.event import HookRan, Thawed, Warned
from runner.model.hooks import FrozenPod, PlannedHook, RestoreHooks
from tests.fakes.observer import RecordingObserver
from tests.parts.controlplane import ControlPlane
from tests.parts.nodes import Nodes
from tests.real.frozen_run import planned
from tests.real.trysail import Trysail
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]


@dataclass
class Stage:
    """Running Pods in a namespace, and what freezes them."""

    plane: ControlPlane
    namespace: str
    folder: Path  # where commands run
    ports: FreezePorts
    observer: RecordingObserver

    def freezer(self, backup: str = "b-1") -> Freezer:
        """Of a run."""
        return Freezer(self.ports, PODS, backup=backup, policy="daily")

    def through(self, pre: list[PlannedHook], post: list[PlannedHook]) -> tuple[str, ...]:
        """Freezes and thaws; what went wrong."""
        freezer = self.freezer()
        frozen = freezer.freeze("group", pre, post, limit=30)
        return (*filter(None, [frozen.problem]), *freezer.thaw(frozen))

    def hook(self, when: str, script: str, pod: str = "db-0", **fields: Any) -> PlannedHook:
        """A line of shell."""
        return planned(self.namespace, pod, when, script, **fields)

    def log(self) -> list[str]:
        """What the commands of this test have written down."""
        file = self.folder / self.namespace
        return file.read_text().split() if file.exists() else []

    def note(self, word: str) -> str:
        """A line of shell that writes a word down."""
        return f"echo {word} >> {self.namespace}"

    def record(self, pod: str = "db-0") -> Json | None:
        """What lies on a Pod."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}"
        text = (self.plane.must("GET", path)["metadata"].get("annotations") or {}).get("trysail.dev/frozen")
        found: Json | None = None if text is None else json.loads(text)
        return found

    @contextmanager
    def frozen_run(self, *, limit: float = 600.0) -> Iterator[subprocess.Popen[str]]:
        """A process that has frozen db-0 and waits."""
        words = [self.plane.kubeconfig, self.namespace, "db-0", self.note("freeze"), self.note("thaw"), limit]
        command = [sys.executable, "-m", "tests.real.frozen_run", *map(str, words)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "frozen\n"
                yield process
            finally:
                process.kill()


@pytest.fixture
def stage(control_plane: ControlPlane, nodes: Nodes, namespace: str) -> Stage:
    """Two Pods that run."""
    for name in ("db-0", "db-1"):
        make_pod(control_plane, namespace, name)
    control_plane.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod", "--all", "--timeout=60s")
    observer = RecordingObserver()
    cluster = wiring.open_cluster(wiring.ClusterChoice(kubeconfig=str(control_plane.kubeconfig)))
    return Stage(control_plane, namespace, nodes.work_dir, wiring_volumes.freeze_ports(cluster, observer), observer)


def make_pod(plane: ControlPlane, namespace: str, name: str, **notes: str) -> None:
    """A Pod with one container."""
    containers = [{"name": "main", "image": "registry.example.com/db:1"}]
    metadata = {"name": name, "annotations": notes}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}
    plane.must("POST", f"/api/v1/namespaces/{namespace}/pods", body)


# freezing and thawing


def test_pods_are_frozen_recorded_and_thawed(stage: Stage) -> None:
    """In order; the record is there in between, with what thaws each Pod, and gone afterwards."""
    freezer = stage.freezer()
    pre = [stage.hook("pre", stage.note("freeze-0")), stage.hook("pre", stage.note("freeze-1"), "db-1")]
    post = [stage.hook("post", stage.note("thaw-0")), stage.hook("post", stage.note("thaw-1"), "db-1")]
    frozen = freezer.freeze("group", pre, post, limit=30)
    assert frozen.problem == ""
    for number in (0, 1):
        lying = stage.record(f"db-{number}")
        assert lying is not None
        assert (lying["backup"], lying["seconds"]) == ("b-1", 110)
        assert [one["command"][-1] for one in lying["hooks"]] == [stage.note(f"thaw-{number}")]
    assert freezer.thaw(frozen) == ()
    assert stage.log() == ["freeze-0", "freeze-1", "thaw-0", "thaw-1"]
    assert (stage.record("db-0"), stage.record("db-1")) == (None, None)
    assert [event.seconds > 0 for event in stage.observer.of(Thawed)] == [True]


def test_a_command_that_fails_stops_it_and_what_was_begun_is_thawed(stage: Stage) -> None:
    """With the exit code and the last line; secrets in the output are taken out."""
    pre = [stage.hook("pre", "echo password=hunter2; exit 7"), stage.hook("pre", stage.note("never"), "db-1")]
    problems = stage.through(pre, [stage.hook("post", stage.note("thaw"))])
    what = f"the pre hook of {stage.namespace}/db-0, container main"
    assert problems == (f"{what} ended with exit code 7: password=***",)
    assert stage.log() == ["thaw"]
    assert stage.record() is None
    assert stage.observer.of(HookRan)[0].output == "password=***\n"


def test_a_command_that_hangs_stops_it_in_time(stage: Stage) -> None:
    """And the Pod is thawed, for the command may have frozen it."""
    pre = [stage.hook("pre", f"{stage.note('hanging')}; exec sleep 60", timeout=1.5)]
    problems = stage.through(pre, [stage.hook("post", stage.note("thaw"))])
    assert problems == (
        f"the pre hook of {stage.namespace}/db-0, container main did not end within 1.5 s, and may still go on",
    )
    assert stage.log() == ["hanging", "thaw"]


def test_a_flood_of_output_is_cut(stage: Stage) -> None:
    """Megabytes pass; 4 KiB are told."""
    assert stage.through([stage.hook("pre", "yes flood | head -c 5000000; echo the end")], []) == ()
    (event,) = stage.observer.of(HookRan)
    assert event.output.startswith("…")
    assert event.output.endswith("the end\n")
    assert len(event.output.encode()) < 4200


def test_a_container_or_a_pod_that_is_not_there(stage: Stage) -> None:
    """A problem before the snapshot; where the Pod goes while it is frozen, there is nothing left to thaw."""
    (gone,) = stage.through([stage.hook("pre", "true", container="gone")], [])
    assert "container gone" in gone
    (nobody,) = stage.through([stage.hook("pre", "true", pod="db-9")], [stage.hook("post", "true", pod="db-9")])
    assert "db-9 could not be marked as frozen" in nobody
    freezer = stage.freezer()
    frozen = freezer.freeze("group", [stage.hook("pre", "true")], [stage.hook("post", "true")], limit=30)
    stage.plane.kubectl("delete", "pod", "db-0", "-n", stage.namespace)
    assert freezer.thaw(frozen) == ()


def test_a_pod_that_is_replaced_while_it_is_frozen(stage: Stage) -> None:
    """A StatefulSet makes it anew under its name: what was frozen is not what the snapshots saw."""
    freezer = stage.freezer()
    pre, post = [stage.hook("pre", stage.note("freeze"))], [stage.hook("post", stage.note("thaw"))]
    frozen = freezer.freeze("group", pre, post, limit=30)
    stage.plane.kubectl("delete", "pod", "db-0", "-n", stage.namespace)
    make_pod(stage.plane, stage.namespace, "db-0")
    stage.plane.kubectl("wait", "-n", stage.namespace, "--for=condition=Ready", "pod/db-0", "--timeout=60s")
    (problem,) = freezer.thaw(frozen)
    assert "db-0 lost its mark while it was frozen" in problem
    assert stage.log() == ["freeze", "thaw"]


def test_a_command_that_is_not_allowed(stage: Stage) -> None:
    """Who may annotate and not exec is told which right it takes, and leaves no record."""
    context = stage.plane.context("viewer")
    group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "patch"]}]
    role: Json = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": "marker"}, "rules": rules}
    binding = {
        **{key: role[key] for key in ("apiVersion", "metadata")},
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "marker"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "viewer"}],
    }
    roles = f"/apis/{group}/v1/namespaces/{stage.namespace}"
    stage.plane.must("POST", f"{roles}/roles", role)
    stage.plane.must("POST", f"{roles}/rolebindings", binding)
    ask = ("auth", "can-i", "patch", "pods", "-n", stage.namespace)
    wait_for(lambda: not stage.plane.kubectl(*ask, context=context, check=False).returncode, "the role to count")
    choice = wiring.ClusterChoice(kubeconfig=str(stage.plane.kubeconfig), context=context)
    ports = wiring_volumes.freeze_ports(wiring.open_cluster(choice), stage.observer)
    freezer = Freezer(ports, PODS, backup="b-1", policy="daily")
    frozen = freezer.freeze("group", [stage.hook("pre", "true")], [stage.hook("post", "true")], limit=30)
    assert "cannot" in frozen.problem
    assert "pods/exec" in frozen.problem
    assert freezer.thaw(frozen) == ()
    assert stage.record() is None


# whoever comes next


def test_a_run_that_was_killed_is_completed_by_the_next_at_once(stage: Stage) -> None:
    """Its process is known to be gone: the Pod is thawed by the hook that lies on it, before it is frozen anew."""
    with stage.frozen_run() as process:
        assert stage.log() == ["freeze"]
        process.send_signal(signal.SIGKILL)
        process.wait()
    lying = stage.record()
    assert lying is not None
    assert lying["backup"] == "killed-1"
    assert stage.through([stage.hook("pre", stage.note("freeze"))], [stage.hook("post", stage.note("thaw"))]) == ()
    assert stage.log() == ["freeze", "thaw", "freeze", "thaw"]
    assert stage.record() is None
    assert any("was left frozen by killed-1" in event.message for event in stage.observer.of(Warned))


def test_a_run_that_thaws_all_that_is_left_first(stage: Stage) -> None:
    """Also Pods that it does not freeze itself."""
    with stage.frozen_run() as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = list_left(stage.ports.cluster, PODS, stage.ports.retrier, (stage.namespace,))
    with wiring.executor(2) as executor:
        assert stage.ports.thaw_left(PODS).all(left, executor) == ()
    assert stage.log() == ["freeze", "thaw"]
    assert stage.record() is None


def test_a_run_that_still_works_is_waited_for(stage: Stage) -> None:
    """Until it has thawed the Pod itself."""
    with stage.frozen_run() as process:
        stopping = subprocess.Popen(["sh", "-c", f"sleep 1; kill -TERM {process.pid}"])
        assert stage.ports.thaw_left(PODS).free(stage.namespace, "db-0").problem == ""
        assert process.wait(30) != 0
        stopping.wait()
    assert stage.log() == ["freeze", "thaw"]
    waited = [event.message for event in stage.observer.of(Warned)]
    assert len(waited) == 1
    assert "may still be at work: waiting until" in waited[0]


def test_a_run_whose_time_is_over_is_not_waited_for(stage: Stage) -> None:
    """Wherever it ran: its process cannot be asked after, and its limits are over."""
    since = (datetime.now(UTC) - timedelta(minutes=5)).isoformat(timespec="seconds")
    record = FrozenPod("b-0", "daily", "elsewhere/-/-/1/-", since, 60.0, (stage.hook("post", stage.note("thaw")),))
    assert stage.ports.thaw_left(PODS).records.write(stage.namespace, "db-0", record)
    assert stage.ports.thaw_left(PODS).free(stage.namespace, "db-0").problem == ""
    assert stage.log() == ["thaw"]
    assert stage.record() is None


def test_thaw_completes_it_by_hand(stage: Stage, trysail: Trysail) -> None:
    """`trysail thaw` shows what is frozen, warns while its run lives, thaws, and then there is nothing left."""
    where = ("-n", stage.namespace)
    with stage.frozen_run() as process:
        shown = trysail("thaw", *where, "--plan")
        assert f"{stage.namespace}/db-0: frozen by killed-1 since" in shown.out
        assert "may still be at work" in shown.err
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert "may still be at work" not in trysail("thaw", *where, "--plan").err
    assert stage.log() == ["freeze"]
    assert "1 of 1 thawed." in trysail("thaw", *where, "--auto-approve").out
    assert stage.log() == ["freeze", "thaw"]
    assert trysail("thaw", *where).out == "Nothing is frozen.\n"


def test_thaw_says_what_it_cannot_thaw(stage: Stage, trysail: Trysail) -> None:
    """Exit 3, and the record stays; --forget takes it off."""
    record = FrozenPod("b-0", "daily", "elsewhere", "2026-03-01T02:00:00+00:00", 60.0, (stage.hook("post", "exit 9"),))
    assert stage.ports.thaw_left(PODS).records.write(stage.namespace, "db-0", record)
    ended = trysail("thaw", "-n", stage.namespace, "--auto-approve", code=3)
    assert "ended with exit code 9" in ended.err
    assert stage.record() is not None
    trysail("thaw", "-n", stage.namespace, "--auto-approve", "--forget", code=3)
    assert stage.record() is None


# after a restore


def test_hooks_run_in_the_pods_that_a_restore_brought(stage: Stage) -> None:
    """By annotation of a template, by the policy for another Pod, and not in those that were there before."""
    ports = stage.ports
    before = pods_there(ports.cluster, ports.retrier, [stage.namespace])
    since = datetime.now(UTC)
    notes = {"post.hook.restore.velero.io/command": json.dumps(["sh", "-c", stage.note("annotated")])}
    containers = [{"name": "main", "image": "registry.example.com/web:1"}]
    template = {"metadata": {"labels": {"app": "web"}, "annotations": notes}, "spec": {"containers": containers}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    stage.plane.must("POST", f"/apis/apps/v1/namespaces/{stage.namespace}/deployments", body)
    make_pod(stage.plane, stage.namespace, "db-2")
    run = {"command": ["sh", "-c", stage.note("policy") + "; exit 4"], "onError": "fail", "waitForReady": True}
    hooks = RestoreHooks.model_validate({"resources": [{"name": "all", "postHooks": [{"exec": run}]}]})
    with wiring.executor(4) as executor:
        after = RestoreHookPorts(
            ports.cluster, ports.exec, executor, ports.clock, ports.retrier, stage.observer, wiring_volumes.redact
        )
        outcome = run_restore_hooks(hooks, [stage.namespace], since, after, before=before)
    assert outcome.failed == (
        f"the post-restore hook of {stage.namespace}/db-2, container main (hooks.resources all) ended with exit code 4",
    )
    assert outcome.warnings == ()
    assert sorted(stage.log()) == ["annotated", "annotated", "policy"]
