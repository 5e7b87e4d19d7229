"""The README is true: its tutorial is run word for word, and what it quotes is what the commands print."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ANYTHING = "…"
_SHORTEST_PLAN = 10  # lines that are worth quoting

# What differs from run to run: names of backups, times, ages, speeds, and the few bytes that times take when packed.
VARYING = (
    (re.compile(r"shop-\d{14}-[0-9a-f]{4}"), "<backup>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "<time>"),
    (re.compile(r"<time> +\d+s"), "<time> <age>"),
    (re.compile(r"in \d+\.\d s, [\d,]+ items/s"), "in <seconds>"),
    (re.compile(r"\d+ keys \(\d+\.\d KiB\)"), "<keys>"),
)


@pytest.mark.real  # it starts a process a line, and would take half of the everyday tier's time
def test_tutorial_word_for_word(tmp_path: Path) -> None:
    """Each command of the tutorial prints what the README says, in the order of the README."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for command, expected in _commands(_between("tutorial")):
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=tmp_path,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert _fits(_lines(expected), _lines(done.stdout)), f"$ {command}\n{done.stdout}"


def test_quoted_plan_is_a_real_one(tmp_path: Path) -> None:
    """The plan at the top of the README is, but for what is cut out of it, the one that the demo prints."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    done = subprocess.run(
        ["trysail", "plan", "-f", "examples/policies/demo/shop.yaml", "--manifests", "examples/clusters/shop"],
        cwd=tmp_path,
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    quoted = _lines(_between("plan").strip().removeprefix("```").removesuffix("```"))
    assert len(quoted) > _SHORTEST_PLAN
    assert _fits(quoted, _lines(done.stdout)), done.stdout


def test_hooks_match_the_shop() -> None:
    """Who tries the README's hooks on the shop of examples/ finds its Pods."""
    hooks = re.search(r"labelSelector: \{matchLabels: \{(\S+: \w+)\}\}", README)
    assert hooks is not None
    assert f"    {hooks[1]}\n" in (ROOT / "examples/clusters/shop/shop-prod/postgres.yaml").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("verb", sorted(set(re.findall(r"\btrysail ([a-z]+) ", README))))
def test_every_verb_exists(verb: str) -> None:
    """No verb is quoted that does not exist."""
    done = subprocess.run([sys.executable, "-m", "runner", verb, "--help"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "80"}


def _between(name: str) -> str:
    return README.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """(command, output) of each `$ ` in the console blocks; a here-document belongs to its command."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, rest = part.partition("\n")
            if "<<'EOF'" in command:
                document, _, rest = rest.partition("EOF\n")
                command += f"\n{document}EOF\n"
            yield command, rest


def _lines(text: str) -> list[str]:
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def _fits(expected: list[str], found: list[str]) -> bool:
    """Whether `found` is `expected`, where a line `…` stands for any lines, none included."""
    if not expected:
        return not found
    if expected[0] == ANYTHING:
        return any(_fits(expected[1:], found[start:]) for start in range(len(found) + 1))
    return bool(found) and found[0] == expected[0] and _fits(expected[1:], found[1:])
