"""Whether the process that froze a Pod still is there: certainly, certainly not, or nobody knows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.adapters.processes import alive, this_process
from runner.model.holder import read_holder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux'")

NAMED = "import sys; from runner.adapters.processes import this_process; print(this_process(), flush=True)"


def test_this_process_is_alive() -> None:
    """And names its own number."""
    named = read_holder(this_process())
    assert named is not None
    assert named.pid == os.getpid()
    assert alive(this_process()) is True


def test_a_process_that_was_killed_is_not_alive() -> None:
    """While it runs it is; killed it is not, though nobody has asked yet how it ended; nor after that."""
    program = [sys.executable, "-c", f"{NAMED}; sys.stdin.read()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        holder = process.stdout.readline().strip()
        assert alive(holder) is True
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert alive(holder) is False
        process.wait()
        assert alive(holder) is False


def test_another_process_of_the_same_number_is_not_it() -> None:
    """Numbers are given out again: the time when it started tells them apart."""
    named = read_holder(this_process())
    assert named is not None
    assert alive(str(named._replace(started="1"))) is False


def test_of_another_machine_or_container_nobody_knows() -> None:
    """Its numbers are not ours."""
    named = read_holder(this_process())
    assert named is not None
    assert alive(str(named._replace(boot="another"))) is None
    assert alive(str(named._replace(space="another"))) is None


@pytest.mark.parametrize("text", ["", "nonsense", "a/b/c/1/2"])
def test_of_what_names_no_process_nobody_knows(text: str) -> None:
    """A record may say anything."""
    assert alive(text) is None


def test_where_the_machine_tells_nothing_nobody_knows(tmp_path: Path) -> None:
    """Without /proc a process still has a name, of which nobody can say that it is gone."""
    holder = this_process(tmp_path)
    assert read_holder(holder) is not None
    assert alive(holder, tmp_path) is None
    assert alive(this_process(), tmp_path) is None
