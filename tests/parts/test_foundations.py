"""What all parts stand on: processes, programs, ports and the cache. Needs no part itself."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.parts import PartUnavailable
from tests.parts.cache import cache_root, made_once
from tests.parts.golang import built_once
from tests.parts.ports import free_port
from tests.parts.process import ServerProcess
from tests.parts.programs import installed_program


def test_a_server_that_dies_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    """A server that ends before it is ready raises at once, and says why it ended."""
    server = ServerProcess(["sh", "-c", "echo out of luck; exit 3"], log=tmp_path / "log")

    with pytest.raises(PartUnavailable, match=r"ended with code 3(?s:.*)out of luck"):
        server.wait_until(lambda: False, seconds=60)


def test_children_end_with_their_server(tmp_path: Path) -> None:
    """What a server started is stopped with it."""
    server = ServerProcess(["sh", "-c", "sleep 600 & echo $!; wait"], log=tmp_path / "log")
    server.wait_until(lambda: (tmp_path / "log").read_text().endswith("\n"), seconds=60)

    server.stop()

    child = int((tmp_path / "log").read_text())
    end = time.monotonic() + 30
    while _runs(child) and time.monotonic() < end:  # a signal that was sent is not yet a death
        time.sleep(0.01)
    assert not _runs(child)


def test_a_missing_program_is_an_error() -> None:
    """A package that is not installed is named, with what to do."""
    with pytest.raises(PartUnavailable, match="pip install no-such-distribution"):
        installed_program("no-such-distribution", "bin/program")


def test_a_port_is_given_to_one_process_only() -> None:
    """A port that this process was given cannot be reserved by another one."""
    port = free_port()
    ask = f"from tests.parts import ports; raise SystemExit(ports._reserve({port}))"

    other = subprocess.run([sys.executable, "-c", ask], check=False, cwd=Path(__file__).parents[2])

    assert other.returncode == 0


def test_things_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several that want the same thing at once wait for the one that makes it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[Path] = []
    start = threading.Barrier(4)

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "content").write_text("whole")

    def want() -> None:
        start.wait()
        found.append((made_once("thing", make) / "content").read_text())

    found: list[str] = []
    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == ["whole"] * 4
    assert len(made) == 1


def test_a_failed_making_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be made whole is not there, and is made anew the next time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise PartUnavailable

    with pytest.raises(PartUnavailable):
        made_once("thing", fail)

    assert list(made_once("thing", lambda _: None).iterdir()) == []


@pytest.mark.real
def test_a_go_program_is_built_again_when_its_sources_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sources give the program that is there; others another one; and what the compiler refuses is told."""
    # Go's own cache would follow, and the whole runtime be compiled once more.
    monkeypatch.setenv("GOCACHE", os.environ.get("GOCACHE", str(cache_root().parent / "go-build")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "go.mod").write_text("module example.com/hello\n\ngo 1.26.0\n")
    (tmp_path / "go.sum").touch()
    source = tmp_path / "main.go"

    def built(says: str) -> Path:
        source.write_text(f"package main\n\nfunc main() {{ {says} }}\n")
        return built_once("hello", ".", module=tmp_path, flags=[])

    first, same, other = (built(says) for says in ('print("a")', 'print("a")', 'print("b")'))

    assert first == same != other
    assert subprocess.run([other], check=True, capture_output=True).stderr == b"b"
    with pytest.raises(PartUnavailable, match="undefined: nonsense"):
        built("nonsense()")


def _runs(pid: int) -> bool:
    """Whether the process still does anything: one that has ended may wait a while to be reaped by whoever has to."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}
