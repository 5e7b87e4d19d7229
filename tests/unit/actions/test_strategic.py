"""Strategic merge patches: what Kubernetes makes of them. tests/real/test_modifiers_as_kubectl.py asks kubectl too."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

import pytest

from runner.actions.list_keys import merge_keys
from runner.actions.strategic import strategic_merge

Json = dict[str, Any]


class Case(NamedTuple):
    """A patch on an item, and what comes of it."""

    kind: str
    before: Json
    patch: Json
    after: Json


def _pod(**spec: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}


def _with(**fields: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", **fields}, "spec": {}}


WEB, LOG = {"name": "web", "image": "web:1"}, {"name": "log", "image": "log:1"}
ONE, TWO = {"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81, "protocol": "TCP"}

CASES = {
    "an item of a list is found by its key": Case(
        "pods",
        _pod(containers=[WEB, LOG]),
        {"spec": {"containers": [{"name": "log", "image": "log:2"}]}},
        _pod(containers=[WEB, {"name": "log", "image": "log:2"}]),
    ),
    "one that is not there is put first": Case(
        "pods",
        _pod(containers=[WEB]),
        {"spec": {"containers": [{"name": "new", "image": "new:1"}]}},
        _pod(containers=[{"name": "new", "image": "new:1"}, WEB]),
    ),
    "the patch decides on the order of what it names": Case(
        "pods",
        _pod(containers=[WEB, LOG]),
        {"spec": {"containers": [{"name": "new", "image": "new:1"}, {"name": "web", "image": "web:2"}]}},
        _pod(containers=[{"name": "new", "image": "new:1"}, {"name": "web", "image": "web:2"}, LOG]),
    ),
    "setElementOrder decides on the order of all": Case(
        "pods",
        _pod(containers=[WEB, LOG]),
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "log"}, {"name": "web"}],
                "containers": [{"name": "web", "image": "web:2"}],
            }
        },
        _pod(containers=[LOG, {"name": "web", "image": "web:2"}]),
    ),
    "setElementOrder without a patch beside it": Case(
        "pods",
        _pod(containers=[WEB, LOG]),
        {"spec": {"$setElementOrder/containers": [{"name": "log"}, {"name": "web"}]}},
        _pod(containers=[LOG, WEB]),
    ),
    "an item is deleted": Case(
        "pods",
        _pod(containers=[WEB, LOG]),
        {"spec": {"containers": [{"name": "log", "$patch": "delete"}]}},
        _pod(containers=[WEB]),
    ),
    "a list is replaced": Case(
        "pods",
        _pod(containers=[WEB, LOG]),
        {"spec": {"containers": [{"name": "new", "image": "new:1"}, {"$patch": "replace"}]}},
        _pod(containers=[{"name": "new", "image": "new:1"}]),
    ),
    "lists in lists": Case(
        "pods",
        _pod(containers=[{**WEB, "env": [{"name": "A", "value": "1"}], "args": ["a"], "ports": [ONE]}, LOG]),
        {"spec": {"containers": [{"name": "web", "env": [{"name": "B", "value": "2"}], "args": [], "ports": [TWO]}]}},
        _pod(
            containers=[
                {
                    **WEB,
                    "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
                    "args": [],
                    "ports": [TWO, ONE],
                },
                LOG,
            ]
        ),
    ),
    "what is new and what was there keep their orders": Case(
        "pods",
        _with(finalizers=["a.io/a", "b.io/b", "c.io/c", "d.io/d"]),
        {"metadata": {"finalizers": ["c.io/c", "new.io/new"]}},
        _with(finalizers=["a.io/a", "b.io/b", "c.io/c", "new.io/new", "d.io/d"]),
    ),
    "a field is taken away": Case(
        "pods",
        _pod(containers=[{**WEB, "workingDir": "/"}], hostname="one"),
        {"spec": {"hostname": None, "subdomain": None, "containers": [{"name": "web", "workingDir": None}]}},
        _pod(containers=[WEB]),
    ),
    "a list without keys is replaced": Case(
        "pods",
        _pod(containers=[WEB], tolerations=[{"key": "a"}, {"key": "b"}]),
        {"spec": {"tolerations": [{"key": "c"}]}},
        _pod(containers=[WEB], tolerations=[{"key": "c"}]),
    ),
    "a mapping is merged": Case(
        "pods", _with(labels={"a": "1", "b": "2"}), {"metadata": {"labels": {"b": None, "c": "3"}}},
        _with(labels={"a": "1", "c": "3"}),
    ),
    "a mapping is replaced": Case(
        "pods", _with(labels={"a": "1"}), {"metadata": {"labels": {"$patch": "replace", "c": "3"}}},
        _with(labels={"c": "3"}),
    ),
    "a mapping is emptied": Case(
        "pods", _with(labels={"a": "1"}, finalizers=["x.io/y"]), {"metadata": {"labels": {"$patch": "delete"}}},
        _with(labels={}, finalizers=["x.io/y"]),
    ),
    "values are added to a list of values": Case(
        "pods", _with(finalizers=["a.io/a", "b.io/b"]), {"metadata": {"finalizers": ["c.io/c", "a.io/a"]}},
        _with(finalizers=["c.io/c", "a.io/a", "b.io/b"]),
    ),
    "values are deleted from a list of values": Case(
        "pods",
        _with(finalizers=["a.io/a", "b.io/b"]),
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.io/a", "z.io/z"]}},
        _with(finalizers=["b.io/b"]),
    ),
    "where nothing was, orders and nulls mean nothing": Case(
        "pods",
        _pod(containers=[WEB]),
        {"spec": {"securityContext": {"runAsUser": 1, "runAsGroup": None}, "affinity": {"$patch": "delete"}}},
        _pod(containers=[WEB], securityContext={"runAsUser": 1}),
    ),
    "retainKeys keeps what it names": Case(
        "pods",
        _pod(containers=[WEB], volumes=[{"name": "data", "emptyDir": {}}]),
        {"spec": {"volumes": [{"name": "data", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}},
        _pod(containers=[WEB], volumes=[{"name": "data", "hostPath": {"path": "/x"}}]),
    ),
    "the first of two keys counts": Case(
        "services",
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dns"}, "spec": {"ports": [
            {"port": 53, "protocol": "UDP", "name": "udp"}, {"port": 80, "protocol": "TCP", "name": "web"}]}},
        {"spec": {"ports": [{"port": 80, "name": "http"}]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dns"}, "spec": {"ports": [
            {"port": 53, "protocol": "UDP", "name": "udp"}, {"port": 80, "protocol": "TCP", "name": "http"}]}},
    ),
    "a selector of a disruption budget is replaced": Case(
        "poddisruptionbudgets",
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
         "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "1"}}}},
        {"spec": {"selector": {"matchLabels": {"b": "2"}}}},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
         "spec": {"minAvailable": 1, "selector": {"matchLabels": {"b": "2"}}}},
    ),
}  # fmt: skip

GROUPS = {"pods": "", "services": "", "poddisruptionbudgets": "policy"}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_patch(case: Case) -> None:
    """The patch gives what Kubernetes says it gives, and changes neither the item nor itself."""
    before, patch = deepcopy(case.before), deepcopy(case.patch)
    assert strategic_merge(GROUPS[case.kind], case.kind, before, patch) == case.after
    assert (before, patch) == (case.before, case.patch)


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, "spec.containers: an item of the list has no name"),
        ({"spec": {"containers": ["hunter2"]}}, "spec.containers: an item of the list is no mapping"),
        ({"spec": {"containers": [{"name": "a", "$patch": "hunter2"}]}}, "spec.containers: $patch is neither"),
        ({"metadata": {"$patch": "hunter2"}}, "metadata: $patch is neither"),
        ({"spec": {"$retainKeys": "hunter2"}}, "spec: $retainKeys is no list"),
        ({"spec": {"$retainKeys": ["a"], "hostname": "hunter2"}}, "spec.hostname: is given, and $retainKeys"),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": "hunter2"}}, "metadata: $deleteFromPrimitiveList/finali"),
    ],
)
def test_patches_that_make_no_sense(patch: Json, said: str) -> None:
    """What is wrong, and at which field; never a value."""
    with pytest.raises(ValueError, match=r"list|neither|given") as raised:
        strategic_merge("", "pods", _pod(containers=[WEB]), patch)
    assert str(raised.value).startswith(said)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("group", "plural", "path", "keys"),
    [
        ("apps", "deployments", "spec.template.spec.containers", ("name",)),
        ("", "pods", "spec.initContainers.ports", ("containerPort", "protocol")),
        ("batch", "cronjobs", "spec.jobTemplate.spec.template.spec.volumes", ("name",)),
        ("apps", "statefulsets", "spec.volumeClaimTemplates.metadata.finalizers", ()),
        ("apps", "statefulsets", "spec.volumeClaimTemplates", None),
        ("", "services", "spec.ports", ("port", "protocol")),
        ("", "pods", "spec.tolerations", None),
        ("", "pods", "metadata.ownerReferences", ("uid",)),
        ("shop.example.com", "storefronts", "metadata.finalizers", ()),
        ("shop.example.com", "storefronts", "spec.template.metadata.finalizers", None),
        ("shop.example.com", "deployments", "spec.template.spec.containers", None),
        ("discovery.k8s.io", "endpointslices", "endpoints.addresses", ()),
    ],
)
def test_merge_keys(group: str, plural: str, path: str, keys: tuple[str, ...] | None) -> None:
    """Lists are maps by these keys, sets, or neither; of custom resources only the metadata is known."""
    assert merge_keys(group, plural, tuple(path.split("."))) == keys
