"""Files that the command line reads and writes for people: plans and inventories."""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from pathlib import Path

from runner.errors import FormatError, UsageError


def read_file(path: str) -> bytes:
    """The file's content, unpacked if it is compressed."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="check the path") from error
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"{path} is not whole: {error}", hint="fetch or make it anew") from error


def write_file(path: str, content: bytes) -> None:
    """Writes the file whole or not at all; what was there is replaced."""
    target = Path(path)
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            partial = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                partial.chmod(0o644)
                partial.replace(target)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint="check path, rights and space") from error
