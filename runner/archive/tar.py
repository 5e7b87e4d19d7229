"""Tar entries as bytes: ustar headers with fixed mode, owner and time, so that the same items give the same bytes."""

from __future__ import annotations

import tarfile

BLOCK = 512
END = bytes(2 * BLOCK)  # two empty blocks end an archive
_MODE = 0o644
_LONGEST_NAME = 100  # bytes; longer names take tarfile's PAX headers

# Everything but name, size and checksum is the same in every header.
_AFTER_SIZE = b"%011o\0" % 0  # mtime
_AFTER_CHECKSUM = b"0" + bytes(100) + b"ustar\0" + b"00" + bytes(32 + 32) + b"%07o\0" * 2 % (0, 0) + bytes(155 + 12)
_BEFORE_SIZE = b"%07o\0%07o\0%07o\0" % (_MODE, 0, 0)
_FIXED_SUM = sum(_BEFORE_SIZE) + sum(_AFTER_SIZE) + sum(_AFTER_CHECKSUM) + sum(b" " * 8)


def header(path: str, size: int) -> bytes:
    """The header of a regular file; a multiple of 512 bytes."""
    name = path.encode()
    if len(name) > _LONGEST_NAME or not path.isascii():
        return _long_header(path, size)
    digits = b"%011o\0" % size
    checksum = _FIXED_SUM + sum(name) + sum(digits)
    return b"".join(
        (
            name.ljust(_LONGEST_NAME, b"\0"),
            _BEFORE_SIZE,
            digits,
            _AFTER_SIZE,
            b"%06o\0 " % checksum,
            _AFTER_CHECKSUM,
        )
    )


def padding(size: int) -> bytes:
    """What fills a content of `size` bytes up to whole blocks."""
    return bytes(-size % BLOCK)


def _long_header(path: str, size: int) -> bytes:
    entry = tarfile.TarInfo(path)
    entry.size = size
    entry.mode = _MODE
    return entry.tobuf(tarfile.PAX_FORMAT)
