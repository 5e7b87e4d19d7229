"""Files, folders and standard input become one set; what is not ours is left alone or refused, as it was given."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path

import pytest

from runner.errors import PolicyError
from runner.model.location import FilesystemLocation
from runner.policies.load import load_documents, load_policies
from runner.policies.sources import MAX_BYTES, STDIN

LOCATION = """\
apiVersion: trysail.dev/v1alpha1
kind: BackupStorageLocation
metadata: {name: primary}
spec: {provider: filesystem, path: backups}
"""
FOREIGN = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"


def policy(name: str, *, location: str = "primary", more: str = "") -> str:
    """A policy's text."""
    return (
        f"apiVersion: trysail.dev/v1alpha1\nkind: BackupPolicy\nmetadata: {{name: {name}}}\n{more}"
        f"spec: {{storageLocation: {location}}}\n"
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is also the working directory, so that places are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, text: str) -> None:
    """Writes a file, with its folders."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def messages(*paths: str) -> list[str]:
    """What is wrong with `paths`, with its places."""
    with pytest.raises(PolicyError) as refusal:
        load_policies(paths)
    return [f"{finding.file}:{finding.line}: {finding.message}" for finding in refusal.value.findings]


def test_one_set_however_it_is_cut_into_files(folder: Path) -> None:
    """Several documents in a file, several files, a folder: all give the same set."""
    write("one.yaml", "---\n".join([policy("b"), LOCATION, policy("a")]))
    for name, text in {"b": policy("b"), "l": LOCATION, "a": policy("a")}.items():
        write(f"many/{name}.yaml", text)
    whole = load_policies(["one.yaml"])
    assert [resolved.policy.metadata.name for resolved in whole.policies] == ["a", "b"]
    assert whole.policies[0].location == FilesystemLocation(provider="filesystem", path="backups")
    assert whole.policies[0].location_name == "primary"
    for paths in (["many"], ["many/a.yaml", "many/b.yaml", "many/l.yaml"], ["many/l.yaml", "many/b.yaml", "many"]):
        several = load_policies(paths)
        assert [resolved.policy for resolved in several.policies] == [resolved.policy for resolved in whole.policies]
        assert several.locations == whole.locations


def test_each_policy_knows_its_file(folder: Path) -> None:
    """`file` is the path as it was given, or as it lies below the folder that was."""
    write("many/deep/a.yml", policy("a", location="{provider: filesystem, path: x}"))
    (resolved,) = load_policies(["many"]).policies
    assert resolved.file == "many/deep/a.yml"
    assert resolved.location_name == ""


def test_hidden_files_and_other_endings_are_left_out(folder: Path) -> None:
    """In a folder, only `*.yaml` and `*.yml` that are not hidden are read."""
    write("many/a.yaml", policy("a", location="{provider: filesystem, path: x}"))
    for name in (".hidden.yaml", ".git/x.yaml", "notes.txt", "a.yaml.orig"):
        write(f"many/{name}", "no: [yaml")
    assert len(load_policies(["many"]).policies) == 1
    assert messages("many/.hidden.yaml")


def test_config_map_in_a_pod_is_read_once(folder: Path) -> None:
    """A mounted ConfigMap is links into a hidden folder of the day: each file counts once."""
    write("mounted/..2026_01_01/a.yaml", policy("a", location="{provider: filesystem, path: x}"))
    Path("mounted/..data").symlink_to("..2026_01_01")
    Path("mounted/a.yaml").symlink_to("..data/a.yaml")
    assert [document.file for document in load_documents(["mounted"]).documents] == ["mounted/a.yaml"]


def test_links_in_a_circle_end(folder: Path) -> None:
    """A folder that links to itself is read once."""
    write("many/a.yaml", policy("a", location="{provider: filesystem, path: x}"))
    Path("many/again").symlink_to(".")
    assert len(load_documents(["many"]).documents) == 1


def test_a_file_given_twice_counts_once(folder: Path) -> None:
    """A file that is named twice, or also lies in a folder that is, is no second document of the same name."""
    write("many/a.yaml", policy("a", location="{provider: filesystem, path: x}"))
    assert len(load_policies(["many/a.yaml", "./many/../many/a.yaml", "many"]).policies) == 1


def test_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input, whose places are those of <stdin>."""
    write("l.yaml", LOCATION)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(policy("a").encode())))
    assert load_policies(["-", "l.yaml"]).policies[0].file == STDIN
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(policy("A").encode())))
    assert messages("-", "l.yaml")[0].startswith("<stdin>:3: must be lower case letters")


def test_pipes_can_be_named(folder: Path) -> None:
    """`trysail validate <(generate)` works: what is named is opened, whatever it is."""
    os.mkfifo("pipe")
    text = policy("a", location="{provider: filesystem, path: x}")
    writer = threading.Thread(target=Path("pipe").write_text, args=(text,))
    writer.start()
    assert load_policies(["pipe"]).policies[0].file == "pipe"
    writer.join()


