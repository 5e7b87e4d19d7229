"""`trysail restore`: which backup and which RestorePolicy are meant, saved plans, damaged backups, and consent."""

from __future__ import annotations

import errno
import json
import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from runner.adapters.filesystem import FilesystemStore
from tests.fakes.velero_backup import VeleroBackupFiles
from tests.real.trysail import COMMAND, PATIENCE, assert_no_secret
from tests.unit.cli.repair import BACKUP, EVERYTHING, OTHER_PASSWORD, PASSWORD, Repair, config_map, fates

PLAN_WIDTH = 80
# A process takes the terminal for its own, so that Ctrl-C is a signal, as at anybody's desk; then it is Trysail.
_TAKE = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
_WITH_TERMINAL = (sys.executable, "-c", _TAKE, *COMMAND)
CONSENT = "Only 'yes' will be accepted"


@pytest.fixture
def repair(tmp_path: Path) -> Repair:
    """A cluster that has lost everything, and a backup of it."""
    made = Repair(tmp_path)
    made.lose()
    return made


# the backup that is meant


def test_the_newest_and_an_older_one(repair: Repair) -> None:
    """`latest` is the newest Completed one; every other has its name."""
    repair.restore(BACKUP, "--auto-approve")
    repair.put(config_map("stage", "later", {}))
    repair.back_up("b2")
    repair.lose()
    assert set(fates(repair.plan(BACKUP))) == EVERYTHING
    assert set(fates(repair.plan("latest"))) == {*EVERYTHING, "stage/configmaps/later"}


def test_of_one_policy_and_cluster(repair: Repair) -> None:
    """--policy and --cluster say which `latest`; without them the choices are named."""
    repair.restore(BACKUP, "--auto-approve")
    policy = repair.shelf.policy("other", includedNamespaces=["stage"], clusterName="second")
    repair.shelf.run("-f", policy, "--name", "o1")
    repair.lose()
    ended = repair.restore("latest", "--plan", code=1)
    assert "candidates: policy shop of cluster real, policy other of cluster second" in ended.err
    for words, name in ((("--policy", "other"), "o1"), (("--cluster", "second"), "o1"), (("--cluster", "real"), "b1")):
        assert repair.plan("latest", *words)["backup"]["name"] == name
    there = ("--manifests", repair.cluster, "--plan", "-o", "json")
    found = repair.call("restore", "latest", "-f", repair.folder, "--policy", "other", *there)
    assert json.loads(found.out)["backup"]["name"] == "o1"


def test_one_of_veleros(repair: Repair) -> None:
    """Its bucket is restored from, and nothing is written into it."""
    bucket = repair.folder / "velero"
    backup = VeleroBackupFiles()
    backup.put(FilesystemStore(bucket))
    words = ("--location", bucket, "--manifests", repair.cluster, "--auto-approve")
    before = sorted(bucket.rglob("*"))
    repair.call("restore", backup.name, *words)
    assert repair.live("shop/ConfigMap/settings")["data"] == {"on": "y"}
    repair.put(config_map("shop", "settings", {"on": "n"}, app="web"))
    update = ("-n", "shop", "--existing-resource-policy", "update")
    ended = repair.call("restore", backup.name, *words, *update, code=1)
    assert "what is overwritten cannot be saved in Velero's own bucket" in ended.err
    assert repair.live("shop/ConfigMap/settings")["data"] == {"on": "n"}
    repair.call("restore", backup.name, *words, *update, "--undo-location", repair.folder / "undo")
    assert repair.live("shop/ConfigMap/settings")["data"] == {"on": "y"}
    assert sorted(bucket.rglob("*")) == before


# RestorePolicies


def test_a_committed_restore(repair: Repair) -> None:
    """-f alone is enough where the files hold one RestorePolicy."""
    policy = repair.restore_policy(includedNamespaces=["shop"], namespaceMapping={"shop": "copy"})
    repair.call("restore", "-f", policy, "--manifests", repair.cluster, "--auto-approve")
    assert {name.split("/")[0] for name in repair.objects(repair.cluster) if "ConfigMap" in name} == {"copy"}


def test_one_of_several(repair: Repair) -> None:
    """--restore-policy; a backup that is named takes the place of the policy's own."""
    repair.restore_policy("first", backupName="none-such")
    repair.restore_policy("second", includedNamespaces=["stage"])
    words = ("--manifests", repair.cluster, "--plan", "-o", "json")
    choose = ("restore", "-f", repair.folder / "restores", *words, "--restore-policy")
    plan = json.loads(repair.call(*choose, "second").out)
    assert (plan["policyName"], {name for name in fates(plan) if "shop" in name}) == ("second", set())
    assert json.loads(repair.call(*choose, "first", BACKUP).out)["backup"]["name"] == BACKUP


def test_options_beside_a_committed_one(repair: Repair) -> None:
    """Each takes the place of its field; the others stay."""
    policy = repair.restore_policy(includedNamespaces=["shop"], labels={"team": "web"}, existingResourcePolicy="update")
    words = ("--manifests", repair.cluster, "--plan", "-o", "json")
    ended = repair.call("restore", "-f", policy, "-n", "stage", "--existing-resource-policy", "recreate", *words)
    assert json.loads(ended.out)["policy"]["spec"] == {
        "backupName": BACKUP,
        "existingResourcePolicy": "recreate",
        "includedNamespaces": ["stage"],
        "labels": {"team": "web"},
        "storageLocation": repair.shelf.location,
    }


