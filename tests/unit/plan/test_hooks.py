"""Tests of which hooks a plan has: the policy's, those of Pods' annotations, and what becomes of broken ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.model.hooks import PlannedHook
from runner.model.inventory import Row, Unreadable
from runner.model.plan import Plan
from tests.unit.plan.build import SNAPSHOT_LOCATION, claim, planned, pod, seen, volume

CLAIMS = [claim("data", "pv-1"), claim("logs", "pv-2")]
VOLUMES = [volume("pv-1", "shop/data"), volume("pv-2", "shop/logs")]


def shop(*pods: Row, hooks: list[dict[str, Any]] | None = None, **spec: Any) -> Plan:
    """The plan of a shop with two claims and these Pods."""
    contents = {"shop/pods": pods, "shop/persistentvolumeclaims": CLAIMS, "persistentvolumes": VOLUMES}
    about = {} if hooks is None else {"hooks": {"resources": hooks}}
    return planned(contents, snapshotLocation=SNAPSHOT_LOCATION, **about, **spec)


def db(name: str = "db-0", *claims: str, **fields: Any) -> Row:
    """A running Pod with two containers that mounts shop/data, or `claims`."""
    return pod(name, *(claims or ("data",)), **{"containers": ("db", "side"), "phase": "Running", **fields})


def hook(name: str = "freeze", *, pre: Any = (), post: Any = (), **more: Any) -> dict[str, Any]:
    """A hook of a policy; each command is one word, or the fields of exec."""

    def execs(given: Any) -> list[dict[str, Any]]:
        return [{"exec": one if isinstance(one, dict) else {"command": [one]}} for one in given]

    return {"name": name, "pre": execs(pre), "post": execs(post), **more}


def annotated(prefix: str = "pre.hook.backup.trysail.dev", **fields: str) -> dict[str, str]:
    """Annotations that ask for a hook."""
    return {f"{prefix}/{name.replace('_', '-')}": value for name, value in fields.items()}


def said(plan: Plan) -> list[tuple[str, str, str]]:
    """Pod, time and command of each hook, in order."""
    return [(one.pod, one.when, " ".join(one.command)) for one in plan.hooks]


# of the policy


def test_a_hook_of_the_policy() -> None:
    """Every field; the first container where none is named; the claims that the Pod mounts."""
    (found,) = shop(db("db-0", "data", "logs"), hooks=[hook(pre=["sync"])]).hooks
    assert found == PlannedHook(
        namespace="shop",
        pod="db-0",
        container="db",
        when="pre",
        command=("sync",),
        on_error="fail",
        timeout=30.0,
        why="hooks.resources freeze",
        claims=("shop/data", "shop/logs"),
    )


def test_hooks_keep_their_order() -> None:
    """Pods by name, pre before post, then as the policy has them."""
    plan = shop(db("db-1"), db("db-0"), hooks=[hook("a", pre=["1", "2"], post=["4"]), hook("b", pre=["3"])])
    assert said(plan) == [
        (name, when, command)
        for name in ("db-0", "db-1")
        for when, command in (("pre", "1"), ("pre", "2"), ("pre", "3"), ("post", "4"))
    ]
    assert [one.order for one in plan.hooks[:4]] == [0, 1, 2, 0]


def test_fields_of_exec() -> None:
    """Container, onError and timeout, in seconds."""
    given = {"container": "side", "command": ["sync", "-f"], "onError": "Continue", "timeout": "1m30s"}
    (found,) = shop(db(), hooks=[hook(post=[given])]).hooks
    assert (found.container, found.on_error, found.timeout, found.command) == ("side", "continue", 90.0, ("sync", "-f"))


@pytest.mark.parametrize(
    ("more", "met"),
    [
        ({"includedNamespaces": ["sh*"]}, True),
        ({"includedNamespaces": ["other"]}, False),
        ({"excludedNamespaces": ["shop"]}, False),
        ({"labelSelector": {"matchLabels": {"app": "db"}}}, True),
        ({"labelSelector": {"matchLabels": {"app": "web"}}}, False),
    ],
)
def test_which_pods_are_meant(more: dict[str, Any], met: bool) -> None:
    """Namespaces by globs, and labels; a hook that finds no Pod is a finding, unless allowEmpty."""
    hooks = [hook(pre=["sync"], **more)]
    plan = shop(db(labels={"app": "db"}), hooks=hooks)
    assert bool(plan.hooks) is met
    assert plan.empty_includes == (() if met else ("hooks.resources freeze matches no Pod",))
    assert shop(db(labels={"app": "db"}), hooks=hooks, allowEmpty=True).empty_includes == ()


@pytest.mark.parametrize(
    ("fields", "met"),
    [
        ({"phase": "Running"}, True),
        ({"phase": ""}, True),  # a folder of manifests does not say
        ({"phase": "Pending"}, False),
        ({"phase": "Succeeded"}, False),
        ({"terminating": True}, False),
    ],
)
def test_only_pods_that_run_are_asked(fields: dict[str, Any], met: bool) -> None:
    """A command cannot be run in the others."""
    assert bool(shop(db(**fields), hooks=[hook(pre=["sync"])]).hooks) is met


def test_pods_that_are_not_selected_run_no_hooks() -> None:
    """Excluded as a type, or by label: what the policy leaves out is left alone."""
    hooks = [hook(pre=["sync"])]
    assert shop(db(), hooks=hooks, excludedResources=["pods"]).hooks == ()
    assert shop(db(labels={"velero.io/exclude-from-backup": "true"}), hooks=hooks).hooks == ()


def test_a_pod_without_the_container_is_passed_over() -> None:
    """Another Pod has it; where none does, the hook is a finding."""
    hooks = [hook(pre=[{"command": ["sync"], "container": "side"}])]
    plan = shop(db(), db("web-0", containers=("web",)), hooks=hooks)
    assert said(plan) == [("db-0", "pre", "sync")]
    assert plan.empty_includes == ()
    alone = shop(db("web-0", containers=("web",)), hooks=hooks)
    assert alone.empty_includes == ("hooks.resources freeze: none of its Pods has a container side (they have web)",)


def test_a_misspelled_container_is_a_finding() -> None:
    """The thaw alone would be left: data is snapshotted that nothing has frozen, and nobody would know."""
    hooks = [hook(pre=[{"command": ["freeze"], "container": "bd"}], post=[{"command": ["thaw"], "container": "db"}])]
    plan = shop(db(), hooks=hooks)
    assert said(plan) == [("db-0", "post", "thaw")]
    assert plan.empty_includes == ("hooks.resources freeze: none of its Pods has a container bd (they have db, side)",)
    assert shop(db(), hooks=hooks, allowEmpty=True).empty_includes == ()
    many = shop(db(containers=tuple(f"c{number}" for number in range(9))), hooks=hooks[:1])
    assert many.empty_includes[0] == "hooks.resources freeze: none of its Pods has a container bd"


def test_pods_that_may_not_be_read_are_a_gap_and_no_finding() -> None:
    """Nobody knows whether the hook matches."""
    inventory = seen({"shop/persistentvolumeclaims": CLAIMS}, unreadable=[Unreadable("pods", "shop", "forbidden")])
    plan = planned(inventory, hooks={"resources": [hook(pre=["sync"])]})
    assert plan.empty_includes == ()
    assert [gap.what for gap in plan.gaps] == ["pods in namespace shop"]


# of annotations


@pytest.mark.parametrize("group", ["hook.backup.trysail.dev", "hook.backup.velero.io"])
def test_annotations_ask_for_hooks(group: str) -> None:
    """Ours and Velero's; a list of words or one word, with Velero's defaults."""
    hooks = {
        **annotated(
            f"pre.{group}", command=json.dumps(["sync", "-f"]), container="side", on_error="Continue", timeout="5s"
        ),
        **annotated(f"post.{group}", command="thaw it"),
    }
    pre, post = shop(db(hooks=hooks)).hooks
    assert (pre.when, pre.container, pre.command, pre.on_error, pre.timeout) == (
        "pre", "side", ("sync", "-f"), "continue", 5.0,
    )  # fmt: skip
    assert (post.when, post.container, post.command, post.on_error, post.timeout) == (
        "post", "db", ("thaw it",), "fail", 30.0,
    )  # fmt: skip
    assert post.why == f"annotation post.{group}/command"


def test_annotations_win_over_the_policy() -> None:
    """For that Pod and that time alone; ours win over Velero's."""
    hooks = {
        **annotated("pre.hook.backup.velero.io", command="velero"),
        **annotated("pre.hook.backup.trysail.dev", command="ours"),
    }
    plan = shop(db(hooks=hooks), db("db-1"), hooks=[hook(pre=["policy"], post=["thaw"])])
    assert said(plan) == [
        ("db-0", "pre", "ours"),
        ("db-0", "post", "thaw"),
        ("db-1", "pre", "policy"),
        ("db-1", "post", "thaw"),
    ]


