"""How an error looks to people: text, never a traceback. Pure; whoever calls it decides where the text goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.errors import BackupDamaged, Finding, PlanStale, PolicyError, TrysailError

_INDENT = "  "


def render_problem(error: TrysailError) -> str:
    """`error` as lines, without a newline at the end: what is wrong, each part of it, where, and what to do.

    Mistakes in documents come as a compiler's: `file:line:column: path: message`. Text that came from elsewhere may
    hold anything, so what would steer a terminal is written out.
    """
    if isinstance(error, PolicyError) and error.findings:
        return render_findings(error.findings)
    lines = [f"Error: {_continued(error.message)}"]
    lines += [f"{_INDENT}- {_continued(part)}" for part in _parts(error)]
    lines += [f"{_INDENT}{name.replace('_', ' ')}: {_continued(value)}" for name, value in error.context.items()]
    if error.hint:
        lines.append(f"{_INDENT}hint: {_continued(error.hint)}")
    return _harmless("\n".join(lines))


def render_findings(findings: Sequence[Finding]) -> str:
    """Every finding with its hint below it, and a line that counts them."""
    files = {finding.file for finding in findings}
    count = f"{_counted(len(findings), 'mistake')} in {_counted(len(files), 'file')}."
    return _harmless("\n".join([*(line for finding in findings for line in _finding(finding)), count]))


def _finding(finding: Finding) -> Iterator[str]:
    place = f"{finding.file}:{finding.line}:{finding.column}" if finding.line else finding.file
    path = f"{finding.path}: " if finding.path else ""
    yield f"{place}: {path}{_continued(finding.message)}"
    if finding.hint:
        yield f"{_INDENT}hint: {_continued(finding.hint)}"


def _parts(error: TrysailError) -> tuple[str, ...]:
    if isinstance(error, BackupDamaged):
        return error.damages
    return error.reasons if isinstance(error, PlanStale) else ()


def _continued(text: str) -> str:
    """Lines after the first stand below it, and cannot be taken for lines of ours."""
    return text.strip().replace("\n", f"\n{_INDENT * 2}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _harmless(text: str) -> str:
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1] for character in text
    )
