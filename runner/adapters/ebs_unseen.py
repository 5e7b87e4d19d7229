"""What EC2 has made a moment ago and may not show yet: what is described right after it was made may seem not to be.

Its API is eventually consistent (docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html). Never waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from time import monotonic

SECONDS = 60.0
"""After which what is still not shown is gone. It is seconds, mostly."""


class Unseen:
    """Ids of what this process has made and never seen since."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        """`now` gives seconds that never go back."""
        self._now = now
        self._until: dict[str, float] = {}
        self._lock = Lock()

    def made(self, id_: str) -> None:
        """EC2 has named it in its answer."""
        with self._lock:
            self._until[id_] = self._now() + SECONDS

    def seen(self, ids: Iterable[str]) -> None:
        """They are shown, or deleted: where one is not shown from now on, it is gone."""
        with self._lock:
            for id_ in ids:
                self._until.pop(id_, None)

    def awaited(self, id_: str) -> bool:
        """Whether that it is not shown says nothing."""
        with self._lock:
            return self._now() < self._until.get(id_, 0.0)
