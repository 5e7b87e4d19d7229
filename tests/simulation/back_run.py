"""One seed of data that comes back: restores that fail, are interrupted and die, the same command each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Literal

import msgspec

from runner.engine.catalog import LATEST, Scope, resolve
from runner.engine.fetch import Reading
from runner.engine.open_stored import open_stored
from runner.engine.restore.planning import make_restore_plan
from runner.engine.restore.restore import RestorePorts, restore
from runner.engine.restore.volumes import Restorers
from runner.engine.restore.waits import Patience
from runner.engine.retry import Retrier
from runner.errors import TrysailError
from runner.model.restored import RestoreResult
from runner.model.volumes import Brought, Method, RestoringVolume
from runner.volume_ports import VolumeRestorer
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import Call
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.faulty import FaultyStore
from tests.fakes.observer import RecordingObserver
from tests.fakes.restore_stage import LOCATION, restore_policy
from tests.simulation.back_world import BackWorld, Made
from tests.simulation.ending import Died, End
from tests.simulation.volume_faults import VolumeFaults, Weather
from tests.simulation.volume_objects import NAMESPACE

_PATIENCE = Patience(deletion=5, definition=5, webhook=0, binding=20, snapshot=20, files=60)
_WRITES = frozenset({"create", "apply", "merge", "delete"})


@dataclass
class WorldRestorer:
    """A VolumeRestorer over what the world has made; calls fail, and answers are lost."""

    method: Method
    when: Literal["before", "after"]
    world: BackWorld
    faults: VolumeFaults
    gone_on: bool = False  # with what an earlier attempt had begun

    def bring(self, volume: RestoringVolume) -> Brought:
        """See VolumeRestorer."""
        self.faults.calls("provider", f"bring {volume.claim}")
        made, there = self.world.made_for(self.method, volume)
        self.gone_on |= there
        self.faults.answers("provider", f"bring {volume.claim}")
        return msgspec.structs.replace(self._now(made, volume), adopted=there)

    def look(self, volume: RestoringVolume, brought: Brought) -> Brought:
        """See VolumeRestorer."""
        self.faults.calls("provider", f"look {volume.claim}")
        made = self._made(brought)
        made.looks += 1
        return msgspec.structs.replace(self._now(made, volume), adopted=brought.adopted)

    def discard(self, volume: RestoringVolume, brought: Brought) -> None:
        """See VolumeRestorer: a disk that is ready belongs to its claim."""
        self.faults.calls("provider", f"discard {volume.claim}")
        if self.method != "native-snapshot" or brought.state == "failed":
            self._made(brought).gone = True
        self.faults.answers("provider", f"discard {volume.claim}")

    def _made(self, brought: Brought) -> Made:
        name = brought.handle or brought.object.partition("/")[2]
        return next(one for one in self.world.made[self.method] if one.id == name)

    def _now(self, made: Made, volume: RestoringVolume) -> Brought:
        ready = made.looks >= self.world.ready_after and not made.gone
        if self.method == "fs-backup":
            ready = ready and self.world.fill(volume.claim, made.snapshot)
        state: Literal["ready", "pending"] = "ready" if ready else "pending"
        if self.method == "native-snapshot":
            return Brought(state=state, handle=made.id, zone="eu-west-1a")
        return Brought(state=state, object=f"{NAMESPACE}/{made.id}")


class BackAttempt:
    """A restore, and how it ended: with a result, with an error, or dead (neither)."""

    def __init__(self, name: str, world: BackWorld, draw: Random, weather: Weather, end: End | None) -> None:
        self.name, self.world = name, world
        self.faults = VolumeFaults(draw, weather, end)
        self.clock = SimulatedClock(draw.random, self._touched)
        self.faults.clock = self.clock
        self.executors = [
            SimulatedExecutor(draw, fatal=(Died, AssertionError), touched=self.faults.touched) for _ in range(2)
        ]
        self.faults.in_worker = lambda: any(executor.depth for executor in self.executors)
        self.observer = RecordingObserver(self.faults.touched)
        self.restorers: dict[Method, VolumeRestorer] = {
            "native-snapshot": WorldRestorer("native-snapshot", "before", world, self.faults),
            "csi-snapshot": WorldRestorer("csi-snapshot", "before", world, self.faults),
            "fs-backup": WorldRestorer("fs-backup", "after", world, self.faults),
        }
        self.result: RestoreResult | None = None
        self.error: TrysailError | None = None

    def run(self) -> None:
        """Plans and restores, as `trysail restore` does."""
        target = self.world.target
        target.on_call, target.after_call = self._called, self._answered
        try:
            self._restore()
        except TrysailError as error:
            self.error = error
        except Died:
            pass
        finally:
            target.on_call = target.after_call = lambda _: None
        self.world.controllers()

    @property
    def gone_on(self) -> bool:
        """Whether it went on with what an earlier attempt had begun."""
        return any(isinstance(one, WorldRestorer) and one.gone_on for one in self.restorers.values())

    @property
    def ending(self) -> str:
        """In one line."""
        if self.result is not None:
            volumes = [f"{one.claim} {one.outcome} {one.reason}".strip() for one in self.result.volumes]
            return f"{self.name}: exit {self.result.exit_code:d}, {volumes}, failed {self.result.failed}"
        if self.error is not None:
            return f"{self.name}: {type(self.error).__name__}: {self.error.message} {self.error.context}"
        return f"{self.name}: killed"

    @property
    def log(self) -> list[str]:
        """Everything, in words."""
        return [*self.faults.trace, *(f"  {event}" for event in self.observer.events), self.ending]

    def _restore(self) -> None:
        main, movers = self.executors
        retrier = Retrier(self.clock, self.observer)
        reading = Reading(FaultyStore(self.world.store, self.faults), main, retrier)
        stored = open_stored(reading, resolve(reading, LATEST, Scope()).backup)
        planned = make_restore_plan(stored, restore_policy(), LOCATION, self.world.target, main, retrier)
        restorers = Restorers(self.restorers, movers=movers)
        ports = RestorePorts(self.world.target, main, self.clock, self.observer, restorers)
        self.result = restore(planned.plan, planned.facts, ports, patience=_PATIENCE)

    def _touched(self, what: str) -> None:
        self.faults.touched(what)
        if what == "sleep":
            self.world.controllers()

    def _called(self, call: Call) -> None:
        self.faults.calls("cluster", _words(call))

    def _answered(self, call: Call) -> None:
        if call.verb in _WRITES:
            self.faults.answers("cluster", _words(call))


@dataclass
class BackStory:
    """All that a seed brought about."""

    seed: int
    world: BackWorld
    attempts: list[BackAttempt] = field(default_factory=list)

    @property
    def last(self) -> BackAttempt:
        """The last of the calm ones, which has nothing left to do."""
        return self.attempts[-1]

    @property
    def log(self) -> list[str]:
        """Everything, in words: what a replay must repeat."""
        lines = [f"seed {self.seed}: claims {self.world.claims}"]
        for attempt in self.attempts:
            lines += [f"-- {attempt.name}", *attempt.log]
        return lines


def simulate_back(seed: int) -> BackStory:
    """The story of a seed. Every choice is that of generators which the seed alone begins."""
    world, draw = BackWorld(Random(f"{seed} back")), Random(f"{seed} back faults")
    story = BackStory(seed, world)
    for number in range(draw.randint(1, 3)):
        story.attempts.append(BackAttempt(f"attempt {number}", world, draw, _any_weather(draw), _any_end(draw)))
        story.attempts[-1].run()
    for name in ("the calm attempt", "once more"):
        story.attempts.append(BackAttempt(name, world, draw, Weather(), None))
        story.attempts[-1].run()
    return story


def _any_weather(random: Random) -> Weather:
    def up_to(most: float) -> float:
        return random.choice((0.0, most / 4, most))

    return Weather(up_to(0.2), up_to(0.05), up_to(0.2))


def _any_end(random: Random) -> End | None:
    if random.random() < 0.3:
        return None
    where, most = random.choice((("any", 300), ("provider", 12), ("reply", 25), ("cluster", 80)))
    return End(random.choice(("death", "death", "signal")), where, random.randint(1, most))


def _words(call: Call) -> str:
    resource = call.resource.name if call.resource is not None else ""
    return f"{call.verb} {resource} {call.namespace} {call.name}".strip()
