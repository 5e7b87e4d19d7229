"""From a backup, a RestorePolicy and a cluster to the plan of a restore. Reads; changes nothing.

Goes through the backup once, in the order of the restore, and holds each item against what is live in its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

from pydantic import BaseModel

from runner.actions.never import never_type
from runner.actions.restored import LeftAlone, Prepared
from runner.archive.index import IndexLine
from runner.engine.live import Live, LiveItems, NamedItems
from runner.engine.restore.facts import NAMESPACE, VOLUMES, RestoreFacts, gather, number, prepared_item
from runner.engine.retry import Retrier
from runner.engine.stored import StoredObjects
from runner.engine.stored_damaged import DamagedObjects
from runner.errors import ClusterError, ItemNotFound, Unauthorized
from runner.model.canonical import canonical, digest, document
from runner.model.cluster import ItemId
from runner.model.location import LocationSpec
from runner.model.plan import Gap, LeftOut, Step
from runner.model.policy_set import ResolvedRestore
from runner.model.restore import CHANGING, RESTORE_FORMAT, Action, ItemChange, RestorePlan, RestoreStep, TargetCluster
from runner.plan.order import step_key
from runner.plan.restore import ADOPTED, OWNED_ANEW, Decision, decide, lacking_owners
from runner.plan.restore_order import NAMESPACES
from runner.plan.served import Route
from runner.ports import ClusterReader

NEEDED = "what is restored lives in it"
UNSEEN = "it may not be read, and is taken to be there"
NO_UIDS = "manifests have no uids to name owners by: a wrong one would be the item's end in a cluster"
MERGED_NAMESPACE = "it becomes another namespace that is restored too"


@dataclass(frozen=True)
class PlannedRestore:
    """A plan, and what it rests on."""

    plan: RestorePlan
    facts: RestoreFacts


def plan_restore(
    stored: StoredObjects, resolved: ResolvedRestore, location: LocationSpec, cluster: ClusterReader, retrier: Retrier
) -> PlannedRestore:
    """Looks at backup and cluster, and decides. The same two give the same plan."""
    facts = gather(stored, resolved.policy.spec, cluster, retrier)
    planner = _Planner(facts, cluster, retrier)
    for step in sorted(facts.selected_items.steps, key=lambda step: _step_key(facts, step)):
        planner.take(step)
    planner.settle_owners()
    planner.need_namespaces()
    steps = planner.steps()
    made = {name for step in steps if (step.resource, step.action) == (VOLUMES, "create") for name in step.names}
    plan = RestorePlan(
        format_version=RESTORE_FORMAT,
        kind="RestorePlan",
        digest="",
        backup=stored.ref,
        target=TargetCluster(facts.identity.uid, facts.identity.context, facts.identity.server),
        policy_name=resolved.policy.metadata.name,
        policy=document(resolved.policy),
        location=document(location),
        steps=steps,
        changes=tuple(planner.changes),
        left_out=planner.left_out(),
        gaps=tuple(sorted({*facts.gaps, *planner.gaps}, key=lambda gap: (gap.what, gap.reason))),
        empty_includes=facts.selected_items.empty_includes,
        warnings=(*planner.warnings, *facts.data.unclaimed(made)),
        volumes=tuple(decision for _, decision in sorted(facts.data.decisions.items())),
        snapshot_location=_given(resolved.snapshot_location) or facts.data.record.snapshot_location,
        fs_backup=_given(resolved.policy.spec.fs_backup) or facts.data.record.fs_backup,
    )
    return PlannedRestore(sealed_restore(plan), facts)


def sealed_restore(plan: RestorePlan) -> RestorePlan:
    """The plan with its own digest, which covers all the rest."""
    fields = {name: getattr(plan, name) for name in plan.__struct_fields__}
    fields["digest"] = ""
    return RestorePlan(**{**fields, "digest": digest(canonical(RestorePlan(**fields)))})


def _given(spec: BaseModel | None) -> dict[str, Any] | None:
    return None if spec is None else document(spec)


def _step_key(facts: RestoreFacts, step: Step) -> tuple[int, tuple[int, str, str, str]]:
    return facts.order.tier(step.resource), step_key(step.resource, facts.rules.namespace(step.namespace))


class _Orphan(NamedTuple):
    """An item that is there and lacks `owners`, or will: unless one of them comes, it is `else_` that is decided."""

    step: Step
    route: Route
    name: str
    owners: tuple[int, ...]
    lacks: bool  # it does already
    else_: Decision
    target: ItemId


class _Fate(NamedTuple):
    """What the items of a RestoreStep have in common."""

    tier: int
    resource: str
    api_version: str
    kind: str
    namespace: str
    source: str
    action: Action
    why: str


@dataclass
class _Planner:
    facts: RestoreFacts
    cluster: ClusterReader
    retrier: Retrier
    fates: dict[_Fate, list[str]] = field(default_factory=dict)
    changes: list[ItemChange] = field(default_factory=list)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    absent: set[int] = field(default_factory=set)  # uids in the backup of what is not there, and does not come
    orphans: list[_Orphan] = field(default_factory=list)

    def take(self, step: Step) -> None:
        """Decides on every item of a step."""
        plural, _, group = step.resource.partition(".")
        never = never_type(group, plural)
        if never:
            self.left[f"type {step.resource}", never] += step.count
            return
        route = self.facts.route(step.resource, step.api_version, step.kind)
        if route.resource is None:
            self._refuse_all(step, route)
            return
        if route.mapped:
            self.warnings.append(
                f"{step.resource}: {route.mapped} is not served any more: they are sent as "
                f"{route.resource.api_version}, and refused if it lacks a field"
            )
        self._items(step, route, self._live(step, route))

    def settle_owners(self) -> None:
        """Decides on those that lack an owner, once it is known which owners come."""
        for orphan in self.orphans:
            lacks = ADOPTED if orphan.lacks else OWNED_ANEW
            come = self.facts.leaving if lacks == OWNED_ANEW else set(orphan.owners) - self.absent
            decision = orphan.else_ if come.isdisjoint(orphan.owners) else Decision("update", lacks)
            self._note(orphan.step, orphan.route, orphan.name, decision, orphan.target)

    def need_namespaces(self) -> None:
        """Adds the namespaces that items are created in, and that nothing else brings."""
        brought = set()
        needed: dict[str, str] = {}
        for fate, names in self.fates.items():
            if fate.action != "create":
                continue
            if fate.resource == NAMESPACES:
                brought |= {self.facts.rules.namespace(name) for name in names}
            elif fate.namespace:
                needed.setdefault(fate.namespace, fate.source)
        for namespace, source in sorted(needed.items()):
            if namespace not in brought and self.facts.namespaces.get(namespace, True):
                fate = self._fate(NAMESPACES, "v1", "Namespace", "", "", "create", NEEDED)
                self.fates.setdefault(fate, []).append(source)

    def steps(self) -> tuple[RestoreStep, ...]:
        """In the order of the restore."""
        found = [
            RestoreStep(
                tier=fate.tier,
                resource=fate.resource,
                api_version=fate.api_version,
                kind=fate.kind,
                namespace=fate.namespace,
                action=fate.action,
                why=fate.why,
                names=tuple(names),
                source=fate.source if fate.source != fate.namespace else "",
            )
            for fate, names in self.fates.items()
        ]
        return tuple(
            sorted(found, key=lambda s: (s.tier, step_key(s.resource, s.namespace), s.action, s.why, s.names[0]))
        )

    def left_out(self) -> tuple[LeftOut, ...]:
        """What the filters leave out, and after it what the rules of restore do."""
        ruled = [LeftOut(what=what, why=why, count=count) for (what, why), count in sorted(self.left.items())]
        return (*self.facts.selected_items.left_out, *ruled)

    # one item

    def _items(self, step: Step, route: Route, live: Live | None) -> None:
        stored = self.facts.selected_items.stored
        taken = self._taken(step)
        for line, value in stored.objects(self.facts.selected_items.lines(step)):
            if line.name in taken:
                self.left[NAMESPACES, MERGED_NAMESPACE] += 1
            else:
                self._item(step, route, line, value, live)
        if isinstance(stored, DamagedObjects) and stored.damaged:
            for line in self.facts.selected_items.lines(step):
                if line.id in stored.damaged:
                    self._refuse(step, route, line, stored.damaged[line.id])

    def _item(self, step: Step, route: Route, line: IndexLine, value: dict[str, Any], live: Live | None) -> None:
        try:
            prepared = prepared_item(line, value, self.facts)
        except ValueError as error:
            self._refuse(step, route, line, str(error))
            return
        if isinstance(prepared, LeftAlone):
            self.left[step.resource, prepared.why] += 1
            self.absent.add(number(line.uid))
            return
        if prepared.item != self._expected(line):
            self._refuse(step, route, line, "a modifier changes its name or namespace: use namespaceMapping")
            return
        if step.resource == NAMESPACES and prepared.item.name in self.facts.unseen:
            self.left[NAMESPACES, UNSEEN] += 1
            return
        if not self.facts.rules.name_owners and value["metadata"].get("ownerReferences"):
            self.left[f"ownerReferences of {step.resource}", NO_UIDS] += 1
        found = live.at(prepared.item.name) if live is not None else None
        decision = decide(prepared, found, self.facts.existing)
        obstacle = self._obstacle(step, prepared) if decision.action in CHANGING else ""
        if obstacle:
            self._refuse(step, route, line, obstacle)
            return
        self._remember(line, prepared, found, decision)
        if decision.action in CHANGING:
            self.facts.kept.keep(line, prepared)
        if found is None or not self._is_orphan(step, route, line, prepared, found, decision):
            self._note(step, route, line.name, decision, prepared.item)

    def _obstacle(self, step: Step, prepared: Prepared) -> str:
        """Why data that cannot be had keeps an item out; a folder has nobody who would begin with an empty volume."""
        if self.facts.identity.is_folder:
            return ""
        return self.facts.data.obstacle(step.resource, prepared.item, prepared.body)

    def _is_orphan(
        self,
        step: Step,
        route: Route,
        line: IndexLine,
        prepared: Prepared,
        found: dict[str, Any],
        decision: Decision,
    ) -> bool:
        """Keeps an item whose fate hangs on its owners, which may not have been looked at yet."""
        existing, owners = self.facts.existing, prepared.owners
        lacks = decision.why == ADOPTED
        if lacks:
            owners = lacking_owners(prepared, found, existing)
            decision = decide(replace(prepared, owners=()), found, existing)
        elif not owners or existing.policy != "recreate" or decision.action != "unchanged":
            return False
        uids = tuple(number(str(owner.get("uid", ""))) for owner in owners)
        self.orphans.append(_Orphan(step, route, line.name, uids, lacks, decision, prepared.item))
        return True

    def _refuse_all(self, step: Step, route: Route) -> None:
        for line in self.facts.selected_items.lines(step):
            self._refuse(step, route, line, route.problem)

    def _refuse(self, step: Step, route: Route, line: IndexLine, why: str) -> None:
        self.absent.add(number(line.uid))
        self._note(step, route, line.name, Decision("invalid", why))

    def _taken(self, step: Step) -> frozenset[str]:
        """Namespaces that become one which is restored too."""
        rules = self.facts.rules
        if step.resource != NAMESPACES:
            return frozenset()
        names = {line.name for line in self.facts.selected_items.lines(step)}
        return frozenset(name for name in names if rules.namespace(name) != name and rules.namespace(name) in names)

    def _expected(self, line: IndexLine) -> ItemId:
        """Where an item goes by the mappings alone."""
        rules = self.facts.rules
        name = rules.namespace(line.name) if line.resource == NAMESPACES else line.name
        return line.id._replace(namespace=rules.namespace(line.namespace), name=name)

    def _remember(self, line: IndexLine, prepared: Prepared, found: dict[str, Any] | None, decision: Decision) -> None:
        self.facts.owners.update(number(str(owner.get("uid", ""))) for owner in prepared.owners)
        if found is not None and line.uid and "deletionTimestamp" not in found["metadata"]:
            self.facts.live[number(line.uid)] = str(found["metadata"].get("uid", ""))
            if decision.action == "recreate":
                self.facts.leaving.add(number(line.uid))

    def _note(self, step: Step, route: Route, name: str, decision: Decision, target: ItemId | None = None) -> None:
        namespace = self.facts.rules.namespace(step.namespace)
        version = route.resource.api_version if route.resource is not None else step.api_version
        why = decision.why
        if target is not None and step.resource == NAMESPACES and target.name != name:
            why = f"as {target.name}: {why}"
        elif route.after and decision.action == "create":
            why = f"{why}; after {route.after}"
        fate = self._fate(step.resource, version, step.kind, namespace, step.namespace, decision.action, why)
        self.fates.setdefault(fate, []).append(name)
        if decision.changes:
            self.changes.append(
                ItemChange(step.resource, namespace, target.name if target is not None else name, decision.changes)
            )

    def _fate(
        self, resource: str, api_version: str, kind: str, namespace: str, source: str, action: Action, why: str
    ) -> _Fate:
        tier = self.facts.order.tier(resource)
        return _Fate(tier, resource, api_version, kind, namespace, source, action, why)

    # what is live

    def _live(self, step: Step, route: Route) -> Live | None:
        """None where nothing can be there yet."""
        resource, namespace = route.resource, self.facts.rules.namespace(step.namespace)
        if resource is None or route.after:
            return None
        if step.namespace and self.facts.namespaces.get(namespace, True):
            return None  # it is not there, or on its way out with all that is in it
        if step.resource == NAMESPACES and not self.facts.lists_namespaces:
            return NamedItems(self.cluster, self.retrier, resource, "")
        names = (line.name for line in self.facts.selected_items.lines(step))
        ascending = step.resource != NAMESPACE.name and all(a < b for a, b in pairwise(names))
        live = LiveItems(self.cluster, self.retrier, resource, namespace, ascending=ascending)
        try:
            live.open()
        except Unauthorized:
            raise
        except ItemNotFound:
            return None
        except ClusterError as error:
            where = f" in namespace {namespace}" if namespace else ""
            self.gaps.append(Gap(f"{step.resource}{where}", error.message))
            return None
        return live


def changing_steps(plan: RestorePlan) -> Iterator[RestoreStep]:
    """The steps that change the target, in order."""
    return (step for step in plan.steps if step.action in {"create", "update", "recreate"})
