"""The world of one seed for volumes: Pods that can be frozen, disks, and providers of snapshots that outlive a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any

from runner.archive.layout import MANIFEST, VOLUMES
from runner.errors import ExecTimedOut
from runner.model.policy_set import ResolvedPolicy
from runner.model.volumes import FoundSnapshot, Method, PlannedVolume, RunTags, Snapshot
from runner.volume_ports import Ended
from tests.fakes.cluster import FakeCluster
from tests.fakes.snapshotter import FakeSnapshotter
from tests.fakes.store import MemoryStore
from tests.simulation.volume_faults import VolumeFaults
from tests.simulation.volume_objects import KINDS, NAMESPACE, claim, resolved, snapshot_class, volume

Object = dict[str, Any]
Key = tuple[str, str]  # a snapshot's provider and id

RECORD = "trysail.dev/frozen"
_SERVES = [
    "configmaps",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "customresourcedefinitions.apiextensions.k8s.io",
]
_VANISHES = 0.2  # chance that a snapshot goes between being found and being taken over


class VolumeWorld:
    """Claims on disks of three kinds, Pods that mount them, and what is frozen, by whom nobody knows.

    `frozen` has the Pods whose application stands still; `states` of each snapshot, which of them were when it was
    asked for and when its point in time came: a Pod and the how-manieth freeze of it.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.store = MemoryStore()
        self.claims = {f"c{n}": random.choice(KINDS) for n in range(random.randint(1, 6))}
        self.pods = {f"db-{n}": self._some(3) for n in range(random.randint(0, 3))}
        self.frozen: set[str] = set()
        self.freezes: Counter[str] = Counter()
        self.states: dict[Key, list[frozenset[tuple[str, int]]]] = {}
        self.living: set[str] = set()  # runs that go on
        self.matters = random.random() < 0.8  # hooks: onError fail
        self.cluster = FakeCluster(serves=_SERVES)
        self.providers: dict[Method, FakeSnapshotter] = {
            "native-snapshot": FakeSnapshotter("aws"),
            "csi-snapshot": FakeSnapshotter("csi"),
            "fs-backup": FakeSnapshotter("restic"),
        }
        for provider in self.providers.values():
            provider.cut_after, provider.ready_after = random.choice(((0, 0), (1, 3), (2, 9)))
        files = self.providers["fs-backup"]
        files.cut_after = files.ready_after  # a Job's point in time is its end
        if random.random() < 0.15:
            self.providers["native-snapshot"].fails = {f"{NAMESPACE}/c0": "the disk is broken"}
        self.resolved = self._policy()
        for name, kind in self.claims.items():
            self.cluster.put(claim(name, kind), volume(f"pv-{name}", name, kind))
        for name in self.pods:
            self.start_pod(name)
        self.cluster.put(*snapshot_class())

    def start_pod(self, name: str, **annotations: str) -> None:
        """It begins anew: nothing of it is frozen, and it is marked by nobody."""
        self.frozen.discard(name)
        mounts = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in self.pods[name]]
        spec = {"containers": [{"name": "db", "image": "db:1"}], "volumes": mounts}
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": "db"}, "annotations": annotations}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}
        self.cluster.put(pod)

    def records(self) -> Iterator[tuple[str, Object]]:
        """volumes.json of each backup that is committed, by its name."""
        for key in sorted(self.store.objects):
            folder, _, file = key.rpartition("/")
            if file == MANIFEST:
                yield folder.rpartition("/")[2], json.loads(self.store.objects[f"{folder}/{VOLUMES}"])

    def named(self) -> set[Key]:
        """Snapshots that a backup names."""
        lines = [line for _, record in self.records() for line in record["volumes"]]
        return {(line["snapshot"]["provider"], line["snapshot"]["id"]) for line in lines if "snapshot" in line}

    def change(self, random: Random) -> None:
        """Between two runs: a Pod begins anew, perhaps with another hook, or a snapshot goes that no backup names."""
        if self.pods and random.random() < 0.1:
            own = {"pre.hook.backup.trysail.dev/command": '["freeze"]'} if random.random() < 0.3 else {}
            self.start_pod(random.choice(sorted(self.pods)), **own)
        for provider in self.providers.values():
            taken = {id_ for kind, id_ in self.named() if kind == provider.provider}
            spare = sorted(provider.kept.keys() - taken)
            if spare and random.random() < 0.1:
                del provider.kept[random.choice(spare)]

    def recorded(self, pod: str) -> bool:
        """Whether the Pod is marked as frozen."""
        return RECORD in (self.cluster.found("pods", NAMESPACE, pod)["metadata"].get("annotations") or {})

    def seen(self, snapshot: Snapshot) -> None:
        """Who stands still at this moment of a snapshot's life."""
        now = frozenset((pod, self.freezes[pod]) for pod in self.frozen)
        self.states.setdefault((snapshot.provider, snapshot.id), []).append(now)

    def _some(self, most: int) -> list[str]:
        return self.random.sample(sorted(self.claims), min(len(self.claims), self.random.randint(1, most)))

    def _policy(self) -> ResolvedPolicy:
        freeze = {"exec": {"command": ["freeze"], "onError": "fail" if self.matters else "continue"}}
        hook = {"name": "db", "pre": [freeze], "post": [{"exec": {"command": ["thaw"], "onError": "fail"}}]}
        return resolved(
            onVolumeError=self.random.choice(("continue", "continue", "stop")),
            csiSnapshotObjects=self.random.choice(("keep", "delete")),
            hooks={"resources": [{**hook, "labelSelector": {"matchLabels": {"app": "db"}}}]},
        )


