"""Restore of Velero's → the spec of a RestorePolicy. Pure.

Source of the fields: Velero's restore_types.go; of what an unset field means, its restore_controller.go.
"""

from __future__ import annotations

from runner.policies.convert_filters import fill_namespaces, fill_selectors, fill_types
from runner.policies.convert_hooks import fill_restore_hooks
from runner.policies.convert_maps import Wanted, rules_of
from runner.policies.convert_names import Names, label
from runner.policies.convert_notes import Draft, Original, Severity
from runner.policies.convert_spec import Spec

_AT = ("spec",)
_MODIFIER = Wanted(
    "resourceModifier",
    "resourceModifierRules",
    "the ConfigMap that it names is not among these documents: it says what is changed in what is restored",
    "give it along with these: kubectl get configmap NAME -n NAMESPACE -o yaml; or write its resourceModifierRules "
    "here, as resourceModifiers",
)
_POLICIES = ("none", "update")


def fill_restore(original: Original, draft: Draft, *, policies: Names, maps: Names, namespace: str) -> None:
    """Fills in `draft` from Velero's RestoreSpec. `policies` are those made along with it."""
    spec = Spec(original, draft, _AT)
    _backup(spec, policies, namespace)
    fill_namespaces(spec)
    fill_types(spec)
    fill_selectors(spec)
    if mapping := original.mapping("spec", "namespaceMapping"):
        spec.put("namespaceMapping", mapping)
    if (rules := rules_of(spec, _MODIFIER, maps, namespace)) is not None and rules:
        spec.put("resourceModifiers", rules, _MODIFIER.field)
    if spec.flag("preserveNodePorts"):
        spec.put("preserveNodePorts", value=True)
    existing = spec.text("existingResourcePolicy")
    if existing and existing != _POLICIES[0]:
        spec.put("existingResourcePolicy", existing)
    if spec.flag("restorePVs") is False:
        spec.put("restoreVolumes", value=False, origin="restorePVs")
    fill_restore_hooks(spec)
    spec.put_time("itemOperationTimeout")
    _left(spec)


def _backup(spec: Spec, policies: Names, namespace: str) -> None:
    backup, schedule = spec.text("backupName"), spec.text("scheduleName")
    if not backup and not schedule:
        spec.original.mistake(spec.path("backupName"), "is missing", "or scheduleName: which backup is restored")
    if backup:
        spec.put("backupName", backup)
    if schedule:
        found = policies.find(namespace, schedule)
        spec.put("backupPolicy", policies.of(found) if found is not None else label(schedule), "scheduleName")
    spec.note(
        Severity.TO_DO,
        "backupName" if backup else "scheduleName",
        "where the backup lies is not said in a Restore of Velero's",
        "name it with --location, or write storageLocation: for backups that Velero wrote, that is Velero's own bucket "
        "and prefix, and for those of the converted policies the location that they name",
    )


def _left(spec: Spec) -> None:
    if spec.value("restoreStatus") is not None:
        spec.note(
            Severity.CHANGES,
            "restoreStatus",
            "the status of items is not restored: their controllers write it again",
            "set it afterwards where nothing does",
        )
    if spec.value("uploaderConfig") is not None:
        spec.note(Severity.NO_MEANING, "uploaderConfig", "how files are written is decided here")
