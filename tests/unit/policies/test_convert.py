"""Velero's documents become ours: what is made holds, and nothing is lost without a word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from runner.archive.emitter import emit
from runner.errors import PolicyError
from runner.policies.backups import NO_FS_BACKUP
from runner.policies.convert_text import conversion_text
from runner.policies.load import load_documents
from runner.policies.parse import parse
from tests.unit.policies.velero_documents import (
    CONVERTED,
    SUBSETS,
    Json,
    bucket,
    converted,
    installations,
    policy,
    schedule,
    velero,
)

# Nothing is lost without a word


@given(SUBSETS)
def test_every_field_is_converted_or_named(template: Json) -> None:
    """Whatever a Schedule says is in the policy under the same name, or a note has the path of the field."""
    made = policy(schedule(template, paused=True, skipImmediately=True, useOwnerReferencesInBackup=True))
    named = {note.path for note in made.notes}
    for field in template:
        if field in CONVERTED:
            assert field in made.value["spec"], field
        else:
            assert f"spec.template.{field}" in named
    assert {"spec.schedule", "spec.paused", "spec.skipImmediately", "spec.useOwnerReferencesInBackup"} <= named


@pytest.mark.parametrize(
    "unset",
    [
        {"hooks": {}, "metadata": {}, "ttl": "0s", "csiSnapshotTimeout": "0s", "itemOperationTimeout": "0h0m0s"},
        {"includedNamespaces": ["*"], "excludedNamespaces": None, "includeClusterResources": None},
        {"labelSelector": None, "orLabelSelectors": [], "volumeSnapshotLocations": []},
        {"snapshotMoveData": False, "defaultVolumesToFsBackup": False, "defaultVolumesToRestic": False},
        {"hooks": {"resources": None}, "uploaderConfig": {}, "resourcePolicy": None, "labelSelector": {}},
    ],
)
def test_what_says_nothing_is_not_mentioned(unset: Json) -> None:
    """What Go writes for unset fields, and what is so anyway, makes neither a field nor a note."""
    plain = policy(bucket(), schedule({"storageLocation": "default", "snapshotVolumes": False}))
    padded = policy(bucket(), schedule({"storageLocation": "default", "snapshotVolumes": False, **unset}))
    assert padded.value == plain.value
    assert [note.path for note in padded.notes] == [note.path for note in plain.notes]


def test_notes_have_the_place_of_their_field() -> None:
    """A note points at the line and the column of the field's key."""
    (note,) = (note for note in policy(schedule({"ttl": "24h"})).notes if note.path == "spec.template.ttl")
    document = parse(f"---\n{emit(schedule({'ttl': '24h'})).decode()}", "velero.yaml").documents[0]
    place = document.keys["spec", "template", "ttl"]
    assert (note.file, note.line, note.column) == ("velero.yaml", place.mark.line, place.mark.column)


# What is made holds


