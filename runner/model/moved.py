"""What a mover says when it ends: one line of JSON, which Kubernetes keeps as the container's last word."""

from __future__ import annotations

import msgspec

# kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure
LONGEST = 4096  # bytes of a termination message
_LARGEST = 6  # bytes of a character in JSON: \u0001


class Moved(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How copying the files of a volume went."""

    snapshot: str = ""  # restic's id
    files: int = 0
    size: int = 0  # bytes of all files
    added: int = 0  # bytes that came to the repository
    error: str = ""  # why it failed, or what is missing

    def line(self) -> bytes:
        """As it is written, and short enough to be kept."""
        encoded = msgspec.json.encode(self)
        if len(encoded) <= LONGEST:
            return encoded
        room = LONGEST - len(msgspec.json.encode(msgspec.structs.replace(self, error="…")))
        return msgspec.json.encode(msgspec.structs.replace(self, error=self.error[: room // _LARGEST] + "…"))


def read_moved(text: str) -> Moved | None:
    """A container's last word, where it is a mover's."""
    try:
        return _MOVED.decode(text)
    except msgspec.DecodeError:
        return None


_MOVED = msgspec.json.Decoder(Moved)
