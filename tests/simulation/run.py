"""One seed from its first moment to its last: a world, a run in which everything may go wrong, and a calm one after."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from runner.archive.layout import MANIFEST, policy_prefix
from runner.engine.execute import Limits, Ports, execute
from runner.engine.planning import Planned, make_plan, recheck
from runner.engine.retry import Retrier
from runner.errors import PlanRefused, TrysailError
from runner.model.plan import Plan
from runner.model.result import Result
from runner.plan.verdict import blocked_by_volumes
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import UID
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.faulty import FaultyCluster, FaultyStore
from tests.fakes.observer import RecordingObserver
from tests.simulation.draw import CALM, any_doom, any_limits, any_weather
from tests.simulation.ending import Died
from tests.simulation.faults import Doom, Faults, Weather
from tests.simulation.world import Key, World

FIRST = "sim-20260301020000-0001"
SECOND = "sim-20260301020000-0002"
LATER = "sim-20260301030000-0003"


class Attempt:
    """A run, and how it ended: with a result, with an error, or dead (neither)."""

    def __init__(
        self, name: str, world: World, draw: Random, weather: Weather, doom: Doom, limits: Limits, begin: float = 0.0
    ) -> None:
        self.name, self.world, self.limits = name, world, limits
        self.faults = Faults(draw, weather, doom, world)
        self.clock = self.faults.clock = SimulatedClock(draw.random, self.faults.touched, begin)
        self.executor = SimulatedExecutor(draw, fatal=(Died, AssertionError), touched=self.faults.touched)
        self.faults.in_worker = lambda: self.executor.depth > 0
        self.observer = RecordingObserver(self.faults.touched)
        self.cluster = FaultyCluster(
            world.cluster,
            self.faults.strike,
            most_items=draw.choice((0, 1, 3, 10)),
            alter=self.faults.alter,
            down=sorted(doom.down),
        )
        self.store = FaultyStore(world.store, self.faults)
        self.plan: Plan | None = None
        self.result: Result | None = None
        self.error: TrysailError | None = None

    def run(self, saved: Plan | None = None) -> None:
        """Plans and executes, as `trysail run` does."""
        try:
            planned = self._planned(saved)
            self.plan = planned.plan
            self.cluster.pages.clear()
            if blocked_by_volumes(planned.plan):
                raise PlanRefused("selected volumes are protected by nothing")
            ports = Ports(self.cluster, self.store, self.executor, self.clock, self.observer)
            self.result = execute(planned.plan, self.name, ports, planned.inventory, self.limits)
        except TrysailError as error:
            self.error = error
        except Died:
            return
        self.executor.leave()

    @property
    def ending(self) -> str:
        """In one line."""
        if self.result is not None:
            missing = [gap.what for gap in self.result.manifest.missing]
            return f"{self.name}: {self.result.manifest.phase}, exit {self.result.exit_code:d}, missing {missing}"
        if self.error is not None:
            return f"{self.name}: {type(self.error).__name__}: {self.error.message} {self.error.context}"
        return f"{self.name}: killed"

    @property
    def log(self) -> list[str]:
        """Every call and event, and the ending."""
        return [*self.faults.trace, *(f"  {event}" for event in self.observer.events), self.ending]

    def _planned(self, saved: Plan | None) -> Planned:
        retrier = Retrier(self.clock, self.observer)
        if saved is None:
            return make_plan(self.world.resolved, self.cluster, self.executor, retrier)
        return recheck(saved, self.world.resolved, self.cluster, self.executor, retrier)


@dataclass
class Story:
    """All that a seed brought about."""

    seed: int
    world: World
    first: Attempt
    later: Attempt
    visitor: Attempt | None = None
    again: Attempt | None = None  # a run under the first one's name, where that has left something
    leftovers: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # backup -> keys, bytes, uploads
    left_uploads: set[str] = field(default_factory=set)  # ids, before the calm run
    untouched: dict[str, frozenset[Key]] = field(default_factory=dict)  # by run: what did not change all the while

    @property
    def attempts(self) -> list[Attempt]:
        """In the order they ended."""
        found = (self.visitor, self.first, self.again, self.later)
        return [attempt for attempt in found if attempt is not None]

    @property
    def log(self) -> list[str]:
        """Everything, in words: what a replay must repeat."""
        lines = [f"seed {self.seed}: {self.world.spec}"]
        for attempt in self.attempts:
            lines += [f"-- {attempt.name}", *attempt.log]
        return lines

    @property
    def met(self) -> Counter[str]:
        """What struck the first run."""
        return self.first.faults.met


def simulate(seed: int) -> Story:
    """The story of a seed. Every choice is that of generators which the seed alone begins."""
    world, draw = World(Random(f"{seed} world")), Random(f"{seed} faults")
    doom, limits = any_doom(draw, world), any_limits(draw)
    saved = _saved_plan(world, draw) if draw.random() < 0.3 else None
    first = Attempt(FIRST, world, draw, any_weather(draw), doom, limits)
    later = Attempt(LATER, world, draw, CALM, Doom(), limits, begin=3600.0)
    story = Story(seed, world, first, later)
    if doom.visit is not None:
        first.faults.visitor = lambda: _visit(story, draw, limits)
    first.run(saved)
    story.untouched[FIRST] = frozenset(world.present) - world.touched
    story.leftovers = _leftovers(world)
    story.left_uploads = {upload.id for upload in world.store.unfinished("")}
    if any(f"/{FIRST}/" in key for key in (*world.store.objects, *(left.key for left in world.store.unfinished("")))):
        story.again = Attempt(FIRST, world, draw, CALM, Doom(), limits, begin=1800.0)
        story.again.run()
    later.run()
    story.untouched[LATER] = frozenset(world.present)
    return story


def _saved_plan(world: World, draw: Random) -> Plan:
    """A plan that was made earlier; the cluster went on since."""
    retrier = Retrier(SimulatedClock(), RecordingObserver())
    plan = make_plan(world.resolved, world.cluster, SimulatedExecutor(), retrier).plan
    for _ in range(draw.choice((0, 3, 10))):
        world.change(draw)
    return plan


def _visit(story: Story, draw: Random, limits: Limits) -> None:
    """In the middle of the first run, a second one takes place, under its own name or the same."""
    name = draw.choice((FIRST, SECOND))
    doom = any_doom(draw, story.world)
    story.visitor = Attempt(name, story.world, draw, any_weather(draw), doom, limits, begin=story.first.clock.passed)
    story.visitor.run()


def _leftovers(world: World) -> dict[str, tuple[int, int, int]]:
    """What lies in the store without a manifest, counted from the store's own contents."""
    prefix = policy_prefix(world.spec.get("clusterName", UID), "sim")
    objects = {tuple(key.removeprefix(prefix).split("/")): len(data) for key, data in world.store.objects.items()}
    uploads = Counter(upload.key.removeprefix(prefix).split("/")[0] for upload in world.store.unfinished(""))
    left = {}
    for name in sorted({name for name, _ in objects} | set(uploads)):
        sizes = [size for (backup, _), size in objects.items() if backup == name]
        if (name, MANIFEST) in objects:
            sizes = []
        if sizes or uploads[name]:
            left[name] = len(sizes), sum(sizes), uploads[name]
    return left
