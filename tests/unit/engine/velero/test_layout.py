"""Backups in Velero's layout: all that a Velero asks for, nothing else at its root, and ours to read and to prove."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest
from pydantic import ValidationError

from runner.adapters.renderers import ProcessRenderers
from runner.archive.emitter import Emitter
from runner.archive.layout import LAYOUTS, VELERO
from runner.archive.render import json_object, render
from runner.engine.velero.keys import velero_backup
from runner.errors import ExitCode, Forbidden
from runner.model.cluster import Resource
from runner.model.entry import Batch
from runner.model.policy import ArchiveSpec, BackupPolicySpec
from tests.fakes.cluster import config_map
from tests.unit.engine.stage import Stage, fail
from tests.unit.engine.velero_stage import ROOT, SPEC, keys_of, named, parsed, staged, values

SAMPLE_FIELDS = {
    # Those of a record that a real Velero wrote, with what their values are.
    "kind": str,
    "apiVersion": str,
    "metadata.name": str,
    "metadata.namespace": str,
    "metadata.creationTimestamp": str,
    "metadata.labels": dict,
    "metadata.annotations": dict,
    "spec.includedNamespaces": list,
    "spec.snapshotVolumes": bool,
    "spec.ttl": str,
    "spec.storageLocation": str,
    "status.version": int,
    "status.formatVersion": str,
    "status.expiration": str,
    "status.phase": str,
    "status.startTimestamp": str,
    "status.completionTimestamp": str,
    "status.progress": dict,
}


# what is written


def test_the_keys_of_a_backup() -> None:
    """Velero's and ours, in the folder of the backup alone; the plan says so before."""
    stage = staged()
    assert stage.planned().plan.keys.endswith("/backups/{backup}/")
    stage.run()
    assert all(key.startswith(ROOT) for key in stage.store.objects)
    assert sorted(keys_of(stage)) == [
        "b1-logs.gz",
        "b1-resource-list.json.gz",
        "b1-results.gz",
        "b1-volumeinfo.json.gz",
        "b1.tar.gz",
        "index.jsonl.gz",
        "manifest.json",
        "plan.json",
        "velero-backup.json",
        "volumes.json",
    ]


def test_the_archive_is_one_that_velero_unpacks() -> None:
    """Plain files with mode 0755, which Velero makes folders with; paths without versions; compact JSON."""
    stage = staged()
    stage.run()
    with tarfile.open(fileobj=io.BytesIO(keys_of(stage)["b1.tar.gz"]), mode="r:gz") as tar:
        members = tar.getmembers()
        texts = {member.name: file.read() for member in members if (file := tar.extractfile(member)) is not None}
    assert all(member.isreg() and member.mode == 0o755 and not member.pax_headers for member in members)
    assert members[0].name == "metadata/version"
    assert texts.pop("metadata/version") == b"1.1.0\n"
    assert list(texts) == [
        "resources/namespaces/cluster/shop.json",
        "resources/secrets/namespaces/shop/s.json",
        *(f"resources/configmaps/namespaces/shop/c{n}.json" for n in range(5)),
    ]
    for name, text in texts.items():
        value = json.loads(text)
        assert text.decode() == json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        assert value["apiVersion"] == "v1"
        kinds = {"namespaces": "Namespace", "secrets": "Secret", "configmaps": "ConfigMap"}
        assert value["kind"] == kinds[name.split("/")[1]]
        assert name.endswith(f"/{value['metadata'].get('namespace', 'cluster')}/{value['metadata']['name']}.json")


