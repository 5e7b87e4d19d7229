"""Filters of Velero's, of a backup or a restore → ours: the same words, or others where those would mean another thing.

Pure. Source of what they mean: Velero's includes_excludes.go and item_backupper.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.model.filters import NEW_FAMILY, OLD_FAMILY
from runner.policies.convert_notes import Severity
from runner.policies.convert_related import Filter, missing_related
from runner.policies.convert_spec import Spec, everything
from runner.policies.parse import Value

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


def fill_namespaces(spec: Spec) -> None:
    """Namespaces, of which "" is Velero's word for none."""
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
    if not everything(named):
        spec.put("includedNamespaces", named)
    if left_out := [name for name in excluded if name != ""]:
        spec.put("excludedNamespaces", left_out)


def _not_all(spec: Spec, name: str, excluded: Sequence[Value]) -> None:
    if "*" in excluded:
        message = '"*" leaves out everything, and Velero refuses it'
        spec.original.mistake(spec.path(name), message, "name what is to be left out")


def fill_types(spec: Spec) -> None:
    """The filters on types, of either family."""
    _not_all(spec, "excludedResources", spec.listed("excludedResources"))
    for scope in ("ClusterScopedResources", "NamespaceScopedResources"):
        if spec.listed(f"included{scope}"):
            _not_all(spec, f"excluded{scope}", spec.listed(f"excluded{scope}"))
    for name in _ITEMS_BY_TYPE:
        if types := spec.listed(name):
            spec.put(name, types)
    if (wanted := spec.flag("includeClusterResources")) is not None:
        spec.put("includeClusterResources", wanted)


def fill_cluster_scoped(spec: Spec) -> None:
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


def _only_related(spec: Spec) -> bool:
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
            and everything(spec.listed("includedNamespaceScopedResources"))
        )
    )


def _note_missing(spec: Spec, name: str, family: str) -> None:
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


def fill_selectors(spec: Spec) -> None:
    """Selectors that select everything are left out: empty ones, and lists of which one is empty."""
    selector = said_selector(spec.value("labelSelector"))
    if selector is not None:
        spec.put("labelSelector", selector)
    any_of = spec.listed("orLabelSelectors")
    if any(isinstance(each, dict) and said_selector(each) is None for each in any_of):
        spec.note(Severity.NO_MEANING, "orLabelSelectors", "one of them is empty, and selects everything")
    elif any_of:
        spec.put("orLabelSelectors", [said_selector(each) for each in any_of])


def said_selector(value: Value) -> Value:
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
