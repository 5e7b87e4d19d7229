"""Free ports on loopback, each given to one test process only.

A port that is merely free now can be taken before a server listens on it, by another test process that
looked at the same time or by any connection the kernel gives a source port. So ports come from below the
kernel's own range, and one that is handed out stays locked against other test processes until this one ends.
"""

import fcntl
import os
import random
import socket
from typing import Final

from tests.parts import PartUnavailable
from tests.parts.cache import cache_root

GRPC_OFFSET: Final = 10_000
"""SeaweedFS listens for gRPC on each port plus this."""

_FIRST: Final = 12_000
_LAST: Final = _FIRST + GRPC_OFFSET - 1  # port + offset stays below 32768, where Linux' own range begins

_reserved: set[int] = set()
_lock_file: list[int] = []


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on, and neither on the port `GRPC_OFFSET` above it."""
    for _ in range(1000):
        port = random.randint(_FIRST, _LAST)
        if _reserve(port) and _unused(port) and _unused(port + GRPC_OFFSET):
            return port
    message = f"no free port between {_FIRST} and {_LAST} on 127.0.0.1"
    raise PartUnavailable(message)


def _reserve(port: int) -> bool:
    """Lock the byte of one file that stands for `port`; the kernel unlocks it when this process ends."""
    if port in _reserved:
        return False
    if not _lock_file:
        _lock_file.append(os.open(cache_root() / "ports.lock", os.O_RDWR | os.O_CREAT, 0o600))
    try:
        fcntl.lockf(_lock_file[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    _reserved.add(port)
    return True


def _unused(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections in TIME_WAIT do no harm
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
