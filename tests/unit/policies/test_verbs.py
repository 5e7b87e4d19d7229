"""`trysail validate` and `trysail schema`, as they are typed: output, exit codes, and what they must never do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli.main import exit_code
from runner.errors import ExitCode
from runner.policies.schema import schema_text

GOOD = """\
apiVersion: trysail.dev/v1alpha1
kind: BackupStorageLocation
metadata: {name: primary}
spec:
  provider: s3
  objectStorage: {bucket: backups}
  config: {s3Url: "https://minio.example.com:9000"}
  credential:
    accessKeyId: {secretKeyRef: {namespace: shop, name: keys, key: id}}
    secretAccessKey: {file: secret.txt}
    sessionToken: {exec: [touch, executed]}
---
apiVersion: trysail.dev/v1alpha1
kind: BackupPolicy
metadata: {name: base}
spec: {includedNamespaces: [shop], storageLocation: primary}
---
apiVersion: trysail.dev/v1alpha1
kind: BackupPolicy
metadata: {name: shop}
extends: base
spec: {allowEmpty: true}
"""

# Every way out of the process that Python tells an audit hook of, and the file that a credential names.
GUARDED = """
import sys

def forbid(event, arguments):
    doors = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pty.")
    if event.startswith(doors) or (event == "open" and str(arguments[0]).endswith("secret.txt")):
        raise SystemExit(f"forbidden: {event} {arguments}")

