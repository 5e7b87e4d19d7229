"""Small clusters and policies for tests of what holds for every plan: filters, names and relations meet often."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from runner.model.cluster import DiscoveryFailure
from runner.model.inventory import Holding, Inventory, Owner, Row, Unreadable
from runner.model.labels import matches
from runner.model.policy_set import ResolvedPolicy
from runner.plan.labels import EXCLUDE_LABELS, excluded_by_label
from runner.plan.needs import Need, deciding, need, query
from runner.plan.selection import Selection
from tests.unit.plan.build import (
    RBAC,
    S3,
    SNAPSHOT_CLASSES,
    SNAPSHOT_LOCATION,
    binding,
    claim,
    namespace,
    pod,
    pod_volume,
    policy,
    row,
    seen,
    snapshot_class,
    volume,
)

NAMESPACES = ("a", "a-b", "shop")
NAMES = ("api", "db", "web")
VOLUMES = ("pv-1", "pv-2", "pv-3")
DRIVERS = ("ebs.csi.aws.com", "disk.example.com")
DECIDING = ("persistentvolumes", "pods", SNAPSHOT_CLASSES)
LABELS = {
    "app": NAMES,
    "tier": ("front", "back"),
    EXCLUDE_LABELS[0]: ("true", "false"),
    EXCLUDE_LABELS[1]: ("true", "no"),
}
PLAIN = ("configmaps", "secrets", "serviceaccounts", "events", "events.events.k8s.io", "deployments.apps")
DEFINITIONS = ("gadgets.example.com", "others.example.com", "widgets.example.com")


class _World:
    """A cluster with a few of everything. Made by a seed and not drawn: hypothesis would take a second for each."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def inventory(self) -> Inventory:
        contents: dict[str, list[Row]] = {}
        for where in NAMESPACES:
            for name in (*PLAIN, "widgets.example.com", f"roles.{RBAC}"):
                contents[f"{where}/{name}"] = self._some(NAMES, self._row)
            contents[f"{where}/pods"] = self._some(NAMES, self._pod)
            contents[f"{where}/persistentvolumeclaims"] = self._some(NAMES, self._claim)
            contents[f"{where}/rolebindings.{RBAC}"] = self._some(NAMES, self._binding)
        for name in ("nodes", "gadgets.example.com", f"clusterroles.{RBAC}"):
            contents[name] = self._some(NAMES, self._row)
        contents["persistentvolumes"] = self._some(VOLUMES, self._volume)
        contents[SNAPSHOT_CLASSES] = self._some(NAMES, self._class)
        contents[f"clusterrolebindings.{RBAC}"] = self._some(NAMES, self._binding)
        contents["customresourcedefinitions.apiextensions.k8s.io"] = self._some(DEFINITIONS, self._row)
        unread = self._pick(DECIDING) if self.chance.random() < 0.2 else []
        contents = {key: rows for key, rows in contents.items() if key.rpartition("/")[2] not in unread}
        phases = ("Active", "Active", "Active", "Terminating")
        return seen(
            {key: rows for key, rows in contents.items() if rows},
            namespaces=[namespace(name, self._labels(), phase=self.chance.choice(phases)) for name in NAMESPACES],
            failures=[DiscoveryFailure(f"{name}.io/v1", name) for name in self._pick(("x", "y"))],
            unreadable=[
                Unreadable(name, self.chance.choice(("", "shop")), name) for name in self._pick(("nodes", "secrets"))
            ]
            + [Unreadable(name, "", "forbidden") for name in unread],
        )

    def _pick(self, names: Sequence[str]) -> list[str]:
        return self.chance.sample(names, self.chance.randint(0, len(names)))

    def _some(self, names: Sequence[str], make: Callable[[str], Row]) -> list[Row]:
        return [make(name) for name in self._pick(names)]

    def _labels(self) -> dict[str, str]:
        # Exclude labels are rarer than others, or hardly anything would be left.
        chosen = self._pick(("app", "tier")) + (self._pick(EXCLUDE_LABELS) if self.chance.random() < 0.2 else [])
        return {key: self.chance.choice(LABELS[key]) for key in chosen}

    def _row(self, name: str) -> Row:
        return row(name, self._labels(), terminating=self.chance.random() < 0.1)

    def _pod(self, name: str) -> Row:
        return pod(
            name,
            *self._pick(NAMES),
            labels=self._labels(),
            volumes=tuple(pod_volume(f"v{n}", kind) for n, kind in enumerate(self._pick(("emptyDir", "nfs", "csi")))),
            containers=tuple(self._pick(("app", "side"))),
            phase=self.chance.choice(("", "Running", "Running", "Pending", "Succeeded")),
            hooks={} if self.chance.random() < 0.7 else self._annotations(),
        )

    def _annotations(self) -> dict[str, str]:
        command = self.chance.choice(("sync", json.dumps(["sync", "-f"]), "[broken"))
        container = self.chance.choice(("app", ""))
        prefix = f"{self.chance.choice(('pre', 'post'))}.hook.backup.{self.chance.choice(('trysail.dev', 'velero.io'))}"
        return {f"{prefix}/command": command, f"{prefix}/container": container}

    def _claim(self, name: str) -> Row:
        return claim(
            name,
            self.chance.choice(("", *VOLUMES)),
            labels=self._labels(),
            access_modes=(self.chance.choice(("ReadWriteOnce", "ReadWriteOncePod")),),
            volume_mode=self.chance.choice(("Filesystem", "Block")),
            snapshot_class=self.chance.choice(("", "", "web")),
            owners=(Owner("Pod", "x", "x"),) if self.chance.random() < 0.1 else (),
        )

    def _volume(self, name: str) -> Row:
        kind = self.chance.choice(("csi", "csi", "csi", "awsElasticBlockStore", "nfs"))
        return volume(
            name,
            self.chance.choice(("", "", *(f"{where}/{claim}" for where in NAMESPACES for claim in NAMES))),
            labels=self._labels(),
            type=kind,
            source=self.chance.choice(DRIVERS) if kind == "csi" else kind,
            handle="" if kind == "nfs" else f"vol-{self.chance.choice(VOLUMES)}",
            capacity=self.chance.choice(("1Gi", "10Gi", "1Ti", "")),
            server="nfs.example" if kind == "nfs" else "",
        )

    def _class(self, name: str) -> Row:
        return snapshot_class(name, self.chance.choice(DRIVERS), self._labels(), default=self.chance.random() < 0.3)

    def _binding(self, name: str) -> Row:
        accounts = [f"{self.chance.choice(NAMESPACES)}/{name}" for name in self._pick((*NAMES, "*"))]
        role = f"{self.chance.choice(('Role', 'ClusterRole'))}/{self.chance.choice(NAMES)}"
        return binding(name, role, *accounts, labels=self._labels())


