"""However a run ends, a backup is whole or nobody sees it, and nothing is left that the next run trips over."""

from __future__ import annotations

import gzip
from collections.abc import Iterable

import pytest

from runner.archive.layout import CONTENT_KEYS
from runner.engine.execute import Limits
from runner.errors import (
    BadResponse,
    Cancelled,
    ExitCode,
    StoreDenied,
    StoreFull,
    StoreUnreachable,
    TrysailError,
    UploadDamaged,
)
from tests.fakes.cluster import config_map
from tests.fakes.faulty import Script
from tests.fakes.store import MemoryStore
from tests.unit.engine.stage import SMALL, Killed, Stage, fail

LOST = StoreUnreachable("reset before the answer")


class Countdown(Script):
    """At the n-th moment, of which each call to the store has two, before and after its effect, the run ends.

    A death is for good. A signal comes once, and to the main thread: not while a worker sends a part.
    """

    def __init__(self, moments: int, error: BaseException) -> None:
        super().__init__()
        self.passed = 0
        self.struck = False
        self._moments = moments
        self._error = error

    def before(self, verb: str, key: str, size: int) -> None:
        """A moment."""
        self._pass(verb)

    def after(self, verb: str, key: str) -> None:
        """Another."""
        self._pass(verb)

    def _pass(self, verb: str) -> None:
        self.passed += 1
        dead = self.struck and isinstance(self._error, Killed)
        due = self.passed >= self._moments and not self.struck and (isinstance(self._error, Killed) or verb != "part")
        if dead or due:
            self.struck = True
            raise self._error


def moments() -> int:
    """How many there are in a run that goes well."""
    script = Countdown(1 << 20, Killed())
    Stage().run(script=script)
    assert script.passed > 30
    return script.passed


def test_killed_at_any_moment() -> None:
    """A whole backup or none is visible, and the next run goes well and tells what lies around."""
    outcomes = []
    for moment in range(1, moments() + 1):
        stage = Stage()
        with pytest.raises(Killed):
            stage.run(script=Countdown(moment, Killed()))
        outcomes.append(bool(stage.committed()))
        if stage.committed():
            assert stage.stored().manifest["phase"] == "Completed"
        keys = [key for key in stage.store.objects if not stage.committed()]
        uploads = len(stage.store.unfinished(""))
        result = stage.run("b2")
        assert result.exit_code == ExitCode.DONE
        assert [(left.backup, left.keys, left.uploads) for left in result.leftovers] == (
            [("b1", len(keys), uploads)] if keys or uploads else []
        )
        stage.stored("b2")
    assert outcomes == sorted(outcomes)
    assert outcomes.count(True) == 1  # dead after the manifest was written, before its reply came


def test_cancelled_at_any_moment() -> None:
    """No upload is left unfinished, and no backup is visible unless the error says that it may be."""
    for moment in range(1, moments() + 1):
        stage = Stage()
        with pytest.raises(Cancelled) as cancelled:
            stage.run(script=Countdown(moment, Cancelled("SIGINT")))
        assert stage.store.unfinished("") == ()
        assert not stage.committed() or "trysail list" in cancelled.value.hint
        assert stage.run("b2").exit_code == ExitCode.DONE


@pytest.mark.parametrize("error", [StoreDenied("403"), StoreFull("full"), StoreUnreachable("gone")])
@pytest.mark.parametrize("verb", ["upload", "part", "complete", "create"])
def test_a_store_that_fails_for_good(verb: str, error: TrysailError) -> None:
    """The error is raised, no backup is visible, and no upload is left unfinished."""
    stage = Stage()
    with pytest.raises(type(error)):
        stage.run(script=Script(before={verb: [error] * 99}))
    assert stage.committed() == []
    assert stage.store.unfinished("") == ()


@pytest.mark.parametrize(
    "before",
    [
        {"part": [StoreFull("full")] * 9, "abort": [Cancelled("SIGINT")]},
        {"part": [StoreFull("full")] * 9, "abort": [None, Cancelled("SIGINT")]},
        {"part": [StoreFull("full")] * 9, "unfinished": [None, Cancelled("SIGINT")]},
        {"unfinished": [None, Cancelled("SIGINT")]},
    ],
)
def test_a_signal_while_uploads_are_taken_back(before: dict[str, list[BaseException | None]]) -> None:
    """It ends the run, and not the tidying up: whatever failed first, no upload is left unfinished."""
    stage = Stage()
    script = Script(before=before, after={"upload": [LOST]})
    with pytest.raises(Cancelled):
        stage.run(script=script)
    assert stage.store.unfinished("") == ()
    assert stage.committed() == []


def test_a_lost_reply_to_the_commit_is_recognised() -> None:
    """The manifest is there with our very bytes: the run has ended well."""
    stage = Stage(config_map("shop", "a"))
    creates = len(CONTENT_KEYS)
    result = stage.run(script=Script(after={"create": [*[None] * creates, LOST]}), limits=Limits())
    assert result.exit_code == ExitCode.DONE
    assert stage.committed() == ["b1"]


def test_a_commit_in_doubt_says_so() -> None:
    """Where no reply ever comes, or a signal does, the error does not claim that there is no backup."""
    creates = len(CONTENT_KEYS)
    endless: Iterable[BaseException | None] = [*[None] * creates, LOST]
    gone = [*[None] * (creates + 1), *[StoreUnreachable("gone")] * 9]
    for error, script in (
        (StoreUnreachable, Script(after={"create": list(endless)}, before={"create": gone})),
        (Cancelled, Script(after={"create": [*[None] * creates, Cancelled("no backup was made")]})),
        (StoreDenied, Script(after={"create": list(endless)}, before={"create": [*gone[:-9], StoreDenied("403")]})),
    ):
        stage = Stage(config_map("shop", "a"))
        with pytest.raises(error) as doubt:
            stage.run(script=script, limits=Limits())
        assert stage.committed() == ["b1"]
        assert "trysail list" in doubt.value.hint
        assert "no backup" not in doubt.value.message


def test_a_store_that_lies_makes_no_backup() -> None:
    """A bit of the archive is another: found by reading it back, before anything is committed."""
    for limits in (SMALL, Limits()):
        stage = Stage(store=MemoryStore(verifies_uploads=False))

        def spoil(key: str, data: bytes) -> bytes:
            return bytes([data[0] ^ 1]) + data[1:] if key.endswith(".tar.gz") else data

        with pytest.raises(UploadDamaged):
            stage.run(script=Script(keeps=spoil), limits=limits)
        assert stage.committed() == []
        assert stage.store.unfinished("") == ()


def test_no_secret_is_told() -> None:
    """Its value is in the archive, and in no other key, event or error."""
    stage = Stage()
    stage.run(strike=fail("configmaps", BadResponse("no list")))
    with pytest.raises(StoreFull) as error:
        stage.run("b2", script=Script(before={"create": [StoreFull("full")], "part": [StoreFull("full")]}))
    told = [repr(stage.observer.events), repr(error.value.__dict__), repr(stage.planned().plan)]
    keys = {key: data for key, data in stage.store.objects.items() if not key.endswith(".tar.gz")}
    told += [repr(gzip.decompress(data) if key.endswith(".gz") else data) for key, data in keys.items()]
    assert len(told) > 6
    assert not any("aHVudGVyMi" in text or "hunter2" in text for text in told)
