"""One way to write a noun as bytes, so that the same facts always have the same digest."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from pydantic import BaseModel


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, without spaces, in UTF-8; ends with a newline."""
    return msgspec.json.encode(value, order="sorted") + b"\n"


def digest(content: bytes) -> str:
    """`sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def readable(value: Any) -> bytes:
    """The canonical form, indented for people and for review in git."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2) + b"\n"


def document(model: BaseModel) -> dict[str, Any]:
    """A pydantic model as it was written: aliases, and only the fields that were given."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)
