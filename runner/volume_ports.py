"""The Protocols for volumes, Pods and commands. The comments are the contract; the rules of `ports.py` hold here too.

A provider of snapshots is one adapter: EBS, CSI, restic's Jobs; Azure disks, GCE disks and group snapshots can follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from runner.model.volumes import (
    Brought,
    FoundSnapshot,
    PlannedVolume,
    RestoringVolume,
    RunTags,
    Snapshot,
)


class VolumeSnapshotter(Protocol):
    """Takes snapshots of volumes. Conformance: tests/conformance/test_volume_snapshotter.py.

    Errors: those below VolumeError, and for what works through the cluster those of ClusterWriter. Waiting is the
    engine's: nothing here waits for a snapshot to come along.
    """

    @property
    def cut_at_once(self) -> bool:
        """Whether a snapshot has its point in time once `start` has answered, and not at some time after that."""
        ...

    def prepare(self, volumes: Iterable[PlannedVolume]) -> None:
        """Is told of all volumes that snapshots will be asked for, to look at many at once; may do nothing."""
        ...

    def found(self, tags: RunTags, *, this_run: bool = False) -> tuple[FoundSnapshot, ...]:
        """Every snapshot of this cluster and policy that carries our tags, whatever its run; or of this backup alone.

        What has failed is among them.
        """
        ...

    def start(self, volume: PlannedVolume, tags: RunTags) -> Snapshot:
        """Asks for a snapshot that carries `tags`, the claim and the PersistentVolume's uid, and returns then.

        Asked twice, it may be made twice: an answer that was lost is found again by its tags.
        """
        ...

    def look(self, snapshots: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
        """The same snapshots as they are now, in order. One that is gone has failed, with that reason."""
        ...

    def adopt(self, found: FoundSnapshot, tags: RunTags) -> Snapshot:
        """Makes a snapshot of a run that died one of this run, and returns it as it is now."""
        ...

    def discard(self, snapshot: Snapshot) -> None:
        """Deletes a snapshot and its data: for runs that come to nothing. One that is gone is not an error."""
        ...

    def tidy(self, snapshot: Snapshot) -> None:
        """Takes away what stands for it in the cluster and is not needed to restore; never the data. Twice is once."""
        ...


class VolumeRestorer(Protocol):
    """Brings the data of volumes back. Conformance: tests/conformance/test_volume_restorer.py.

    `when` says whether that is begun before the claim is created (a disk or a VolumeSnapshot that the claim then
    names) or after it (files that are written into it).
    """

    when: Literal["before", "after"]

    def bring(self, volume: RestoringVolume) -> Brought:
        """Begins; returns what an earlier try of the same restore has begun, where there is such (`adopted`)."""
        ...

    def look(self, volume: RestoringVolume, brought: Brought) -> Brought:
        """How far it is now."""
        ...

    def discard(self, volume: RestoringVolume, brought: Brought) -> None:
        """Takes back what was begun and is of no use: its claim was not created. Gone already is not an error."""
        ...


class Ended(msgspec.Struct, frozen=True):
    """How a command ended."""

    code: int
    output: str  # standard output and error, cut to what was asked for; undecodable bytes are replaced
    cut: bool = False  # there was more


class PodExec(Protocol):
    """Runs commands in Pods. Conformance: tests/conformance/test_pod_exec.py.

    Errors: ClusterError's; ItemNotFound where the Pod or the container is not there; ExecTimedOut. What is retriable of
    them was never begun, nor was what is ItemNotFound or Forbidden: a command whose end is not known is not run again
    by itself.
    """

    def run(
        self, namespace: str, pod: str, container: str, command: Sequence[str], *, timeout: float, most: int
    ) -> Ended:
        """Runs `command` and waits for its end, `timeout` seconds at most; keeps the last `most` bytes of its output.

        On ExecTimedOut the command may go on: Kubernetes has no way to end it.
        """
        ...


class CommandRunner(Protocol):
    """Runs commands on this machine, without a shell. Errors: CommandNotStarted, ExecTimedOut."""

    def run(self, command: Sequence[str], environment: Mapping[str, str], *, timeout: float, most: int) -> Ended:
        """Runs `command` with `environment` added to our own; ends it, with all it started, after `timeout` seconds."""
        ...
