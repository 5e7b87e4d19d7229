"""What Velero says of volumes → volumePolicies, and what it leaves unsaid. Pure.

A rule of its resource policies comes first, as it does to Velero; what none of them means follows its defaults:
defaultVolumesToFsBackup, then snapshotVolumes, which unset means yes.
"""

from __future__ import annotations

from runner.policies.backups import NO_FS_BACKUP
from runner.policies.convert_maps import rules_of
from runner.policies.convert_names import Names
from runner.policies.convert_notes import Severity
from runner.policies.convert_rules import RESOURCE_POLICY, volume_rules
from runner.policies.convert_spec import Spec
from runner.policies.parse import Value

_GROUP_LABEL = "velero.io/volume-group"  # what Velero's server writes into every Backup
_DECIDED = "no volume is left that it would decide on"
_FS_BACKUP = ("defaultVolumesToFsBackup", "defaultVolumesToRestic")


def fill_volumes(spec: Spec, maps: Names, namespace: str) -> bool:
    """Fills in volumePolicies; whether anything is to be snapshotted. `namespace` is that of Velero's document."""
    files = [name for name in _FS_BACKUP if spec.flag(name)]
    snapshots = spec.flag("snapshotVolumes")
    rules = list(volume_rules(spec, rules_of(spec, RESOURCE_POLICY, maps, namespace) or []))
    actions = {_action(rule) for rule in rules}
    origin = RESOURCE_POLICY.field if rules else ""
    if any(isinstance(rule, dict) and not rule.get("conditions") for rule in rules):
        by = RESOURCE_POLICY.field
    else:
        default, by = _default(files, snapshots=snapshots)
        rules.append({"action": default})
        actions.add(default["type"])
        origin = origin or by
    spec.draft.put(("spec", "volumePolicies"), rules, spec.path(*([origin] if origin else [])))
    for name in files:
        if name != by:
            spec.note(Severity.NO_MEANING, name, _DECIDED)
    if "fs-backup" in actions:
        _note_files(spec, by if by in files else RESOURCE_POLICY.field, within_pods=by in files)
    if snapshots is not None and by not in {"snapshotVolumes", ""}:
        spec.note(Severity.NO_MEANING, "snapshotVolumes", _DECIDED)
    elif snapshots is False:
        message = "Velero is told to leave the data in volumes alone; a rule says so, and the plan names each volume"
        spec.note(Severity.OTHERWISE, "snapshotVolumes", message)
    elif by in {"snapshotVolumes", ""}:
        _note_snapshots(spec, by)
    _moved(spec)
    _groups(spec, snapshots="snapshot" in actions)
    return "snapshot" in actions


def _action(rule: Value) -> Value:
    action = rule.get("action") if isinstance(rule, dict) else None
    kind = action.get("type") if isinstance(action, dict) else None
    return kind if isinstance(kind, str) else ""


def _default(files: list[str], *, snapshots: bool | None) -> tuple[dict[str, str], str]:
    """What becomes of volumes that no rule means, and which field says so."""
    if files:
        return {"type": "fs-backup"}, files[0]
    if snapshots is False:
        return {"type": "skip", "reason": "snapshotVolumes: false, in Velero"}, "snapshotVolumes"
    return {"type": "snapshot"}, "snapshotVolumes" if snapshots else ""


def _note_files(spec: Spec, name: str, *, within_pods: bool) -> None:
    message = f"{NO_FS_BACKUP}, for which Velero has no counterpart; until it is there, the policy does not hold"
    instead = "write into its spec: fsBackup: {repositoryPassword: {env: NAME_OF_A_VARIABLE}, image: IMAGE}"
    spec.note(Severity.CHANGES, name, message, instead)
    if within_pods:
        spec.note(
            Severity.CHANGES,
            name,
            "Velero reads emptyDir volumes of Pods too, which no Job can mount; and the annotations "
            "backup.velero.io/backup-volumes and backup-volumes-excludes are not looked at",
            "put rules before the last one that skip such volumes, with the reason; until then the plan names each, "
            "and a run stops before it writes",
        )


def _note_snapshots(spec: Spec, name: str) -> None:
    says = "snapshotVolumes" if name else "snapshotVolumes is not set, which"
    spec.note(
        Severity.TO_DO,
        name,
        f"{says} means to Velero that it snapshots what it can, and leaves out the rest without a word; here the plan "
        "names each volume that no snapshot reaches, and a run stops before it writes",
        "put rules for such volumes before the last one: fs-backup, or skip with a reason; or say onUncovered: warn",
    )


def _moved(spec: Spec) -> None:
    if spec.flag("snapshotMoveData"):
        spec.note(
            Severity.CHANGES,
            "snapshotMoveData",
            "the data of a snapshot stays where its driver keeps it: nothing moves it into the bucket",
            "where it must be in the bucket, write the action fs-backup for those volumes",
        )


def _groups(spec: Spec, *, snapshots: bool) -> None:
    label = spec.value("volumeGroupSnapshotLabelKey")
    if label is not None and not snapshots:
        spec.note(Severity.NO_MEANING, "volumeGroupSnapshotLabelKey", "no volumes are snapshotted")
    elif label == _GROUP_LABEL:
        message = "claims that carry the label, if there are any, are snapshotted one by one"
        spec.note(Severity.NO_MEANING, "volumeGroupSnapshotLabelKey", message)
    elif label is not None:
        spec.note(
            Severity.CHANGES,
            "volumeGroupSnapshotLabelKey",
            "claims that carry the label are snapshotted one by one, and not as a group at one point in time",
            "where they must agree, freeze their Pods with hooks: the snapshots of a Pod's volumes are taken meanwhile",
        )
