"""Hooks of Velero's, of a backup or a restore → ours: the same words, but for what is not run in Pods. Pure.

Source: Velero's backup_types.go, restore_types.go and item_hook_handler.go; a hook's defaults are those of its
documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from runner.policies.convert_filters import said_selector
from runner.policies.convert_notes import Severity
from runner.policies.convert_spec import Spec, duration, is_zero
from runner.policies.parse import Value
from runner.policies.paths import FieldPath
from runner.policies.scalars import shown

_PODS = ("pods", "pod", "po", "v1/pods", "pods.v1")
_TIMES = ("timeout", "execTimeout", "waitTimeout")
_HOOK = ("name", "includedNamespaces", "excludedNamespaces", "labelSelector", "includedResources", "excludedResources")
_EXEC = ("container", "command", "onError", "timeout")
_RESTORE_EXEC = ("container", "command", "onError", "execTimeout", "waitTimeout", "waitForReady")
_UNKNOWN = ("it is not known here, and may well change what is run", "look up what it does, and say it in another way")


def fill_backup_hooks(spec: Spec) -> None:
    """Commands around the snapshots of Pods' volumes."""
    _fill(spec, ("pre", "post"), _EXEC)


def fill_restore_hooks(spec: Spec) -> None:
    """Commands in Pods that have come back; init containers have no counterpart."""
    _fill(spec, ("postHooks",), _RESTORE_EXEC)


def _fill(spec: Spec, lists: tuple[str, ...], fields: tuple[str, ...]) -> None:
    spec.original.mapping(*spec.path("hooks"))
    given = spec.listed("hooks", "resources")
    for path in spec.original.unknown(*spec.path("hooks")):
        spec.original.note(Severity.CHANGES, path, *_UNKNOWN)
    hooks: dict[int, Value] = {}  # by their place in Velero's list
    names: set[str] = set()
    for number, hook in enumerate(given):
        made = _hook(spec, number, hook, lists, fields) if isinstance(hook, dict) else hook
        if made is None:
            continue
        if isinstance(made, dict):
            _call(spec, number, made, names)
        hooks[number] = made
    if hooks:
        ours, theirs = ("spec", "hooks", "resources"), spec.path("hooks", "resources")
        spec.draft.put(ours, list(hooks.values()), theirs)
        spec.draft.origins |= {(*ours, at): (*theirs, number) for at, number in enumerate(hooks)}


def _call(spec: Spec, number: int, hook: dict[str, Value], names: set[str]) -> None:
    """Names are given once here; to Velero they are for people alone."""
    name = hook.get("name")
    if not isinstance(name, str):
        return
    if name in names:
        hook["name"] = next(free for count in range(2, len(names) + 3) if (free := f"{name}-{count}") not in names)
        message = f"it is called {shown(hook['name'])} here, since another has its name"
        spec.note_at(Severity.OTHERWISE, ("hooks", "resources", number, "name"), message)
    names.add(hook["name"])


def _hook(spec: Spec, number: int, hook: dict[str, Value], lists: tuple[str, ...], fields: tuple[str, ...]) -> Value:
    at: FieldPath = ("hooks", "resources", number)
    if not _for_pods(hook):
        spec.note_at(Severity.NO_MEANING, at, "it is for other types than Pods, in which nothing can be run")
        return None
    _note_types(spec, at, hook)
    made: dict[str, Value] = {}
    for name, value in hook.items():
        if value in (None, "", [], {}):
            continue
        if name in lists:
            made[name] = list(_execs(spec, (*at, name), value, fields)) if isinstance(value, list) else value
        elif name == "labelSelector":
            selector = said_selector(value)
            made |= {} if selector is None else {name: selector}
        elif name not in _HOOK:
            spec.note_at(Severity.CHANGES, (*at, name), *_UNKNOWN)
        elif not name.endswith("Resources"):
            made[name] = value
    made = {name: value for name, value in made.items() if value != []}
    if not any(name in made for name in lists):
        if not any(hook.get(name) for name in lists):
            spec.note_at(Severity.NO_MEANING, at, "it runs nothing")
        return None
    order = (*_HOOK, *lists)
    return {name: made[name] for name in order if name in made}


def _for_pods(hook: dict[str, Value]) -> bool:
    included, excluded = _types(hook, "includedResources"), _types(hook, "excludedResources")
    return (not included or any(_is_pods(word) for word in included)) and not any(_is_pods(word) for word in excluded)


def _note_types(spec: Spec, at: FieldPath, hook: dict[str, Value]) -> None:
    for name in ("includedResources", "excludedResources"):
        others = [word for word in _types(hook, name) if not _is_pods(word)]
        if others:
            message = f"{', '.join(map(shown, others))}: hooks are run in Pods alone, as by Velero"
            spec.note_at(Severity.NO_MEANING, (*at, name), message)


def _types(hook: dict[str, Value], name: str) -> list[str]:
    value = hook.get(name)
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _is_pods(word: str) -> bool:
    return any(fnmatchcase(name, word.lower()) for name in _PODS)


def _execs(spec: Spec, at: FieldPath, hooks: list[Value], fields: tuple[str, ...]) -> Iterator[Value]:
    for number, hook in enumerate(hooks):
        here = (*at, number)
        command = hook.get("exec") if isinstance(hook, dict) else None
        if not isinstance(command, dict):
            if isinstance(hook, dict) and hook.get("init"):
                spec.note_at(
                    Severity.CHANGES,
                    here,
                    "no init container is put into Pods",
                    "add it with resourceModifiers, or put it into the workload itself",
                )
            else:
                yield hook
            continue
        yield {"exec": _exec(spec, (*here, "exec"), command, fields)}


def _exec(spec: Spec, at: FieldPath, command: dict[str, Value], fields: tuple[str, ...]) -> dict[str, Value]:
    made: dict[str, Value] = {}
    for name, value in command.items():
        if value in (None, "", []) or (name in _TIMES and is_zero(value)):
            continue
        if name not in fields:
            spec.note_at(Severity.CHANGES, (*at, name), *_UNKNOWN)
        elif name in _TIMES:
            made[name] = duration(value)
        elif name == "onError" and isinstance(value, str):
            made[name] = value.lower()
        elif name != "waitForReady" or value is not False:
            made[name] = value
    if "waitTimeout" in fields and "waitTimeout" not in made:
        message = "Velero waits for the container without end; here it is ten minutes, unless waitTimeout says more"
        spec.note_at(Severity.OTHERWISE, at, message)
    return {name: made[name] for name in fields if name in made}
