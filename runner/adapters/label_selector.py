"""Kubernetes' label selectors in their string form, as `kubectl -l` and a list's `labelSelector` take them.

Parses and matches; it knows nothing of clusters, pages or policies. The grammar and what matches are those of
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors and of the API server
itself, which also takes `==`, `key>5` and `key<5`, and lets an absent key match `!=` and `notin`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from runner.errors import UsageError

_TOKENS = re.compile(r"==|!=|[=!,()<>]|[^=!,()<>\s]+")
_SIGNS = frozenset({"==", "!=", "=", "!", ",", "(", ")", "<", ">"})
_OPERATORS = {"=": "in", "==": "in", "in": "in", "!=": "notin", "notin": "notin", ">": ">", "<": "<"}
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"(?=.{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_END = ""


class Requirement(msgspec.Struct, frozen=True):
    """One condition on one label. `operator` is one of `in`, `notin`, `exists`, `!`, `>`, `<`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with `labels` satisfies this."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        if value is None or not _INTEGER.fullmatch(value):
            return False
        bound = int(self.values[0])
        return int(value) > bound if self.operator == ">" else int(value) < bound


class LabelQuery(msgspec.Struct, frozen=True):
    """A parsed selector: every requirement must hold; none matches everything."""

    requirements: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with `labels` is selected."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_label_selector(text: str) -> LabelQuery:
    """Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`. UsageError where the API server would answer 400."""
    return LabelQuery(tuple(_Parser(text).requirements()))


class _Parser:
    """Recursive descent over the tokens of one selector."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKENS.findall(text)
        self._next = 0

    def requirements(self) -> list[Requirement]:
        """Everything up to the end."""
        found: list[Requirement] = []
        while self._peek() != _END:
            found.append(self._requirement())
            if self._peek() == _END:
                break
            self._expect(",")
            if self._peek() == _END:
                raise self._error("a label's key after ','")
        return found

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._take()
            return Requirement(self._key(), "!")
        key = self._key()
        if self._peek() in {_END, ","}:
            return Requirement(key, "exists")
        word = self._take()
        if word not in _OPERATORS:
            raise self._error(f"an operator after {key!r}")
        if word in {"in", "notin"}:
            return Requirement(key, word, self._values())
        return Requirement(key, _OPERATORS[word], (self._value(integer=word in {"<", ">"}),))

    def _key(self) -> str:
        word = self._take()
        prefix = _PREFIX.match(word)
        if not _NAME.fullmatch(word[prefix.end() :] if prefix else word):
            raise self._error("a label's key")
        return word

    def _value(self, *, integer: bool = False) -> str:
        word = "" if self._peek() in {_END, ",", ")"} else self._take()
        if integer and not _INTEGER.fullmatch(word):
            raise self._error("a whole number")
        if word and not integer and not _NAME.fullmatch(word):
            raise self._error("a label's value")
        return word

    def _values(self) -> tuple[str, ...]:
        self._expect("(")
        values = [self._value()]
        while self._peek() == ",":
            self._take()
            values.append(self._value())
        self._expect(")")
        return tuple(dict.fromkeys(values))

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else _END

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def _expect(self, sign: str) -> None:
        if self._take() != sign:
            raise self._error(repr(sign))

    def _error(self, expected: str) -> UsageError:
        return UsageError(
            f"the label selector {self._text!r} needs {expected}",
            hint="write it as kubectl takes it: app=web,tier in (front,back),!canary",
        )
