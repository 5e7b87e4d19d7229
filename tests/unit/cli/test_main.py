"""The command line's root: verbs, usage errors, exit codes, and what starting up costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner import __version__
from runner.cli.main import ALIASES, VERBS, exit_code

MODULE = (sys.executable, "-m", "runner")

# What each takes half a second to import, and no --help should pay for.
COSTLY = ("kubernetes", "botocore", "boto3", "azure", "rich", "jinja2", "yaml")


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> tuple[str, str]:
    """Standard output and error of a command that must end with `code`."""
    assert exit_code(list(words)) == code
    out, err = capsys.readouterr()
    return out, err


def test_help_lists_the_verbs_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of a backup's life; -h is the same."""
    out, _ = said(capsys, "--help", code=0)
    places = [out.index(f"  {verb} ") for verb in VERBS]
    assert places == sorted(places)
    assert "5 stale plan, 130" in out
    assert said(capsys, "-h", code=0)[0] == out


@pytest.mark.parametrize("verb", [*VERBS, *ALIASES])
def test_each_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It can be imported, and says what it does."""
    out, _ = said(capsys, verb, "--help", code=0)
    assert "Usage: trysail " in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The package's own."""
    assert said(capsys, "--version", code=0)[0].strip().endswith(__version__)


@pytest.mark.parametrize(
    "words",
    [("backups",), ("plan", "--colour"), ("run", "a", "b"), ("inventory",), ("plan", "-o", "xml")],
    ids=" ".join,
)
def test_a_wrong_command_line_is_an_error(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, as 2 means pending changes here; the usage is said on standard error."""
    out, err = said(capsys, *words, code=1)
    assert out == ""
    assert "Usage: trysail" in err
    assert "Error: " in err


def test_an_error_is_text_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, never a traceback."""
    out, err = said(capsys, "plan", code=1)
    assert (out, err) == ("", "Error: which policy?\n  hint: give -f PATH\n")


def test_a_module_is_as_good_as_the_program() -> None:
    """`python -m runner` is trysail, by that name."""
    done = subprocess.run([*MODULE, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: trysail ")


@pytest.mark.parametrize(
    "words", [("--help",), ("plan", "--help"), ("run", "--help"), ("list", "--help")], ids=" ".join
)
def test_help_imports_nothing_costly(words: tuple[str, ...]) -> None:
    """Neither the API client nor a store's SDK is imported to be told of."""
    script = (
        "import sys; from runner.cli.main import exit_code; code = exit_code(sys.argv[1:]); "
        f"found = [name for name in {COSTLY!r} if name in sys.modules]; print(found, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """As with `| head`: nothing is said, and the exit code is 0."""
    shop = Path(__file__).parents[3] / "examples"
    words = ("plan", "-f", shop / "policies" / "demo" / "shop.yaml", "--manifests", shop / "clusters" / "shop")
    with subprocess.Popen([*MODULE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