def test_the_record_has_what_velero_asks_for() -> None:
    """Each field with the type that a real Velero's has, and none that Velero does not know."""
    stage = staged(archive={"layout": "velero", "ttl": "48h30m"})
    stage.run()
    record = parsed(keys_of(stage)["velero-backup.json"])
    for path, kind in SAMPLE_FIELDS.items():
        value = record
        for part in path.split("."):
            value = value[part]
        assert type(value) is kind, path
    known = {path.split(".")[1] for path in SAMPLE_FIELDS if "." in path} | {"errors", "warnings"}
    assert {field for part in ("metadata", "spec", "status") for field in record[part]} <= known
    assert record["metadata"]["name"] == "b1"
    assert record["metadata"]["labels"] == {
        "velero.io/storage-location": "default",
        "velero.io/schedule-name": "daily",
    }
    assert record["spec"] == {
        "includedNamespaces": ["shop"],
        "snapshotVolumes": False,
        "storageLocation": "default",
        "ttl": "48h30m0s",
    }
    status = record["status"]
    assert (status["phase"], status["version"], status["formatVersion"]) == ("Completed", 1, "1.1.0")
    assert status["progress"] == {"totalItems": 7, "itemsBackedUp": 7}
    assert (status["startTimestamp"][:10], status["expiration"][:10]) == ("2026-03-01", "2026-03-03")


def test_the_record_names_the_location() -> None:
    """As the policy does; whichever name a Velero has for it, it puts in its own."""
    stage = staged()
    stage.run()
    document = {"archive": {"layout": "velero"}, "storageLocation": "primary"}
    record = json.loads(velero_backup(named(stage).manifest, BackupPolicySpec.model_validate(document)))
    assert record["spec"]["storageLocation"] == "primary"
    assert record["metadata"]["labels"]["velero.io/storage-location"] == "primary"


def test_the_other_keys_of_velero() -> None:
    """The list of items by kind, results, volumes, and a log that is text."""
    stage = staged()
    stage.run(strike=fail("configmaps", Forbidden("gone")))
    keys = keys_of(stage)
    assert parsed(keys["b1-resource-list.json.gz"]) == {"v1/Namespace": ["shop"], "v1/Secret": ["shop/s"]}
    results = parsed(keys["b1-results.gz"])
    assert results["errors"]["velero"] == ["configmaps in namespace shop: gone"]
    assert results["warnings"]["velero"] == list(named(stage).manifest.warnings)
    assert parsed(keys["b1-volumeinfo.json.gz"]) == []
    log = gzip.decompress(keys["b1-logs.gz"]).decode()
    assert 'level="warning" msg="missing" event="missing" what="configmaps in namespace shop"' in log
    assert all(line.startswith('time="2026-03-01T') for line in log.splitlines())
    assert parsed(keys["velero-backup.json"])["status"]["phase"] == "PartiallyFailed"
    assert parsed(keys["velero-backup.json"])["status"]["errors"] == 1


def test_the_list_of_items_by_kind() -> None:
    """One list a kind, in the order of the archive."""
    stage = staged()
    stage.run()
    names = [f"shop/c{n}" for n in range(5)]
    assert parsed(keys_of(stage)["b1-resource-list.json.gz"]) == {
        "v1/Namespace": ["shop"],
        "v1/Secret": ["shop/s"],
        "v1/ConfigMap": names,
    }
    empty = Stage(config_map("stage", "a"), **SPEC, allowEmpty=True)
    empty.run()
    assert parsed(keys_of(empty)["b1-resource-list.json.gz"]) == {}
    assert parsed(keys_of(empty)["velero-backup.json"])["spec"]["includedNamespaces"] == ["*"]


def test_no_secret_beside_the_archive() -> None:
    """Its value is in the archive alone."""
    stage = staged()
    stage.run()
    for key, raw in keys_of(stage).items():
        content = gzip.decompress(raw) if key.endswith(".gz") else raw
        assert (b"aHVudGVyMi0x" in content) is (key == "b1.tar.gz"), key


def test_a_location_that_velero_will_not_use() -> None:
    """Where our own layout lies beside it, at the root: it is said, in the run and in the backup."""
    stage = staged()
    stage.store.objects["prod/shop/x/manifest.json"] = b"{}"
    result = stage.run()
    assert any("not Velero's: prod" in warning for warning in result.manifest.warnings)


# forms


