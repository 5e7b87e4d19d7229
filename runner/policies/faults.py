"""What the YAML parser complains of, in words for people, with the usual cause as hint.

Nothing of the text is repeated: a word that YAML stumbles over may be a secret.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

import yaml

_QUOTE = "quote the text"


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a text; both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a text, or a document in it, cannot be read."""

    mark: Mark
    message: str
    hint: str = ""


def decode(data: bytes) -> str | Fault:
    """The text of a file: UTF-8, with or without a byte order mark."""
    content = data.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        return Fault(_mark_after(before), "not UTF-8", "save the file as UTF-8")


def fault_of(error: yaml.YAMLError, text: str) -> Fault:
    """The fault that the parser's `error` stands for."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = Mark(error.problem_mark.line + 1, error.problem_mark.column + 1)
        problem = error.problem or "not understood"
        where = ""
        if error.context and error.context_mark is not None and error.context_mark.line + 1 != mark.line:
            where = f", {error.context} that begins at line {error.context_mark.line + 1}"
        character = _character_at(text, mark)
        return Fault(mark, f"malformed YAML: {problem}{where}", _hint(problem, error.context or "", character))
    position = getattr(error, "position", 0)
    return Fault(
        _mark_after(text[:position]), "malformed YAML: a control character", "remove it, or escape it in double quotes"
    )


def _hint(problem: str, context: str, character: str) -> str:
    if character == "\t":
        return "YAML is indented with spaces, not with tabs"
    if "scanning an alias" in context:
        return 'text that begins with * is quoted: "*"'
    if "cannot start any token" in problem:
        return f"text that begins with {character} is quoted"
    if "undefined tag handle" in problem:
        return "text that begins with ! is quoted"
    if "mapping values are not allowed" in problem:
        return "look for wrong indentation, or for text with `: ` in it, which is quoted"
    if "unexpected end of stream" in problem:
        return "look for a quote that is never closed"
    if "expected ',' or ']'" in problem or "expected ',' or '}'" in problem:
        return "look for a bracket that is never closed, or a comma that is missing"
    if "expected node content" in problem:
        return "look for a bracket that is never closed, or for braces that are to be quoted"
    if "expected '-' indicator" in problem or "expected key" in problem:
        return "look for wrong indentation"
    return ""


def _character_at(text: str, mark: Mark) -> str:
    lines = text.splitlines()
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    return line[mark.column - 1 : mark.column]


def _mark_after(before: str) -> Mark:
    lines = before.split("\n")
    return Mark(len(lines), len(lines[-1]) + 1)
