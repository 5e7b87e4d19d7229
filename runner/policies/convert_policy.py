"""Backup, and the template of a Schedule, of Velero's → the spec of a BackupPolicy, but for its location. Pure.

Source of the fields: Velero's backup_types.go and schedule_types.go; of what the filters mean, its includes_excludes.go
and item_backupper.go; of what an unset field means, its backup_controller.go.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.model.filters import NEW_FAMILY, OLD_FAMILY
from runner.policies.convert_notes import Draft, Fields, Original, Severity
from runner.policies.convert_related import Filter, missing_related
from runner.policies.parse import Value
from runner.policies.scalars import shown

_ITEMS_BY_TYPE = (
    "includedResources",
    "excludedResources",
    "excludedClusterScopedResources",
    "includedNamespaceScopedResources",
    "excludedNamespaceScopedResources",
)
# Velero's server excludes these of its own accord, and writes so into every Backup.
_EXCLUDED_BY_SERVER = frozenset(("volumesnapshotcontents.snapshot.storage.k8s.io",))
_EXCLUDED_IN_NAMESPACES_BY_SERVER = frozenset(("volumesnapshots.snapshot.storage.k8s.io",))

_NO_MEANING = {
    "orderedResources": "objects are stored in an order of their own; Velero's matters to hooks and snapshots alone",
    "itemOperationTimeout": "no plugin's work is waited for",
    "csiSnapshotTimeout": "no snapshot is waited for",
    "volumeGroupSnapshotLabelKey": "no volumes are snapshotted",
    "uploaderConfig": "nothing is uploaded out of volumes",
    "datamover": "nothing is uploaded out of volumes",
    "backupType": "nothing is uploaded out of volumes",
}
_ZERO = re.compile(r"(0+(\.0*)?(h|m|s|ms|us|µs|ns)?)+")
_VOLUMES = "objects are stored, claims and volumes included, the data in volumes is not"
_PROTECT = (
    "protect them with another tool, and say onUncovered: warn; until then the plan names each volume, and a run "
    "stops before it writes"
)


def fill_policy(original: Original, draft: Draft, at: Fields) -> None:
    """Fills in the filters of `draft` from Velero's BackupSpec, which is at `at` in `original`."""
    spec = _Spec(original, draft, at)
    original.mapping(*at)
    _namespaces(spec)
    _types(spec)
    _cluster_scoped(spec)
    _selectors(spec)
    _volumes(spec)
    _left(spec)


def note_schedule(original: Original, name: str) -> None:
    """Says what becomes of the fields that a Schedule has beside its template; the policy is called `name`."""
    cron = original.text("spec", "schedule")
    if cron:
        original.note(
            Severity.TO_DO,
            ("spec", "schedule"),
            f'nothing here runs by itself, at "{shown(cron)}" or ever',
            f"let a job of your CI, or a CronJob, run at that time: trysail run -f PATH --policy {name} --auto-approve",
        )
    if original.flag("spec", "paused"):
        original.note(Severity.TO_DO, ("spec", "paused"), "Velero makes no backups of it now", "make no job for it yet")
    for field, why in (
        ("skipImmediately", "nothing here runs by itself"),
        ("useOwnerReferencesInBackup", "backups are no objects of the cluster"),
    ):
        if original.flag("spec", field):
            original.note(Severity.NO_MEANING, ("spec", field), why)


class _Spec:
    """One BackupSpec of Velero's, by the names of its fields."""

    def __init__(self, original: Original, draft: Draft, at: Fields) -> None:
        self.original = original
        self.draft = draft
        self.at = at

    def path(self, *names: str) -> Fields:
        return (*self.at, *names)

    def value(self, *names: str) -> Value:
        return self.original.value(*self.path(*names))

    def listed(self, name: str) -> list[Value]:
        return self.original.listed(*self.path(name))

    def flag(self, name: str) -> bool | None:
        return self.original.flag(*self.path(name))

    def put(self, name: str, value: Value, origin: str = "") -> None:
        self.draft.put(("spec", name), value, self.path(origin or name))

    def note(self, severity: Severity, name: str, message: str, instead: str = "") -> None:
        self.original.note(severity, self.path(*([name] if name else [])), message, instead)

    @property
    def every_namespace(self) -> bool:
        return _everything(self.listed("includedNamespaces")) and not self.listed("excludedNamespaces")


