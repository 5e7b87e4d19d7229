"""Texts that one reader of YAML or another takes for something else, and that are hard to write; and values of them."""

from __future__ import annotations

import random
from typing import Any, Final

_WORDS: Final = r"""
    y Y n N yes Yes YES no No NO on On ON off Off OFF true True TRUE false False FALSE tRue nO yEs
    ~ null Null NULL nUll nil None = << <<< - -- --- . .. ... ? : , [] {} [ ] { } # & * ! | > % @ ` ' " \
    1 -1 +1 01 08 0777 0o14 0O14 0o8 0x1F 0X1f 0x 0b11 0B11 -0b1 0_1 1_000 1__0 _1 1_ 1, 1,000 -0 +0 -0.0
    1.0 .5 5. -.5 +.5 1e3 1E3 1.e+3 1e+3 1.5e-3 1e 1e400 0e0 .e1 .5_0 ._5 1d 1f 0f 0d 1L 0x1p-2 1.2.3 1.2.3.4
    .inf -.inf +.Inf .INF .nan .NaN .NAN inf -inf nan NaN Infinity -Infinity 1:30 1:30.5 190:20:30 0:0 12:30:45
    2001-01-01 2001-1-1 2001-01-01T00:00:00Z 2001-01-01t0:0:0z 2001-13-45 20010101 2026-W01 5Gi 100m 25% 1h30m
    10.0.0.1 10.0.0.0/8 fe80::1 ::1 12345678-1234-1234-1234-123456789012 1e345678-1234-1234-1234-123456789012
    $(VAR) (a) /bin/sh --flag --flag=1 -x -1x k:{"name":"x"} f:spec a:b a: :a a:: a#b #a a,b [a] {a} *a &a !a
    '' "" 'a' "a" a'b a"b \n a\ 1٣ ٣ é 日本 😀
"""

NASTY: Final[tuple[str, ...]] = (
    *_WORDS.split(),
    *("", " ", "  ", "\t", "a ", " a", "\ta", "a\t", "a b", "a  b", "a\tb", "true ", " null", "1 000", "y\u0301"),
    *("a: b", "a :b", "a : b", "a #b", "a# b", "- a", "? a", "--- a", "--- ", "... a", "%YAML 1.1"),
    *("2001-01-01 00:00:00", "2001-01-01 00:00:00.5 +1"),
    *(
        "\n",
        "\n\n",
        "a\n",
        "a\n\n",
        "\na",
        "\n\na\n",
        " \na",
        "a\n ",
        "a \nb",
        "a\t\nb",
        "a\nb",
        "a\nb\n",
        "a\nb\n\n\n",
    ),
    *("a\n\nb", "a\n\n\nb", "a\n  b\n c\n", "  a\nb", "  a\n    b\n", "\n  a\nb\n", "a\n \nb", "a\n\t\nb"),
    *("\ta\nb", "a\n\tb\n", "\n\ta\n", "a\r\nb", "a\rb", "\r", "é\nb", "日本\n  語\n", "a\xa0b", "\xa0\na"),
    *("a\x85b", "a\u2028b", "a\u2029b\n", "\ufeffa", "a\ufeff\nb", "a\x7fb", "a\x80b", "\x00", "a\x00\nb", "\x1b[0m\n"),
    *(
        "a\xad",
        "\u200b",
        "a\u200d\nb",
        "👨\u200d👩",
        "\ufffd",
        "\ufffe",
        "\uffff",
        "a\uffff\nb",
        "\U0001ffff",
        "\U000e0001",
    ),
    *("\U0010ffff", "# a\nb", "#!/bin/sh\n\nexit 1\n", "---\na: b\n---\nc\n", "...\na\n", "a\n---\nb", "- a\n- b\n"),
    *("a: b\nc: d", "key: |\n  text\n", "%a\nb", '{"a": [1, "b\\n"]}\n', "x" * 100 + "\n" + " " * 90 + "y"),
    *("x" * 1023, "x" * 1024, "x" * 1025, "é" * 700, "a b " * 400, "\n" + "x" * 2000),
)

_PIECES: Final = (*NASTY, *"yn01eox_.:-+# \n\t'\"{}[]|>~", "a", "b", "é", "\u2028", "  ", "\n\n")
_OTHERS: Final[tuple[Any, ...]] = (
    *(True, False, None, [], {}, 0, 1, -1, 2**53, 2**63 - 1, -(2**63)),
    *(1.5, -0.25, 1e16, 1e-7, 1e300),
)


def nasty_values(count: int, seed: int = 7) -> list[Any]:
    """Values of JSON made of nasty texts and of numbers that Go keeps; a seed gives the same ones each time."""
    chance = random.Random(seed)

    def text() -> str:
        return "".join(chance.choice(_PIECES) for _ in range(chance.choice((1, 1, 2, 3, 5))))[:1500]

    def value(depth: int) -> Any:
        kind = chance.random()
        if kind < 0.6 or depth > 3:
            return text()
        if kind < 0.7:
            return chance.choice(_OTHERS)
        if kind < 0.85:
            return [value(depth + 1) for _ in range(chance.randint(1, 3))]
        return {text(): value(depth + 1) for _ in range(chance.randint(1, 3))}

    return [value(0) for _ in range(count)]
