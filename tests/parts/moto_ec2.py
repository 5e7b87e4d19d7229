"""moto's own server as an EC2 that several processes share: disks, snapshots and their tags, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import botocore.session
import urllib3
from botocore.config import Config

from tests.parts.ports import free_port
from tests.parts.process import ServerProcess

REGION: Final = "eu-west-1"
KEYS: Final = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing-secret"}
"""What a process finds in its environment to reach it; moto takes any."""

_BOOT_SECONDS: Final = 60


class MotoEc2:
    """`with MotoEc2(folder) as cloud: handle = cloud.create_volume()`.

    Snapshots are complete at once, and no quota is ever met: what pending and refusals look like is stubbed elsewhere.
    """

    def __init__(self, work_dir: Path) -> None:
        self._dir = work_dir
        self._port = free_port()
        self._process: ServerProcess | None = None
        self.endpoint = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._process = ServerProcess(
            [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(self._port)],
            log=self._dir / "moto.log",
            env={"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"},  # thousands of images, whose snapshots each look goes through
        )
        try:
            self._process.wait_until(self._answers, seconds=_BOOT_SECONDS)
        except BaseException:
            self._process.stop()
            raise
        session = botocore.session.Session()
        session.set_credentials(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"])
        self.ec2: Any = session.create_client(
            "ec2", region_name=REGION, endpoint_url=self.endpoint, config=Config(retries={"total_max_attempts": 1})
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None, "it was started"
        self._process.stop()

    def create_volume(self, *, zone: str = f"{REGION}a", size: int = 1, **options: Any) -> str:
        """A disk of so many GiB; its id."""
        made = self.ec2.create_volume(AvailabilityZone=zone, Size=size, VolumeType="gp3", **options)
        return str(made["VolumeId"])

    def volume(self, handle: str) -> dict[str, Any]:
        """A disk as EC2 describes it."""
        (found,) = self.ec2.describe_volumes(VolumeIds=[handle])["Volumes"]
        answer: dict[str, Any] = found
        return answer

    def delete_volume(self, handle: str) -> None:
        """As a StorageClass with reclaimPolicy Delete does."""
        self.ec2.delete_volume(VolumeId=handle)

    def snapshots(self, **tags: str) -> dict[str, dict[str, str]]:
        """Snapshot → its tags, of all that carry these (`backup="b1"` is trysail.dev/backup)."""
        filters = [{"Name": f"tag:trysail.dev/{name}", "Values": [value]} for name, value in tags.items()]
        found = self.ec2.describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]
        return {one["SnapshotId"]: {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])} for one in found}

    def _answers(self) -> bool:
        try:
            with urllib3.PoolManager(retries=False) as pool:
                return pool.request("GET", f"{self.endpoint}/moto-api/data.json").status == 200
        except urllib3.exceptions.HTTPError:
            return False