def _everything(included: Sequence[Value]) -> bool:
    return not included or included == ["*"]


def _namespaces(spec: _Spec) -> None:
    included, excluded = spec.listed("includedNamespaces"), spec.listed("excludedNamespaces")
    _not_all(spec, "excludedNamespaces", excluded)
    # "" is Velero's word for what is in no namespace.
    named = [name for name in included if name != ""]
    if included and not named:
        spec.put("excludedNamespaces", ["*"], "includedNamespaces")
        spec.note(
            Severity.OTHERWISE,
            "includedNamespaces",
            'that no namespace is taken, which is "" to Velero, is excludedNamespaces: ["*"] here',
        )
        return
    if not _everything(named):
        spec.put("includedNamespaces", named)
    if left_out := [name for name in excluded if name != ""]:
        spec.put("excludedNamespaces", left_out)


def _not_all(spec: _Spec, name: str, excluded: Sequence[Value]) -> None:
    if "*" in excluded:
        message = '"*" leaves out everything, and Velero refuses it'
        spec.original.mistake(spec.path(name), message, "name what is to be left out")


def _types(spec: _Spec) -> None:
    _not_all(spec, "excludedResources", spec.listed("excludedResources"))
    for scope in ("ClusterScopedResources", "NamespaceScopedResources"):
        if spec.listed(f"included{scope}"):
            _not_all(spec, f"excluded{scope}", spec.listed(f"excluded{scope}"))
    for name in _ITEMS_BY_TYPE:
        if types := spec.listed(name):
            spec.put(name, types)
    if (wanted := spec.flag("includeClusterResources")) is not None:
        spec.put("includeClusterResources", wanted)


def _cluster_scoped(spec: _Spec) -> None:
    """Where the same words would mean something else, others are written, or it is said."""
    included = spec.listed("includedClusterScopedResources")
    excluded = spec.listed("excludedClusterScopedResources")
    if "*" in included:
        spec.put("includedClusterScopedResources", "all")
    elif included:
        spec.put("includedClusterScopedResources", included)
        _note_missing(spec, "includedClusterScopedResources", "NamespaceScopedResources")
    elif "*" not in excluded and _only_related(spec):
        spec.draft.put(("spec", "includedClusterScopedResources"), "related", spec.at)
        spec.note(
            Severity.OTHERWISE,
            "",
            "every namespace is taken, but there is a filter on types: of cluster-scoped items, Velero takes only "
            "those that belong to the selected ones; here that is written out",
        )
    if spec.flag("includeClusterResources"):
        types = spec.listed("includedResources")
        if types and "*" not in types:
            _note_missing(spec, "includedResources", "Resources")


def _only_related(spec: _Spec) -> bool:
    """Whether Velero takes related cluster-scoped items alone, where without a word we would take all.

    It takes all where its newer filters leave out nothing, but for what its server does of its own accord.
    """
    newer = any(spec.listed(name) for name in NEW_FAMILY)
    older = any(spec.value(name) is not None for name in OLD_FAMILY)
    return (
        (newer and not older)
        and spec.every_namespace
        and not (
            _EXCLUDED_BY_SERVER.issuperset(_words(spec.listed("excludedClusterScopedResources")))
            and _EXCLUDED_IN_NAMESPACES_BY_SERVER.issuperset(_words(spec.listed("excludedNamespaceScopedResources")))
            and _everything(spec.listed("includedNamespaceScopedResources"))
        )
    )


def _note_missing(spec: _Spec, name: str, family: str) -> None:
    """To Velero, a list of cluster-scoped types is what is taken whole; what is related to items comes in addition.

    `name` is the list, and `family` ends the names of the filters on types that are in namespaces.
    """
    missing = missing_related(
        Filter(_words(spec.listed(name)), _words(spec.listed(name.replace("included", "excluded")))),
        Filter(_words(spec.listed(f"included{family}")), _words(spec.listed(f"excluded{family}"))),
    )
    if missing:
        spec.note(
            Severity.CHANGES,
            name,
            f"Velero adds what belongs to the selected items, of types that are not in this list too: "
            f"{', '.join(missing)}; here the list is all",
            "add those types, of which every item is taken then"
            + (", or write includedClusterScopedResources: related" if name in NEW_FAMILY else ""),
        )


