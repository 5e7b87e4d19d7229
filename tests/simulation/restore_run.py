"""One restore from its first moment to its last: attempts that fail, one that may end, and one that finds all done."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from runner.engine.catalog import LATEST, Scope, resolve
from runner.engine.fetch import Reading
from runner.engine.open_stored import open_stored
from runner.engine.restore.plan import PlannedRestore
from runner.engine.restore.planning import make_restore_plan, recheck_restore
from runner.engine.restore.restore import RestorePorts, restore
from runner.engine.restore.waits import Patience
from runner.engine.retry import Retrier
from runner.errors import TrysailError
from runner.model.restore import RestorePlan
from runner.model.restored import RestoreResult
from tests.fakes.clock import SimulatedClock
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.faulty import FaultyStore
from tests.fakes.observer import RecordingObserver
from tests.fakes.restore_stage import LOCATION, restore_policy
from tests.simulation.ending import Died
from tests.simulation.objects import Object
from tests.simulation.restore_faults import (
    CALM,
    RestoreDoom,
    RestoreFaults,
    RestoreWeather,
    StoreFaults,
    any_restore_doom,
    any_restore_weather,
)
from tests.simulation.restore_world import RestoreWorld
from tests.simulation.world import Key

PATIENCE = Patience(deletion=5, definition=5, webhook=0)


class RestoreAttempt:
    """One run of `trysail restore`: it ends with a result, with an error, or dead (neither)."""

    def __init__(
        self, name: str, world: RestoreWorld, draw: Random, weather: RestoreWeather, doom: RestoreDoom
    ) -> None:
        self.name, self.world, self.calm = name, world, weather == CALM and doom == RestoreDoom()
        self.faults = RestoreFaults(draw, weather, doom, world)
        self.clock = SimulatedClock(draw.random, self.faults.touched)
        self.executor = SimulatedExecutor(draw, fatal=(Died, AssertionError), touched=self.faults.touched)
        self.faults.in_worker = lambda: self.executor.depth > 0
        self.observer = RecordingObserver(self.faults.touched)
        self.plan: RestorePlan | None = None
        self.result: RestoreResult | None = None
        self.error: TrysailError | None = None
        self.saved = False

    def run(self, saved: RestorePlan | None = None) -> None:
        """Plans, or checks a plan that was made earlier, and does it."""
        target, self.saved = self.world.target, saved is not None
        target.on_call, target.after_call = self.faults.strike, self.faults.after
        try:
            planned = self._planned(saved)
            self.plan = planned.plan
            ports = RestorePorts(target, self.executor, self.clock, self.observer)
            self.result = restore(planned.plan, planned.facts, ports, patience=PATIENCE)
        except TrysailError as error:
            self.error = error
        except Died:
            pass
        else:
            self.executor.leave()
        if self.error is not None:
            self.executor.leave()
        target.on_call = target.after_call = lambda _: None

    def _planned(self, saved: RestorePlan | None) -> PlannedRestore:
        retrier = Retrier(self.clock, self.observer)
        reading = Reading(FaultyStore(self.world.store, StoreFaults(self.faults)), self.executor, retrier)
        stored = open_stored(reading, resolve(reading, LATEST, Scope()).backup)
        resolved = restore_policy(**self.world.spec)
        if saved is not None:
            return recheck_restore(saved, resolved, stored, self.world.target, self.executor, retrier).planned
        return make_restore_plan(stored, resolved, LOCATION, self.world.target, self.executor, retrier)

    @property
    def ending(self) -> str:
        """In one line."""
        if self.result is not None:
            done = f"{self.result.done} of {self.result.plan.items}"
            return f"{self.name}: {done}, exit {self.result.exit_code:d}, failed {self.result.failed}"
        if self.error is not None:
            return f"{self.name}: {type(self.error).__name__}: {self.error.message} {self.error.context}"
        return f"{self.name}: killed"

    @property
    def log(self) -> list[str]:
        """Everything, in words."""
        return [f"-- {self.name}", *self.faults.trace, *map(repr, self.observer.events), self.ending]


@dataclass
class RestoreStory:
    """All that a seed brought about."""

    seed: int
    world: RestoreWorld
    attempts: list[RestoreAttempt] = field(default_factory=list)
    after: dict[Key, Object] = field(default_factory=dict)  # what the target held once the last but one was done

    @property
    def last(self) -> RestoreAttempt:
        """The calm attempt, which completes."""
        return self.attempts[-2]

    @property
    def again(self) -> RestoreAttempt:
        """The one after it, which has nothing left to do."""
        return self.attempts[-1]

    @property
    def log(self) -> list[str]:
        """What a replay must repeat."""
        world = self.world
        lines = [f"seed {self.seed}: restore into a cluster that is {world.kind}: {world.spec}"]
        lines += [f"refused: {sorted(world.refused)}, full: {world.full}, forbidden: {world.forbidden}"]
        return [*lines, *(line for attempt in self.attempts for line in attempt.log)]


def simulate_restore(seed: int) -> RestoreStory:
    """The story of a seed. Every choice is that of generators which the seed alone begins."""
    world, draw = RestoreWorld(Random(f"{seed} restore")), Random(f"{seed} restore faults")
    story = RestoreStory(seed, world)
    saved: RestorePlan | None = None
    for number in range(draw.choice((0, 1, 1, 2))):
        attempt = RestoreAttempt(
            f"attempt {number + 1}", world, draw, any_restore_weather(draw), any_restore_doom(draw)
        )
        story.attempts.append(attempt)
        attempt.run(saved)
        if draw.random() < 0.5:
            saved = attempt.plan
    for name in ("the calm attempt", "once more"):
        attempt = RestoreAttempt(name, world, draw, CALM, RestoreDoom())
        story.attempts.append(attempt)
        attempt.run(saved if name == "the calm attempt" and not world.touched else None)
        if name == "the calm attempt":
            story.after = world.everything()
    return story
