"""One seed of volumes: runs that fail, are interrupted and die, one after the other, and a calm one in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from random import Random

from runner.engine.execute import Ports, execute
from runner.engine.planning import Planned, make_plan, recheck
from runner.engine.retry import Retrier
from runner.engine.volumes.protect import VolumePorts
from runner.engine.volumes.run import Protecting
from runner.errors import PlanStale, TrysailError
from runner.model.event import Warned
from runner.model.plan import Plan
from runner.model.result import Result
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import Call
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.faulty import FaultyStore
from tests.fakes.observer import RecordingObserver
from tests.simulation.ending import Died, End
from tests.simulation.volume_faults import VolumeFaults, Weather
from tests.simulation.volume_world import FaultyProvider, VolumeWorld, WorldExec

LAST, ANEW = "last", "anew"
_WRITES = frozenset({"create", "apply", "merge", "delete"})


class VolumeAttempt:
    """A run, and how it ended: with a result, with an error, or dead (neither)."""

    def __init__(
        self, name: str, world: VolumeWorld, draw: Random, weather: Weather, end: End | None, begin: float
    ) -> None:
        self.name, self.world = name, world
        self.faults = VolumeFaults(draw, weather, end)
        self.clock = self.faults.clock = SimulatedClock(draw.random, self.faults.touched, begin)
        self.executors = [
            SimulatedExecutor(draw, fatal=(Died, AssertionError), touched=self.faults.touched) for _ in range(4)
        ]
        self.faults.in_worker = lambda: any(executor.depth for executor in self.executors)
        self.observer = RecordingObserver(self.faults.touched)
        self.visited = False
        self.plan: Plan | None = None
        self.result: Result | None = None
        self.error: TrysailError | None = None
        self.frozen: list[str] = []  # Pods that stand still after it
        self.unmarked: list[str] = []  # those of them that do not say so

    def run(self, saved: Plan | None) -> None:
        """Plans and executes, as `trysail run` does."""
        cluster, living = self.world.cluster, self.world.living
        before = cluster.on_call, cluster.after_call
        cluster.on_call, cluster.after_call = self._called, self._answered
        living.add(self.name)
        try:
            planned = self._planned(saved)
            self.plan = planned.plan
            self.result = execute(planned.plan, self.name, self._ports(), planned.inventory, hooks=planned.hooks)
        except TrysailError as error:
            self.error = error
        except Died:
            pass
        finally:
            cluster.on_call, cluster.after_call = before
            living.discard(self.name)
        self.frozen = sorted(self.world.frozen)
        self.unmarked = [pod for pod in self.frozen if not self.world.recorded(pod)]

    @property
    def ending(self) -> str:
        """In one line."""
        if self.result is not None:
            missing = [f"{gap.what}: {gap.reason}" for gap in self.result.manifest.missing]
            return f"{self.name}: {self.result.manifest.phase}, missing {missing}"
        if self.error is not None:
            return f"{self.name}: {type(self.error).__name__}: {self.error.message} {self.error.context}"
        return f"{self.name}: killed"

    @property
    def warnings(self) -> list[str]:
        """What people were told."""
        return [event.message for event in self.observer.of(Warned)]

    @property
    def log(self) -> list[str]:
        """Every call and event, and the ending."""
        return [*self.faults.trace, *(f"  {event}" for event in self.observer.events), self.ending]

    def _called(self, call: Call) -> None:
        self.faults.calls("cluster", _words(call))

    def _answered(self, call: Call) -> None:
        if call.verb in _WRITES:
            self.faults.answers("cluster", _words(call))

    def _planned(self, saved: Plan | None) -> Planned:
        retrier = Retrier(self.clock, self.observer)
        asked = (self.world.resolved, self.world.cluster, self.executors[0], retrier)
        return make_plan(*asked) if saved is None else recheck(saved, *asked)

    def _ports(self) -> Ports:
        world, faults = self.world, self.faults
        main, *others = self.executors
        providers = {method: FaultyProvider(one, world, faults) for method, one in world.providers.items()}
        volumes = VolumePorts(
            cluster=world.cluster,
            protecting=Protecting(providers, {}, *others),
            exec=WorldExec(world, faults),
            holder=self.name,
            alive=lambda holder: holder in world.living,
            redact=lambda text: text,
        )
        store = FaultyStore(world.store, faults)
        return Ports(world.cluster, store, main, self.clock, self.observer, volumes=volumes)


@dataclass
class VolumeStory:
    """All that a seed brought about."""

    seed: int
    world: VolumeWorld
    saved: Plan | None
    attempts: list[VolumeAttempt] = field(default_factory=list)

    @property
    def last(self) -> VolumeAttempt:
        """The calm one."""
        return self.attempts[-1]

    @property
    def log(self) -> list[str]:
        """Everything, in words: what a replay must repeat."""
        lines = [f"seed {self.seed}: claims {self.world.claims}, Pods {self.world.pods}"]
        for attempt in self.attempts:
            lines += [f"-- {attempt.name}", *attempt.log]
        return lines


def simulate_volumes(seed: int) -> VolumeStory:
    """The story of a seed. Every choice is that of generators which the seed alone begins."""
    world, draw = VolumeWorld(Random(f"{seed} volumes")), Random(f"{seed} volume faults")
    story = VolumeStory(seed, world, _saved(world) if draw.random() < 0.7 else None)
    begin = 0.0
    for number in range(draw.randint(1, 3)):
        attempt = VolumeAttempt(f"run-{number}", world, draw, _any_weather(draw), _any_end(draw), begin)
        if draw.random() < 0.2:
            attempt.faults.visit, attempt.faults.visitor = draw.randint(1, 15), partial(_visit, story, attempt, draw)
        attempt.run(story.saved)
        story.attempts.append(attempt)
        begin = attempt.clock.passed + draw.choice((10.0, 300.0, 7200.0))
        world.change(draw)
    story.attempts.append(VolumeAttempt(LAST, world, draw, Weather(), None, begin))
    story.last.run(story.saved)
    if isinstance(story.last.error, PlanStale):
        story.attempts.append(VolumeAttempt(ANEW, world, draw, Weather(), None, begin))
        story.last.run(None)
    return story


def _visit(story: VolumeStory, first: VolumeAttempt, draw: Random) -> None:
    """In the middle of a run, another one of the same policy takes place, from its beginning to its end.

    Not while the first has a Pod frozen, which the other would wait for.
    """
    if first.visited or any(map(story.world.recorded, story.world.pods)):
        return
    first.visited = True
    name = f"{first.name}-visitor"
    visitor = VolumeAttempt(name, story.world, draw, _any_weather(draw), _any_end(draw), first.clock.passed)
    visitor.run(story.saved)
    story.attempts.append(visitor)


def _saved(world: VolumeWorld) -> Plan:
    retrier = Retrier(SimulatedClock(), RecordingObserver())
    return make_plan(world.resolved, world.cluster, SimulatedExecutor(), retrier).plan


def _any_weather(random: Random) -> Weather:
    if random.random() < 0.2:
        return Weather()

    def up_to(most: float) -> float:
        return random.choice((0.0, most / 4, most))

    return Weather(up_to(0.2), up_to(0.05), up_to(0.2), up_to(0.3))


def _any_end(random: Random) -> End | None:
    if random.random() < 0.3:
        return None
    where, most = random.choice((("any", 300), ("provider", 20), ("reply", 15), ("exec", 6), ("cluster", 15)))
    return End(random.choice(("death", "death", "signal")), where, random.randint(1, most))


def _words(call: Call) -> str:
    resource = call.resource.name if call.resource is not None else ""
    return f"{call.verb} {resource} {call.namespace} {call.name}".strip()
