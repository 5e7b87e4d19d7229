"""Tar entries as bytes: ustar headers with fixed mode, owner and time, so that the same items give the same bytes."""

from __future__ import annotations

import tarfile

BLOCK = 512
END = bytes(2 * BLOCK)  # two empty blocks end an archive
MODE = 0o644
VELERO_MODE = 0o755
_LONGEST_NAME = 100  # bytes; longer names take tarfile's PAX headers

# Everything but name, size and checksum is the same in every header.
_AFTER_SIZE = b"%011o\0" % 0  # mtime
_AFTER_CHECKSUM = b"0" + bytes(100) + b"ustar\0" + b"00" + bytes(32 + 32) + b"%07o\0" * 2 % (0, 0) + bytes(155 + 12)
_BEFORE_SIZE = {mode: b"%07o\0%07o\0%07o\0" % (mode, 0, 0) for mode in (MODE, VELERO_MODE)}
_FIXED_SUM = {
    mode: sum(before) + sum(_AFTER_SIZE) + sum(_AFTER_CHECKSUM) + sum(b" " * 8) for mode, before in _BEFORE_SIZE.items()
}


def header(path: str, size: int, mode: int = MODE) -> bytes:
    """The header of a regular file; a multiple of 512 bytes. `mode` is one of the two."""
    name = path.encode()
    if len(name) > _LONGEST_NAME or not path.isascii():
        return _long_header(path, size, mode)
    digits = b"%011o\0" % size
    checksum = _FIXED_SUM[mode] + sum(name) + sum(digits)
    return b"".join(
        (
            name.ljust(_LONGEST_NAME, b"\0"),
            _BEFORE_SIZE[mode],
            digits,
            _AFTER_SIZE,
            b"%06o\0 " % checksum,
            _AFTER_CHECKSUM,
        )
    )


def padding(size: int) -> bytes:
    """What fills a content of `size` bytes up to whole blocks."""
    return bytes(-size % BLOCK)


def _long_header(path: str, size: int, mode: int) -> bytes:
    entry = tarfile.TarInfo(path)
    entry.size = size
    entry.mode = mode
    return entry.tobuf(tarfile.PAX_FORMAT)
