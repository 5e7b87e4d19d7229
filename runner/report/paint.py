"""Colours, as the ANSI sequences that terminals know; or none. Whether there is a terminal is the caller's to say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paint:
    """Each method gives its text back, painted where `color` is set."""

    color: bool

    def bold(self, text: str) -> str:
        """For headings."""
        return self._in("1", text)

    def good(self, text: str) -> str:
        """For what is stored, and for what is well."""
        return self._in("32", text)

    def bad(self, text: str) -> str:
        """For what stops a run, or is missing."""
        return self._in("31", text)

    def warning(self, text: str) -> str:
        """For what a person should look at."""
        return self._in("33", text)

    def faint(self, text: str) -> str:
        """For reasons, and for what is left out."""
        return self._in("2", text)

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text
