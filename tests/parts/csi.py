"""A CSI driver for a real control plane, with the real snapshot controllers: volumes are folders of this machine.

Claims of the driver's class are bound, snapshots become ready, claims begin as snapshots. Nothing is mounted: a
test reads and writes a volume where `volume_path` says. What is served, and how it misbehaves on request, is
`tests/controlplane/csi`; this part starts and stops it, and knows the folders' layout.
"""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.controlplane.build import csi_program, snapshot_crds
from tests.parts.controlplane import ControlPlane
from tests.parts.process import ServerProcess

Json = dict[str, Any]

DRIVER: Final = "folders.csi.tests.trysail.dev"

_SNAPSHOTS: Final = "/apis/snapshot.storage.k8s.io/v1"
_STORAGE: Final = "/apis/storage.k8s.io/v1"
_BOOT_SECONDS: Final = 60
_WAIT_SECONDS: Final = 60


class Csi:
    """`with Csi(control_plane, folder) as csi: csi.claim(namespace, "data")`; ready means that claims are looked after.

    `storage_class` deletes volumes with their claims and binds at once; `snapshot_class` deletes snapshots with
    their VolumeSnapshots. Other classes with `driver` as their provisioner or driver are served just so.

    In one cluster there may be several, each with a driver of its own. A `root` may be shared by several clusters:
    then each reaches the volumes and snapshots of the others by their handles, and the switches are for all.
    """

    def __init__(
        self,
        plane: ControlPlane,
        folder: Path,
        *,
        driver: str = DRIVER,
        root: Path | None = None,
        call_seconds: float = 5,
    ) -> None:
        self._plane = plane
        self._dir = folder
        self._call_seconds = call_seconds
        self._process: ServerProcess | None = None
        # Found now, as the control plane's own program is: a test may change HOME later.
        self._program, self._crds = csi_program(), snapshot_crds()
        self._sockets: Path | None = None
        self.driver = driver
        self.root = root or folder / "storage"
        self.storage_class = driver
        self.snapshot_class = f"{driver}-snapshots"

    def __enter__(self) -> Self:
        try:
            self._install()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._uninstall()
        finally:
            self.stop()

    def start(self) -> None:
        """Start the driver and its controllers, and return when they know what is in the cluster."""
        self._dir.mkdir(parents=True, exist_ok=True)
        # The path of a Unix socket has at most 107 bytes, and nobody knows how long the folder's is.
        self._sockets = self._sockets or Path(tempfile.mkdtemp(prefix="csi-"))
        log = self._dir / "csi.log"
        before = log.stat().st_size if log.exists() else 0
        self._process = ServerProcess(
            [
                self._program,
                f"--kubeconfig={self._plane.kubeconfig}",
                f"--root={self.root}",
                f"--socket={self._sockets / 'csi.sock'}",
                f"--driver={self.driver}",
                f"--timeout={self._call_seconds}s",
            ],
            log=log,
        )
        self._process.wait_until(lambda: b"ready\n" in log.read_bytes()[before:], seconds=_BOOT_SECONDS)

    def stop(self) -> None:
        """End them; volumes and snapshots stay."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets)
            self._sockets = None

    def pid(self) -> int:
        """The process id, for measurements."""
        return self._running().pid

    def claim(self, namespace: str, name: str, **wanted: Any) -> str:
        """Make a claim as `make_claim` does, wait until it is bound, and return its volume's handle."""
        self.make_claim(namespace, name, **wanted)
        return self.handle(namespace, name)

    def make_claim(
        self,
        namespace: str,
        name: str,
        *,
        size: str = "1Gi",
        snapshot: str | None = None,
        storage_class: str | None = None,
        **metadata: Any,
    ) -> None:
        """Make a claim, which begins as the VolumeSnapshot `snapshot` or empty, and wait for nothing.

        `metadata` are labels and annotations.
        """
        spec: Json = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            "storageClassName": storage_class or self.storage_class,
        }
        if snapshot is not None:
            spec["dataSource"] = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": snapshot}
        claim = {"metadata": {"name": name, **metadata}, "spec": spec}
        self._plane.must("POST", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", claim)

    def handle(self, namespace: str, name: str) -> str:
        """The handle of the volume of a claim, once the claim is bound."""
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"
        self._running().wait_until(
            lambda: self._plane.must("GET", path).get("status", {}).get("phase") == "Bound", seconds=_WAIT_SECONDS
        )
        bound = self._plane.must("GET", path)["spec"]["volumeName"]
        volume = self._plane.must("GET", f"/api/v1/persistentvolumes/{bound}")
        return str(volume["spec"]["csi"]["volumeHandle"])

    def snapshot(self, namespace: str, name: str, *, claim: str) -> str:
        """Take a snapshot of a claim's volume, wait until it is ready, and return its handle."""
        self.make_snapshot(namespace, name, claim=claim)
        return self.snapshot_handle(namespace, name)

    def make_snapshot(self, namespace: str, name: str, *, claim: str) -> None:
        """Make a VolumeSnapshot of a claim, and wait for nothing."""
        spec = {"source": {"persistentVolumeClaimName": claim}, "volumeSnapshotClassName": self.snapshot_class}
        snapshot = {**_kind("VolumeSnapshot"), "metadata": {"name": name}, "spec": spec}
        self._plane.must("POST", f"{_SNAPSHOTS}/namespaces/{namespace}/volumesnapshots", snapshot)

    def point_at(self, namespace: str, name: str, *, handle: str) -> str:
        """Make a VolumeSnapshot of the snapshot `handle`, and wait for nothing; the name of its content, of Retain."""
        content = f"{namespace}-{name}"
        target: Json = {
            "driver": self.driver,
            "deletionPolicy": "Retain",
            "source": {"snapshotHandle": handle},
            "volumeSnapshotRef": {"name": name, "namespace": namespace},
        }
        made = {**_kind("VolumeSnapshotContent"), "metadata": {"name": content}, "spec": target}
        self._plane.must("POST", f"{_SNAPSHOTS}/volumesnapshotcontents", made)
        spec = {"source": {"volumeSnapshotContentName": content}}
        snapshot = {**_kind("VolumeSnapshot"), "metadata": {"name": name}, "spec": spec}
        self._plane.must("POST", f"{_SNAPSHOTS}/namespaces/{namespace}/volumesnapshots", snapshot)
        return content

    def snapshot_handle(self, namespace: str, name: str) -> str:
        """The handle of a VolumeSnapshot, once that is ready to use."""
        path = f"{_SNAPSHOTS}/namespaces/{namespace}/volumesnapshots/{name}"
        self._running().wait_until(
            lambda: self._plane.must("GET", path).get("status", {}).get("readyToUse") is True, seconds=_WAIT_SECONDS
        )
        bound = self._plane.must("GET", path)["status"]["boundVolumeSnapshotContentName"]
        content = self._plane.must("GET", f"{_SNAPSHOTS}/volumesnapshotcontents/{bound}")
        return str(content["status"]["snapshotHandle"])

    def volume_path(self, handle: str) -> Path:
        """The folder that is the volume; it is absent when the volume is."""
        return self.root / "volumes" / handle

    def snapshot_path(self, handle: str) -> Path:
        """The folder that is the snapshot; it is absent when the snapshot is."""
        return self.root / "snapshots" / handle

    def volumes(self) -> list[str]:
        """The handles of all volumes on disk."""
        return _handles(self.root / "volumes")

    def snapshots(self) -> list[str]:
        """The handles of all snapshots on disk."""
        return _handles(self.root / "snapshots")

    def fail(self, message: str, *, only: str | None = None) -> None:
        """Have every call to the driver fail with this message; or `only` those about a volume or snapshot."""
        self._switch("fail", message, only)

    def hang(self, *, only: str | None = None) -> None:
        """Have every call hang until its caller gives it up after `call_seconds`."""
        self._switch("hang", "", only)

    def never_ready(self, *, only: str | None = None) -> None:
        """Have snapshots be taken, but not become ready to use: all, or `only` one, or those of a volume."""
        self._switch("never-ready", "", only)

    def slow_ready(self, seconds: float, *, only: str | None = None) -> None:
        """Have snapshots become ready only some time after they were taken."""
        self._switch("slow-ready", f"{seconds}s", only)

    def behave(self) -> None:
        """Take all of this back. What failed is tried again within a second, what hung when its caller gives up."""
        shutil.rmtree(self.root / "switches", ignore_errors=True)

    def _switch(self, name: str, text: str, only: str | None) -> None:
        folder = self.root / "switches"
        folder.mkdir(exist_ok=True)
        written = self.root / "switch"
        written.write_text(text)
        written.rename(folder / (name if only is None else f"{name}.{only}"))

    def _install(self) -> None:
        self._plane.kubectl("apply", "-f", str(self._crds))
        self._plane.kubectl("wait", "--for=condition=Established", "-f", str(self._crds), "--timeout=60s")
        named = {"metadata": {"name": self.storage_class}}
        # Nothing is attached; without this the controller manager would make VolumeAttachments that nobody looks after.
        csi_driver = {"metadata": {"name": self.driver}, "spec": {"attachRequired": False, "podInfoOnMount": False}}
        self._plane.must("POST", f"{_STORAGE}/csidrivers", csi_driver)
        storage = {**named, "provisioner": self.driver, "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}
        self._plane.must("POST", f"{_STORAGE}/storageclasses", storage)
        snapshots = {
            **_kind("VolumeSnapshotClass"),
            "metadata": {"name": self.snapshot_class},
            "driver": self.driver,
            "deletionPolicy": "Delete",
        }
        self._plane.must("POST", f"{_SNAPSHOTS}/volumesnapshotclasses", snapshots)

    def _uninstall(self) -> None:
        """The CRDs stay, for other drivers; and so do claims and volumes, which a session takes down as a whole."""
        found = ("--ignore-not-found", "--wait=false")
        self._plane.kubectl("delete", "storageclass", self.storage_class, *found)
        self._plane.kubectl("delete", "csidriver", self.driver, *found)
        self._plane.kubectl("delete", "volumesnapshotclasses.snapshot.storage.k8s.io", self.snapshot_class, *found)

    def _running(self) -> ServerProcess:
        assert self._process is not None, "the driver was stopped"
        return self._process


def _kind(kind: str) -> Json:
    return {"apiVersion": _SNAPSHOTS.removeprefix("/apis/"), "kind": kind}


def _handles(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.json"))
