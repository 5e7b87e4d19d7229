"""One error of pydantic's → message and hint in our words. Values are repeated only where they cannot be secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from runner.model.document import LABEL_KEY_PATTERN, LABEL_VALUE_PATTERN, NAME_PATTERN
from runner.model.duration import DURATION_PATTERNS
from runner.model.filters import POLICY_PATTERNS
from runner.model.location import LOCATION_PATTERNS, URL_PATTERNS
from runner.model.restore_policy import RESTORE_PATTERNS
from runner.model.snapshot_location import SNAPSHOT_PATTERNS
from runner.model.volume_policy import VOLUME_PATTERNS
from runner.policies.fields import Located, allowed, homes
from runner.policies.parse import Value
from runner.policies.paths import secret
from runner.policies.scalars import read_plain, shown, spoken
from runner.policies.units import meant_range, meant_time
from runner.policies.vocabulary import (
    close_word,
    instead_of,
    meant_choice,
    meant_fields,
    meant_provider,
    not_yet,
    same_word,
)

# What each pattern of the models wants. Also shown by editors, since they take it from the schema.
PATTERNS = {
    NAME_PATTERN: "must be lower case letters, digits and '-', and begin and end with a letter or a digit",
    LABEL_KEY_PATTERN: "must be a label's key, as team or example.com/team",
    LABEL_VALUE_PATTERN: "must be a label's value: at most 63 letters, digits, '-', '_' and '.'",
    **LOCATION_PATTERNS,
    **POLICY_PATTERNS,
    **RESTORE_PATTERNS,
    **SNAPSHOT_PATTERNS,
    **DURATION_PATTERNS,
    **VOLUME_PATTERNS,
}

_ONE_LABEL = re.compile(r"(?P<key>[\w./-]{1,60})==?(?P<value>[\w.-]{1,60})")  # as kubectl's -l has it
_TIME = "must be a time as 30s, 10m or 1h30m"
# Volumes within a Pod that the API server fills: no ledger has a line of them.
_WITHOUT_DATA = frozenset({"configmap", "downwardapi", "image", "projected", "secret"})
_MANY = 8  # choices that are not all named
_MAIN_FIELDS = {"action": "type", "csi": "driver"}
_BY_REFERENCE = "say where the secret is to be had, as {env: NAME_OF_A_VARIABLE}; it is never written here"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One error of pydantic's, with what is needed to speak of it."""

    model: type[BaseModel]  # of the whole document
    located: Located
    type: str
    value: Value  # what stands there
    written: str | None  # the unquoted word that `value` was read from
    details: Mapping[str, Any]
    providers: frozenset[str]  # that the document names
    of_key: bool = False  # the key is wrong, and not its value

    @property
    def name(self) -> str:
        """The last part of the path."""
        return str(self.located.path[-1]) if self.located.path else ""

    @property
    def secret(self) -> bool:
        """Whether the value may be a secret that somebody has written."""
        return secret(self.located.path)


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of a mistake. `meant` is the field that an unknown one was probably to be."""

    message: str
    hint: str = ""
    meant: str = ""


def explain(mistake: Mistake) -> Words:
    """Message and hint for `mistake`."""
    return _EXPLANATIONS.get(mistake.type, _otherwise)(mistake)


def _unknown_field(mistake: Mistake) -> Words:
    here = allowed(mistake.located.owner) if mistake.located.owner is not None else {}
    parent = mistake.located.path[:-1]
    if secret(parent):
        return _unknown_in_credential(mistake, here)
    name, message = mistake.name, "unknown field"
    if slip := same_word(name, here):
        return Words(message, f"did you mean {slip}?", slip)
    if not_yet(name):
        return Words("not supported in this version", "take the field out")
    if instead := instead_of(name, here):
        return Words(message, instead)
    called = meant_fields(name)
    if meant := next((field for field in called if field in here), ""):
        return Words(message, f"did you mean {meant}?", meant)
    if elsewhere := homes(mistake.model, name, mistake.providers, parent):
        return Words(message, f"it belongs under {elsewhere[0]}" if elsewhere[0] else "it belongs at the top level")
    if not called and (meant := close_word(name, here)):
        return Words(message, f"did you mean {meant}?", meant)
    for meant in called:
        if elsewhere := homes(mistake.model, meant, mistake.providers, parent):
            return Words(message, f"did you mean {elsewhere[0]}.{meant}?")
    return Words(message, _known(here))


def _unknown_in_credential(mistake: Mistake, here: Mapping[str, Any]) -> Words:
    # What is no slip of a field's name may be a secret that landed where a name should stand: it is not repeated.
    if meant := close_word(mistake.name, here):
        return Words(f'unknown field "{mistake.name}"', f"did you mean {meant}?", meant)
    if mistake.name in {"name", "key", "namespace"}:
        return Words(f'unknown field "{mistake.name}"', "a Secret is named by {secretKeyRef: {namespace, name, key}}")
    return Words("unknown field", _known(here) or _BY_REFERENCE)


def _known(fields: Mapping[str, Any]) -> str:
    return f"known here: {', '.join(fields)}" if 0 < len(fields) <= 8 else ""


def _missing(mistake: Mistake) -> Words:
    owner = mistake.located.owner
    field = allowed(owner).get(mistake.name) if owner is not None else None
    return Words("is missing", field.description or "" if field is not None else "")


def _no_text(mistake: Mistake) -> Words:
    if mistake.value is None:
        return Words("is empty", "write a value, or take the item out")
    if mistake.secret:
        hint = "quote it, if it is the name of something" if mistake.written is not None else ""
        return Words(f"must be text, not {spoken(mistake.value)}", hint)
    if mistake.name.lower().endswith("timeout"):
        number = mistake.value if isinstance(mistake.value, int) and not isinstance(mistake.value, bool) else 0
        hint = f"write {number}s" if number > 0 else ""
        return Words(f"{_TIME}, not {spoken(mistake.value)}", hint)
    if mistake.name == "capacity":
        number = mistake.value if isinstance(mistake.value, int) and not isinstance(mistake.value, bool) else 0
        hint = _range_hint(str(number)) if number > 0 else "write it in quotes"
        return Words(f'must be a range as "10Gi,100Gi", not {spoken(mistake.value)}', hint)
    if mistake.written is not None:
        word = shown(mistake.written)
        return Words(f"must be text, but YAML reads {word} as {spoken(mistake.value)}", f'quote it: "{word}"')
    if mistake.name in {"storageLocation", "snapshotLocation"}:
        return Words(f"must be a name or a mapping, not {spoken(mistake.value)}", _first_of_one(mistake.value))
    if mistake.name == "patchData":
        return Words(
            f"must be text, not {spoken(mistake.value)}", "write `patchData: |`, and the patch below it, indented"
        )
    return Words(f"must be text, not {spoken(mistake.value)}", _first_of_one(mistake.value))


def _first_of_one(value: Value) -> str:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return f"write {shown(value[0])}, without brackets"
    return ""


def _no_list(mistake: Mistake) -> Words:
    message = f"must be a list, not {spoken(mistake.value)}"
    if mistake.secret or mistake.name in {"exec", "command"}:
        return Words(message, "write it as [program, argument]; no shell takes it apart")
    if isinstance(mistake.value, str):
        return Words(message, f"write {_as_list(mistake.value)}")
    return Words(message, "put it in brackets: [{…}]" if isinstance(mistake.value, dict) else "")


def _as_list(text: str) -> str:
    words = [word.strip() for word in text.split(",")]
    return f"[{', '.join(_as_item(word) for word in words if word)}]"


def _as_item(word: str) -> str:
    plain = isinstance(read_plain(word), str) and word.replace("-", "").replace(".", "").isalnum()
    return shown(word) if plain else f'"{shown(word)}"'


def _no_mapping(mistake: Mistake) -> Words:
    hint = ""
    if mistake.secret:
        hint = _BY_REFERENCE
    elif isinstance(mistake.value, str):
        hint = _as_mapping(mistake, mistake.value)
    elif mistake.name == "nfs":
        hint = "write {} for any server"
    return Words(f"must be a mapping of fields, not {spoken(mistake.value)}", hint)


def _as_mapping(mistake: Mistake, text: str) -> str:
    """How `text` is written as the mapping that is wanted. A password is no selector, so that it is not repeated."""
    in_selector = any("elector" in str(part) for part in mistake.located.path[-2:])
    if in_selector and (label := _ONE_LABEL.fullmatch(text)):
        return f"write {{matchLabels: {{{label['key']}: {_as_item(label['value'])}}}}}"
    if mistake.name in _MAIN_FIELDS:
        return f"write {{{_MAIN_FIELDS[mistake.name]}: {_as_item(text)}}}"
    return ""


def _no_boolean(mistake: Mistake) -> Words:
    if isinstance(mistake.value, str) and mistake.value.lower() in {"true", "false"}:
        return Words("must be true or false, not text", f"take the quotes away: {mistake.value.lower()}")
    return Words(f"must be true or false, not {spoken(mistake.value)}")


def _no_choice(mistake: Mistake) -> Words:
    choices = [word.strip(" '") for word in mistake.details["expected"].replace(" or ", ", ").split(",")]
    listed = mistake.name == "includedClusterScopedResources"
    message = f"must be {_either([*choices, 'a list'] if listed else choices)}"
    if not isinstance(mistake.value, str):
        written = f"; YAML reads {shown(mistake.written)} as {spoken(mistake.value)}" if mistake.written else ""
        return Words(message + written)
    if mistake.name == "provider":
        return _not_that_provider(mistake.value, choices)
    meant = meant_choice(mistake.value, choices)
    if len(choices) > _MANY:
        if mistake.value.lower() in _WITHOUT_DATA:
            hint = "such volumes hold no data of their own, and need no rule: take the word out"
            return Words(f'"{shown(mistake.value)}" is no volume whose data can be kept', hint)
        hint = f"did you mean {meant}?" if meant else "the fields of a volume that say where its bytes are: csi, nfs …"
        return Words(f'"{shown(mistake.value)}" is not known here', hint)
    if meant or not listed:
        return Words(f'{message}, not "{shown(mistake.value)}"', f"did you mean {meant}?" if meant else "")
    return Words(message, f"types are a list: [{_as_item(mistake.value)}]")


def _no_provider(mistake: Mistake) -> Words:
    choices = [word.strip(" '") for word in mistake.details["expected_tags"].split(",")]
    return _not_that_provider(str(mistake.details["tag"]), choices, "stores")


def _not_that_provider(given: str, choices: list[str], what: str = "providers") -> Words:
    meant = meant_provider(given, choices)
    hint = f"did you mean {meant}?" if meant else f"other {what} are not supported in this version"
    return Words(f'must be {_either(choices)}, not "{shown(given)}"', hint, meant)


def _without_provider(mistake: Mistake) -> Words:
    del mistake
    return Words("is missing", "it says which store this is: filesystem, s3 or azure")


def _wrong_pattern(mistake: Mistake) -> Words:
    message = PATTERNS[mistake.details["pattern"]]
    showable = isinstance(mistake.value, str) and mistake.details["pattern"] not in URL_PATTERNS
    if mistake.secret or not showable:
        return Words(message)
    value = mistake.value
    meant = re.sub(r"[^a-z0-9-]+", "-", value.strip().lower())
    if mistake.details["pattern"] in VOLUME_PATTERNS:
        hint = _range_hint(value)
    elif mistake.details["pattern"] in DURATION_PATTERNS:
        hint = f"write {time}" if (time := meant_time(value)) else ""
    elif "," in value and "{" not in value:
        hint = f"write {_as_list(value)}"
    elif message == PATTERNS[NAME_PATTERN] and re.fullmatch(NAME_PATTERN, meant):
        hint = f"did you mean {meant}?"
    else:
        hint = ""
    return Words(f'{message}; not "{shown(value)}"', hint)


def _range_hint(value: str) -> str:
    meant = meant_range(value)
    if meant.endswith(","):
        return f'write "{meant}", with the comma, for {meant[:-1]} and more'
    return f'write "{meant}"' if meant else ""


def _too_short(mistake: Mistake) -> Words:
    if mistake.value == "":
        return Words("must not be empty")
    if isinstance(mistake.value, str):
        return Words(f"must have at least {mistake.details['min_length']} characters")
    return Words("must not be an empty list", "take the field out, or say what it holds")


def _too_long(mistake: Mistake) -> Words:
    return Words(f"must have at most {mistake.details['max_length']} characters")


def _no_number(mistake: Mistake) -> Words:
    quoted = isinstance(mistake.value, str) and mistake.value.isdecimal()
    hint = f"take the quotes away: {shown(mistake.value)}" if quoted else ""
    return Words(f"must be a whole number, not {spoken(mistake.value)}", hint)


def _out_of_range(mistake: Mistake) -> Words:
    if "ge" in mistake.details:
        return Words(f"must be at least {mistake.details['ge']}")
    return Words(f"must be at most {mistake.details['le']}")


def _ruled(mistake: Mistake) -> Words:
    return Words(mistake.details["message"], mistake.details["hint"])


def _otherwise(mistake: Mistake) -> Words:
    return Words(f"does not hold: {mistake.type.replace('_', ' ')}")


def _either(choices: list[str]) -> str:
    return " or ".join((", ".join(choices[:-1]), choices[-1])) if len(choices) > 1 else choices[0]


_EXPLANATIONS: dict[str, Callable[[Mistake], Words]] = {
    "extra_forbidden": _unknown_field,
    "missing": _missing,
    "string_type": _no_text,
    "tuple_type": _no_list,
    "dict_type": _no_mapping,
    "model_type": _no_mapping,
    "model_attributes_type": _no_mapping,
    "bool_type": _no_boolean,
    "int_type": _no_number,
    "greater_than_equal": _out_of_range,
    "less_than_equal": _out_of_range,
    "literal_error": _no_choice,
    "union_tag_invalid": _no_provider,
    "union_tag_not_found": _without_provider,
    "string_pattern_mismatch": _wrong_pattern,
    "string_too_short": _too_short,
    "too_short": _too_short,
    "string_too_long": _too_long,
    "mistake": _ruled,
}
