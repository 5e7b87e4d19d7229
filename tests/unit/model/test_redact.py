"""Secrets in the output of commands: those that are known, and what looks like one; and what does not."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.model.redact import redacted

KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2", "password=***"),
        ("dbPassword: 'a b' next", "dbPassword: *** next"),
        ('"api_key": "x\\"y", "b": 1', '"api_key": ***, "b": 1'),
        ("PGPASSWORD=x psql", "PGPASSWORD=*** psql"),
        ("MYSQL_PWD=x", "MYSQL_PWD=***"),
        ("AWS_SECRET_ACCESS_KEY=abc/def+x end", "AWS_SECRET_ACCESS_KEY=*** end"),
        ("token: abc", "token: ***"),
        ("accessToken => abc", "accessToken => ***"),
        ("--password hunter2 --host h", "--password *** --host h"),
        ("--api-key=abc", "--api-key=***"),
        ("curl -u me:hunter2 x", "curl -u me:*** x"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("< authorization: AWS4-HMAC-SHA256 Credential=x, Signature=y", "< authorization: ***"),
        ("sent bearer abcdefghij", "sent bearer ***"),
        ("Cookie: session=abc; other=x", "Cookie: ***"),
        ("postgres://u:p%40@h/db", "postgres://u:***@h/db"),
        ("redis://:p@h:6379/0 ok", "redis://:***@h:6379/0 ok"),
        ("GET /x?X-Amz-Signature=abc", "GET /x?X-Amz-Signature=***"),
        ("the key AKIAABCDEFGHIJKLMNOP is used", "the key *** is used"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.c2ln done", "*** done"),
        ("ghp_abcdefghijklmnopqrst", "***"),
        ("ALTER USER x IDENTIFIED BY 'p w';", "ALTER USER x IDENTIFIED BY ***;"),
        (f"before\n{KEY}\nafter", "before\n***\nafter"),
        (KEY.partition("\n")[2] + " after", "*** after"),
        (KEY[:50], "***"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, shown: str) -> None:
    """Its name stays, so that people see what was there."""
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "frozen 3 tables in 0.2 s",
        "tokenizer: fast, compass: 3, author: Bob, monkey: 1",
        "token expired",
        "Enter password: ",
        "https://example.com:8080/a@b?x=1",
        "key: value",
        "LOCK TABLES; FLUSH LOGS",
        "secret:\nnext line",
        "AKIA is a prefix",
        "12:30:01 started",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Output that says nothing any more helps nobody."""
    assert redacted(text) == text


def test_known_secrets_are_taken_out_in_their_usual_forms() -> None:
    """As they are, in base64, in a URL, and line by line where they have several."""
    secret = "p@ss w/rd!\nsecond line"
    text = "\n".join([secret, b64encode(secret.encode()).decode(), "p%40ss%20w%2Frd%21%0Asecond%20line", "second line"])
    assert redacted(text, [secret]) == "***\n***\n***\n***"
    assert redacted("x p%40ssword y", ["p@ssword"]) == "x *** y"


def test_the_longest_of_several_goes_first() -> None:
    """One that begins like another leaves no rest of it behind."""
    assert redacted("abcdefgh-ijkl", ["abcdefgh", "abcdefgh-ijkl"]) == "***"


def test_a_short_secret_is_taken_out_as_a_word() -> None:
    """`a` is in every other word; an empty one is everywhere."""
    assert redacted("a bad a", ["a"]) == "*** bad ***"
    assert redacted("nothing", ["", "  ", "\n"]) == "nothing"


@given(
    before=st.text(max_size=40),
    secret=st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="*"), min_size=6, max_size=30),
    after=st.text(max_size=40),
)
def test_a_known_secret_is_never_shown(before: str, secret: str, after: str) -> None:
    """Wherever it stands; and something stands in its place."""
    shown = redacted(f"{before}{secret}{after}", [secret])
    assert secret not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text", ["token_" * 700, "-" * 4096, "a:" * 2048, "A" * 4096, "AAAAAAAA\n" * 450, "'" * 4000 + "password="]
)
def test_hostile_output_is_looked_through_in_no_time(text: str) -> None:
    """No pattern goes back and forth over it without end: the test itself would not end."""
    assert redacted(text)
