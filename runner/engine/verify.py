"""Checks a backup: every byte of every key, every item against the index, index and archive both ways.

Reads each key once, in bounded memory. Collects all that is wrong before it raises; repairs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from runner.archive.compare import Compared, Findings, compare
from runner.archive.layout import ARCHIVE, INDEX, LAYOUTS, MANIFEST, PLAN, restore_test_of
from runner.archive.records import read_plan
from runner.archive.stream import Unpacked, entries, index_lines
from runner.archive.velero import read_json
from runner.engine.fetch import Passing, Reading
from runner.engine.velero.verify import verify_velero
from runner.errors import BackupDamaged, FormatError, KeyNotFound
from runner.model.catalog import Committed, Verified
from runner.model.manifest import Manifest, StoredKey

# Around an item's YAML: its header, a PAX header with its own blocks for a long path, and the padding of each.
_TAR_BYTES_AN_ITEM = 4096
_TAR_BYTES_MORE = 1 << 16


def verify(reading: Reading, backup: Committed, *, deep: bool = False) -> Verified:
    """What was checked, where all of it holds; BackupDamaged names each thing that does not.

    The manifest itself was checked when it was read. `deep` also reads each item's YAML and holds it against the
    index; that takes a few times as long as all the rest. Where Velero wrote the backup, what can be checked is less.
    """
    if backup.by_velero:
        return verify_velero(reading, backup, deep=deep)
    return _Verification(reading, backup, deep=deep).run()


class _Verification:
    def __init__(self, reading: Reading, backup: Committed, *, deep: bool) -> None:
        self.reading, self.backup, self.deep = reading, backup, deep
        self.manifest: Manifest = backup.manifest
        self.layout = LAYOUTS[backup.layout]
        self.prefix = self.layout.prefix(*backup.address)
        self.archive = self.layout.key(ARCHIVE, backup.address.name)
        self.found = Findings("keys")

    def run(self) -> Verified:
        """Everything, in the order that makes the findings easiest to read."""
        sizes = self._sizes()
        self._names(sizes)
        for key in self.manifest.keys:
            if key in sizes and key not in {self.archive, INDEX, PLAN}:
                self._proven(key, Passing(self._pieces(key, sizes[key])))
        if PLAN in sizes:
            self._plan()
        self._objects(sizes)
        damages = self.found.texts()
        if damages:
            raise BackupDamaged(
                f'the backup "{self.manifest.name}" is not what was recorded',
                damages=damages,
                hint="use another backup for what is damaged here, and find out who or what alters the store",
                location=self.reading.store.url,
            )
        return Verified(
            name=self.manifest.name,
            phase=self.manifest.phase,
            keys=len(sizes),
            stored=sum(sizes.values()),
            items=self.manifest.items,
            size=self.manifest.size,
            deep=self.deep,
            form=self.layout.form,
        )

    # keys

    def _sizes(self) -> dict[str, int]:
        """Every key of the backup with its size in the store."""
        return {stored.key.removeprefix(self.prefix): stored.size for stored in self.reading.keys(self.prefix)}

    def _names(self, sizes: dict[str, int]) -> None:
        recorded = self.manifest.keys
        for key in sorted({*self.layout.content_keys(self.manifest.name)} - recorded.keys()):
            self.found.add("keys", f"{key}: the manifest does not have it")
        for key in sorted(recorded.keys() - sizes.keys()):
            self.found.add("keys", f"{key}: it is missing from the store")
        for key in sorted(sizes.keys() - recorded.keys() - {MANIFEST}):
            if restore_test_of(key):
                continue  # written later, about it and not of it
            self.found.add("keys", f"{key}: it lies beside the backup and is no part of it")

    def _pieces(self, key: str, size: int) -> Passing:
        return Passing(self.reading.pieces(self.prefix + key, 0, size))

    def _proven(self, key: str, passing: Passing) -> None:
        """The rest of a key, and the whole against the manifest."""
        try:
            stored = passing.drained()
        except (BackupDamaged, KeyNotFound) as error:
            self.found.add("keys", f"{key}: {error.message}")
        else:
            self._compare(key, stored)

    def _compare(self, key: str, stored: StoredKey) -> None:
        recorded = self.manifest.keys.get(key)
        if recorded is None or recorded == stored:
            return
        if stored.size != recorded.size:
            self.found.add("keys", f"{key}: it has {stored.size:,} bytes, and {recorded.size:,} were recorded")
        else:
            self.found.add("keys", f"{key}: its SHA-256 is not the one that was recorded")

    # what is in them

    def _plan(self) -> None:
        raw = self.reading.document(self.prefix + PLAN)
        passing = Passing([raw])
        self._proven(PLAN, passing)
        try:
            plan = read_plan(raw, PLAN)
        except (FormatError, ValueError, RecursionError) as error:
            self.found.add("plan", f"{PLAN}: {error}")
            return
        if plan.digest != self.manifest.plan_digest:
            self.found.add("plan", f"{PLAN}: it is not the plan that the manifest names")

    def _objects(self, sizes: dict[str, int]) -> None:
        """Index and archive, side by side."""
        limit = self.manifest.size + self.manifest.items * _TAR_BYTES_AN_ITEM + _TAR_BYTES_MORE
        index = self._pieces(INDEX, sizes.get(INDEX, 0))
        archive = self._pieces(self.archive, sizes.get(self.archive, 0))
        lines = index_lines(Unpacked(index))
        stored = entries(Unpacked(archive, limit=limit), keep=self.deep)
        if INDEX in sizes and self.archive in sizes:
            read = self._reader() if self.deep else None
            most = self.manifest.items
            compared = compare(lines, stored, self.found, most_items=most, read=read, layout=self.layout)
            if compared.whole:
                self._counts(compared)
        for key, passing in ((INDEX, index), (self.archive, archive)):
            if key in sizes:
                self._proven(key, passing)

    def _counts(self, compared: Compared) -> None:
        manifest = self.manifest
        if compared.items != manifest.items:
            self.found.add("counts", f"the index has {compared.items:,} items, and the manifest {manifest.items:,}")
        if compared.size != manifest.size:
            self.found.add(
                "counts", f"the index has {compared.size:,} bytes of YAML, and the manifest {manifest.size:,}"
            )
        steps: Counter[tuple[str, str]] = Counter()
        for listed in manifest.lists:
            steps[listed.resource, listed.namespace] += listed.stored
        for step in sorted(steps.keys() | compared.steps.keys()):
            if steps[step] != compared.steps[step]:
                resource, namespace = step
                where = f" in namespace {namespace}" if namespace else ""
                self.found.add(
                    "types with another count",
                    f"{resource}{where}: the index has {compared.steps[step]:,}, and the manifest {steps[step]:,}",
                )

    def _reader(self) -> Callable[[bytes], object]:
        if self.layout.form == "json":
            return read_json
        from runner.archive.reader import read  # noqa: PLC0415 -- PyYAML takes its time, and few ask for this

        return read