def inventories() -> st.SearchStrategy[Inventory]:
    """Worlds, by seed."""
    return st.integers(0, 2**32).map(lambda seed: _World(seed).inventory())


PATTERN = st.sampled_from(("*", "a*", "shop", "a-b", "nowhere"))
TYPE = st.sampled_from(("*", "configmaps", "secrets", "pvc", "*.example.com", "pods", "nodes", "pv", f"*.{RBAC}", "ns"))
REQUIREMENT = st.one_of(
    st.builds(lambda operator: {"key": "app", "operator": operator, "values": ["web", "db"]},
              st.sampled_from(("In", "NotIn"))),
    st.builds(lambda operator: {"key": "tier", "operator": operator}, st.sampled_from(("Exists", "DoesNotExist"))),
)  # fmt: skip
SELECTOR = st.one_of(
    st.builds(lambda name: {"matchLabels": {"app": name}}, st.sampled_from(NAMES)),
    st.builds(lambda requirement: {"matchExpressions": [requirement]}, REQUIREMENT),
)
ITEM = st.fixed_dictionaries(
    {"name": st.sampled_from(("*", "web", "d?"))}, optional={"resource": TYPE, "namespace": PATTERN}
)
GLOBS = st.lists(PATTERN, min_size=1, max_size=2)
TYPES = st.lists(TYPE, min_size=1, max_size=3)
COMMON = {
    "includedNamespaces": GLOBS,
    "excludedNamespaces": GLOBS,
    "namespaceSelector": SELECTOR,
    "includedItems": st.lists(ITEM, min_size=1, max_size=2),
    "excludedItems": st.lists(ITEM, min_size=1, max_size=2),
    "allowEmpty": st.booleans(),
}
OLDER = {"includedResources": TYPES, "excludedResources": TYPES, "includeClusterResources": st.booleans()}
NEWER = {
    "includedClusterScopedResources": st.sampled_from(("all", "related")) | TYPES,
    "excludedClusterScopedResources": TYPES,
    "includedNamespaceScopedResources": TYPES,
    "excludedNamespaceScopedResources": TYPES,
}
BY_LABEL = {"labelSelector": SELECTOR}
BY_LABELS = {"orLabelSelectors": st.lists(SELECTOR, min_size=1, max_size=2)}


