"""Azurite: a real Azure Blob server, from npm, installed once outside the work tree.

What is installed is fixed by `azurite/package-lock.json`: versions and digests, and no address, so that
npm asks whichever registry the machine is configured for.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient

from tests.parts import PartUnavailable
from tests.parts.cache import made_once
from tests.parts.ports import free_port
from tests.parts.process import ServerProcess

_PACKAGE: Final = Path(__file__).parent / "azurite"
_PROGRAM: Final = Path("node_modules/azurite/dist/src/blob/main.js")
_BOOT_SECONDS: Final = 60


class Azurite:
    """`with Azurite(folder) as store: store.create_container("backups")`.

    Account and key are the ones that Microsoft publishes for every emulator; they protect nothing.
    """

    account: Final = "devstoreaccount1"
    key: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def __init__(self, work_dir: Path) -> None:
        self._dir = work_dir
        self._port = free_port()
        self._process: ServerProcess | None = None
        self.endpoint = f"http://127.0.0.1:{self._port}/{self.account}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Boot, and return when it answers; nothing is left running when that fails."""
        data = self._dir / "data"
        data.mkdir(parents=True, exist_ok=True)
        self._process = ServerProcess(
            [
                _required("node"),
                _azurite_program(),
                "--blobHost=127.0.0.1",
                f"--blobPort={self._port}",
                f"--location={data}",
                "--silent",
                "--disableTelemetry",
                "--skipApiVersionCheck",
            ],
            log=self._dir / "azurite.log",
        )
        try:
            self._process.wait_until(self._answers, seconds=_BOOT_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server. The files stay."""
        if self._process is not None:
            self._process.stop()

    def create_container(self, name: str) -> None:
        """Make an empty container."""
        with self.service() as service:
            service.create_container(name)

    def service(self) -> BlobServiceClient:
        """Azure's own client for this account, which tries once."""
        credential = {"account_name": self.account, "account_key": self.key}
        return BlobServiceClient(self.endpoint, credential=credential, retry_total=0)

    def _answers(self) -> bool:
        try:
            with self.service() as service:
                service.get_service_properties()
        except AzureError:
            return False
        return True


def install_azurite() -> Path:
    """The folder with Azurite in it; the first call on a machine installs it there."""
    lock = (_PACKAGE / "package-lock.json").read_bytes()
    return made_once(f"azurite-{hashlib.sha256(lock).hexdigest()[:16]}", _install)


def _azurite_program() -> Path:
    return install_azurite() / _PROGRAM


def _install(folder: Path) -> None:
    for file in ("package.json", "package-lock.json"):
        shutil.copy(_PACKAGE / file, folder)
    # Its packages run no scripts: none is needed to serve blobs.
    command = [_required("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = f"npm could not install Azurite:\n{done.stderr[-4000:]}"
        raise PartUnavailable(message)


def _required(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        message = f"the tests' Azure Blob server needs {program}: install Node.js 20 or later, which has it"
        raise PartUnavailable(message)
    return found


if __name__ == "__main__":
    sys.stdout.write(f"{install_azurite()}\n")
