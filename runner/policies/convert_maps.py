"""What a ConfigMap holds that a Backup or Restore of Velero's names: rules, as YAML in its only key. Pure."""

from __future__ import annotations

from typing import NamedTuple

from runner.policies.convert_names import Names
from runner.policies.convert_notes import Severity
from runner.policies.convert_source import CONFIG_MAP
from runner.policies.convert_spec import Spec
from runner.policies.parse import Value, parse
from runner.policies.scalars import shown


class Wanted(NamedTuple):
    """Which field names the ConfigMap, which list of it is wanted, and what becomes of it where it is not given."""

    field: str
    rules: str
    without: str
    instead: str


def rules_of(spec: Spec, wanted: Wanted, maps: Names, namespace: str) -> list[Value] | None:
    """The rules in the ConfigMap that the field names; None where nothing is named, or it cannot be looked into."""
    if spec.value(wanted.field) is None:
        return None
    spec.original.mapping(*spec.path(wanted.field))
    kind, name = spec.text(wanted.field, "kind"), spec.text(wanted.field, "name")
    found = maps.find(namespace, name) if kind.lower() == CONFIG_MAP.lower() else None
    if found is None:
        spec.note(Severity.CHANGES, wanted.field, wanted.without, wanted.instead)
        return None
    data = found.document.value.get("data")
    texts = [text for text in data.values() if isinstance(text, str)] if isinstance(data, dict) else []
    documents = parse(texts[0], found.place).documents if len(texts) == 1 else ()
    value = documents[0].value if len(documents) == 1 and documents[0].whole and not documents[0].findings else None
    rules = value.get(wanted.rules) or [] if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(rules, list):
        message = f"{found.what}, {found.place}, does not hold one text of YAML that has a list {wanted.rules}"
        spec.original.mistake(spec.path(wanted.field), message, "Velero takes no other")
        return None
    for name in value.keys() - {"version", wanted.rules}:
        message = f"{shown(str(name))} of {found.what} has no counterpart that is known here"
        instead = "say it in the filters of this document, where it changes what is selected"
        spec.note(Severity.CHANGES, wanted.field, message, instead)
    return rules
