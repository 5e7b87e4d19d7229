"""Words that people bring along: what was probably meant, and what other tools have that this version has not."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

# Below this, a suggestion is more often a puzzle than a help.
_CLOSE = 0.7

# Fields of Velero's Backup, Schedule and BackupStorageLocation, and of the design's later issues.
_NOT_YET = frozenset((
    "accessMode", "backupSyncPeriod", "blockSizeInBytes", "checksumAlgorithm",
    "altRegion", "customerKeyEncryptionFile", "datamover", "default", "enableSharedConfig", "init", "orderedResources",
    "paused", "publicUrl", "restoreStatus", "retention", "schedule", "signatureVersion", "skipImmediately", "slo",
    "snapshotMoveData", "tagging", "ttl", "uploaderConfig", "validationFrequency", "volumeGroupSnapshotLabelKey",
))  # fmt: skip

# Of Velero's fields too: what says the same here, since no single field does; by a field that stands beside it.
_FILES = "write volumePolicies: [{action: {type: fs-backup}}], and fsBackup"
_PODS = "hooks run in Pods alone: take it out"
_INSTEAD = {
    "volumePolicies": {
        "defaultVolumesToFsBackup": _FILES,
        "defaultVolumesToRestic": _FILES,
        "resourcePolicy": "write the volumePolicies of its ConfigMap here, as they are",
        "snapshotVolumes": "write volumePolicies: [{action: {type: snapshot}}], or type: skip where it is false",
    },
    "post": {"includedResources": _PODS, "excludedResources": _PODS},
    "postHooks": {"includedResources": _PODS, "excludedResources": _PODS},
}

# Said where the word is not a field and what is meant is called otherwise; the first that the place knows.
_MEANT = {
    "account": ("storageAccount",),
    "assumeRole": ("roleArn",),
    "caCert": ("caFile",),
    "cmd": ("command",),
    "container": ("bucket",),
    "ec2Url": ("endpoint",),
    "endpoint": ("s3Url",),
    "endpointUrl": ("s3Url", "endpoint"),
    "groupKind": ("groupResource",),
    "hooks": ("pre",),
    "location": ("storageLocation",),
    "namespaces": ("includedNamespaces",),
    "onFailure": ("onError",),
    "password": ("repositoryPassword",),
    "post": ("postHooks",),
    "postHook": ("post", "onSuccess"),
    "postHooks": ("post", "onSuccess"),
    "preHook": ("pre", "beforeRun"),
    "preHooks": ("pre", "beforeRun"),
    "resources": ("includedResources",),
    "restorePVs": ("restoreVolumes",),
    "role": ("roleArn",),
    "s3Url": ("endpoint",),
    "scheduleName": ("backupPolicy",),
    "selector": ("labelSelector",),
    "serviceAccount": ("serviceAccountName",),
    "storageClasses": ("storageClass",),
    "timeout": ("execTimeout",),
    "url": ("s3Url", "endpoint"),
    "volumeSnapshotLocation": ("snapshotLocation",),
    "volumeSnapshotLocations": ("snapshotLocation",),
}

# What stands for a store, by what people call it.
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

# The same, of whose snapshots are taken.
_SNAPSHOT_PROVIDERS = {
    "amazon": "aws",
    "ebs": "aws",
    "ebs.csi.aws.com": "aws",
    "ec2": "aws",
    "s3": "aws",
    "velero.io/aws": "aws",
}

# Choices of other fields, where people's own word is not close to ours.
_CHOICES = {
    "abort": ("stop", "fail"),
    "filesystem": ("fs-backup",),
    "ignore": ("continue",),
    "kopia": ("fs-backup",),
    "none": ("skip",),
    "pvc": ("persistentVolumeClaim",),
    "remove": ("delete",),
    "restic": ("fs-backup",),
}

_TABLES = (_PROVIDERS, _SNAPSHOT_PROVIDERS)

_KINDS_TO_COME = frozenset(("Backup", "Schedule"))


def close_word(word: str, words: Iterable[str]) -> str:
    """The one of `words` that `word` is a slip of; "" for none. Case, `_` and `-` weigh nothing."""
    folded = {_fold(known): known for known in words}
    return next((folded[match] for match in get_close_matches(_fold(word), folded, n=1, cutoff=_CLOSE)), "")


def same_word(word: str, words: Iterable[str]) -> str:
    """The one of `words` that `word` is but for case, `_` and `-`; "" for none."""
    return next((known for known in words if _fold(known) == _fold(word)), "")


def meant_fields(word: str) -> tuple[str, ...]:
    """The fields that other tools call `word`; none for most."""
    return _MEANT.get(word, ())


def instead_of(field: str, fields: Collection[str]) -> str:
    """What says the same as Velero's `field`, at a place that has `fields`; "" where there is nothing to say."""
    return next((said[field] for beside, said in _INSTEAD.items() if beside in fields and field in said), "")


def meant_choice(word: str, choices: Collection[str]) -> str:
    """The one of `choices` that `word` is a slip of, or that others call so; "" for none."""
    named = next((choice for choice in _CHOICES.get(word.lower(), ()) if choice in choices), "")
    return named or close_word(word, choices)


def meant_provider(word: str, providers: Collection[str]) -> str:
    """The one of `providers`, of stores or of snapshots, that `word` stands for; "" for none."""
    named = next((table[word.lower()] for table in _TABLES if table.get(word.lower()) in providers), "")
    return named or close_word(word, providers)


def not_yet(field: str) -> bool:
    """Whether Velero's users, or readers of our plans, would expect `field`, and this version lacks it."""
    return field in _NOT_YET


def kind_to_come(kind: str) -> bool:
    """Whether `kind` is one that this version does not know yet."""
    return kind in _KINDS_TO_COME


def _fold(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()