def test_other_kinds_in_a_folder_are_ignored_and_counted(folder: Path) -> None:
    """A folder may hold other people's documents, templates and broken files; each is named among what is ignored."""
    write("many/a.yaml", policy("a", location="{provider: filesystem, path: x}") + "---\n" + FOREIGN)
    write("many/chart.yaml", "{{- range }}\n")
    write("many/kustomization.yaml", "resources: [a.yaml]\nresources: [b.yaml]\n")
    write("many/velero.yaml", "apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {name: x}\n")
    write("many/list.yaml", "- a\n")
    ignored = [(one.file, one.what) for one in load_documents(["many"]).ignored]
    assert ignored == [
        ("many/a.yaml", "Deployment/web"),
        ("many/chart.yaml", "no YAML"),
        ("many/kustomization.yaml", "this"),
        ("many/list.yaml", "no document"),
        ("many/velero.yaml", "BackupStorageLocation/x"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        policy("a").replace("trysail.dev/v1alpha1", "trysail.dev/v2"),
        policy("a").replace("trysail.dev", "trysial.dev"),
        policy("a").replace("apiVersion: trysail.dev/v1alpha1\n", ""),
        policy("a").replace("trysail.dev/v1alpha1", "v1alpha1"),
        "# BackupPolicy\nmetadata: {name: [\n",
    ],
)
def test_slips_are_not_taken_for_other_kinds(folder: Path, text: str) -> None:
    """A document in a folder that was to be ours is never passed over in silence."""
    write("many/a.yaml", text)
    write("many/l.yaml", LOCATION)
    assert [message for message in messages("many") if message.startswith("many/a.yaml")]


def test_other_kinds_in_a_named_file_are_refused(folder: Path) -> None:
    """Who names a file means it: a document that is not ours is a mistake there, also beside one that is."""
    write("a.yaml", policy("a", location="{provider: filesystem, path: x}") + "---\n" + FOREIGN)
    assert messages("a.yaml") == ["a.yaml:6: Deployment/web is no document of trysail.dev"]


def test_nothing_of_ours_is_a_mistake(folder: Path) -> None:
    """A folder without any policy is said to be one: a check of nothing must not pass."""
    write("many/a.yaml", FOREIGN)
    Path("empty").mkdir()
    assert messages("many", "empty") == [
        "empty:0: holds no document of trysail.dev",
        "many:0: holds no document of trysail.dev",
    ]


def test_missing_paths_are_all_named(folder: Path) -> None:
    """A path that does not exist is a finding with what was probably meant, beside all others."""
    write("policies/shop.yaml", policy("A"))
    with pytest.raises(PolicyError) as refusal:
        load_policies(["policies/shp.yaml", "nowhere/x", "policies"])
    found = {finding.file: finding for finding in refusal.value.findings}
    assert found["policies/shp.yaml"].hint == "did you mean policies/shop.yaml?"
    assert found["nowhere/x"].message == "no such file or folder"
    assert "policies/shop.yaml" in found


def test_unreadable_files_are_named(folder: Path) -> None:
    """What the system does not let us read is a finding: here a link to itself, which even root cannot open."""
    Path("a.yaml").symlink_to("a.yaml")
    assert messages("a.yaml") == ["a.yaml:0: cannot be read: too many levels of symbolic links"]


def test_huge_files_are_refused_unread(folder: Path) -> None:
    """Nothing larger than 8 MiB is parsed; and no more than that is taken from a source without an end."""
    with Path("big.yaml").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert messages("big.yaml", "/dev/zero") == [
        "/dev/zero:0: larger than 8 MiB",
        "big.yaml:0: larger than 8 MiB",
    ]


def test_names_are_not_missed_beside_a_broken_file(folder: Path) -> None:
    """Where a file is lost, the location or base that a policy names may well have been in it: no second complaint."""
    write("a.yaml", policy("a") + "---\n" + policy("b", more="extends: base\n"))
    write("l.yaml", LOCATION.replace("primary}", "primary"))
    assert [message.partition(":")[0] for message in messages("a.yaml", "l.yaml")] == ["l.yaml"]


def test_mistakes_of_all_files_come_at_once(folder: Path) -> None:
    """Every mistake of every file is in the one error, in the order of files and lines."""
    write("b.yaml", policy("B") + "---\n" + policy("c", location="[x]"))
    write("a.yaml", LOCATION.replace("path", "paht"))
    assert [message.split(" ")[0] for message in messages("b.yaml", "a.yaml")] == [
        "a.yaml:4:",
        "b.yaml:3:",
        "b.yaml:9:",
    ]


def test_a_location_that_does_not_hold_is_not_missing(folder: Path) -> None:
    """A policy is not blamed for the mistakes of the location that it names."""
    write("a.yaml", policy("a") + "---\n" + LOCATION.replace("backups", "~/backups"))
    assert messages("a.yaml") == ["a.yaml:9: '~' means the home folder to a shell alone"]


def test_python_names_are_not_fields(folder: Path) -> None:
    """The models answer to snake_case in Python; YAML has one spelling."""
    write("a.yaml", policy("a", location="{provider: s3, object_storage: {bucket: abc}}"))
    assert messages("a.yaml") == ["a.yaml:4: unknown field"]
