"""Hooks after a restore: in the Pods that it brought, once they run, and in no others; and never without end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from runner.engine.restore.hooks import RestoreHookOutcome, RestoreHookPorts, pods_there, run_restore_hooks
from runner.engine.retry import Retrier
from runner.errors import Cancelled, Forbidden, ItemNotFound
from runner.model.hooks import RestoreHooks
from runner.volume_ports import Ended
from tests.fakes.clock import BEGIN, SimulatedClock
from tests.fakes.cluster import Call, FakeCluster
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.fakes.pod_exec import FakePodExec

OURS, VELERO = "post.hook.restore.trysail.dev", "post.hook.restore.velero.io"
SERVES = ["pods", "deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps", "jobs.batch"]


def pod(
    name: str = "db-0",
    *,
    state: str = "running",
    ready: bool = True,
    phase: str = "Running",
    age: float = -1.0,
    namespace: str = "shop",
    **notes: Any,
) -> dict[str, Any]:
    """A Pod that came a second after the restore began, unless its `age` then is another."""
    created = (BEGIN - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    statuses: list[dict[str, Any]] = [{"name": one, "ready": ready, "state": {state: {}}} for one in ("main", "side")]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}",
            "labels": {"app": name.partition("-")[0]},
            "annotations": notes,
            "creationTimestamp": created,
        },
        "spec": {"containers": [{"name": "main"}, {"name": "side"}]},
        "status": {"phase": phase, "containerStatuses": statuses},
    }


def notes(command: str = "load", group: str = OURS, **more: str) -> dict[str, Any]:
    """Annotations that ask for a hook."""
    return {f"{group}/{key.replace('_', '-')}": value for key, value in {"command": command, **more}.items()}


def policy(*commands: str, name: str = "db", selector: dict[str, Any] | None = None, **run: Any) -> RestoreHooks:
    """Hooks of a policy: these commands in turn."""
    hooks = [{"exec": {"command": [command], **run}} for command in commands]
    meant = {"labelSelector": selector} if selector else {}
    return RestoreHooks.model_validate({"resources": [{"name": name, "postHooks": hooks, **meant}]})


class Stage:
    """A restored cluster."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.cluster = FakeCluster(*objects, serves=SERVES)
        self.clock = SimulatedClock()
        self.observer = RecordingObserver()
        self.exec = FakePodExec(takes=self.clock.advance)

    def run(
        self, hooks: RestoreHooks | None = None, namespaces: Sequence[str] = ("shop",), **more: Any
    ) -> RestoreHookOutcome:
        """Runs what there is to run."""
        retrier = Retrier(self.clock, self.observer)
        ports = RestoreHookPorts(
            self.cluster,
            self.exec,
            SimulatedExecutor(),
            self.clock,
            retrier,
            self.observer,
            lambda text: text.replace("hunter2", "***"),
        )
        return run_restore_hooks(hooks, namespaces, BEGIN, ports, **more)

    def after(self, seconds: float, change: Callable[[], None]) -> None:
        """Has something happen while it is looked on."""
        waiting = [change]

        def on_call(_: Call) -> None:
            if waiting and self.clock.passed >= seconds:
                waiting.pop()()

        self.cluster.on_call = on_call


NOTHING = RestoreHookOutcome()


# which Pods


def test_without_hooks_nothing_is_waited_for() -> None:
    """One look at Pods and at the templates of workloads, and not a second of time."""
    stage = Stage(pod())
    assert stage.run() == NOTHING
    assert (stage.exec.calls, stage.clock.passed) == ([], 0.0)


def test_the_policys_hooks_run_in_the_pods_that_it_means() -> None:
    """In their order, in the container that they name, or the first."""
    stage = Stage(pod("db-0"), pod("web-0"), pod("db-1", namespace="other"))
    hooks = policy("load", "check", selector={"matchLabels": {"app": "db"}}, container="side")
    assert stage.run(hooks, ("shop", "gone")) == NOTHING
    assert stage.exec.commands == ["db-0: load", "db-0: check"]
    assert {call.container for call in stage.exec.calls} == {"side"}


def test_globs_of_namespaces_are_of_where_pods_went() -> None:
    """Included and excluded."""
    stage = Stage(pod(namespace="shop-a"), pod(namespace="shop-b"))
    one = {"name": "x", "includedNamespaces": ["shop-*"], "excludedNamespaces": ["*-b"]}
    hooks = RestoreHooks.model_validate({"resources": [{**one, "postHooks": [{"exec": {"command": ["load"]}}]}]})
    assert stage.run(hooks, ("shop-a", "shop-b")) == NOTHING
    assert [call.namespace for call in stage.exec.calls] == ["shop-a"]


def test_pods_that_were_there_before_are_left_alone() -> None:
    """By their time of creation, or, better, by who was there."""
    stage = Stage(pod("db-0", age=60), pod("db-1"))
    assert stage.run(policy("load")) == NOTHING
    assert stage.exec.commands == ["db-1: load"]
    stage = Stage(pod("db-0", age=60), pod("db-1"))
    there = pods_there(Stage(pod("db-1")).cluster, Retrier(stage.clock, stage.observer), ["shop"])
    assert stage.run(policy("load"), before=there) == NOTHING
    assert stage.exec.commands == ["db-0: load"]


