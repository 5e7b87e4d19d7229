"""Commands on this machine: what comes back of them, and that nothing of them is left when their time is over."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep

import pytest

from runner.adapters.commands import LocalCommands, Tail
from runner.errors import Cancelled, CommandNotStarted, ExecTimedOut
from runner.volume_ports import Ended


def run(script: str, environment: Mapping[str, str] | None = None, *, timeout: float = 20, most: int = 4096) -> Ended:
    """Runs a line of shell."""
    return LocalCommands().run(("sh", "-c", script), environment or {}, timeout=timeout, most=most)


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> None:
    """Fails where it stays."""
    deadline = monotonic() + 10
    while is_alive(pid):
        assert monotonic() < deadline
        sleep(0.01)


def pids(file: Path, number: int) -> list[int]:
    """The numbers that a script writes into a file, once they are there."""
    deadline = monotonic() + 10
    while not file.exists() or len(file.read_text().split()) < number:
        assert monotonic() < deadline
        sleep(0.01)
    return [int(word) for word in file.read_text().split()]


def test_output_and_code_come_back() -> None:
    """Standard output and standard error in the order in which they came."""
    assert run("echo out; echo err >&2; echo more; exit 7") == Ended(7, "out\nerr\nmore\n")


def test_the_environment_is_added_to_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given wins."""
    monkeypatch.setenv("OURS", "ours")
    monkeypatch.setenv("BOTH", "ours")
    assert run("echo $OURS $BOTH $GIVEN", {"BOTH": "given", "GIVEN": "ü"}).output == "ours given ü\n"


def test_no_shell_looks_at_the_words() -> None:
    """They arrive as they are."""
    words = ("printf", "[%s]", "$HOME", "a b", "*", "'")
    assert LocalCommands().run(words, {}, timeout=20, most=99).output == "[$HOME][a b][*][']"


def test_standard_input_is_empty() -> None:
    """A command that asks gets no answer, and does not wait for one."""
    assert run("cat; echo read").output == "read\n"


def test_the_end_of_a_flood_is_kept() -> None:
    """Megabytes pass; the last bytes stay."""
    ended = run("yes flood | head -c 20000000; echo the end", most=100)
    assert (ended.code, len(ended.output), ended.cut) == (0, 100, True)
    assert ended.output.endswith("the end\n")


def test_bytes_that_are_no_text_are_replaced() -> None:
    """Output may be anything."""
    assert run(r"printf 'a\377b'").output == "a�b"


def test_a_command_that_a_signal_ends_has_its_code_as_in_a_shell() -> None:
    """128 and its number."""
    assert run("kill -KILL $$").code == 137


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("/no/such/program", "No such file"),
        ("/etc", "Permission denied"),
        ("with\0null", "null byte"),
        ("x" * 300_000, "too long"),
    ],
)
def test_a_command_that_cannot_be_started(command: str, reason: str) -> None:
    """The error says which and why."""
    with pytest.raises(CommandNotStarted, match=reason):
        LocalCommands().run((command,), {}, timeout=5, most=10)


def test_a_file_that_is_no_program_cannot_be_started(tmp_path: Path) -> None:
    """Nobody guesses a shell for it."""
    file = tmp_path / "script"
    file.write_bytes(b"\x01\x02")
    file.chmod(0o755)
    with pytest.raises(CommandNotStarted, match="format"):
        LocalCommands().run((str(file),), {}, timeout=5, most=10)


@pytest.mark.slow
def test_all_of_a_command_is_ended_when_its_time_is_over(tmp_path: Path) -> None:
    """Its children too, and those that do not want to: they are killed."""
    file = tmp_path / "pids"
    script = f"trap '' TERM; sleep 600 & echo $! $$ > {file}; (trap '' TERM; sleep 600) & wait; wait"
    begun = monotonic()
    with pytest.raises(ExecTimedOut, match="sh did not end within 1 s, and was ended"):
        run(script, timeout=1)
    assert monotonic() - begun < 10
    for pid in pids(file, 2):
        wait_until_gone(pid)


def test_a_command_that_ends_when_it_is_asked_may_tidy_up(tmp_path: Path) -> None:
    """SIGTERM comes first."""
    file = tmp_path / "tidied"
    with pytest.raises(ExecTimedOut):
        run(f"trap 'touch {file}; exit' TERM; while :; do sleep 0.05; done", timeout=0.5)
    assert file.exists()


def test_a_command_without_output_that_hangs_is_ended(tmp_path: Path) -> None:
    """It has closed its output and goes on: its time counts all the same."""
    file = tmp_path / "pid"
    with pytest.raises(ExecTimedOut):
        run(f"echo $$ > {file}; exec >&- 2>&-; sleep 600", timeout=0.5)
    wait_until_gone(pids(file, 1)[0])


def test_what_a_command_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    """It holds the output open; the command itself has ended, and what it said is all there."""
    file = tmp_path / "pid"
    begun = monotonic()
    assert run(f"sleep 600 & echo $! > {file}; echo started").output == "started\n"
    assert monotonic() - begun < 10
    pid = pids(file, 1)[0]
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Cancelled])
def test_a_signal_ends_the_command(error: type[BaseException], tmp_path: Path) -> None:
    """All of it, before the signal goes on."""
    file = tmp_path / "pids"

    def strike(number: int, frame: object) -> None:
        raise error("a signal")

    before = signal.signal(signal.SIGUSR1, strike)
    me = threading.get_ident()

    def send() -> None:
        pids(file, 2)
        signal.pthread_kill(me, signal.SIGUSR1)

    sender = threading.Thread(target=send)
    try:
        sender.start()
        with pytest.raises(error):
            run(f"sleep 600 & echo $! $$ > {file}; wait")
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)
    for pid in pids(file, 2):
        wait_until_gone(pid)


def test_no_pipe_and_no_process_is_left() -> None:
    """Many commands leave as much open as none."""
    run("true")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        run("echo x; exit 1")
        with pytest.raises(CommandNotStarted):
            LocalCommands().run(("/no/such",), {}, timeout=1, most=1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_tail_keeps_the_last_bytes() -> None:
    """However they come."""
    for pieces in (["abcdef"], list("abcdef"), ["abcd", "ef"]):
        tail = Tail(3)
        for piece in pieces:
            tail.add(piece.encode())
        assert tail.ended(0) == Ended(0, "def", cut=True)
    assert Tail(0).ended(0) == Ended(0, "")
