"""Who makes restic's repository, where there is none: one run alone, since two who do so at once damage it for good.

restic itself has no way to make it once and only once. So a run that is about to says so first, by a key that only one
can create; that claim is over after a few minutes, for whoever has died over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from runner.errors import KeyExists, KeyNotFound
from runner.ports import Clock, ObjectStore

_OVER_AFTER = timedelta(minutes=5)  # as long as movers wait for somebody else to make it
_CONFIG = "config"  # what a repository has from its first moment
_CLAIMS = "trysail-making"  # a folder that restic does not know, and leaves alone


@dataclass
class RepositoryMaking:
    """The question of one run, for the repository under `key`. `holder` tells its claim from all others."""

    store: ObjectStore
    clock: Clock
    key: str
    holder: str

    def may_make(self) -> bool:
        """Whether this run's movers make it: not where it is there, or somebody else is about to. StoreError."""
        try:
            self.store.stat(f"{self.key}/{_CONFIG}")
        except KeyNotFound:
            return self._claimed()
        return False

    def _claimed(self) -> bool:
        keys = [stored.key for stored in self.store.keys(f"{self.key}/{_CLAIMS}/")]
        now = self.clock.now()
        if keys:
            holder, _, since = self.store.read(max(keys)).decode().partition("\n")
            if holder == self.holder:
                return True
            if now - datetime.fromisoformat(since) < _OVER_AFTER:
                return False
        ours = f"{self.key}/{_CLAIMS}/{len(keys) + 1:04}"
        content = f"{self.holder}\n{now.isoformat(timespec='seconds')}".encode()
        try:
            self.store.create(ours, content)
        except KeyExists:  # by somebody else just now, or by us, and the answer was lost
            return self.store.read(ours) == content
        return True
