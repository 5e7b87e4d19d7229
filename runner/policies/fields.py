"""Which fields the models allow where: turns pydantic's locations into field paths, and finds where a field belongs."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, Tag
from pydantic.fields import FieldInfo

from runner.policies.paths import FieldPath


@dataclass(frozen=True, slots=True)
class Located:
    """Where an error stands, and the model whose fields may stand there (None inside lists and free mappings)."""

    path: FieldPath
    owner: type[BaseModel] | None  # of the last part of the path


def locate(model: type[BaseModel], location: tuple[int | str, ...]) -> Located:
    """The path of the field that pydantic calls `location`: the same, without the names of branches of unions."""
    path: list[int | str] = []
    here: Any = model
    owner: type[BaseModel] | None = None
    for part in location:
        here = _bare(here)
        branches = _branches(here)
        if branches:
            here = branches.get(str(part))
            continue
        if part == "[key]":
            break
        path.append(part)
        owner = here if _is_model(here) else None
        here = _below(here, part)
    return Located(tuple(path), owner)


def allowed(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of `model`, as YAML spells them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def homes(model: type[BaseModel], name: str, providers: frozenset[str], wrong: FieldPath) -> list[str]:
    """Every place in a document of `model` that has a field `name`, as `spec.includedItems[]`; the likeliest first.

    That is one below `wrong`, where the field was written; then the shallowest. Fields of items are likely only near
    them. `providers` are those that the document names: fields of others would not help.
    """
    here = _as_place(wrong)
    found = [place for place, field, provider in _every_field(model) if field == name and provider in {"", *providers}]
    likely = [place for place in found if _is_below(place, here) or _is_below(here, place.rpartition("[]")[0])]
    return sorted(likely, key=lambda place: (not _is_below(place, here), place.count("."), place))


def _as_place(path: FieldPath) -> str:
    place = ""
    for part in path:
        place += "[]" if isinstance(part, int) else f".{part}" if place else part
    return place


def _is_below(place: str, other: str) -> bool:
    return not other or place == other or place.startswith((f"{other}.", f"{other}["))


@cache
def _every_field(model: type[BaseModel]) -> tuple[tuple[str, str, str], ...]:
    return tuple(_walk(model, "", ""))


def _walk(here: Any, place: str, provider: str) -> Iterator[tuple[str, str, str]]:
    here = _bare(here)
    if branches := _branches(here):
        for branch in branches.values():
            yield from _walk(branch, place, provider)
    elif _is_model(here):
        provider = next(_own_providers(here), provider)
        for name in allowed(here):
            yield place, name, provider
            yield from _walk(_below(here, name), f"{place}.{name}" if place else name, provider)
    elif get_origin(here) is tuple:
        yield from _walk(get_args(here)[0], f"{place}[]", provider)


def _below(here: Any, part: int | str) -> Any:
    if _is_model(here):
        names = {field.alias or name: name for name, field in here.model_fields.items()}
        return get_type_hints(here, include_extras=True).get(names.get(str(part), ""))
    arguments = get_args(here)
    if get_origin(here) is tuple:
        return arguments[0]
    return arguments[1] if get_origin(here) is dict else None


def _bare(here: Any) -> Any:
    """Without Annotated's extras and without the None of an optional field."""
    if get_origin(here) is Annotated:
        return _bare(get_args(here)[0])
    if get_origin(here) in {Union, types.UnionType}:
        choices = [choice for choice in get_args(here) if choice is not type(None)]
        return _bare(choices[0]) if len(choices) == 1 else here
    return here


def _branches(here: Any) -> Mapping[str, Any]:
    """The branches of a union by the names that pydantic gives them: their tags, or their providers."""
    if get_origin(here) not in {Union, types.UnionType}:
        return {}
    return {label: choice for choice in get_args(here) for label in _labels(choice)}


def _labels(choice: Any) -> Iterator[str]:
    if get_origin(choice) is Annotated:
        yield from (extra.tag for extra in get_args(choice)[1:] if isinstance(extra, Tag))
    elif _is_model(choice):
        yield from _own_providers(choice)


def _own_providers(model: type[BaseModel]) -> Iterator[str]:
    """The provider whose fields `model` has; none where it is of no provider."""
    provider = get_type_hints(model).get("provider")
    if get_origin(provider) is Literal:
        yield from get_args(provider)


def _is_model(here: Any) -> bool:
    return isinstance(here, type) and issubclass(here, BaseModel)
