"""Tests of what is said of volumes and hooks while they are worked on: plain, as JSON, and as bars."""

from __future__ import annotations

import json
from io import StringIO
from threading import Thread

import pytest
from rich.console import Console
from rich.progress import Progress as RichProgress

from runner.cli.progress import JsonLines, PlainLines, _Bars, line_of
from runner.model.event import Event, Froze, HookRan, Started, Thawed, VolumeProgress

TOLD: list[tuple[Event, str]] = [
    (Froze("shop/postgres-0", 2), "  shop/postgres-0: frozen by 2 hooks"),
    (Thawed("shop/postgres-0", 0.312), "  shop/postgres-0: thawed after 0.3 s"),
    (VolumeProgress("shop/data", "cut", "csi-snapshot"), "  volume shop/data: cut"),
    (VolumeProgress("shop/data", "stored", "csi-snapshot", "snap-1"), "  volume shop/data: stored (snap-1)"),
    (HookRan("before: notify", 0, "", 1.0), "  before: notify: done in 1.0 s"),
    (HookRan("x", 137, "one\ntwo \x1b[2J\n", 1.0), "  x: exit code 137 in 1.0 s\n      one\n      two \\x1b[2J"),
]


@pytest.mark.parametrize(("event", "text"), TOLD)
def test_plain_lines(event: Event, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One for each thing; a command's output stands indented below it, and steers no terminal."""
    PlainLines().notice(event)
    assert capsys.readouterr().err == f"{text}\n"


def test_output_is_cut() -> None:
    """The last lines of it, since an error stands at the end; and no line is endless."""
    event = HookRan("x", 1, "\n".join(f"line {number}" for number in range(100)) + "\n" + "y" * 5000, 1.0)
    lines = (line_of(event) or "").splitlines()
    assert lines[1] == "      (89 lines before)"
    assert lines[2] == "      line 89"
    assert lines[-1] == "      " + "y" * 200 + "…"
    assert len(lines) == 14


@pytest.mark.parametrize(("event", "text"), TOLD)
def test_json_lines(event: Event, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every field, in one line, with its time."""
    JsonLines().notice(event)
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told.pop("time")
    assert told.pop("event") in {"froze", "thawed", "hook", "volume"}
    assert told == {name: getattr(event, name) for name in event.__struct_fields__}


def test_bars_count_volumes() -> None:
    """A bar of their own, from whatever thread they are told; none where there are none; failed hooks stand above."""
    out = StringIO()
    progress = RichProgress(console=Console(file=out, width=100))
    bars = _Bars(progress)
    bars.notice(Started("shop-1", "shop", "demo", 7))
    assert [task.description for task in progress.tasks] == ["collecting"]

    def volume(number: int) -> None:
        for state in ("started", "cut", "stored" if number else "failed"):
            bars.notice(VolumeProgress(f"shop/data-{number}", state, "native-snapshot"))

    threads = [Thread(target=volume, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bars.notice(VolumeProgress("shop/late", "started", "fs-backup"))
    bars.notice(HookRan("fine", 0, "", 1.0))
    bars.notice(HookRan("page", 7, "no such pager", 1.0))
    (volumes,) = (task for task in progress.tasks if task.description == "volumes")
    assert (volumes.completed, volumes.total) == (8, 9)
    assert "page: exit code 7" in out.getvalue()
    assert "fine" not in out.getvalue()