def test_a_name_that_velero_cannot_unpack() -> None:
    """It is missing from the backup, and it is said why."""
    stage = Stage(config_map("shop", "a" * 251), config_map("shop", "a" * 250), **SPEC)
    result = stage.run()
    assert result.exit_code == ExitCode.PARTIAL
    (gap,) = result.manifest.missing
    assert "more than 250 bytes" in gap.reason
    assert list(values(stage)) == ["namespaces/shop", f"shop/configmaps/{'a' * 250}"]


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a\0b"])
def test_names_that_no_path_can_hold(name: str) -> None:
    """No entry, and a fault; the API server takes none of them, but a manifest might."""
    batch = Batch(Resource("", "configmaps", "v1", "ConfigMap", True), (("shop", name),), (b"{}",), "velero")
    (entry,) = render(batch, Emitter())
    assert "no path for its name" in entry.fault
    assert entry.content == b""


def test_odd_names_stand_as_they_are() -> None:
    """Velero escapes nothing."""
    path = VELERO.item_path("roles.rbac.authorization.k8s.io", "shop", "system:Controller%")
    assert path == "resources/roles.rbac.authorization.k8s.io/namespaces/shop/system:Controller%.json"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"{}", b'{"apiVersion":"v1","kind":"X"}'),
        (b'{"a": [1.0, 1e3, 98765432109876543]}', b'{"apiVersion":"v1","kind":"X","a":[1.0,1e3,98765432109876543]}'),
        (b'{"a": 12345678901234567890123}', b'{"apiVersion":"v1","kind":"X","a":12345678901234567890123}'),
        (b'{"kind": "Y", "a": "\\u2028 <"}', b'{"apiVersion":"v1","kind":"Y","a":"\\u2028 <"}'),
        (b'{"kind":"Y","apiVersion":"v2"}', b'{"kind":"Y","apiVersion":"v2"}'),
    ],
)  # fmt: skip
def test_an_object_keeps_its_values(raw: bytes, expected: bytes) -> None:
    """As the API server wrote them, without spaces; apiVersion and kind, which lists leave out, are put in."""
    assert json_object(raw, "v1", "X") == expected


@pytest.mark.parametrize("raw", [b"[]", b"{", b'{"a":"\xff"}', b'{"a":' * 3000 + b"1" + b"}" * 3000])
def test_what_is_no_object(raw: bytes) -> None:
    """A ValueError, which becomes a fault."""
    with pytest.raises(ValueError, match=r".+"):
        json_object(raw, "v1", "X")


def test_other_processes_render_it_too() -> None:
    """The layout goes with the batch."""
    about = Resource("", "configmaps", "v1", "ConfigMap", True)
    batch = Batch(about, (("shop", "a"),), (b'{"metadata": {"name": "a"}}',), "velero")
    with ProcessRenderers(1) as renderers:
        assert renderers.render(batch).result() == render(batch, Emitter())


# the policy


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        ({"layout": "restic"}, "'trysail' or 'velero'"),
        ({"ttl": "48h"}, "only a Velero knows a ttl"),
        ({"layout": "trysail", "ttl": "48h"}, "only a Velero knows a ttl"),
        ({"layout": "velero", "ttl": "2 days"}, "hours and minutes"),
        ({"layout": "velero", "ttl": "0h"}, "hours and minutes"),
        ({"layout": "velero", "ttl": ""}, "hours and minutes"),
    ],
)
def test_an_archive_that_cannot_be(archive: dict[str, str], said: str) -> None:
    """An error, and nothing accepted that would be ignored."""
    with pytest.raises(ValidationError, match=said):
        ArchiveSpec.model_validate(archive)


def test_the_usual_layout_may_be_said() -> None:
    """It is the same backup, but for the words of its policy."""
    stage = Stage(archive={"layout": "trysail"})
    stage.run()
    stage.stored()
    assert LAYOUTS["trysail"].content_keys("b1") == LAYOUTS["trysail"].content_keys("b2")


def test_the_plan_says_when_velero_deletes_it() -> None:
    """Since nobody else would."""
    assert any("ttl of 720h" in warning for warning in staged().planned().plan.warnings)
    assert not any("ttl" in warning for warning in Stage().planned().plan.warnings)
