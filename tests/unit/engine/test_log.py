"""The run's log keeps what happened, with its time, and hides nothing from the observer."""

from __future__ import annotations

import json

from runner.engine.log import RunLog
from runner.model.event import Finished, Missing, PhaseBegun, Progress, Warned
from tests.fakes.clock import SimulatedClock
from tests.fakes.observer import RecordingObserver


def lines(log: RunLog) -> list[dict[str, object]]:
    """What the log would be stored as."""
    return [json.loads(line) for line in log.content().splitlines()]


def test_events_are_kept_with_their_time_and_passed_on() -> None:
    """One JSON object a line, in order; the observer has the very same events."""
    clock, observer = SimulatedClock(), RecordingObserver()
    log = RunLog(clock, observer)
    log.notice(PhaseBegun(name="storing objects"))
    clock.advance(1.5)
    log.notice(Missing(what="secrets", reason="forbidden"))
    assert lines(log) == [
        {"time": "2026-03-01T02:00:00.000+00:00", "event": "phase", "name": "storing objects"},
        {"time": "2026-03-01T02:00:01.500+00:00", "event": "missing", "what": "secrets", "reason": "forbidden"},
    ]
    assert observer.events == [PhaseBegun(name="storing objects"), Missing(what="secrets", reason="forbidden")]


def test_progress_is_shown_and_not_kept() -> None:
    """There would be thousands of lines that say nothing."""
    observer = RecordingObserver()
    log = RunLog(SimulatedClock(), observer)
    log.notice(Progress(items=7))
    assert log.content() == b""
    assert observer.events == [Progress(items=7)]


def test_warnings_are_collected() -> None:
    """In order, for the manifest."""
    log = RunLog(SimulatedClock(), RecordingObserver())
    for message in ("one", "two"):
        log.notice(Warned(message=message))
    assert log.warnings == ["one", "two"]


def test_what_is_recorded_is_told_to_nobody() -> None:
    """The end is written before it is certain, so that the log is complete; it is told once it is true."""
    observer = RecordingObserver()
    log = RunLog(SimulatedClock(), observer)
    log.record(Finished(backup="b", phase="Completed", items=1, seconds=0.5))
    assert [line["event"] for line in lines(log)] == ["finished"]
    assert observer.events == []
