"""VolumeSnapshotLocation of Velero's → the spec of ours. Pure; no secret is read.

Source of the fields: Velero's volume_snapshot_location_type.go, and the volumesnapshotlocation.md of the plugin for
AWS.
"""

from __future__ import annotations

from runner.policies.convert_location import S3_KEYS, secret_of
from runner.policies.convert_notes import Draft, Original, Severity

_PROVIDERS = ("aws", "velero.io/aws")
_CONFIG = ("spec", "config")


def fill_snapshots(original: Original, draft: Draft) -> bool:
    """Fills in the spec of `draft`; False where the provider is none whose snapshots are taken here."""
    provider = original.text("spec", "provider")
    if not provider:
        original.mistake(("spec", "provider"), "is missing", "the volume snapshotter's plugin: aws …")
        return False
    if provider not in _PROVIDERS:
        original.note(
            Severity.CHANGES,
            ("spec", "provider"),
            "snapshots of this provider's disks are not taken by its own API in this version",
            "disks of a CSI driver are snapshotted by it, without a location; others can be kept by fs-backup",
        )
        return False
    draft.put(("spec", "provider"), "aws", ("spec", "provider"))
    original.mapping(*_CONFIG)
    region = original.text(*_CONFIG, "region")
    if not region:
        original.mistake((*_CONFIG, "region"), "is missing", "the region that the volumes are in")
    draft.put((*_CONFIG, "region"), region or "missing", (*_CONFIG, "region"))
    profile = original.text(*_CONFIG, "profile")
    if profile == "default":
        original.note(Severity.NO_MEANING, (*_CONFIG, "profile"), "it is taken where no other is named")
    elif profile:
        draft.put((*_CONFIG, "profile"), profile, (*_CONFIG, "profile"))
    _rest(original)
    _credential(original)
    return True


def _rest(original: Original) -> None:
    if original.value(*_CONFIG, "altRegion") is not None:
        original.note(
            Severity.CHANGES,
            (*_CONFIG, "altRegion"),
            "snapshots are not copied into another region",
            "copy those that have the tag trysail.dev/backup after a run: aws ec2 copy-snapshot",
        )
    if original.value(*_CONFIG, "enableSharedConfig") is not None:
        why = "AWS' own configuration files are always read"
        original.note(Severity.NO_MEANING, (*_CONFIG, "enableSharedConfig"), why)
    if original.value(*_CONFIG, "credentialsFile") is not None:
        original.note(
            Severity.TO_DO,
            (*_CONFIG, "credentialsFile"),
            "a location names keys, and not a file of several",
            f"write {S3_KEYS}",
        )


def _credential(original: Original) -> None:
    if original.mapping("spec", "credential"):
        original.note(
            Severity.TO_DO,
            ("spec", "credential"),
            f"{secret_of(original)} a whole credentials file of AWS, and not one key; without a credential, AWS' own "
            "chain decides: environment, profile, instance role",
            f"put the two keys into a Secret as two values, and name each: {S3_KEYS}",
        )
    else:
        original.note(
            Severity.TO_DO,
            ("spec",),
            "without a credential, Velero takes its server's own; here AWS' own chain decides: environment, profile, "
            "instance role",
            f"have it decide for a key that may take snapshots there, or name one: {S3_KEYS}",
        )
