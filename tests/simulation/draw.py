"""Draws how bad a run's day is: most are mixed, some are calm, and about every second one has a doom."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from runner.engine.execute import Limits
from runner.engine.sources import ListLimits
from tests.simulation.ending import End
from tests.simulation.faults import Doom, Weather
from tests.simulation.objects import TYPES
from tests.simulation.world import World

CALM = Weather()
_DOWN = ("x.example.com/v1", "y.example.com/v1")


def any_weather(random: Random) -> Weather:
    """Chances for a run."""
    if random.random() < 0.15:
        return CALM

    def up_to(most: float) -> float:
        return random.choice((0.0, most / 4, most))

    return Weather(
        cluster=up_to(0.25),
        expiry=up_to(0.5),
        change=up_to(0.2),
        garbage=random.choice((0.0, 0.0, 0.0, 0.05)),
        store=up_to(0.3),
        lost_reply=up_to(0.3),
    )


def any_limits(random: Random) -> Limits:
    """Sizes so small that a few objects fill pages, members and parts."""
    return Limits(
        lists=ListLimits(
            window_pages=random.randint(1, 6),
            page_bytes=random.choice((500, 3000, 1 << 20)),
            largest_page=random.choice((1500, 4000, 4 << 20)),
            first_items=random.choice((1, 3, 50)),
            named_one_by_one=random.choice((0, 2, 50)),
            items_per_request=random.choice((0, 3, 75)),
            few_namespaces=random.choice((0, 1, 20)),
        ),
        part_bytes=random.choice((300, 300, 1000, 4000, 5 << 20)),
        member_bytes=random.choice((500, 3000, 1 << 20)),
    )


def any_doom(random: Random, world: World) -> Doom:
    """What does not pass, if anything: rights that are missing are common, the rest comes alone."""
    rights = frozenset(
        (random.choice(sorted(world.resources)), random.choice(("", "", "*", *world.namespaces)))
        for _ in range(random.choice((0, 0, 1, 3)))
    )
    odd = TYPES[random.choice(world.kinds)].resource
    return replace(
        _one(random),
        forbidden=rights,
        expiring=random.random() < 0.03,
        garbled=frozenset({odd}) if random.random() < 0.06 else frozenset(),
        down=frozenset({random.choice(_DOWN)}) if random.random() < 0.08 else frozenset(),
        gone=(odd, random.randint(1, 60)) if random.random() < 0.1 else ("", 0),
    )


def _one(random: Random) -> Doom:
    match random.choices(
        ("none", "death", "signal", "down", "mute", "denied", "full", "cluster", "login", "lie", "visit"),
        (22, 16, 16, 4, 6, 5, 5, 2, 5, 20, 11),
    )[0]:
        case "death" | "signal" as kind:
            where, most = random.choice((("any", 400), ("store", 30), ("write", 15), ("reply", 10), ("commit", 2)))
            return Doom(end=End(kind, where, random.randint(1, most)))
        case "down":
            return Doom(store_down=random.randint(1, 30))
        case "mute":
            return Doom(store_mute=random.randint(1, 20))
        case "denied":
            return Doom(store_denied=random.randint(1, 30))
        case "full":
            return Doom(store_bytes=random.choice((100, 1000, 5000)))
        case "cluster":
            return Doom(cluster_down=random.randint(1, 60))
        case "login":
            return Doom(credentials=random.randint(1, 60))
        case "lie":
            return Doom(lie=random.choice(("write", "write", "read")), lie_chance=random.choice((0.1, 0.4)))
        case "visit":
            return Doom(visit=random.randint(1, 25))
    return Doom()
