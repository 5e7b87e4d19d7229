"""The world of one seed for data that comes back: a backup with volumes, and an empty cluster with its controllers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from runner.actions.storage import RESTORING
from runner.engine.execute import Ports, execute
from runner.engine.planning import make_plan
from runner.engine.retry import Retrier
from runner.engine.volumes.protect import VolumePorts
from runner.engine.volumes.run import Protecting
from runner.model.cluster import ListRequest
from runner.model.volumes import Method, RestoringVolume
from runner.volume_ports import VolumeSnapshotter
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.executor import SimulatedExecutor
from tests.fakes.observer import RecordingObserver
from tests.fakes.pod_exec import FakePodExec
from tests.fakes.snapshotter import FakeSnapshotter
from tests.fakes.store import MemoryStore
from tests.simulation.volume_objects import DRIVERS, KINDS, NAMESPACE, claim, resolved, snapshot_class, volume

Object = dict[str, Any]

BACKUP = "sim-20260301020000-0001"
OWN = "data-db-0"  # the claim that a StatefulSet's controller makes anew, empty, where it is not there
_SERVES = [
    "configmaps",
    "persistentvolumeclaims",
    "persistentvolumes",
    "statefulsets.apps",
    "storageclasses.storage.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
]


@dataclass
class Made:
    """What a provider has made for a claim: a disk, what stands for a snapshot, or a Job."""

    id: str
    snapshot: str
    claim: str
    looks: int = 0
    gone: bool = False


class BackWorld:
    """`expected` has the snapshot of each claim, `data` what each PersistentVolume of the target holds; "" for nothing.

    `wrong` is what nobody must ever see, though it may pass: an application that finds an empty volume.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.store = MemoryStore()
        self.claims = {OWN: random.choice(KINDS)} | {f"c{n}": random.choice(KINDS) for n in range(random.randint(0, 4))}
        self.expected: dict[str, str] = {}
        self.target = FakeCluster(serves=_SERVES)
        self.made: dict[Method, list[Made]] = {"native-snapshot": [], "csi-snapshot": [], "fs-backup": []}
        self.data: dict[str, str] = {}
        self.wrong: list[str] = []
        self.ready_after = random.choice((0, 1, 3))
        self._numbers = 0
        self._back_up()
        for kind in KINDS:
            named = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": kind}}
            self.target.put({**named, "provisioner": DRIVERS[kind]})

    def made_for(self, method: Method, asked: RestoringVolume) -> tuple[Made, bool]:
        """What stands for a claim's data, and whether it was there already."""
        snapshot = asked.stored.snapshot
        assert snapshot is not None, "only what has a snapshot is brought back"
        for one in self.made[method]:
            if (one.claim, one.snapshot, one.gone) == (asked.claim, snapshot.id, False) and not self._in_use(one):
                return one, True
        made = Made(self._name("made"), snapshot.id, asked.claim)
        self.made[method].append(made)
        return made, False

    def controllers(self) -> None:
        """Claims are bound, or given new volumes; a StatefulSet makes the claim that it lacks."""
        claims = self.of("persistentvolumeclaims")
        with self._quiet():
            for one in claims.values():
                if not _is_bound(one):
                    self._bind(one)
        # A volume that is kept for a claim of that name is bound to it, whoever makes the claim.
        kept = (one["spec"].get("claimRef") or {} for one in self.of("persistentvolumes").values())
        if self.of("statefulsets.apps") and OWN not in claims and not any(one.get("name") == OWN for one in kept):
            self.wrong.append(f"a StatefulSet is there before its claim {OWN}, and makes it empty")

    def fill(self, name: str, snapshot: str) -> bool:
        """A mover writes files into a claim, where that has a volume."""
        found = self.of("persistentvolumeclaims").get(name)
        if found is None or not _is_bound(found):
            return False
        self.data[found["spec"]["volumeName"]] = snapshot
        return True

    def holds(self, name: str) -> str | None:
        """What the volume of a claim holds; None where it has none."""
        found = self.of("persistentvolumeclaims").get(name)
        return None if found is None else self.data.get(found["spec"].get("volumeName", ""))

    def left(self) -> list[tuple[str, str]]:
        """What was made on the way, and is of no use any more. A Job that has ended goes by itself, a day later."""
        volumes = self.of("persistentvolumes").values()
        used = {(one["spec"].get("csi") or {}).get("volumeHandle") for one in volumes}
        disks = [one for one in self.made["native-snapshot"] if not one.gone and one.id not in used]
        jobs = [one for one in self.made["fs-backup"] if self.holds(one.claim) != one.snapshot]
        standing = [one for one in (*self.made["csi-snapshot"], *jobs) if not one.gone]
        return [(one.id, f"{one.id} for {one.claim}") for one in (*disks, *standing)]

    def of(self, name: str) -> dict[str, Object]:
        """Objects of a type in the target, by name."""
        with self._quiet():
            resource = next(one for one in self.target.discover().resources if one.name == name)
            items = self.target.page(ListRequest(resource, limit=500)).items
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        found = [{**kind, **msgspec.json.decode(item)} for item in items]
        return {one["metadata"]["name"]: one for one in found}

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Within it, what is done to the target is somebody else's doing."""
        before = self.target.on_call, self.target.after_call
        self.target.on_call = self.target.after_call = lambda _: None
        try:
            yield
        finally:
            self.target.on_call, self.target.after_call = before

    def _in_use(self, made: Made) -> bool:
        """Whether EC2 shows a disk as in use: then it is nobody's to take."""
        volumes = self.of("persistentvolumes").values()
        return any(one["spec"]["csi"]["volumeHandle"] == made.id and _is_bound(one) for one in volumes)

    def _bind(self, found: Object) -> None:
        """As Kubernetes' own controller does, or a driver's."""
        name, spec, bound = found["metadata"]["name"], found["spec"], ""
        if spec.get("volumeName"):
            bound = self._bind_to(spec["volumeName"])
        elif spec.get("dataSource"):
            standing = (one for one in self.made["csi-snapshot"] if not one.gone)
            made = next((one for one in standing if one.id == spec["dataSource"]["name"]), None)
            bound = self._provision(name, made.snapshot) if made is not None else ""
        else:
            if name in self.expected and RESTORING not in (found["metadata"].get("annotations") or {}):
                self.wrong.append(f"the claim {name} is given an empty volume, and does not say so")
            bound = self._provision(name, "")
        if bound:
            self.target.put({**found, "spec": {**spec, "volumeName": bound}, "status": {"phase": "Bound"}})

    def _bind_to(self, name: str) -> str:
        found = self.of("persistentvolumes").get(name)
        if found is None:
            return ""
        handle = found["spec"]["csi"]["volumeHandle"]
        self.data[name] = next((one.snapshot for one in self.made["native-snapshot"] if one.id == handle), "")
        self.target.put({**found, "status": {"phase": "Bound"}})
        return name

    def _provision(self, name: str, content: str) -> str:
        made = volume(self._name("pvc"), name, "csi")
        self.data[made["metadata"]["name"]] = content
        self.target.put(made)
        return str(made["metadata"]["name"])

    def _name(self, word: str) -> str:
        self._numbers += 1
        return f"{word}-{self._numbers}"

    def _back_up(self) -> None:
        """On a calm day. A StatefulSet makes one of the claims, and other objects have the names of claims."""
        source = FakeCluster(serves=_SERVES)
        source.put(*snapshot_class())
        for name, kind in self.claims.items():
            named = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}}
            source.put(claim(name, kind), volume(f"pv-{name}", name, kind), {**named, "data": {"k": "v"}})
        metadata = {"name": "db", "namespace": NAMESPACE}
        spec = {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
        source.put({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec})
        clock, executor = SimulatedClock(), SimulatedExecutor()
        planned = make_plan(resolved(), source, executor, Retrier(clock, RecordingObserver()))
        providers: dict[Method, VolumeSnapshotter] = {
            "native-snapshot": FakeSnapshotter(),
            "csi-snapshot": FakeSnapshotter("csi"),
            "fs-backup": FakeSnapshotter("restic"),
        }
        protecting = Protecting(providers, {}, *(SimulatedExecutor() for _ in range(3)))
        volumes = VolumePorts(source, protecting, FakePodExec(), "here", lambda _: None, lambda text: text)
        ports = Ports(source, self.store, executor, clock, RecordingObserver(), volumes=volumes)
        result = execute(planned.plan, BACKUP, ports, planned.inventory)
        for line in result.volumes:
            assert line.snapshot is not None, line
            self.expected[line.planned.claim.partition("/")[2]] = line.snapshot.id


def _is_bound(found: Object) -> bool:
    return bool((found.get("status") or {}).get("phase") == "Bound")
