"""What holds for every plan, whatever the policy and the cluster are."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.model.canonical import canonical
from runner.model.cluster import DiscoveryFailure
from runner.model.inventory import Holding, Inventory, Owner, Row, Unreadable
from runner.model.labels import matches
from runner.model.policy_set import ResolvedPolicy
from runner.plan.backup import plan_backup
from runner.plan.changes import selected_rows
from runner.plan.labels import EXCLUDE_LABELS, excluded_by_label
from runner.plan.needs import Need, need, query
from runner.plan.order import step_key
from runner.plan.selection import Selection
from tests.unit.plan.build import RBAC, binding, claim, namespace, pod, policy, row, seen, volume

# Small worlds, so that filters, names and relations meet often.
NAMESPACES = ("a", "a-b", "shop")
NAMES = ("api", "db", "web")
VOLUMES = ("pv-1", "pv-2", "pv-3")
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
        contents[f"clusterrolebindings.{RBAC}"] = self._some(NAMES, self._binding)
        contents["customresourcedefinitions.apiextensions.k8s.io"] = self._some(DEFINITIONS, self._row)
        phases = ("Active", "Active", "Active", "Terminating")
        return seen(
            {key: rows for key, rows in contents.items() if rows},
            namespaces=[namespace(name, self._labels(), phase=self.chance.choice(phases)) for name in NAMESPACES],
            failures=[DiscoveryFailure(f"{name}.io/v1", name) for name in self._pick(("x", "y"))],
            unreadable=[
                Unreadable(name, self.chance.choice(("", "shop")), name) for name in self._pick(("nodes", "secrets"))
            ],
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
        return pod(name, *self._pick(NAMES), labels=self._labels())

    def _claim(self, name: str) -> Row:
        return claim(name, self.chance.choice(("", *VOLUMES)), labels=self._labels())

    def _volume(self, name: str) -> Row:
        return volume(name, labels=self._labels())

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


@st.composite
def policies(draw: st.DrawFn) -> ResolvedPolicy:
    """A policy with a few filters, of one family of types and of one kind of label selector."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        **COMMON,
        **draw(st.sampled_from((OLDER, NEWER))),
        **draw(st.sampled_from((BY_LABEL, BY_LABELS))),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(fields)), max_size=3))
    return policy(**{name: draw(fields[name]) for name in sorted(chosen)})


# Each example is a whole cluster and its plan; a failing one is shrunk and printed, and `--hypothesis-seed` replays it.
PROPERTY = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def as_collected(selection: Selection, whole: Inventory) -> Inventory:
    """The same cluster as it is seen by somebody who reads no more of it than this policy needs."""
    served = frozenset((known.group, known.plural) for known in whole.resources)
    taken = {found.name for found in whole.namespaces if selection.namespace(found).taken}
    holdings = []
    for holding in whole.holdings:
        known = holding.resource
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


@PROPERTY
@given(policies(), inventories())
def test_the_same_policy_and_cluster_give_the_same_bytes(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """A plan has no clock and no chance in it."""
    assert canonical(plan_backup(resolved, inventory)) == canonical(plan_backup(resolved, inventory))


@PROPERTY
@given(policies(), inventories(), st.integers(0, 999))
def test_the_order_of_the_inventory_does_not_matter(resolved: ResolvedPolicy, inventory: Inventory, seed: int) -> None:
    """Whatever came first from the cluster, or from a file that somebody wrote: the plan has the same bytes."""
    chance = random.Random(seed)

    def mixed(found: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(chance.sample(found, len(found)))

    shuffled = msgspec.structs.replace(
        inventory,
        namespaces=mixed(inventory.namespaces),
        holdings=mixed(
            tuple(msgspec.structs.replace(held, rows=mixed(held.rows or ())) for held in inventory.holdings)
        ),
        failures=mixed(inventory.failures),
        unreadable=mixed(inventory.unreadable),
    )
    assert canonical(plan_backup(resolved, shuffled)) == canonical(plan_backup(resolved, inventory))


@PROPERTY
@given(policies(), inventories())
def test_how_the_counts_were_had_does_not_matter(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """From numbers where a number will do, from rows or from a whole saved inventory: the plan has the same bytes."""
    collected = as_collected(Selection(resolved.policy.spec), inventory)
    assert canonical(plan_backup(resolved, collected)) == canonical(plan_backup(resolved, inventory))


@PROPERTY
@given(policies(), inventories())
def test_a_run_would_store_what_the_plan_counts(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """Each step's number is that of the rows that its names, or the policy's filters, take one by one."""
    plan = plan_backup(resolved, inventory)
    rows = selected_rows(plan, Selection(resolved.policy.spec), inventory)
    assert rows is not None
    assert len({found.item for found in rows}) == len(rows) == plan.items


@PROPERTY
@given(policies(), inventories())
def test_every_step_is_there_once_with_its_reason(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """In order, none twice, none empty, none without a why."""
    plan = plan_backup(resolved, inventory)
    keys = [step_key(step.resource, step.namespace) for step in plan.steps]
    assert keys == sorted(set(keys))
    assert all(step.count and step.why for step in plan.steps)
    assert all(left.why for left in plan.left_out)


MARK = "kd8Fq2"


@PROPERTY
@given(policies(), inventories())
def test_nothing_of_a_row_but_its_name_is_in_a_plan(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """Labels, uids, versions, owners and handles may tell secrets: none of them reaches a plan."""

    def marked(found: Row) -> Row:
        facts = found.facts
        if facts is not None and hasattr(facts, "handle"):
            facts = msgspec.structs.replace(facts, handle=MARK)
        return msgspec.structs.replace(
            found,
            uid=f"{MARK}-{found.uid}",
            resource_version=MARK,
            labels={**found.labels, f"{MARK}/key": "x", "secret": MARK},
            owners=(Owner(kind=MARK, name=MARK, uid=MARK),),
            facts=facts,
        )

    secretive = msgspec.structs.replace(
        inventory,
        namespaces=tuple(map(marked, inventory.namespaces)),
        holdings=tuple(
            msgspec.structs.replace(held, rows=tuple(map(marked, held.rows or ()))) for held in inventory.holdings
        ),
    )
    plan = canonical(plan_backup(resolved, secretive))
    assert MARK.encode() not in plan
    assert plan == canonical(plan_backup(resolved, inventory))