def test_where_a_committed_one_does_not_say_where(repair: Repair) -> None:
    """--location says it, beside -f; it also takes the place of what the policy says."""
    for spec in ({"storageLocation": None}, {"storageLocation": {"provider": "filesystem", "path": "/nowhere"}}):
        policy = repair.restore_policy(**spec)
        words = ("--location", repair.backups, "--manifests", repair.cluster, "--plan", "-o", "json")
        assert set(fates(json.loads(repair.call("restore", "-f", policy, *words).out))) == EVERYTHING


def test_one_that_is_not_used_is_said(repair: Repair) -> None:
    """Who names a backup and a file may think that the file's RestorePolicy is meant."""
    repair.restore_policy(namespaceMapping={"shop": "copy"})
    words = ("-f", repair.folder / "restores", "-f", repair.policy, "--manifests", repair.cluster, "--plan")
    ended = repair.call("restore", BACKUP, *words)
    assert ended.err == (
        "Note: BACKUP is named, so no RestorePolicy is used: --restore-policy NAME uses one of repair\n"
    )
    (line,) = repair.call("restore", BACKUP, *words, "--log-format", "json").err.splitlines()
    assert json.loads(line)["event"] == "warning"


# saved plans


def test_a_saved_plan(repair: Repair) -> None:
    """The command that is printed does exactly it, without a question; a second time there is nothing left to do."""
    file = repair.folder / "a plan.json"
    ended = repair.restore(BACKUP, "-n", "shop", "--namespace-mappings", "shop:copy", "--out", file)
    command = ended.out.splitlines()[-1].strip()
    assert command == f"trysail restore '{file}' --manifests {repair.cluster}"
    assert "copy" not in str(repair.objects(repair.cluster))
    assert "  done  7 created, 0 updated, 0 recreated\n" in repair.again(command).out
    before = repair.state()
    again = repair.again(command)
    assert again.err == "Done already, by an earlier run: 7 items.\n"
    assert again.out == "No changes. Nothing of this plan is left to do.\n"
    assert json.loads(repair.again(f"{command} --log-format json").out)["already"] == 7
    assert repair.state() == before


def test_a_plan_of_json_alone(repair: Repair) -> None:
    """-o json beside --out prints the very plan that is saved."""
    file = repair.folder / "plan.json"
    assert repair.restore(BACKUP, "--out", file, "-o", "json").out == file.read_text()
    assert "No changes" not in repair.call("restore", file, "--manifests", repair.cluster, "--plan").out


# a backup that does not verify


def test_a_damaged_backup(repair: Repair) -> None:
    """Is refused; where it is allowed, what can be proven is restored and the rest is named."""
    archive = next(repair.backups.rglob("k8s-objects.tar.gz"))
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)
    ended = repair.restore(BACKUP, "--auto-approve", code=4)
    assert ended.err.splitlines()[0] == 'Error: the backup "b1" is not what was recorded'
    assert "or, with --allow-damaged, what can be proven of this one" in ended.err
    assert repair.objects(repair.cluster).keys() == {"Namespace/kube-system"}
    plan = repair.plan(BACKUP, "--allow-damaged", code=4)
    assert set(fates(plan)) == EVERYTHING
    refused = {name for name, fate in fates(plan).items() if fate == "invalid"}
    assert refused
    repair.restore(BACKUP, "--allow-damaged", "--auto-approve", code=4)
    assert fates(repair.plan(BACKUP, "--allow-damaged", code=4)) == {
        name: "invalid" if name in refused else "unchanged" for name in EVERYTHING
    }


# consent


@pytest.mark.parametrize(("answer", "code"), [("yes", 0), ("y", 1), ("YES", 1), ("", 1), ("no", 1), ("yes ", 1)])
def test_consent(repair: Repair, answer: str, code: int) -> None:
    """`yes` does it, anything else changes nothing. What is shown before names where it goes, and fits 80 columns."""
    before = repair.state()
    shown, ended = on_terminal(repair, answer)
    assert ended == code, shown
    assert f"  context  cluster\r\n  server   {repair.cluster}\r\n" in shown[shown.index("Do you want") :]
    assert (repair.state() == before) == bool(code)
    assert ("Restore cancelled: nothing was changed." in shown) == bool(code)
    assert_no_secret(shown, more=(PASSWORD, OTHER_PASSWORD))


def test_an_answer_that_never_comes(repair: Repair) -> None:
    """The terminal is closed, or somebody presses Ctrl-C: 130, and nothing is changed."""
    before = repair.state()
    for key in ("\x04", "\x03"):
        shown, ended = on_terminal(repair, key, end="")
        assert ended == 130, shown
        assert "ancelled" in shown.partition(CONSENT)[2]
    assert repair.state() == before


def on_terminal(repair: Repair, answer: str, end: str = "\n") -> tuple[str, int]:
    """A restore on a terminal of 80 columns, answered once it asks: what is shown, and the exit code."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, PLAN_WIDTH))
    words = ["restore", BACKUP, "--location", str(repair.backups), "--manifests", str(repair.cluster)]
    process = subprocess.Popen(
        [*_WITH_TERMINAL, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=repair.trysail.environment(),
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = ""
        while CONSENT not in shown:
            more = _read(ours)
            assert more, shown
            shown += more
        os.write(ours, (answer + end).encode())
        while True:
            # A key is lost in the instant in which the prompt takes over the terminal: it is pressed again.
            while not end and not select.select([ours], [], [], 1.0)[0]:
                os.write(ours, answer.encode())
            if not (more := _read(ours)):
                break
            shown += more
        return shown, process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read(terminal: int) -> str:
    """What comes next; "" at the end, which Linux calls an error."""
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return ""
