"""Whether a backup holds what it should: all that the policy takes, nothing that it excludes, each as it was."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.objects import Object
from tests.simulation.oracle import Oracle
from tests.simulation.relations import belongings
from tests.simulation.run import FIRST, LATER, Story
from tests.simulation.stored import Stored
from tests.simulation.world import Key


def holds_what_it_should(story: Story, name: str, backup: Stored) -> None:
    """AssertionError for what is missing and not named, excluded and stored, or stored as it never was."""
    world = story.world
    missing = [gap["what"] for gap in backup.manifest["missing"]]
    oracle = Oracle(world.spec, world.resources, _seen_namespaces(story, backup))
    untouched = {key: world.versions[key][-1] for key in sorted(story.untouched[LATER if name == LATER else FIRST])}
    wanted = {key: "the policy takes it" for key, value in untouched.items() if oracle.must_hold(key, value)}
    wanted |= dict.fromkeys(_planned(backup, untouched), "it was planned")
    stored = {key: value for key, value in backup.objects.items() if key in untouched}
    others = {key: value for key, value in untouched.items() if key not in stored}
    wanted |= {target: f"it belongs to {key}" for key, target in belongings(oracle, stored, others)}
    for key, why in wanted.items():
        known = key in stored or _is_named(key, untouched[key]["apiVersion"], missing)
        assert known, f"{name}: {why}, and it is neither there nor named: {key}; missing: {missing}"
    for key, value in backup.objects.items():
        assert value in world.versions[key], f"{name}: {key} never was what is stored of it"
        states = [value] if key in untouched else world.versions[key]
        assert any(oracle.may_hold(key, state) for state in states), f"{name}: {key} is stored, and is excluded"


def _seen_namespaces(story: Story, backup: Stored) -> dict[str, Object]:
    """The Namespaces, as far as the run could see them when it planned."""
    missing = [gap["what"] for gap in backup.plan["gaps"]]
    versions = story.world.versions
    namespaces = {key.name: states[-1] for key, states in versions.items() if key.resource == "namespaces"}
    if "namespaces" in missing:  # nobody knows which there are, beside those that the policy names
        namespaces = {
            name: namespaces[name] for name in story.world.spec.get("includedNamespaces", ()) if name in namespaces
        }
    for unseen in namespaces.keys() & {what.removeprefix("namespaces ") for what in missing}:
        namespaces[unseen] = {"metadata": {"name": unseen}}  # nor its labels, nor whether it is being deleted
    return namespaces


def _planned(backup: Stored, untouched: dict[Key, Object]) -> Iterator[Key]:
    """Items that the plan names, but for those that are being deleted."""
    for step in backup.plan["steps"]:
        for item in step.get("names", ()):
            key = Key(step["resource"], step["namespace"], item)
            if key in untouched and "deletionTimestamp" not in untouched[key]["metadata"]:
                yield key


def _is_named(key: Key, api_version: str, missing: list[str]) -> bool:
    """Whether one of `missing` says that this object, or what it is of, is not there."""
    where = f"{key.resource} in namespace {key.namespace}" if key.namespace else key.resource
    item = f"{key.namespace}/{key.resource}/{key.name}" if key.namespace else f"{key.resource}/{key.name}"
    exact = {
        where,
        item,
        key.resource,
        f"{key.resource} {key.name}",
        f"an item of {key.resource}",
        f"every type of {api_version}",
    }
    return any(what in exact or what.startswith(f"the rest of {where}, after ") for what in missing)
