"""Nodes for a real control plane: pods get one, run, are ready, and go away when they are deleted.

The scheduler is the real one. The nodes are kwok's: no container is ever started, its status is only written
as `tests/kwok/stages.yaml` says. What `kubectl exec` runs in any container is a process of this machine.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import urllib3
import yaml

from tests.parts.controlplane import ControlPlane
from tests.parts.kwok import STAGES, kwok_program, scheduler_program
from tests.parts.ports import free_port
from tests.parts.process import ServerProcess

COMPLETES: Final = {"tests.trysail.dev/completes": "true"}
"""The annotation of a pod that comes to its end, well, once it has run. All others run for ever."""

_BOOT_SECONDS: Final = 60


class Nodes:
    """`with Nodes(control_plane, folder) as nodes:`; ready means that every Node is, and takes pods.

    Commands given to exec run in `work_dir`, whichever pod and container they are for, with the rights of the
    tests. One that fails comes back as an internal error with its exit status in words. Standard input never ends.
    """

    def __init__(self, plane: ControlPlane, folder: Path, *, names: tuple[str, ...] = ("node-1", "node-2")) -> None:
        self._plane = plane
        self._dir = folder
        self._port = free_port()
        self._processes: list[ServerProcess] = []
        # Found now, as the control plane's own program is: a test may change HOME later.
        self._programs = {"kwok": kwok_program(), "kube-scheduler": scheduler_program()}
        self.names = names
        self.work_dir = folder / "containers"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._plane.kubectl("delete", "node", *self.names, "--ignore-not-found", "--wait=false")
        finally:
            self._stop()

    def pids(self) -> list[int]:
        """The process ids of kwok and the scheduler."""
        return [process.pid for process in self._processes]

    def _start(self) -> None:
        self.work_dir.mkdir(parents=True)
        self._write_config()
        kwok = self._run(
            "kwok",
            f"--config={self._config}",
            f"--kubeconfig={self._plane.kubeconfig}",
            "--manage-all-nodes=true",
            "--node-ip=127.0.0.1",
            f"--node-port={self._port}",
            f"--server-address=127.0.0.1:{self._port}",
            # The API server does not check who its kubelets are, but it speaks TLS with them.
            f"--tls-cert-file={self._plane.ca_file}",
            f"--tls-private-key-file={self._plane.ca_file.with_suffix('.key')}",
        )
        kwok.wait_until(self._serves, seconds=_BOOT_SECONDS)
        for name in self.names:
            self._make(name)
        kwok.wait_until(lambda: all(self._ready(name) for name in self.names), seconds=_BOOT_SECONDS)
        self._run(
            "kube-scheduler",
            f"--kubeconfig={self._plane.kubeconfig}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=1000",
            "--kube-api-burst=1000",
        )

    def _stop(self) -> None:
        while self._processes:
            self._processes.pop().stop()

    def _run(self, name: str, *flags: str) -> ServerProcess:
        process = ServerProcess([self._programs[name], *flags], log=self._dir / f"{name}.log")
        self._processes.append(process)
        return process

    def _make(self, name: str) -> None:
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        self._plane.must("POST", "/api/v1/nodes", node)
        # Every new node is tainted as not ready, and the controller that would take it off does not run here.
        self._plane.must("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}})

    def _ready(self, name: str) -> bool:
        conditions: list[dict[str, Any]] = self._plane.must("GET", f"/api/v1/nodes/{name}")["status"].get(
            "conditions", []
        )
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def _serves(self) -> bool:
        try:
            with urllib3.PoolManager(ca_certs=str(self._plane.ca_file), retries=False) as pool:
                return pool.request("GET", f"https://127.0.0.1:{self._port}/healthz").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def _write_config(self) -> None:
        execs = {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterExec",
            "metadata": {"name": "here"},
            "spec": {"execs": [{"local": {"workDir": str(self.work_dir)}}]},
        }
        self._config.write_text(f"{STAGES.read_text()}---\n{yaml.safe_dump(execs)}")

    @property
    def _config(self) -> Path:
        return self._dir / "kwok.yaml"