@pytest.mark.parametrize(
    ("hooks", "why"),
    [
        (annotated(command="sync", timeout="soon"), "timeout: it must be a time with its unit, as 30s"),
        (annotated(command="sync", timeout="1s" * 20), "timeout: it must be a time with its unit, as 30s"),
        (annotated(command="sync", timeout="0s"), "timeout: it must be a time with its unit, as 30s"),
        (annotated(command="sync", on_error="perhaps"), "on-error: it must be Fail or Continue"),
        (annotated(command='["sync"'), "command: it must be a JSON list of texts"),
        (annotated(command="[1]"), "command: it must be a JSON list of texts"),
        (annotated(command="[]"), "command: it must not be empty"),
        (annotated(command='["", "x"]'), "command: it must not be empty"),
        (annotated(command=""), "command: it is empty"),
        (annotated(command="sync", container="none"), "in container none, which it does not have"),
    ],
)
def test_an_annotation_that_does_not_hold(hooks: dict[str, str], why: str) -> None:
    """It is a warning that names Pod and annotation. None of the Pod's hooks is run, and none of its volumes taken."""
    broken = db(hooks={**hooks, **annotated("post.hook.backup.trysail.dev", command="thaw")})
    plan = shop(broken, hooks=[hook(pre=["policy"])])
    assert plan.hooks == ()
    (warning,) = plan.warnings
    assert warning.startswith("shop/db-0 ")
    assert why in warning
    taken = {line.claim: line for line in plan.volumes}
    assert taken["shop/logs"].method == "native-snapshot"
    assert taken["shop/data"].method == "uncovered"
    assert taken["shop/data"].why.startswith("snapshotLocation; but its Pod shop/db-0 ")
    assert why in taken["shop/data"].why
    assert "\n" not in warning


def test_what_is_skipped_stays_skipped() -> None:
    """A hook that does not hold takes nothing away from a volume that nobody keeps."""
    plan = shop(db(hooks=annotated(command="[")), volumePolicies=[{"action": {"type": "skip"}}])
    assert [line.method for line in plan.volumes] == ["skip", "skip"]


@pytest.mark.parametrize(("frozen", "by"), [('{"backup": "shop-1", "more": 1}', " by shop-1"), ("?", "")])
def test_a_frozen_pod_is_a_warning(frozen: str, by: str) -> None:
    """It was left so by a run that was killed; the next one thaws it."""
    assert shop(db(frozen=frozen)).warnings == (f"shop/db-0 was left frozen{by}: the run thaws it first",)