@given(documents=installations())
def test_what_is_made_is_loaded(documents: list[Json], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Our own loader takes the text, unless a policy needs a location or fsBackup that is not there, as is said."""
    conversion = converted(*documents)
    assert conversion.findings == ()
    file = tmp_path_factory.mktemp("converted") / "velero.yaml"
    file.write_text(conversion_text(conversion), encoding="utf-8")
    unfinished = any(
        (note.path.endswith("storageLocation") and note.instead) or note.message.startswith(NO_FS_BACKUP)
        for note in conversion.notes
    )
    if unfinished or not conversion.made:
        with pytest.raises(PolicyError) as refusal:
            load_documents([file])
        messages = {finding.message.partition(" is named ")[0] for finding in refusal.value.findings}
        empty = {"holds no document", "holds no document of trysail.dev"}
        assert messages <= {"no BackupStorageLocation", NO_FS_BACKUP, *empty}
    else:
        assert len(load_documents([file]).documents) == len(conversion.made)
    # Comments stay comments, whatever was read; and the same documents give the same text.
    assert [each.value for each in parse(file.read_text("utf-8"), "x").documents] == [
        made.value for made in conversion.made
    ]
    assert conversion_text(converted(*documents)) == conversion_text(conversion)


# Names, and what stands for what


def test_who_can_keep_a_name_keeps_it() -> None:
    """A name without dots is not lost to one that is only like it once its dots are gone, whichever comes first."""
    conversion = converted(bucket(), schedule({}, "a.b"), schedule({}, "a-b"), schedule({}, "a.b.c"))
    names = {made.source.name: made.name for made in conversion.made if made.kind == "BackupPolicy"}
    assert names == {"a.b": "a-b-2", "a-b": "a-b", "a.b.c": "a-b-c"}


def test_policies_name_the_location_of_their_own_namespace() -> None:
    """Two Veleros in a cluster each have a location `default`; a policy takes that of its own."""
    there = velero("BackupStorageLocation", "default", bucket()["spec"], namespace="second")
    backup = velero("Backup", "shop", {"storageLocation": "default"}, namespace="second")
    conversion = converted(bucket(), there, backup)
    assert [made.name for made in conversion.made] == ["default", "default-2", "shop"]
    assert conversion.made[2].value["spec"]["storageLocation"] == "default-2"


def test_a_location_that_does_not_say_its_namespace_comes_second() -> None:
    """It may be the one that is meant, where no other is of the policy's own namespace."""
    anywhere = velero("BackupStorageLocation", "default", bucket()["spec"], namespace="")
    backup = velero("Backup", "shop", {"storageLocation": "default"})
    assert converted(anywhere, bucket(), backup).made[2].value["spec"]["storageLocation"] == "default-2"
    assert converted(anywhere, backup).made[1].value["spec"]["storageLocation"] == "default"


@pytest.mark.parametrize(
    ("locations", "expected"),
    [
        ([bucket("primary", default=True), bucket("default")], "primary"),
        ([bucket("primary"), bucket("default")], "default"),
        ([bucket("primary")], "default"),
    ],
)
def test_policies_without_a_location_take_the_default(locations: list[Json], expected: str) -> None:
    """The location that is marked; else the one of the name that Velero's server takes, whether it is given or not."""
    made = policy(*locations, schedule({}))
    assert made.value["spec"]["storageLocation"] == expected
    missing = not any(location["metadata"]["name"] == expected for location in locations)
    assert any(note.path == "spec.template.storageLocation" for note in made.notes) == missing


def run(name: str, created: str, **spec: Any) -> Json:
    """A Backup that the Schedule `nightly` has made."""
    labels = {"velero.io/schedule-name": "nightly"}
    return velero("Backup", name, spec, labels=labels, creationTimestamp=created)


def test_a_schedule_stands_for_its_runs() -> None:
    """Runs of a Schedule that is given make no policies; without it, the newest does, and has the Schedule's name."""
    runs = [run("nightly-20261121", "2026-11-21T02:00:00Z", ttl="1h"), run("nightly-1", "2026-11-20T02:00:00Z")]
    whole = converted(bucket(), schedule({}), *runs)
    assert [made.source.what for made in whole.made[1:]] == ["Schedule velero/nightly"]
    assert len(whole.skipped) == len(runs)
    alone = converted(bucket(), *runs)
    assert [(made.name, made.source.name) for made in alone.made[1:]] == [("nightly", "nightly-20261121")]
    assert [skipped.source.name for skipped in alone.skipped] == ["nightly-1"]


def test_no_value_that_may_be_secret_is_repeated() -> None:
    """What is not known, and what is to be named by reference, is in neither a note nor a document."""
    config = {"region": "eu-west-1", "secretAccessKey": "hunter2", "customerKeyEncryptionFile": "hunter2"}
    credential = {"name": "hunter2 hunter2", "key": "hunter2 hunter2"}
    storage = {"bucket": "backups", "caCert": "hunter2"}
    conversion = converted(bucket(config=config, credential=credential, objectStorage=storage))
    assert conversion.findings == ()
    assert "hunter2" not in conversion_text(conversion)
    assert {"spec.config.secretAccessKey", "spec.credential"} <= {note.path for note in conversion.notes}