class WorldExec:
    """A PodExec that freezes and thaws applications; now and then a command fails, half done or not begun, or hangs."""

    def __init__(self, world: VolumeWorld, faults: VolumeFaults) -> None:
        self._world, self._faults = world, faults

    def run(
        self, namespace: str, pod: str, container: str, command: Sequence[str], *, timeout: float, most: int
    ) -> Ended:
        """See PodExec."""
        del namespace, container, most
        world, faults = self._world, self._faults
        faults.calls("exec", f"{command[0]} {pod}")
        freezes = command[0] == "freeze"
        if freezes:
            assert world.recorded(pod), f"{pod} is frozen, and nothing on it says so"
        struck = faults.random.random() < faults.weather.command
        how = faults.random.choice(("not begun", "done", "hangs")) if struck else ""
        if how != "not begun" and freezes:
            world.frozen.add(pod)
            world.freezes[pod] += 1
        elif how != "not begun":
            world.frozen.discard(pod)
        if how:
            faults.meet(f"{command[0]} fails")
        if how == "hangs":
            faults.clock.advance(timeout)
            raise ExecTimedOut(f"{command[0]} did not end within {timeout:g} s")
        faults.clock.advance(faults.random.random())
        return Ended(1 if how else 0, "")


class FaultyProvider:
    """A VolumeSnapshotter before one of the world's: calls fail, and the world sees what is cut when."""

    def __init__(self, inner: FakeSnapshotter, world: VolumeWorld, faults: VolumeFaults) -> None:
        self._inner, self._world, self._faults = inner, world, faults

    @property
    def cut_at_once(self) -> bool:
        """See VolumeSnapshotter."""
        return self._inner.cut_at_once

    def prepare(self, volumes: Iterable[PlannedVolume]) -> None:
        """See VolumeSnapshotter."""
        self._begin("prepare")
        self._inner.prepare(volumes)

    def found(self, tags: RunTags, *, this_run: bool = False) -> tuple[FoundSnapshot, ...]:
        """See VolumeSnapshotter."""
        self._begin("found")
        return self._inner.found(tags, this_run=this_run)

    def start(self, volume: PlannedVolume, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter."""
        self._begin(f"start {volume.name}")
        made = self._inner.start(volume, tags)
        self._world.seen(made)
        if made.state != "asked":
            self._world.seen(made)
        self._end(f"start {volume.name}")
        return made

    def look(self, snapshots: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
        """See VolumeSnapshotter."""
        self._begin("look")
        now = self._inner.look(snapshots)
        for one in now:
            if one.state in {"cut", "ready"} and len(self._world.states[one.provider, one.id]) == 1:
                self._world.seen(one)
        self._end("look")
        return now

    def adopt(self, found: FoundSnapshot, tags: RunTags) -> Snapshot:
        """See VolumeSnapshotter."""
        self._begin(f"adopt {found.snapshot.id}")
        own = (found.snapshot.provider, found.snapshot.id) in self._world.named() or found.backup in self._world.living
        if not own and self._faults.random.random() < _VANISHES:
            self._inner.kept.pop(found.snapshot.id, None)
            self._faults.meet("snapshot gone behind our back")
        adopted = self._inner.adopt(found, tags)
        self._end(f"adopt {found.snapshot.id}")
        return adopted

    def discard(self, snapshot: Snapshot) -> None:
        """See VolumeSnapshotter."""
        self._begin(f"discard {snapshot.id}")
        self._inner.discard(snapshot)
        self._end(f"discard {snapshot.id}")

    def tidy(self, snapshot: Snapshot) -> None:
        """See VolumeSnapshotter."""
        self._begin(f"tidy {snapshot.id}")
        self._inner.tidy(snapshot)
        self._end(f"tidy {snapshot.id}")

    def _begin(self, what: str) -> None:
        self._faults.calls("provider", what)

    def _end(self, what: str) -> None:
        self._faults.answers("provider", what)
