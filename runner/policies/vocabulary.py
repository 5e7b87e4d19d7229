"""Words that people bring along: what was probably meant, and what other tools have that this version has not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# Below this, a suggestion is more often a puzzle than a help.
_CLOSE = 0.7

# Fields of Velero's Backup, Schedule and BackupStorageLocation, and of the design's later issues.
_NOT_YET = frozenset((
    "accessMode", "backupSyncPeriod", "blockSizeInBytes", "checksumAlgorithm", "csiSnapshotTimeout",
    "customerKeyEncryptionFile", "datamover", "default", "defaultVolumesToFsBackup", "defaultVolumesToRestic",
    "enableSharedConfig", "hooks", "itemOperationTimeout", "orderedResources", "paused", "publicUrl",
    "resourcePolicy", "restorePVs", "restoreStatus", "retention", "schedule", "signatureVersion", "skipImmediately",
    "slo", "snapshotLocation", "snapshotMoveData", "snapshotVolumes", "tagging", "ttl", "uploaderConfig",
    "validationFrequency", "volumeGroupSnapshotLabelKey", "volumePolicies", "volumeSnapshotLocations",
))  # fmt: skip

# Said where the word is not a field and what is meant is called otherwise.
_MEANT = {
    "account": "storageAccount",
    "caCert": "caFile",
    "container": "bucket",
    "endpoint": "s3Url",
    "endpointUrl": "s3Url",
    "groupKind": "groupResource",
    "location": "storageLocation",
    "namespaces": "includedNamespaces",
    "resources": "includedResources",
    "scheduleName": "backupPolicy",
    "selector": "labelSelector",
    "url": "s3Url",
}

_PROVIDERS = {
    "aws": "s3",
    "velero.io/aws": "s3",
    "minio": "s3",
    "ceph": "s3",
    "seaweedfs": "s3",
    "microsoft.com/azure": "azure",
    "velero.io/azure": "azure",
    "azblob": "azure",
    "blob": "azure",
    "file": "filesystem",
    "local": "filesystem",
    "folder": "filesystem",
    "nfs": "filesystem",
}

_KINDS_TO_COME = frozenset(("Backup", "VolumeSnapshotLocation", "Schedule"))


def close_word(word: str, words: Iterable[str]) -> str:
    """The one of `words` that `word` is a slip of; "" for none. Case, `_` and `-` weigh nothing."""
    folded = {_fold(known): known for known in words}
    return next((folded[match] for match in get_close_matches(_fold(word), folded, n=1, cutoff=_CLOSE)), "")


def same_word(word: str, words: Iterable[str]) -> str:
    """The one of `words` that `word` is but for case, `_` and `-`; "" for none."""
    return next((known for known in words if _fold(known) == _fold(word)), "")


def meant_field(word: str) -> str:
    """The field that other tools call `word`; "" for none."""
    return _MEANT.get(word, "")


def meant_provider(word: str, providers: Iterable[str]) -> str:
    """The provider that `word` stands for; "" for none."""
    return _PROVIDERS.get(word.lower(), "") or close_word(word, providers)


def not_yet(field: str) -> bool:
    """Whether Velero's users, or readers of our plans, would expect `field`, and this version lacks it."""
    return field in _NOT_YET


def kind_to_come(kind: str) -> bool:
    """Whether `kind` is one that this version does not know yet."""
    return kind in _KINDS_TO_COME


def _fold(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()
