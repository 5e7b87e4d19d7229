"""Entries of an archive: what is rendered, and what comes of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from runner.model.cluster import Resource

LayoutName = Literal["trysail", "velero"]


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Objects of one type, as the API server gave them."""

    resource: Resource
    ids: tuple[tuple[str, str], ...]  # (namespace, name) of each
    items: tuple[bytes, ...]  # raw JSON of each
    layout: LayoutName = "trysail"


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One item as it lies in the archive, or why it cannot."""

    content: bytes  # tar header, YAML (JSON in Velero's layout), padding
    lead: int = 0  # bytes before the YAML
    size: int = 0  # bytes of the YAML
    sha256: str = ""  # of the YAML
    fault: str = ""  # what is wrong with the object; then there is no content
