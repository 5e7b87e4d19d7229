"""restic's exits as errors of ours, by a program of its name that ends as each test wants."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.adapters.restic import Restic
from runner.errors import (
    CommandNotStarted,
    SnapshotNotFound,
    VolumeError,
    VolumeRejected,
    VolumesBusy,
    VolumesDenied,
    VolumesUnreachable,
)
from runner.model.moved import Moved

SUMMARY = {
    "message_type": "summary",
    "snapshot_id": "5eed",
    "total_files_processed": 3,
    "total_bytes_processed": 30,
    "data_added": 20,
    "data_added_packed": 10,
}
Program = Callable[..., Restic]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """`program(cat="exit 10", backup="…")`: a restic of these lines of shell; what is not named ends well.

    `$N` is how often the verb was called before. Its words are in `calls`, a line a call.
    """

    def made(**verbs: str) -> Restic:
        cases = "\n".join(f"  {verb})\n{lines}\n;;" for verb, lines in verbs.items())
        script = f"""#!/bin/sh
verb=""
for word in "$@"; do case "$word" in init|cat|backup|restore|unlock) verb="${{verb:-$word}}";; esac; done
N=$(grep -c "^$verb" "{tmp_path}/calls" 2>/dev/null); N=${{N:-0}}
echo "$verb $*" >> "{tmp_path}/calls"
case "$verb" in
{cases}
esac
exit 0
"""
        found = tmp_path / "bin" / "restic"
        found.parent.mkdir()
        found.write_text(script)
        found.chmod(0o755)
        monkeypatch.setenv("PATH", f"{found.parent}:{os.environ['PATH']}")
        return Restic("s3:http://store/b", {"RESTIC_PASSWORD": "x"}, patience=5, wait=0.05, pause=0.01)

    return made


def calls(folder: Path) -> list[str]:
    """The verbs, in order."""
    return [line.split()[0] for line in (folder / "calls").read_text().splitlines()]


def say(message: object) -> str:
    """A line of shell that says it."""
    return f"printf '%s\\n' {shlex.quote(json.dumps(message))}"


def fatal(code: int, message: str) -> str:
    """As restic ends where it cannot go on."""
    return f"{say({'message_type': 'exit_error', 'code': code, 'message': message})} >&2\nexit {code}"


def backup(restic: Restic, folder: Path, *, make: bool = True) -> Moved:
    """Of a folder."""
    return restic.backup(folder, host="real", tags=["pvc=shop/data"], make=make)


def test_a_summary_is_the_result(program: Program, tmp_path: Path) -> None:
    """What was read, and what came to the repository of it."""
    assert backup(program(backup=say(SUMMARY)), tmp_path) == Moved("5eed", files=3, size=30, added=10)
    assert calls(tmp_path) == ["cat", "backup"]


def test_an_incomplete_backup_names_its_files_and_keeps_its_snapshot(program: Program, tmp_path: Path) -> None:
    """Five of them by name: thousands are no message."""
    errors = [{"message_type": "error", "item": f"/f{n}", "error": {"message": "denied"}} for n in range(7)]
    lines = [*(say(error) for error in errors), say(SUMMARY), "exit 3"]
    moved = backup(program(backup="\n".join(lines)), tmp_path)
    named = ", ".join(f"/f{n} (denied)" for n in range(5))
    assert moved == Moved("5eed", 3, 30, 10, f"7 files could not be read: {named}, and 2 more")


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (12, "Fatal: wrong password or no key found", VolumesDenied),
        (11, "unable to create lock", VolumesBusy),
        (10, "repository does not exist", VolumeRejected),
        (1, "Fatal: dial tcp 10.0.0.1:443: connect: connection refused", VolumesUnreachable),
        (1, "Fatal: Head https://store: dial tcp: lookup store: no such host", VolumesUnreachable),
        (1, "Fatal: client.PutObject: Access Denied.", VolumesDenied),
        (1, "Fatal: The specified bucket does not exist", VolumeRejected),
        (1, "Fatal: unknown flag: --exclude-xattr", VolumeRejected),
        (1, "Fatal: config or key 12ab is damaged: ciphertext verification failed", VolumeError),
        (2, "panic: something else", VolumeError),
    ],
)
def test_each_exit_is_an_error_of_ours(
    program: Program, tmp_path: Path, code: int, said: str, kind: type[VolumeError]
) -> None:
    """With restic's own words."""
    with pytest.raises(VolumeError) as caught:
        backup(program(backup=fatal(code, said)), tmp_path)
    assert type(caught.value) is kind
    assert said in caught.value.message


