"""A wire to an S3 that is not there: answers are put in where botocore would send.

Requests are really built and signed, and answers really parsed. Stores made here hold keys that tests look for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from runner.adapters.s3 import S3Store
from tests.conformance.stores import s3_location

ACCESS_KEY, SECRET_KEY, TOKEN = "AKIAVISIBLE", "sEcReTkEy", "sEsSiOnToKeN"


class _Body:
    """What urllib3 would give."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content

    def read(self, amount: int | None = None) -> bytes:
        piece, self._content = self._content[:amount], self._content[len(self._content[:amount]) :]
        return piece

    def close(self) -> None:
        self._content = b""


class Wire:
    """Answers a store's requests in turn, with (status, body) or (status, body, headers); keeps the requests."""

    def __init__(self, store: S3Store, *answers: Any) -> None:
        self.requests: list[AWSPreparedRequest] = []
        self._answers = list(answers)
        store._bucket._connected().meta.events.register_last("before-send.s3", self._answer)

    def expect(self, *answers: Any) -> None:
        """Forgets what was, and answers with these from now on."""
        self.requests.clear()
        self._answers = list(answers)

    def said(self) -> list[str]:
        """The requests so far: method, path and the parameters that tell them apart."""
        said = []
        for request in self.requests:
            url = urlsplit(request.url)
            condition = " if-none-match" if "If-None-Match" in request.headers else ""
            said.append(f"{request.method} {url.path}{condition}")
        return said

    def _answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body, headers = (*answer, {})[:3]
        content = body if isinstance(body, bytes) else _error_body(body)
        headers = {"Content-Length": str(len(content)), **headers}
        return AWSResponse(request.url, status, headers, _Body(content))


def _error_body(code: str) -> bytes:
    if not code:
        return b""
    return f"<Error><Code>{code}</Code><Message>{SECRET_KEY} {TOKEN}</Message></Error>".encode()


def away(**config: Any) -> S3Store:
    """A store that is not AWS."""
    location = s3_location("bucket", "prefix/", s3Url="http://127.0.0.1:9", s3ForcePathStyle=True, **config)
    return S3Store(location, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY, session_token=TOKEN)


def aws(**config: Any) -> S3Store:
    """AWS itself."""
    location = s3_location("bucket", "prefix", **{"region": "eu-west-1", **config})
    return S3Store(location, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY, session_token=TOKEN)


CREATED = (200, b"", {"ETag": '"e"'})
BEGUN = (200, b"<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
COMPLETED = (200, b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
FREE, TAKEN = (404, b""), (200, b"")