sys.addaudithook(forbid)
from runner.cli.main import exit_code
sys.exit(exit_code(sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `policies` with two policies and a location, and the working directory beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.yaml").write_text(GOOD)
    return tmp_path


def test_each_document_that_holds_is_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Documents are named in the order of their files, and the exit code is 0."""
    assert exit_code(["validate", "policies"]) == ExitCode.DONE
    assert capsys.readouterr().out.splitlines() == [
        "policies/shop.yaml: BackupStorageLocation/primary ok",
        "policies/shop.yaml: BackupPolicy/base ok",
        "policies/shop.yaml: BackupPolicy/shop ok",
    ]


@pytest.mark.parametrize(("count", "line"), [(1, "1 document of"), (3, "3 documents of")])
def test_ignored_documents_are_counted(folder: Path, capsys: pytest.CaptureFixture[str], count: int, line: str) -> None:
    """What a folder holds beside our documents is said, so that nobody believes it checked."""
    (folder / "policies" / "app.yaml").write_text("---\napiVersion: apps/v1\nkind: Deployment\n" * count)
    assert exit_code(["validate", "policies"]) == ExitCode.DONE
    assert capsys.readouterr().out.splitlines()[-1] == f"{line} other kinds ignored"


def test_mistakes_are_a_compilers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Findings go to standard error with their hints, nothing to standard output, and the exit code is 1."""
    (folder / "policies" / "shop.yaml").write_text(GOOD.replace("allowEmpty: true", "alowEmpty: true"))
    assert exit_code(["validate", "policies"]) == ExitCode.ERROR
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "policies/shop.yaml:22:8: spec.alowEmpty: unknown field",
        "  hint: did you mean allowEmpty?",
        "1 mistake in 1 file.",
    ]


def test_json_of_documents(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-o json` says the same to programs: documents with their places, and what was ignored."""
    (folder / "policies" / "app.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")
    assert exit_code(["validate", "policies", "-o", "json"]) == ExitCode.DONE
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["valid"] is True
    assert verdict["findings"] == []
    assert verdict["documents"][2] == {"file": "policies/shop.yaml", "line": 18, "kind": "BackupPolicy", "name": "shop"}
    assert verdict["ignored"] == [{"file": "policies/app.yaml", "line": 1, "what": "Deployment/web"}]
    assert "merged" not in verdict


def test_json_of_mistakes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-o json` with mistakes: each with file, line, column, path, message and hint; the exit code is 1."""
    assert exit_code(["validate", "nowhere.yaml", "-o", "json"]) == ExitCode.ERROR
    assert json.loads(capsys.readouterr().out) == {
        "valid": False,
        "findings": [
            {
                "file": "nowhere.yaml",
                "line": 0,
                "column": 0,
                "path": "",
                "message": "no such file or folder",
                "hint": "",
            }
        ],
    }


def test_merged_policies_are_yaml(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--merged` prints the policies alone, after `extends`, as a stream that can be committed."""
    assert exit_code(["validate", "policies", "--merged"]) == ExitCode.DONE
    printed = capsys.readouterr().out
    assert printed.count("---\n") == 2
    assert printed.endswith("spec:\n  includedNamespaces:\n  - shop\n  storageLocation: primary\n  allowEmpty: true\n")


def test_merged_policies_are_json_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--merged -o json` adds the same to the verdict."""
    assert exit_code(["validate", "policies", "--merged", "-o", "json"]) == ExitCode.DONE
    merged = json.loads(capsys.readouterr().out)["merged"]
    assert [policy["metadata"]["name"] for policy in merged] == ["base", "shop"]
    assert merged[1]["spec"] == {"includedNamespaces": ["shop"], "storageLocation": "primary", "allowEmpty": True}


def test_a_path_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a path, nothing was checked: a usage error, which is 1 and not click's 2."""
    assert exit_code(["validate"]) == ExitCode.ERROR
    assert "Missing argument" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["policies"], ["policies", "--merged", "-o", "json"], ["policies", "nowhere"]])
def test_validate_opens_nothing(folder: Path, arguments: list[str]) -> None:
    """No socket is opened, no process started and no secret read: a stranger's pull request may be validated.

    An audit hook in a process of its own sees everything that Python does, whatever library does it.
    """
    (folder / "secret.txt").write_text("hunter2")
    result = run_guarded("validate", *arguments)
    assert "forbidden" not in result.stderr
    assert result.returncode == (ExitCode.ERROR if "nowhere" in arguments else ExitCode.DONE)
    assert "hunter2" not in result.stdout + result.stderr
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("door", ["import socket; socket.create_connection(('127.0.0.1', 1))", "open('secret.txt')"])
def test_the_guard_guards(folder: Path, door: str) -> None:
    """The hook of the test above does end a process that opens a socket or the secret."""
    script = GUARDED.replace("from runner.cli.main import exit_code", door)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "forbidden" in result.stderr


def run_guarded(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Trysail in a process of its own that ends at the first forbidden step."""
    return subprocess.run([sys.executable, "-c", GUARDED, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", ["validate", "schema"])
def test_help_pays_for_nothing(verb: str) -> None:
    """`--help` of these verbs imports neither pydantic nor a YAML reader, nor any vendor."""
    script = (
        "import sys; from runner.cli.main import exit_code; code = exit_code(sys.argv[1:]);"
        "print([name for name in ('pydantic', 'yaml', 'kubernetes', 'boto3', 'msgspec') if name in sys.modules]);"
        "sys.exit(code)"
    )
    result = subprocess.run([sys.executable, "-c", script, verb, "--help"], capture_output=True, text=True, check=False)
    assert result.returncode == ExitCode.DONE
    assert result.stdout.splitlines()[0].startswith(f"Usage: trysail {verb}")
    assert result.stdout.splitlines()[-1] == "[]"


def test_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`trysail schema` prints the schema and nothing else."""
    assert exit_code(["schema"]) == ExitCode.DONE
    assert capsys.readouterr().out == schema_text()


def test_schema_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--out` writes the same bytes, over what was there, and prints nothing."""
    (tmp_path / "schema.json").write_text("old")
    assert exit_code(["schema", "--out", str(tmp_path / "schema.json")]) == ExitCode.DONE
    assert (tmp_path / "schema.json").read_text() == schema_text()
    assert capsys.readouterr().out == ""


def test_schema_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that does not exist is said to be one, with exit code 1."""
    assert exit_code(["schema", "--out", str(tmp_path / "nowhere" / "schema.json")]) == ExitCode.ERROR
    assert "cannot be written" in capsys.readouterr().err