RULE = st.fixed_dictionaries(
    {"action": st.fixed_dictionaries({"type": st.sampled_from(("snapshot", "fs-backup", "skip", "custom"))})},
    optional={
        "conditions": st.fixed_dictionaries(
            {},
            optional={
                "capacity": st.sampled_from(("2Gi,100Gi", ",5Gi", "10Gi,")),
                "storageClass": st.sampled_from((["gp3"], ["other"])),
                "csi": st.sampled_from(tuple({"driver": driver} for driver in DRIVERS)),
                "nfs": st.sampled_from(({}, {"server": "nfs.example"}, {"path": "/x"})),
                "volumeTypes": st.lists(
                    st.sampled_from(("csi", "nfs", "emptyDir", "persistentVolumeClaim", "ephemeral")), min_size=1
                ),
                "pvcLabels": st.sampled_from(({"app": "web"}, {"tier": "front"})),
                "pvcPhase": st.sampled_from((["Bound"], ["Pending", "Lost"])),
            },
        )
    },
)
HOOK = st.fixed_dictionaries(
    {"name": st.sampled_from(("freeze", "flush")), "pre": st.just([{"exec": {"command": ["freeze"]}}])},
    optional={
        "includedNamespaces": GLOBS,
        "labelSelector": SELECTOR,
        "post": st.just([{"exec": {"command": ["thaw"], "container": "app"}}]),
    },
)
VOLUMES_SPEC = {
    "volumePolicies": st.lists(RULE, max_size=3),
    "snapshotLocation": st.just(SNAPSHOT_LOCATION),
    "fsBackup": st.just({"repositoryPassword": {"env": "RESTIC"}, "image": "trysail:1"}),
    "storageLocation": st.just(S3),
    "hooks": st.fixed_dictionaries({"resources": st.lists(HOOK, max_size=2)}),
}


@st.composite
def policies(draw: st.DrawFn) -> ResolvedPolicy:
    """A policy with a few filters, of one family of types and of one kind of label selector."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        **COMMON,
        **draw(st.sampled_from((OLDER, NEWER))),
        **draw(st.sampled_from((BY_LABEL, BY_LABELS))),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(fields)), max_size=3))
    about = draw(st.sets(st.sampled_from(sorted(VOLUMES_SPEC))))
    filters = {name: draw(fields[name]) for name in sorted(chosen)}
    return policy(**filters, **{name: draw(VOLUMES_SPEC[name]) for name in sorted(about)})


# Each example is a whole cluster and its plan; a failing one is shrunk and printed, and `--hypothesis-seed` replays it.
PROPERTY = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def as_collected(selection: Selection, whole: Inventory) -> Inventory:
    """The same cluster as it is seen by somebody who reads no more of it than this policy needs."""
    served = frozenset((known.group, known.plural) for known in whole.resources)
    taken = {found.name for found in whole.namespaces if selection.namespace(found).taken}
    holdings = []
    for_volumes = deciding(selection, whole.resources)
    for holding in whole.holdings:
        known = holding.resource
        if known in for_volumes:
            if not holding.namespace or holding.namespace in taken:
                holdings.append(holding)
            continue
        wanted = need(selection, known)
        if not selection.resource(known, served).taken or wanted is Need.NOTHING:
            continue
        if holding.namespace and holding.namespace not in taken:
            continue
        holdings.append(_read(selection, holding, wanted))
    return msgspec.structs.replace(whole, holdings=tuple(found for found in holdings if found.count), complete=False)


def _read(selection: Selection, holding: Holding, wanted: Need) -> Holding:
    rows = holding.rows or ()
    if wanted is Need.COUNT:
        marked = tuple(found for found in rows if excluded_by_label(found.labels))
        return Holding(holding.resource, holding.namespace, holding.count, None, marked)
    if query(selection, holding.resource):
        spec = selection.spec
        selectors = [spec.label_selector] if spec.label_selector else list(spec.or_label_selectors or ())
        rows = tuple(found for found in rows if any(matches(selector, found.labels) for selector in selectors))
    return Holding(holding.resource, holding.namespace, len(rows), rows)
