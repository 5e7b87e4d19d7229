"""Plays the kubelet for the Pods of movers: on nodes of kwok's, nothing of a container is ever run.

A Pod that carries the movers' label and has a node has its command run as a process of this machine, with the folder of
the tests' CSI driver in the place of the mounted volume; its end, and its last word, are written into its status. What
becomes of the Job is the real Job controller's. `tests/kwok/stages.yaml` leaves such Pods alone.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Final, Self

from runner.adapters.mover_jobs import MOVER
from runner.cli.mover import MARKER
from tests.parts.controlplane import ControlPlane
from tests.parts.csi import Csi
from tests.parts.restic import restic_program

Json = dict[str, Any]

_POLL_SECONDS: Final = 0.05
_NOW: Final = "2026-01-01T00:00:00Z"


class Movers:
    """`with Movers(control_plane, csi, folder):`; from then on mover Pods run to their end."""

    def __init__(self, plane: ControlPlane, csi: Csi, folder: Path) -> None:
        self._plane, self._csi, self._dir = plane, csi, folder
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._restic = restic_program().parent
        self.hold = Event()  # while it is set, nothing that is new is begun
        self.kills: dict[str, int] = {}  # by claim: how many more movers of it are killed in the middle
        self.under: tuple[str, ...] = ()  # another command, under which movers run: with fewer rights
        self.ran: list[str] = []  # the claims whose movers were run, in order
        self.problems: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        assert not self.problems, self.problems

    def _watch(self) -> None:
        seen: set[str] = set()
        while not self._stop.wait(_POLL_SECONDS):
            if self.hold.is_set():
                continue
            for pod in self._plane.must("GET", f"/api/v1/pods?labelSelector={MOVER}")["items"]:
                uid = pod["metadata"]["uid"]
                if uid in seen or not pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
                    continue
                if pod["status"].get("phase") == "Pending" and (secret := self._secret(pod)) is not None:
                    seen.add(uid)
                    Thread(target=self._run, args=(pod, secret), daemon=True).start()

    def _secret(self, pod: Json) -> dict[str, str] | None:
        """The values of the Pod's Secret, once it is there: a kubelet waits for it."""
        namespace = pod["metadata"]["namespace"]
        names = {
            variable["valueFrom"]["secretKeyRef"]["name"]
            for variable in pod["spec"]["containers"][0]["env"]
            if "valueFrom" in variable
        }
        values: dict[str, str] = {}
        for name in names:
            status, found = self._plane.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
            if status != 200:
                return None
            values |= {key: base64.b64decode(value).decode() for key, value in found["data"].items()}
        return values

    def _run(self, pod: Json, secret: dict[str, str]) -> None:
        try:
            self._run_container(pod, secret)
        except Exception as error:  # noqa: BLE001 -- a thread's own: the test shall know
            if not self._stop.is_set():
                self.problems.append(repr(error))

    def _run_container(self, pod: Json, secret: dict[str, str]) -> None:
        container = pod["spec"]["containers"][0]
        claim = next(
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        )
        namespace = pod["metadata"]["namespace"]
        folder = self._csi.volume_path(self._csi.handle(namespace, claim))
        with tempfile.TemporaryDirectory(dir=self._dir) as scratch:
            word = Path(scratch) / "termination-log"
            places = {"/volume": str(folder), "/dev/termination-log": str(word)}
            for volume in container["volumeMounts"]:
                if volume["name"] == "authority":
                    (Path(scratch) / "ca.crt").write_text(secret["ca.crt"])
                    places["/authority/ca.crt"] = str(Path(scratch) / "ca.crt")
            command = [places.get(part, part) for part in container["command"]]
            assert command[0] == "trysail", command
            environment = {"PATH": f"{self._restic}:{os.environ['PATH']}"}
            for variable in container["env"]:
                key = variable.get("valueFrom", {}).get("secretKeyRef", {}).get("key")
                environment[variable["name"]] = variable.get("value", "") if key is None else secret[key]
            environment |= {"TMPDIR": scratch, "HOME": scratch, "AWS_EC2_METADATA_DISABLED": "true"}
            self._report(pod, "Running", {"running": {"startedAt": _NOW}})
            self.ran.append(f"{namespace}/{claim}")
            process = subprocess.Popen(
                [*self.under, sys.executable, "-m", "runner", *command[1:]],
                env=environment,
                cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            if self.kills.get(claim, 0) > 0:
                self.kills[claim] -= 1
                self._kill(process, folder / MARKER if command[2] == "restore" else None)
            _, said = process.communicate()
            code = process.returncode if process.returncode >= 0 else 128 - process.returncode
            message = word.read_text() if word.exists() else said.decode()[-1000:]
        reason = {0: "Completed", 137: "OOMKilled"}.get(code, "Error")
        ended = {"exitCode": code, "message": message, "reason": reason, "startedAt": _NOW, "finishedAt": _NOW}
        self._report(pod, "Failed" if code else "Succeeded", {"terminated": ended})

    def _kill(self, process: subprocess.Popen[bytes], begun: Path | None) -> None:
        """As the kernel does where memory runs out; once `begun` is there, where it is given."""
        while begun is not None and not begun.exists() and process.poll() is None:
            self._stop.wait(_POLL_SECONDS)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)

    def _report(self, pod: Json, phase: str, state: Json) -> None:
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status"
        container = pod["spec"]["containers"][0]
        ready = phase == "Running"
        status = {
            "phase": phase,
            "startTime": _NOW,
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "restartCount": 0,
                    "ready": ready,
                    "started": ready,
                    "state": state,
                }
            ],
        }
        self._plane.must("PATCH", path, {"status": status})