def test_one_that_is_killed_is_said_to_be(program: Program, tmp_path: Path) -> None:
    """Mostly it is memory."""
    with pytest.raises(VolumeError, match="was ended by SIGKILL"):
        backup(program(backup="kill -9 $$"), tmp_path)


def test_a_repository_is_made_where_there_is_none(program: Program, tmp_path: Path) -> None:
    """Once, and before the backup."""
    backup(program(cat="exit 10", backup=say(SUMMARY)), tmp_path)
    assert calls(tmp_path) == ["cat", "init", "backup"]


def test_nothing_is_made_where_the_first_question_fails(program: Program, tmp_path: Path) -> None:
    """A wrong password is no reason for another repository."""
    with pytest.raises(VolumesDenied):
        backup(program(cat=fatal(12, "wrong password")), tmp_path)
    assert calls(tmp_path) == ["cat"]


def test_who_shall_not_make_it_waits(program: Program, tmp_path: Path) -> None:
    """Two who made it at once would leave one that nobody can read."""
    backup(program(cat='[ "$N" -ge 2 ] || exit 10', backup=say(SUMMARY)), tmp_path, make=False)
    assert calls(tmp_path) == ["cat", "cat", "cat", "backup"]


def test_who_waits_gives_up(program: Program, tmp_path: Path) -> None:
    """And says what it waited for."""
    with pytest.raises(VolumeError, match="nobody has made the repository within"):
        backup(program(cat="exit 10"), tmp_path, make=False)
    assert "init" not in calls(tmp_path)


def test_a_lock_that_nobody_holds_any_more_is_taken_off_once(program: Program, tmp_path: Path) -> None:
    """A mover that was killed has left it."""
    backup(program(backup=f'[ "$N" -ge 1 ] || exit 11\n{say(SUMMARY)}'), tmp_path)
    assert calls(tmp_path) == ["cat", "backup", "unlock", "backup"]


def test_a_store_that_does_not_answer_ends_it_soon(program: Program, tmp_path: Path) -> None:
    """With what restic was trying to get over."""
    line = "Stat(<config/>) returned error, retrying after 552ms: Head: dial tcp: connect: connection refused"
    restic = program(cat=f'echo "{line}" >&2\nexec sleep 60')
    quick = Restic(restic.repository, restic.environment, patience=1)
    with pytest.raises(VolumesUnreachable, match="within 1 seconds: Head: dial tcp: connect: connection refused"):
        backup(quick, tmp_path)


def test_a_snapshot_that_is_not_there_is_said_before_anything_is_written(program: Program, tmp_path: Path) -> None:
    """It was forgotten."""
    with pytest.raises(SnapshotNotFound):
        program(cat=fatal(1, "Fatal: no matching ID found for prefix 5eed")).restore("5eed", tmp_path)
    assert calls(tmp_path) == ["cat"]


def test_what_could_not_be_written_is_named(program: Program, tmp_path: Path) -> None:
    """A volume that is too small says so of its files."""
    error = {"message_type": "error", "item": "/big", "error": {"message": "no space left on device"}}
    restic = program(restore=f"{say(error)} >&2\n{fatal(1, 'Fatal: There were 1 errors')}")
    with pytest.raises(VolumeError, match=r"There were 1 errors: /big \(no space left on device\)"):
        restic.restore("5eed", tmp_path)


def test_without_a_program_there_is_a_hint(tmp_path: Path) -> None:
    """The image lacks it."""
    with pytest.raises(CommandNotStarted) as caught:
        backup(Restic("r", {}, program="no-such-restic"), tmp_path)
    assert "the mover's image needs restic" in caught.value.hint


def test_the_password_is_no_word(program: Program, tmp_path: Path) -> None:
    """Words are seen by everybody on a machine."""
    restic = program(backup=f'[ "$RESTIC_PASSWORD" = sesame ] || exit 1\n{say(SUMMARY)}')
    backup(Restic(restic.repository, {"RESTIC_PASSWORD": "sesame"}), tmp_path)
    assert "sesame" not in (tmp_path / "calls").read_text()
