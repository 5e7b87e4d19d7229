"""Rules of Velero's resource policies → volumePolicies. Pure.

Source of what they mean: Velero's internal/resourcepolicies, and its volume helper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.policies.convert_maps import Wanted
from runner.policies.convert_notes import Severity
from runner.policies.convert_spec import Spec
from runner.policies.parse import Value
from runner.policies.scalars import shown

RESOURCE_POLICY = Wanted(
    "resourcePolicy",
    "volumePolicies",
    "the ConfigMap that it names is not among these documents: it says which volumes are left out or kept otherwise",
    "give it along with these: kubectl get configmap NAME -n NAMESPACE -o yaml; or write its volumePolicies here",
)
# Types of Velero's that no line here is of: what they show comes from the API server, or there is no such volume.
_WITHOUT_DATA = frozenset({"awsazuredisk", "configmap", "downwardapi", "projected", "secret"})
_OF_CLAIMS = ("storageClass", "pvcLabels", "pvcPhase")  # no volume within a Pod meets them
_CONDITIONS = ("capacity", "storageClass", "csi", "nfs", "volumeTypes", "pvcLabels", "pvcPhase")


def volume_rules(spec: Spec, rules: Sequence[Value]) -> Iterator[Value]:
    """Each rule in our words, but for those that no volume gets to; what is no rule is left to the check."""
    before: list[Value] = []
    for number, rule in enumerate(rules):
        if not isinstance(rule, dict):
            yield rule
            continue
        where = f"volumePolicies[{number}] of its ConfigMap"
        unknown = _unknown(rule)
        if unknown:
            message = f"{where} is left out: {', '.join(unknown)} has no counterpart here"
            spec.note(Severity.CHANGES, RESOURCE_POLICY.field, message, "say in other words which volumes it means")
            continue
        conditions = _conditions(rule.get("conditions"))
        empty = _types_without_data(rule.get("conditions"))
        if empty and conditions is not None:
            message = f"volumes of {', '.join(empty)}, in {where}, hold no data of their own, and need no rule"
            spec.note(Severity.NO_MEANING, RESOURCE_POLICY.field, message)
        if conditions is None or conditions in before or {} in before:
            message = f"{where} is left out: no volume gets to it"
            spec.note(Severity.NO_MEANING, RESOURCE_POLICY.field, message)
            continue
        before.append(conditions)
        if _means_what_has_no_size(conditions):
            message = (
                f"a volume within a Pod has no size: to Velero, {where} means each of them; here it is in no range"
            )
            instead = "put a rule for them before it, without a capacity: {volumeTypes: [emptyDir]}"
            spec.note(Severity.TO_DO, RESOURCE_POLICY.field, message, instead)
        action = rule.get("action")
        if isinstance(action, dict) and action.get("parameters"):
            message = f"the parameters in {where} are for Velero and its plugins"
            spec.note(Severity.NO_MEANING, RESOURCE_POLICY.field, message)
        if isinstance(action, dict):
            action = {name: value for name, value in action.items() if name != "parameters"}
        yield {"conditions": conditions, "action": action} if conditions else {"action": action}


def _unknown(rule: dict[str, Value]) -> list[str]:
    conditions = rule.get("conditions")
    names = [name for name, value in rule.items() if name not in {"conditions", "action"} and value]
    if isinstance(conditions, dict):
        names += [name for name, value in conditions.items() if name not in _CONDITIONS and value not in (None, "")]
    return [shown(name) for name in names]


def _conditions(value: Value) -> Value:
    """Without what says nothing; None where no volume can meet them."""
    if not isinstance(value, dict):
        return {} if value is None else value
    # `nfs: {}` means any NFS volume, and `csi: {}` any of a CSI driver.
    said = {name: field for name, field in value.items() if name in {"nfs", "csi"} or field not in ("", [], {}, None)}
    said = {name: field for name, field in said.items() if field is not None}
    if isinstance(said.get("volumeTypes"), list):
        said["volumeTypes"] = [_spelled(one) for one in said["volumeTypes"] if not _without_data(one)]
        if not said["volumeTypes"]:
            return None
    if isinstance(said.get("capacity"), str):
        said["capacity"] = _range(said["capacity"])
        if said["capacity"] == ",":
            del said["capacity"]
    if said.get("csi") == {}:
        del said["csi"]
        types = said.get("volumeTypes", ["csi"])
        if isinstance(types, list) and "csi" not in types:
            return None
        said["volumeTypes"] = ["csi"]
    return said


def _means_what_has_no_size(conditions: Value) -> bool:
    """Whether Velero holds volumes within Pods for ones of 0 bytes that a rule means."""
    if not isinstance(conditions, dict) or any(name in conditions for name in _OF_CLAIMS):
        return False
    capacity = conditions.get("capacity")
    return isinstance(capacity, str) and capacity.startswith(",")


def _types_without_data(conditions: Value) -> list[str]:
    types = conditions.get("volumeTypes") if isinstance(conditions, dict) else None
    return [shown(one) for one in types if _without_data(one)] if isinstance(types, list) else []


def _without_data(kind: Value) -> bool:
    return isinstance(kind, str) and kind.lower() in _WITHOUT_DATA


def _spelled(kind: Value) -> Value:
    """Velero's word for a type, as the field of the volume is called."""
    return "storageos" if kind == "storageOS" else kind


def _range(capacity: str) -> str:
    """Without spaces; an end of zero is none to Velero."""
    ends = [end.strip() for end in capacity.split(",")]
    return ",".join("" if end.strip("0.") == "" else end for end in ends)
