"""What commands print, without secrets: those that are known, and what looks like one. Pure.

A guard and not a proof: a secret that nobody told us of, and that nothing beside it names, is not recognised.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Final

MASK: Final = "***"

_SHORT: Final = 6  # a known secret of fewer characters is taken out as a whole word only: "a" is in every other one
_LINE: Final = 8  # a line of a known secret (a key file, JSON) is a secret of its own from this length on

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

# A name that says what its value is. Short words say it only where they stand alone in it: `compass`, `author`.
_NAME: Final = (
    r"[\w.-]*?"
    r"(?:pass(?:word|wd|phrase|code)s?|secrets?|tokens?|credentials?"
    r"|(?:api|access|account|private|secret|encryption|shared|signing|storage)[_.-]?keys?"
    r"|(?<![a-z])(?:pass|pwd|auth|sig|signature))"
    r"(?:[_.-][\w.-]*)?"
)
# Rather too much than too little: an unquoted value goes on up to the next blank.
_VALUE: Final = r"""(?:"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|\S+)"""

# pattern -> what takes its place. In this order: what a header or a URL holds has a form of its own.
_LOOKS: Final = tuple(
    (re.compile(pattern), place)
    for pattern, place in (
        # PEM: with its beginning, and where the output is cut, without it.
        (r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----[\s\S]*?(?:-----END \1-----|\Z)", MASK),
        (r"(?m)(?:^[A-Za-z0-9+/=]{8,}[ \t]*\r?\n)+-----END [A-Z0-9 ]*PRIVATE KEY-----", MASK),
        (r"AGE-SECRET-KEY-1[A-Z0-9]{20,}", MASK),
        # Headers: all of the value, whatever its scheme.
        (r"""(?i)\b((?:proxy-)?authorization["']?[ \t]*[:=][ \t]*["']?)[^\s"'][^"'\r\n]*""", rf"\1{MASK}"),
        (r"(?i)\b((?:set-)?cookie[ \t]*:[ \t]*)\S[^\r\n]*", rf"\1{MASK}"),
        (r"(?i)\b((?:bearer|basic)[ \t]+)[A-Za-z0-9+/=._~-]{8,}", rf"\1{MASK}"),
        # user:password@ of a URL, the password with whatever it holds up to the last @ before the path.
        (r"(?i)\b([a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/]+@", rf"\1{MASK}@"),
        (r"(?<!\S)((?:-u|--user)[ \t=]+[^\s:]+:)\S+", rf"\1{MASK}"),
        # Known forms of tokens and key ids.
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", MASK),
        (r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*", MASK),
        (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|npm_|hvs\.)[A-Za-z0-9_.-]{12,}", MASK),
        # name=value, name: value, "name": "value", --name value.
        (rf"""(?i)(?<![\w.-])(-{{1,2}}{_NAME}[ \t]+)(?!-)({_VALUE})""", rf"\1{MASK}"),
        (rf"""(?i)(?<![\w.-])(-{{0,2}}{_NAME}\\?["']?[ \t]*(?::|=>|:?=)[ \t]*)({_VALUE})""", rf"\1{MASK}"),
        # SQL: IDENTIFIED BY 'x', PASSWORD 'x'.
        (r"""(?i)\b((?:identified\s+by|password)\s+)(?:'[^'\n]*'?|"[^"\n]*"?)""", rf"\1{MASK}"),
    )
)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` with `***` in the place of each of `secrets`, in the forms they usually take, and of what looks like one.

    Nothing vanishes without a trace.
    """
    known = tuple(secrets)  # at once: what is handed in may grow meanwhile, on other threads
    for form in sorted({form for secret in known for form in _forms(secret)}, key=lambda form: (-len(form), form)):
        if len(form) >= _SHORT:
            text = text.replace(form, MASK)
        else:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", MASK, text)
    for pattern, place in _LOOKS:
        text = pattern.sub(place, text)
    return text


def _forms(secret: str) -> Iterator[str]:
    """As it is, its lines, and as it goes into JSON, URLs and base64."""
    whole = secret.strip()
    if not whole:
        return
    yield whole
    lines = whole.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= _LINE)
        yield whole.replace("\n", "\\n")
    if len(whole) >= _SHORT:
        yield _in_url(whole)
        for form in (secret, whole):
            encoded = b64encode(form.encode(errors="replace")).decode()
            yield encoded
            yield encoded.rstrip("=")


def _in_url(text: str) -> str:
    """As it stands in a URL (RFC 3986, 2.1)."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode(errors="replace"))
