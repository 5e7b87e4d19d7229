"""The child of renderers.py: batches in, entries out, until its input ends. `python -m` runs it."""

from __future__ import annotations

import struct
import sys
from typing import IO

import msgspec

from runner.archive.emitter import Emitter
from runner.archive.render import render
from runner.model.entry import Batch

_LENGTH = struct.Struct(">Q")


def main() -> None:
    """Serves standard input until it ends."""
    decode = msgspec.msgpack.Decoder(Batch).decode
    encode = msgspec.msgpack.Encoder().encode
    emitter = Emitter()
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        write_frame(sys.stdout.buffer, encode(render(decode(frame), emitter)))


def write_frame(pipe: IO[bytes], content: bytes) -> None:
    """Writes `content` with its length before it."""
    pipe.write(_LENGTH.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> bytes | None:
    """The next frame, or None where the pipe ends (in the middle of one, too: then the other side has died)."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    content = pipe.read(length)
    return content if len(content) == length else None


if __name__ == "__main__":
    main()
