"""What the engine says of itself while it works: one struct a kind, for progress bars, logs and `log.jsonl.gz`."""

from __future__ import annotations

import msgspec


class Started(msgspec.Struct, frozen=True, tag="started", tag_field="event"):
    """A run begins: its backup's name, and how many items its plan counts."""

    backup: str
    policy: str
    cluster: str
    items: int


class PhaseBegun(msgspec.Struct, frozen=True, tag="phase", tag_field="event"):
    """The next part of the work begins, in words: `collecting`, `storing objects`, `verifying the upload`."""

    name: str


class StepStored(msgspec.Struct, frozen=True, tag="stored", tag_field="event"):
    """A step's items lie in the archive."""

    resource: str
    namespace: str
    items: int
    planned: int
    size: int  # bytes of YAML


class Progress(msgspec.Struct, frozen=True, tag="progress", tag_field="event"):
    """How far the run is, in items; sent often, never logged."""

    items: int


class Retrying(msgspec.Struct, frozen=True, tag="retrying", tag_field="event"):
    """A call failed and will be made again after `wait` seconds."""

    what: str
    reason: str
    attempt: int
    wait: float


class Warned(msgspec.Struct, frozen=True, tag="warning", tag_field="event"):
    """Something a person should read."""

    message: str


class Missing(msgspec.Struct, frozen=True, tag="missing", tag_field="event"):
    """Something planned that the backup does not hold, and why."""

    what: str
    reason: str


class Froze(msgspec.Struct, frozen=True, tag="froze", tag_field="event"):
    """A group's pre hooks have run: what they freeze stands still from here."""

    group: str
    hooks: int


class Thawed(msgspec.Struct, frozen=True, tag="thawed", tag_field="event"):
    """A group's post hooks have run, and for how long it was frozen, hooks included."""

    group: str
    seconds: float


class HookRan(msgspec.Struct, frozen=True, tag="hook", tag_field="event"):
    """A command ended: in a Pod, or on this machine. Its output is cut and redacted."""

    what: str
    code: int
    output: str
    seconds: float


class VolumeProgress(msgspec.Struct, frozen=True, tag="volume", tag_field="event"):
    """A volume of the ledger: `started`, `cut` (its point in time is taken), `stored`, `failed`, or on its way back."""

    volume: str
    state: str
    method: str
    detail: str = ""  # the snapshot, or what went wrong


class KeyStored(msgspec.Struct, frozen=True, tag="uploaded", tag_field="event"):
    """An object lies in the store and its bytes are proven."""

    key: str
    size: int
    sha256: str


class Finished(msgspec.Struct, frozen=True, tag="finished", tag_field="event"):
    """The run has ended."""

    backup: str
    phase: str
    items: int
    seconds: float


class RestoreStarted(msgspec.Struct, frozen=True, tag="restoreStarted", tag_field="event"):
    """A restore begins: of which backup, into which cluster, and how many items its plan changes."""

    backup: str
    cluster: str
    items: int


class StepRestored(msgspec.Struct, frozen=True, tag="restored", tag_field="event"):
    """All items of a step are on their way; those that fail are told one by one."""

    resource: str
    namespace: str
    action: str
    items: int


class ItemFailed(msgspec.Struct, frozen=True, tag="failed", tag_field="event"):
    """An item that was planned to change and did not, and the API server's reason."""

    what: str
    reason: str


class RestoreFinished(msgspec.Struct, frozen=True, tag="restoreFinished", tag_field="event"):
    """The restore has ended."""

    backup: str
    items: int
    failed: int
    seconds: float


Event = (
    RestoreStarted
    | StepRestored
    | ItemFailed
    | RestoreFinished
    | Started
    | PhaseBegun
    | StepStored
    | Progress
    | Retrying
    | Warned
    | Missing
    | KeyStored
    | Froze
    | Thawed
    | HookRan
    | VolumeProgress
    | Finished
)
