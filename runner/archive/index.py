"""The index: one JSON line an item, in the archive's order, that says what and where it is."""

from __future__ import annotations

import msgspec

from runner.errors import BackupDamaged
from runner.model.cluster import ItemId


class IndexLine(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One item of an archive. `member` and `offset` lead to its YAML with one range read."""

    resource: str  # deployments.apps
    name: str
    api_version: str
    kind: str
    uid: str
    resource_version: str
    sha256: str  # of the YAML, in hexadecimal
    size: int  # bytes of the YAML
    member: int  # where its gzip member starts in the archive
    offset: int  # where its YAML starts in the member, uncompressed
    namespace: str = ""
    labels: dict[str, str] = {}

    @property
    def id(self) -> ItemId:
        """The item's identity."""
        plural, _, group = self.resource.partition(".")
        return ItemId(group, plural, self.namespace, self.name)


def encode_line(line: IndexLine) -> bytes:
    """The line, with its end."""
    return _ENCODER.encode(line) + b"\n"


def decode_line(raw: bytes) -> IndexLine:
    """The line again; BackupDamaged where it is none."""
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BackupDamaged(f"the index has a line that is not understood: {error}", hint=_HINT) from error


_HINT = "the backup was altered or cut after it was written; use another one, and look at the store"
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(IndexLine)
