"""A manifest is read back as it was written, to the bit, or not at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runner.archive.manifest import read_manifest
from runner.errors import BackupDamaged, FormatError
from runner.model.canonical import canonical, digest, readable
from tests.fakes.stored_backup import StoredBackup

MANIFEST = StoredBackup().manifest()
RAW = readable(MANIFEST)


def _sealed(**changes: Any) -> bytes:
    """The manifest with other fields, under a digest that fits."""
    document = msgspec.json.decode(RAW) | changes | {"digest": ""}
    return readable({**document, "digest": digest(canonical(document))})


def test_a_manifest_comes_back() -> None:
    """What was written is what is read."""
    assert read_manifest(RAW, "key") == MANIFEST


def test_every_flipped_bit_is_found() -> None:
    """Each bit of each byte, those in spaces and in the digest itself too; and none is taken for a newer format."""
    for place in range(len(RAW)):
        for bit in range(8):
            spoiled = bytearray(RAW)
            spoiled[place] ^= 1 << bit
            with pytest.raises(BackupDamaged):
                read_manifest(bytes(spoiled), "key")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(RAW[:-1], id="cut by one byte"),
        pytest.param(RAW[: len(RAW) // 2], id="cut in the middle"),
        pytest.param(RAW + b"\n", id="a line more"),
        pytest.param(msgspec.json.encode(msgspec.json.decode(RAW)), id="the same values, written otherwise"),
        pytest.param(RAW.replace(b'"Backup"', b'"Backup",\n  "kind": "Backup"'), id="a key twice"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"[" * 100_000, id="nested"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(_sealed(phase="Fine"), id="an unknown phase"),
        pytest.param(_sealed(completed="yesterday"), id="no time"),
        pytest.param(_sealed(completed="2026-01-02T03:04:05"), id="a time without its zone"),
        pytest.param(_sealed(items="many"), id="another type"),
        pytest.param(_sealed(keys=None), id="no keys"),
    ],
)
def test_what_is_no_manifest_of_ours_is_damaged(raw: bytes) -> None:
    """Whatever it is, it is BackupDamaged with the key and a hint, never a traceback."""
    with pytest.raises(BackupDamaged) as caught:
        read_manifest(raw, "prod/shop/x/manifest.json")
    assert caught.value.context["key"] == "prod/shop/x/manifest.json"
    assert caught.value.hint


def test_a_newer_major_format_asks_for_an_upgrade() -> None:
    """It is whole, so it is not damaged; this version cannot know what it says."""
    with pytest.raises(FormatError) as caught:
        read_manifest(_sealed(formatVersion="2.0", keys="as you like"), "key")
    assert "2.0" in caught.value.message
    assert "upgrade" in caught.value.hint


def test_a_newer_minor_format_is_read() -> None:
    """Fields that are not known are passed over, and their bits are held all the same."""
    raw = _sealed(formatVersion="1.7", colour="blue")
    assert read_manifest(raw, "key").name == MANIFEST.name
    with pytest.raises(BackupDamaged):
        read_manifest(raw.replace(b"blue", b"grey"), "key")
