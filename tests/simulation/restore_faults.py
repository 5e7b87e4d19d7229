"""What goes wrong in one attempt at a restore: errors before and after writes, other users, a signal, death."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import msgspec

from runner.errors import (
    BadResponse,
    ClusterBusy,
    ClusterUnreachable,
    StoreBusy,
    StoreUnreachable,
    Unauthorized,
)
from tests.fakes.cluster import Call, Verb
from tests.simulation.ending import End, Ending
from tests.simulation.restore_world import RestoreWorld, came
from tests.simulation.world import Key

WRITES: frozenset[Verb] = frozenset({"create", "apply", "merge", "delete"})


@dataclass(frozen=True, slots=True)
class RestoreWeather:
    """Chances of passing faults, for each call that they can strike."""

    before: float = 0.0
    lost_reply: float = 0.0
    change: float = 0.0
    store: float = 0.0
    idle: float = 0.0  # of a controller, when it is waited for


@dataclass(frozen=True, slots=True)
class RestoreDoom:
    """What does not pass. Counts are of calls to the cluster."""

    end: End | None = None  # where: any | write | reply
    down: int | None = None  # from this call on, no answer
    mute: int | None = None  # from this call on, what is asked is done, and no reply comes
    credentials: int | None = None


CALM = RestoreWeather()


class WriteDone(NamedTuple):
    """A change that the restore has made, heard of or not."""

    verb: Verb
    key: Key
    uid: str  # of what is deleted
    owners: tuple[str, ...]  # uids that it names as owners


class RestoreFaults(Ending):
    """Strikes the calls of one attempt. `written` has every change that was made."""

    def __init__(self, random: Random, weather: RestoreWeather, doom: RestoreDoom, world: RestoreWorld) -> None:
        super().__init__(random, doom.end)
        self.written: list[WriteDone] = []
        self.wrong: list[str] = []
        self._weather, self._doom, self._world = weather, doom, world
        self._uids: dict[Key, str] = {}  # of what is about to be deleted or patched
        self._named: dict[Key, frozenset[str]] = {}  # owners that it names

    def touched(self, what: str) -> None:
        """A call of clock, executor or observer."""
        super().touched(what)
        if what == "sleep" and self.random.random() >= self._weather.idle:
            self._world.controllers()

    # the cluster

    def strike(self, call: Call) -> None:
        """Before a call to the cluster."""
        name = call.resource.name if call.resource is not None else ""
        self.count("any", f"{call.verb} {name} {call.namespace} {call.name}".strip())
        self.counts["cluster"] += 1
        if call.verb in WRITES:
            self.count("write", call.verb)
        count, doom = self.counts["cluster"], self._doom
        if doom.credentials is not None and count >= doom.credentials:
            self.fail(Unauthorized("the API server answers 401"))
        if doom.down is not None and count >= doom.down:
            self.fail(ClusterUnreachable("connection refused"))
        if self.random.random() < self._weather.change:
            self.meet(f"change: {self._world.somebody_changes(self.random)}", "change")
        if self.random.random() < self._weather.before:
            self.fail(
                ClusterBusy("the API server answers 429", retry_after=self.random.choice((None, 1.0, 30.0))),
                ClusterUnreachable("the connection was reset"),
                BadResponse("the answer is cut off"),
            )
        if call.verb in {"delete", "merge"}:
            live = self._world.everything().get(came(call), {}).get("metadata", {})
            self._uids[came(call)] = str(live.get("uid", ""))
            self._named[came(call)] = frozenset(owner["uid"] for owner in live.get("ownerReferences") or ())

    def after(self, call: Call) -> None:
        """After a write had its effect."""
        if call.dry_run:
            return
        self._remember(call)
        self.count("reply", call.verb)
        mute = self._doom.mute is not None and self.counts["cluster"] >= self._doom.mute
        if mute or self.random.random() < self._weather.lost_reply:
            self.meet(f"reply to {call.verb} lost")
            raise ClusterUnreachable("the connection was reset before the answer came")

    def _remember(self, call: Call) -> None:
        key = came(call)
        metadata = msgspec.json.decode(call.body)["metadata"] if call.body else {}
        owners = metadata.get("ownerReferences") or ()
        self.written.append(
            WriteDone(call.verb, key, self._uids.get(key, ""), tuple(str(owner["uid"]) for owner in owners))
        )
        known = self._named[key] if call.verb == "merge" else ()
        for owner in (owner for owner in owners if owner["uid"] not in known):
            now = self._world.uid(owner, key.namespace)
            if now != owner["uid"]:
                self.wrong.append(f"{key} names an owner that is not there: {owner}, which is {now or 'nothing'}")
        if call.verb == "delete":
            with self._world.quiet():
                self._world.collect_garbage(self._uids[key])
        if call.verb == "create" and key.resource == "namespaces":
            with self._world.quiet():
                self._world.namespace_came(key.name)

    def read(self, verb: str, key: str) -> None:
        """Before a call to the store."""
        self.count("any", f"{verb} {key}")
        if self.random.random() < self._weather.store:
            self.fail(StoreBusy("the store answers 503", retry_after=None), StoreUnreachable("the connection broke"))


class StoreFaults:
    """The Fate of the store in one attempt: it may fail, and does not lie; nothing is written."""

    def __init__(self, faults: RestoreFaults) -> None:
        self._faults = faults

    def before(self, verb: str, key: str, size: int) -> None:
        """As the port has it."""
        del size
        self._faults.read(verb, key)

    def after(self, verb: str, key: str) -> None:
        """As the port has it."""
        raise AssertionError(f"a restore does not write to the store: {verb} {key}")

    def kept(self, verb: str, key: str, data: bytes) -> bytes:
        """As the port has it."""
        raise AssertionError(f"a restore does not write to the store: {verb} {key} {len(data)}")

    def given(self, key: str, data: bytes) -> bytes:
        """As the port has it."""
        del key
        return data


def any_restore_weather(random: Random) -> RestoreWeather:
    """Chances for an attempt."""

    def up_to(most: float) -> float:
        return random.choice((0.0, most / 4, most))

    return RestoreWeather(
        before=up_to(0.25), lost_reply=up_to(0.3), change=up_to(0.08), store=up_to(0.1), idle=up_to(0.9)
    )


def any_restore_doom(random: Random) -> RestoreDoom:
    """What ends an attempt, if anything."""
    match random.choices(("none", "death", "signal", "down", "mute", "login"), (3, 8, 3, 2, 2, 1))[0]:
        case "death" | "signal" as kind:
            where, most = random.choice((("any", 200), ("write", 20), ("reply", 20), ("reply", 20)))
            return RestoreDoom(end=End(kind, where, random.randint(1, most)))
        case "down":
            return RestoreDoom(down=random.randint(1, 60))
        case "mute":
            return RestoreDoom(mute=random.randint(1, 60))
        case "login":
            return RestoreDoom(credentials=random.randint(1, 60))
    return RestoreDoom()
