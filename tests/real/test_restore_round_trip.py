"""The round trip: an application with something of every kind is lost whole, restored, and the same as before."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.nodes import Nodes
from tests.parts.seaweedfs import SeaweedFS
from tests.real.conftest import environment
from tests.real.estate import estate
from tests.real.places import seaweed_place
from tests.real.restores import (
    answering,
    backed_up,
    dead_owners,
    done,
    estate_policy,
    everything,
    fates,
    let_the_collector_work,
    make,
    planned,
)
from tests.real.round_trip import Key, create, remove, settle, state
from tests.real.trysail import Ended, Trysail, assert_no_secret

pytestmark = pytest.mark.real

Json = dict[str, Any]

PRIVATE_KEY = "a key"  # in one of the estate's Secrets


@dataclass(frozen=True)
class Story:
    """An application before and after its end."""

    trysail: Trysail
    namespace: str
    policy: Path
    before: dict[Key, Json]
    uids: set[str]  # before
    plan: Json  # made when nothing was left
    ended: Ended
    after: dict[Key, Json]


@pytest.fixture(scope="module")
def story(
    control_plane: ControlPlane,
    nodes: Nodes,
    seaweedfs: SeaweedFS,
    bucket: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Story]:
    """Backed up, deleted with all definitions and webhooks, restored, and judged by the garbage collector."""
    namespace = f"round-trip-{secrets.token_hex(4)}"
    trysail = Trysail(tmp_path_factory.mktemp("round-trip"), environment(control_plane, seaweedfs))
    create(control_plane, estate(namespace))
    make(control_plane, [answering(namespace, "admission")])
    settle(control_plane, namespace)
    before = state(control_plane, namespace)
    uids = {item["metadata"]["uid"] for item in everything(control_plane, namespace)}
    policy = estate_policy(trysail, seaweed_place(seaweedfs, bucket, namespace), namespace)
    backed_up(trysail, policy)
    remove(control_plane, namespace)
    assert state(control_plane, namespace) == {}
    plan = planned(trysail, "latest", "-f", policy)
    ended = trysail.process("restore", "latest", "-f", policy, "--auto-approve")
    settle(control_plane, namespace)
    let_the_collector_work(control_plane, namespace)
    yield Story(trysail, namespace, policy, before, uids, plan, ended, state(control_plane, namespace))
    remove(control_plane, namespace)


def test_it_is_the_same_as_before(story: Story) -> None:
    """Every object but the Job that had ended, in every field that somebody wrote."""
    ended_job = ("Job", story.namespace, "migrated")
    assert set(story.before) - set(story.after) == {ended_job}
    assert {key: story.before.get(key) for key in story.after} == story.after


def test_owners_are_those_of_now(story: Story, control_plane: ControlPlane) -> None:
    """No uid of the old life is anywhere; the Secret of the certificate has its owner, by its new uid."""
    found = list(everything(control_plane, story.namespace))
    assert not story.uids & {item["metadata"]["uid"] for item in found}
    assert dead_owners(control_plane, story.namespace) == []
    (secret,) = [item for item in found if item["metadata"]["name"] == "web-tls"]
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["blockOwnerDeletion"]) == ("Certificate", "web", True)


def test_what_controllers_make_is_left_to_them(story: Story) -> None:
    """Pods, ReplicaSets, revisions and slices of what is restored are not; what is by hand, and claims, are."""
    types = Counter(name.rpartition("/")[0] for name in fates(story.plan))
    planned = {name.removeprefix(f"{story.namespace}/"): count for name, count in types.items()}
    assert (planned["pods"], planned["endpoints"]) == (1, 1)  # toolbox, external
    assert planned["persistentvolumeclaims"] == 2  # archive, and the StatefulSet's
    assert planned["endpointslices.discovery.k8s.io"] == 2  # both by hand
    assert "replicasets.apps" not in planned
    assert "controllerrevisions.apps" not in planned


def test_the_plan_says_what_is_done(story: Story) -> None:
    """All of it was to be created, and all of it was."""
    assert set(fates(story.plan).values()) == {"create"}
    count = len(fates(story.plan))
    assert f"Plan: {count} to create, 0 to update, 0 to recreate" in story.ended.out
    did = done(story.ended)
    # The account `default` may be there as soon as its namespace is.
    assert did["created"] + did["done already"] == count
    assert did["done already"] <= 1
    assert did["failed"] == 0


def test_secrets_are_nowhere_in_what_is_said(story: Story) -> None:
    """Neither in plan, nor in log, nor in result."""
    assert_no_secret(story.ended.out, story.ended.err, str(story.plan), more=(PRIVATE_KEY,))


def test_a_second_restore_changes_nothing(story: Story, control_plane: ControlPlane) -> None:
    """It says so, with exit code 0 whatever becomes of existing items, and every object stays as it is."""
    lives = _lives(control_plane, story)
    for existing in ("none", "update", "recreate"):
        words = ("restore", "latest", "-f", story.policy, "--existing-resource-policy", existing)
        assert "No changes." in story.trysail(*words, "--plan", "--detailed-exitcode", "--diff").out
    assert "No changes." in story.trysail(*words, "--auto-approve").out
    assert _lives(control_plane, story) == lives
    assert state(control_plane, story.namespace) == story.after


def _lives(plane: ControlPlane, story: Story) -> set[str]:
    return {item["metadata"]["uid"] for item in everything(plane, story.namespace)}