def _words(values: list[Value]) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def _selectors(spec: _Spec) -> None:
    """Selectors that select everything are left out: empty ones, and lists of which one is empty."""
    selector = _selector(spec.value("labelSelector"))
    if selector is not None:
        spec.put("labelSelector", selector)
    any_of = spec.listed("orLabelSelectors")
    if any(isinstance(each, dict) and _selector(each) is None for each in any_of):
        spec.note(Severity.NO_MEANING, "orLabelSelectors", "one of them is empty, and selects everything")
    elif any_of:
        spec.put("orLabelSelectors", [_selector(each) for each in any_of])


def _selector(value: Value) -> Value:
    """Without fields that say nothing; None where nothing is left. What is no selector is left to the check."""
    if not isinstance(value, dict):
        return value
    said = {name: field for name, field in value.items() if field not in (None, [], {})}
    expressions = said.get("matchExpressions")
    if isinstance(expressions, list):
        said["matchExpressions"] = [_requirement(each) for each in expressions]
    return said or None


def _requirement(value: Value) -> Value:
    if not isinstance(value, dict):
        return value
    return {name: field for name, field in value.items() if field not in (None, [])}


def _volumes(spec: _Spec) -> None:
    """No data of volumes is stored by this version."""
    snapshots = spec.flag("snapshotVolumes")
    wanted = [
        name
        for name in ("snapshotVolumes", "snapshotMoveData", "defaultVolumesToFsBackup", "defaultVolumesToRestic")
        if spec.flag(name)
    ]
    for name in wanted:
        spec.note(Severity.CHANGES, name, _VOLUMES, _PROTECT)
    if spec.value("volumeSnapshotLocations") is not None:
        if snapshots is False:
            spec.note(Severity.NO_MEANING, "volumeSnapshotLocations", "no volumes are snapshotted")
        else:
            wanted.append("volumeSnapshotLocations")
            spec.note(Severity.CHANGES, "volumeSnapshotLocations", "there are no snapshots in this version", _PROTECT)
    if spec.value("resourcePolicy") is not None:
        wanted.append("resourcePolicy")
        spec.note(
            Severity.CHANGES,
            "resourcePolicy",
            "the ConfigMap that it names may leave out volumes, namespaces and types, and is not read here",
            "look into it, and write what it includes and excludes into the filters of this policy",
        )
    if wanted:
        return
    if snapshots is None:
        spec.note(
            Severity.TO_DO,
            "",
            f"snapshotVolumes is not set, which to Velero means to snapshot what it can; here {_VOLUMES}",
            _PROTECT,
        )
    else:
        spec.put("onUncovered", "warn", "snapshotVolumes")
        spec.note(
            Severity.OTHERWISE,
            "snapshotVolumes",
            "Velero is told to leave the data in volumes alone; with onUncovered: warn, a run names them and goes on",
        )


def _left(spec: _Spec) -> None:
    if any(hooks not in (None, [], {}) for hooks in spec.original.mapping(*spec.path("hooks")).values()):
        spec.note(
            Severity.CHANGES,
            "hooks",
            "no commands are run in pods, before or after",
            "let the job that runs Trysail stop or flush the applications before, and let them go on after",
        )
    if not _is_zero(spec.value("ttl")):
        spec.note(
            Severity.TO_DO,
            "ttl",
            f"Velero deletes a backup after {shown(str(spec.value('ttl')))}; this version never deletes one",
            "let a lifecycle rule of the bucket, on the location's prefix, expire what is older",
        )
    for name, why in _NO_MEANING.items():
        if not _is_zero(spec.value(name)):
            spec.note(Severity.NO_MEANING, name, why)


def _is_zero(value: Value) -> bool:
    """Whether nothing is said; a duration of zero says nothing, and is how Velero's command line writes that."""
    return value is None or (isinstance(value, str) and _ZERO.fullmatch(value) is not None)