def test_a_hook_for_a_container_that_a_pod_lacks_is_passed_over() -> None:
    """As in Velero: it is another Pod's."""
    stage = Stage(pod())
    assert stage.run(policy("load", container="third")) == NOTHING
    assert stage.exec.calls == []


@pytest.mark.parametrize("group", [OURS, VELERO])
def test_pods_ask_for_hooks_themselves(group: str) -> None:
    """Ours and Velero's annotations; they take the place of the policy's."""
    more = {"container": "side", "on_error": "Fail", "exec_timeout": "5s", "wait_timeout": "1m"}
    stage = Stage(pod(**notes('["load", "all"]', group, **more)))
    stage.exec.answers = {"load": Ended(1, "login: hunter2\n")}
    outcome = stage.run(policy("other"))
    assert [(call.container, call.command) for call in stage.exec.calls] == [("side", ("load", "all"))]
    words = f"the post-restore hook of shop/db-0, container side (annotation {group}/command)"
    assert outcome == RestoreHookOutcome((f"{words} ended with exit code 1: login: ***",), ())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"command": ""}, "/command: it is empty"),
        ({"command": "[1]"}, "/command: it must be a JSON list of texts"),
        ({"command": "[]"}, "/command: it must not be empty"),
        ({"container": "third"}, "asks for a hook in container third, which it does not have"),
        ({"on_error": "perhaps"}, "/on-error: it must be Fail or Continue"),
        ({"exec_timeout": "soon"}, "/exec-timeout: it must be a time with its unit, as 30s"),
        ({"exec_timeout": "0s"}, "/exec-timeout: it must be a time with its unit, as 30s"),
        ({"wait_timeout": "0m0s"}, "/wait-timeout: it must be a time with its unit, as 30s"),
        ({"wait_timeout": "-1s"}, "/wait-timeout: it must be a time with its unit, as 30s"),
        ({"wait_for_ready": "maybe"}, "/wait-for-ready: it must be true or false"),
    ],
)
def test_an_annotation_that_does_not_hold_is_a_warning(wrong: dict[str, str], words: str) -> None:
    """It names the Pod and the annotation; the other Pods are served."""
    stage = Stage(pod("db-0", **notes(**wrong)), pod("db-1", **notes()))
    outcome = stage.run()
    assert (outcome.failed, len(outcome.warnings)) == ((), 1)
    assert outcome.warnings[0].startswith("shop/db-0 ")
    assert outcome.warnings[0].endswith(words)
    assert stage.exec.commands == ["db-1: load"]


def test_an_init_container_that_a_pod_asks_for_is_a_warning() -> None:
    """Velero would add one; nothing that somebody counts on is passed over without a word."""
    stage = Stage(pod(**notes("[]", "init.hook.restore.velero.io")))
    assert stage.run().warnings == (
        "shop/db-0 asks for an init container by init.hook.restore.velero.io/…: none is added, "
        "write it into the Pod's own initContainers",
    )


# when


def test_a_container_is_waited_for_until_it_runs() -> None:
    """Running is enough, unless the hook wants it ready."""
    stage = Stage(pod(state="waiting", ready=False, phase="Pending"))
    stage.after(20, lambda: stage.cluster.put(pod(ready=False)))
    assert stage.run(policy("load")) == NOTHING
    assert 20 <= stage.clock.passed < 30
    assert stage.exec.commands == ["db-0: load"]


def test_a_container_is_waited_for_until_it_is_ready() -> None:
    """With waitForReady."""
    stage = Stage(pod(ready=False))
    stage.after(20, lambda: stage.cluster.put(pod()))
    assert stage.run(policy("load", waitForReady=True)) == NOTHING
    assert 20 <= stage.clock.passed < 30


@pytest.mark.parametrize(("on_error", "number"), [("fail", 0), ("continue", 1)])
def test_a_container_that_never_runs_is_given_up(on_error: str, number: int) -> None:
    """After waitTimeout; what that means, onError says."""
    stage = Stage(pod(state="waiting"))
    outcome = stage.run(policy("load", onError=on_error, waitTimeout="90s"))
    problem = (
        "the post-restore hook load of shop/db-0 (hooks.resources db) was not run: the Pod did not run within 90 s"
    )
    assert outcome[number] == (problem,)
    assert 90 <= stage.clock.passed < 100


def test_a_pod_that_ends_or_goes_meanwhile_is_given_up() -> None:
    """At once, and not after waitTimeout."""
    for change, words in (
        (lambda stage: stage.cluster.delete("pods", "shop", "db-0"), "is gone"),
        (
            lambda stage: stage.cluster.put(pod(state="terminated", phase="Succeeded")),
            "has ended (Succeeded) before it",
        ),
    ):
        stage = Stage(pod(state="waiting"))
        stage.after(3, lambda change=change, stage=stage: change(stage))  # type: ignore[misc]
        outcome = stage.run(policy("load"))
        assert outcome.warnings == (
            f"the post-restore hook load of shop/db-0 (hooks.resources db) was not run: the Pod {words}",
        )
        assert stage.clock.passed < 15


