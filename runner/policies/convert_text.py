"""A conversion as text: documents under comments that say what each was made of, and what was left behind. Pure.

Nothing that was read can end a comment: what is not printable is written out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

from runner.archive.emitter import emit
from runner.policies.convert import Conversion, Left, Made
from runner.policies.convert_notes import Note, Severity

_WIDTH = 110
_HEADINGS = {
    Severity.CHANGES: "Left behind, and it changes what is backed up, or how it is kept:",
    Severity.TO_DO: "To be done otherwise, or before the first run:",
    Severity.OTHERWISE: "Converted, in other words:",
    Severity.NO_MEANING: "Left behind, since it has no meaning here:",
}


def conversion_text(conversion: Conversion) -> str:
    """Every document as one YAML stream; what nothing was made of comes last, as comments."""
    parts = [made_text(made) for made in conversion.made]
    parts += [_comment(_nothing_made(left)) for left in conversion.left]
    return "\n".join(parts)


def made_text(made: Made) -> str:
    """One document as YAML, under its comment."""
    heading = [f"From {made.source.what}, {made.source.place}."]
    return f"---\n{_comment([*heading, *_sections(made.notes)])}{emit(made.value).decode()}"


def note_text(note: Note) -> Iterator[str]:
    """A note as a compiler's lines: `file:line:column: path: message`, and what to do."""
    path = f"{note.path}: " if note.path else ""
    yield harmless(f"{note.file}:{note.line}:{note.column}: {path}{note.message}")
    if note.instead:
        yield harmless(f"  instead: {note.instead}")


def harmless(text: str) -> str:
    """`text` on one line, without what would steer a terminal or end a comment."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _nothing_made(left: Left) -> list[str]:
    return [f"Nothing was made of {left.source.what}, {left.source.place}.", *_sections(left.notes)]


def _sections(notes: Iterable[Note]) -> Iterator[str]:
    for severity, heading in _HEADINGS.items():
        of_severity = sorted(note for note in notes if note.severity is severity)
        if of_severity:
            yield ""
            yield heading
            for note in of_severity:
                yield from _wrapped(f"{note.path or 'all of it'} ({note.file}:{note.line}): {note.message}", "- ")
                if note.instead:
                    yield from _wrapped(f"Instead: {note.instead}", "  ")


def _wrapped(text: str, mark: str) -> list[str]:
    return wrap(
        harmless(text), _WIDTH, initial_indent=mark, subsequent_indent="  ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _comment(lines: Iterable[str]) -> str:
    return "".join(f"# {harmless(line)}".rstrip() + "\n" for line in lines)
