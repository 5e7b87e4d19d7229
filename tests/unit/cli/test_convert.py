"""`trysail convert`, as it is typed: what it prints and writes, its exit codes, and what it refuses."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli.main import exit_code
from runner.errors import ExitCode
from runner.policies.load import load_documents
from tests.golden.golden import assert_golden

CASES = Path(__file__).parents[2] / "golden" / "convert"
FOREIGN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"
LOCATION = """\
apiVersion: velero.io/v1
kind: BackupStorageLocation
metadata: {name: default, namespace: velero}
spec: {provider: aws, objectStorage: {bucket: backups, prefix: prod}}
"""
SCHEDULE = """\
apiVersion: velero.io/v1
kind: Schedule
metadata: {name: nightly, namespace: velero}
spec: {schedule: 0 2 * * *, template: {includedNamespaces: [shop], snapshotVolumes: false}}
"""
SNAPSHOTS = """\
apiVersion: velero.io/v1
kind: VolumeSnapshotLocation
metadata: {name: default, namespace: velero}
spec: {provider: gcp}
"""

# Every way out of the process that Python tells an audit hook of.
GUARDED = """
import sys

def forbid(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system")):
        raise SystemExit(f"forbidden: {event} {arguments}")

sys.addaudithook(forbid)
from runner.cli.main import exit_code
sys.exit(exit_code(sys.argv[1:]))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a folder `velero` in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "velero").mkdir()
    return tmp_path


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_said_word_for_word(case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each folder of tests/golden/convert holds what Velero's tools print, and exactly what is made and said of it."""
    monkeypatch.chdir(CASES / case)
    code = exit_code(["convert", *map(str, sorted(Path("velero").iterdir()))])
    said = capsys.readouterr()
    assert_golden(CASES / case / "expected.yaml", said.out)
    assert_golden(CASES / case / "report.txt", f"{said.err}exit code {int(code)}\n")


@pytest.mark.parametrize(
    ("documents", "code"),
    [([LOCATION, SCHEDULE], ExitCode.DONE), ([LOCATION, SNAPSHOTS], ExitCode.FINDINGS), ([FOREIGN], ExitCode.ERROR)],
)
def test_exit_codes(place: Path, documents: list[str], code: ExitCode) -> None:
    """0 where all is converted, 4 where backups differ from now on, 1 where there was nothing to convert."""
    (place / "velero" / "all.yaml").write_text("---\n".join(documents))
    assert exit_code(["convert", "velero"]) == code


def test_files_are_loaded_as_one_set(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --out, each document has a file of its own in a folder that is made, and the folder is valid as it is."""
    (place / "velero" / "all.yaml").write_text(f"{LOCATION}---\n{SCHEDULE}")
    assert exit_code(["convert", "velero", "--out", "git/policies"]) == ExitCode.DONE
    assert sorted(path.name for path in Path("git/policies").iterdir()) == [
        "location-default.yaml",
        "policy-nightly.yaml",
    ]
    assert len(load_documents(["git/policies"]).documents) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "git/policies/location-default.yaml: BackupStorageLocation/default, from BackupStorageLocation "
        "velero/default, velero/all.yaml:1",
        "git/policies/policy-nightly.yaml: BackupPolicy/nightly, from Schedule velero/nightly, velero/all.yaml:6",
    ]


def test_a_config_map_is_taken_where_it_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a file that is named, the ConfigMap of a resourcePolicy is looked into, wherever it is; others are refused."""
    rules = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: rules, namespace: velero}
data: {rules: "{version: v1, volumePolicies: [{conditions: {nfs: {}}, action: {type: skip}}]}"}
"""
    named = SCHEDULE.replace("snapshotVolumes: false", "resourcePolicy: {kind: configmap, name: rules}")
    (place / "velero" / "all.yaml").write_text(f"{rules}---\n{LOCATION}---\n{named}")
    assert exit_code(["convert", "velero/all.yaml"]) == ExitCode.DONE
    assert "  - conditions:\n      nfs: {}\n    action:\n      type: skip\n" in capsys.readouterr().out
    (place / "velero" / "all.yaml").write_text(f"{rules}---\n{LOCATION}---\n{SCHEDULE}")
    assert exit_code(["convert", "velero/all.yaml"]) == ExitCode.ERROR
    assert "ConfigMap is no document of Velero's" in capsys.readouterr().err


@pytest.mark.parametrize(
    "data",
    [
        "{}",
        "{a: x, b: y}",
        "{a: '- list'}",
        "{a: 'volumePolicies: text'}",
        "{a: '{'}",
        "[text]",
        '{a: "b: 1\\n---\\nc: 2"}',
    ],
)
def test_a_config_map_that_velero_would_refuse_is_a_mistake(
    place: Path, capsys: pytest.CaptureFixture[str], data: str
) -> None:
    """One text of YAML with a list of rules, or nothing is made of the documents."""
    rules = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: rules, namespace: velero}}\ndata: {data}\n"
    named = SCHEDULE.replace("snapshotVolumes: false", "resourcePolicy: {kind: configmap, name: rules}")
    (place / "velero" / "all.yaml").write_text(f"{rules}---\n{LOCATION}---\n{named}")
    assert exit_code(["convert", "velero"]) == ExitCode.ERROR
    said = capsys.readouterr()
    assert said.out == ""
    assert "does not hold one text of YAML that has a list volumePolicies" in said.err


def test_each_kind_has_files_of_its_own(place: Path) -> None:
    """Documents of four kinds may share a name; the folder is valid as it is."""
    snapshots = SNAPSHOTS.replace("{provider: gcp}", "{provider: aws, config: {region: eu-west-1}}")
    schedule = SCHEDULE.replace("name: nightly", "name: default")
    restore = "apiVersion: velero.io/v1\nkind: Restore\nmetadata: {name: default}\nspec: {backupName: shop}\n"
    (place / "velero" / "all.yaml").write_text(f"{LOCATION}---\n{snapshots}---\n{schedule}---\n{restore}")
    assert exit_code(["convert", "velero", "--out", "git"]) == ExitCode.DONE
    names = ["location-default.yaml", "policy-default.yaml", "restore-default.yaml", "snapshots-default.yaml"]
    assert sorted(path.name for path in Path("git").iterdir()) == names
    assert len(load_documents(["git"]).documents) == len(names)


def test_files_hold_what_is_printed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file has the document with its comments, as on standard output."""
    (place / "velero" / "all.yaml").write_text(f"{LOCATION}---\n{SCHEDULE}")
    exit_code(["convert", "velero", "--out", "policies"])
    capsys.readouterr()
    exit_code(["convert", "velero"])
    files = [Path("policies/location-default.yaml"), Path("policies/policy-nightly.yaml")]
    assert capsys.readouterr().out == "\n".join(file.read_text() for file in files)


def test_nothing_is_written_over(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where one file is there already, it is named and none is written; --force writes over it."""
    (place / "velero" / "all.yaml").write_text(f"{LOCATION}---\n{SCHEDULE}")
    (place / "policies").mkdir()
    (place / "policies" / "policy-nightly.yaml").write_text("mine")
    assert exit_code(["convert", "velero", "--out", "policies"]) == ExitCode.ERROR
    assert "policies/policy-nightly.yaml is there already" in capsys.readouterr().err
    assert [path.read_text() for path in Path("policies").iterdir()] == ["mine"]
    assert exit_code(["convert", "velero", "--out", "policies", "--force"]) == ExitCode.DONE
    assert len(load_documents(["policies"]).documents) == 2


def test_a_mistake_anywhere_makes_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All or nothing: with a mistake, nothing is printed and no folder made."""
    bad = SCHEDULE.replace("[shop]", "shop").replace("nightly", "daily")
    (place / "velero" / "all.yaml").write_text(f"{LOCATION}---\n{SCHEDULE}---\n{bad}")
    assert exit_code(["convert", "velero", "--out", "policies"]) == ExitCode.ERROR
    assert exit_code(["convert", "velero"]) == ExitCode.ERROR
    said = capsys.readouterr()
    assert said.out == ""
    assert "velero/all.yaml:14:60: spec.template.includedNamespaces: must be a list, not text" in said.err
    assert not Path("policies").exists()


def test_others_are_ignored_in_a_folder_and_refused_in_a_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not Velero's is counted by kind in a folder; in a file that is named, it is a mistake with its place."""
    (place / "velero" / "all.yaml").write_text(f"{LOCATION}---\n{FOREIGN}---\n{FOREIGN}")
    (place / "velero" / "chart.yaml").write_text("a: [{{ .Values.list }}\n")
    assert exit_code(["convert", "velero"]) == ExitCode.DONE
    assert "3 other documents ignored: 2 ConfigMap, 1 no YAML." in capsys.readouterr().err
    assert exit_code(["convert", "velero/all.yaml"]) == ExitCode.ERROR
    assert "velero/all.yaml:6:13: apiVersion: ConfigMap is no document of Velero's" in capsys.readouterr().err


def test_lists_and_standard_input_are_sifted(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list, which nobody can take apart by hand, and a pipe may hold other things too."""
    assert place.is_dir()
    items = "".join(
        f"- {document.strip().replace(chr(10), chr(10) + '  ')}\n" for document in (FOREIGN, LOCATION, SCHEDULE)
    )
    for text in (f"apiVersion: v1\nkind: List\nitems:\n{items}", f"{FOREIGN}---\n{LOCATION}---\n{SCHEDULE}"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert exit_code(["convert", "-"]) == ExitCode.DONE
        said = capsys.readouterr()
        assert "1 other document ignored: 1 ConfigMap." in said.err
        assert "<stdin>" in said.out


def test_items_of_a_typed_list_have_its_kind(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`velero schedule get -o yaml` prints a ScheduleList, as API servers do, whose items say no kind."""
    item = "\n".join(f"  {line}" for line in SCHEDULE.splitlines()[2:])
    text = f"apiVersion: velero.io/v1\nkind: ScheduleList\nitems:\n- {item.strip()}\n"
    (place / "velero" / "list.yaml").write_text(text)
    assert exit_code(["convert", "velero/list.yaml"]) == ExitCode.FINDINGS
    assert "# From Schedule velero/nightly, velero/list.yaml:4." in capsys.readouterr().out


def test_mistakes_of_other_peoples_documents_are_theirs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key given twice in an item that is ignored stops nothing; in one that is converted, it does."""
    foreign = "- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: b, a: c}}\n"
    ours = f"- {LOCATION.strip().replace(chr(10), chr(10) + '  ')}\n"
    text = f"apiVersion: v1\nkind: List\nitems:\n{foreign}{ours}"
    (place / "velero" / "list.yaml").write_text(text)
    assert exit_code(["convert", "velero/list.yaml"]) == ExitCode.DONE
    (place / "velero" / "list.yaml").write_text(text.replace("prefix: prod", "prefix: prod, prefix: test"))
    assert exit_code(["convert", "velero/list.yaml"]) == ExitCode.ERROR
    assert ": spec.objectStorage.prefix: the key is given twice" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_an_error(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file stands where the folder is to be."""
    (place / "velero" / "all.yaml").write_text(LOCATION)
    (place / "policies").write_text("")
    assert exit_code(["convert", "velero", "--out", "policies"]) == ExitCode.ERROR
    assert "policies cannot be made" in capsys.readouterr().err


def test_nothing_is_contacted(place: Path) -> None:
    """No socket is opened and no process started, whatever the documents name."""
    (place / "velero" / "all.yaml").write_text(f"{LOCATION}---\n{SCHEDULE}")
    command = [sys.executable, "-c", GUARDED, "convert", "velero", "--out", "policies"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.DONE, done.stderr