def test_pods_that_workloads_make_are_waited_for() -> None:
    """The template asks for a hook; the Pod comes a moment later."""
    template = {"metadata": {"annotations": notes()}, "spec": {"containers": [{"name": "main"}]}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "db", "namespace": "shop"}}
    stage = Stage({**deployment, "spec": {"template": template}})
    stage.after(1, lambda: stage.cluster.put(pod("db-x", **notes())))
    assert stage.run() == NOTHING
    assert stage.exec.commands == ["db-x: load"]


def test_pods_are_expected_until_none_has_come_for_two_seconds() -> None:
    """Each one that comes begins that anew; then it ends."""
    stage = Stage(pod("db-0"))
    stage.after(1, lambda: stage.cluster.put(pod("db-1")))
    assert stage.run(policy("load")) == NOTHING
    assert stage.exec.commands == ["db-0: load", "db-1: load"]
    assert 3 <= stage.clock.passed < 7


def test_a_workload_that_makes_pods_for_ever_does_not_keep_us() -> None:
    """A Job whose Pods fail: after an hour no more are looked for."""
    stage = Stage(pod("job-0"))
    numbers = iter(range(1, 10_000))

    def on_call(call: Call) -> None:
        if call.verb == "page":
            stage.cluster.put(pod(f"job-{next(numbers)}"))

    stage.cluster.on_call = on_call
    stage.exec.seconds = {"load": 29.0}
    stage.run(policy("load"))
    assert 3600 <= stage.clock.passed < 3800


# what goes wrong


@pytest.mark.parametrize(
    ("on_error", "commands"), [("fail", ["db-0: load"]), ("continue", ["db-0: load", "db-0: check"])]
)
def test_a_hook_that_fails(on_error: str, commands: list[str]) -> None:
    """With onError: fail it ends the hooks of its Pod, and all of them are told; else it is a warning."""
    stage = Stage(pod())
    stage.exec.answers = {"load": Ended(7, "")}
    outcome = stage.run(policy("load", "check", onError=on_error))
    problem = "the post-restore hook of shop/db-0, container main (hooks.resources db) ended with exit code 7"
    skipped = (
        "the post-restore hook check of shop/db-0 (hooks.resources db) was not run: the Pod had a hook that failed"
    )
    if on_error == "fail":
        assert outcome.failed == (problem, f"{skipped} before it")
    else:
        assert outcome == RestoreHookOutcome((), (problem,))
    assert stage.exec.commands == commands


def test_one_pods_failure_is_not_anothers() -> None:
    """Both are served."""
    stage = Stage(pod("db-0"), pod("db-1"))
    stage.exec.on_call = lambda call: _gone() if call.pod == "db-0" else None
    outcome = stage.run(policy("load"))
    assert len(outcome.warnings) == 1
    assert stage.exec.commands == ["db-0: load", "db-1: load"]


def test_pods_that_may_not_be_looked_at_are_a_warning() -> None:
    """Once, however many hooks there are."""
    stage = Stage(pod())

    def on_call(call: Call) -> None:
        if call.verb == "page":
            raise Forbidden("pods is forbidden")

    stage.cluster.on_call = on_call
    assert stage.run(policy("load")) == RestoreHookOutcome(
        (), ("the Pods of hooks cannot be looked at: pods is forbidden",)
    )


def test_an_answer_that_is_no_pod_is_a_warning() -> None:
    """Nothing else leaves."""
    stage = Stage({**pod(), "status": {"phase": 7}})
    (warning,) = stage.run(policy("load")).warnings
    assert "is not what Kubernetes' API promises" in warning


def test_types_that_are_not_served_ask_for_nothing() -> None:
    """A cluster without Jobs is a cluster."""
    stage = Stage(pod(**notes()))
    stage.cluster = FakeCluster(pod(**notes()), serves=["pods"])
    assert stage.run() == NOTHING
    assert stage.exec.commands == ["db-0: load"]


def test_a_signal_ends_it() -> None:
    """It goes on to whoever asked."""
    stage = Stage(pod())
    stage.exec.on_call = lambda _: _cancel()
    with pytest.raises(Cancelled):
        stage.run(policy("load"))


def test_a_sidecar_may_have_a_hook() -> None:
    """It runs as an init container does not."""
    value = pod(**notes(container="main"))
    value["status"]["initContainerStatuses"] = value["status"].pop("containerStatuses")
    stage = Stage(json.loads(json.dumps(value)))
    assert stage.run() == NOTHING
    assert stage.exec.commands == ["db-0: load"]


def _gone() -> None:
    raise ItemNotFound("container not found")


def _cancel() -> None:
    raise Cancelled("SIGTERM")
