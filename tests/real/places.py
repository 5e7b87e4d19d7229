"""Places for backups: how a policy names one, how --location does, and a client to look inside."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.adapters.filesystem import FilesystemStore
from runner.adapters.s3 import S3Store
from runner.model.location import S3Location
from runner.ports import ObjectStore
from tests.parts.seaweedfs import SeaweedFS

Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where backups of one test lie."""

    location: Json  # as in a policy
    url: str  # for --location
    store: ObjectStore

    def all_keys(self) -> list[str]:
        """Every key, visible or not a backup."""
        return [stored.key for stored in self.store.keys("")]

    def read(self, name: str) -> bytes:
        """The content of the only key that ends in `name`, unpacked if it is compressed."""
        (key,) = [key for key in self.all_keys() if key.endswith("/" + name)]
        content = self.store.read(key)
        return gzip.decompress(content) if name.endswith(".gz") else content

    def manifest(self) -> Json:
        """The manifest of the only backup that is committed here."""
        manifest: Json = json.loads(self.read("manifest.json"))
        return manifest

    def assert_no_backup(self) -> None:
        """Nothing is committed, and no upload dangles."""
        assert [key for key in self.all_keys() if key.endswith("manifest.json")] == []
        assert self.store.unfinished("") == ()


def seaweed_place(server: SeaweedFS, bucket: str, prefix: str, *, endpoint: str = "") -> Place:
    """A prefix of a bucket. `endpoint` may lead to the server by a detour, which only the policy takes."""
    return Place(
        location=_s3(endpoint or server.endpoint, bucket, prefix),
        url=f"s3://{bucket}/{prefix}?s3Url={server.endpoint}&s3ForcePathStyle=true",
        store=S3Store(
            S3Location.model_validate(_s3(server.endpoint, bucket, prefix)),
            access_key_id=server.access_key,
            secret_access_key=server.secret_key,
        ),
    )


def folder_place(path: Path) -> Place:
    """A folder."""
    return Place({"provider": "filesystem", "path": str(path)}, str(path), FilesystemStore(path))


def _s3(endpoint: str, bucket: str, prefix: str) -> Json:
    config = {"s3Url": endpoint, "s3ForcePathStyle": True}
    return {"provider": "s3", "objectStorage": {"bucket": bucket, "prefix": prefix}, "config": config}
