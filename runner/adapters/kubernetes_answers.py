"""What an API server's refusals mean: HTTP status and Status object in, one of our errors out.

Those of writes are in `kubernetes_refusals`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from runner.errors import (
    BadResponse,
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    ContinueExpired,
    Forbidden,
    ItemNotFound,
    Unauthorized,
)

# What urllib3 and OpenSSL put around their reasons: an address that we have named, classes and lines of their sources.
_CONNECTION = re.compile(r"^(HTTPS?Connection(Pool)?\(.*?\): )+")
_TLS = re.compile(r"^(?:SSLError\s+)?\[.*?\] (.*?)(?: \(_ssl\.c:\d+\))?$", re.DOTALL)

# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
_JSON = msgspec.json.Decoder()

_LONGEST_TEXT = 300  # of a body that is no Status: enough to recognise it, too little to flood a log


def error_of_status(status: int, headers: Mapping[str, str], body: bytes, path: str) -> ClusterError:
    """The error for an answer that is not 200. Its message is the server's own where it gives one."""
    answer = status_object(body)
    message = words(answer, body) or f"HTTP {status}"
    match status:
        case 401:
            return Unauthorized(
                "the API server does not accept the credentials: " + message,
                hint="log in again, or check the user of this context",
            )
        case 403:
            return Forbidden(message, hint="ask for the rights get and list", path=path)
        case 404:
            return ItemNotFound(message, path=path)
        case 410:
            return ContinueExpired(message, token=_continue(answer), path=path)
        case 408 | 429 | 500 | 502 | 503 | 504:
            return ClusterBusy(
                f"the API server answers {status}: {message}", retry_after=retry_after(headers), path=path
            )
        case _ if 300 <= status < 400:
            return ClusterError(
                f"the API server redirects to another place ({status})",
                hint="use the API server's own address in the kubeconfig",
                path=path,
            )
        case 200 | 201:
            return BadResponse(message, path=path)
        case _:
            return ClusterError(f"the API server answers {status}: {message}", path=path)


def unreachable(server: str, reason: str) -> ClusterError:
    """The error for no answer at all. A certificate that is refused will be refused again: that is not retriable."""
    reason = _CONNECTION.sub("", reason)
    if "CERTIFICATE" in reason.upper():
        reason = _TLS.sub(r"\1", reason)
        return ClusterError(
            f"the API server at {server} is not trusted: {reason}",
            hint="its certificate must be for this name, and signed by the certificate authority of the kubeconfig",
        )
    return ClusterUnreachable(
        f"the API server at {server} does not answer: {reason}",
        hint="is the API server running, and its address right? kubectl cluster-info",
    )


def status_object(body: bytes) -> dict[str, Any]:
    """The Status of an answer; empty where it has none."""
    try:
        answer = _JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return answer if isinstance(answer, dict) else {}


def words(answer: dict[str, Any], body: bytes) -> str:
    """The server's own words; where there is no Status (a proxy, an aggregated API without a backend), short ones."""
    return str(answer.get("message") or "") or " ".join(body[:_LONGEST_TEXT].decode(errors="replace").split())


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How many seconds the server wants us to wait, where it says so."""
    try:
        return float(headers.get("Retry-After", ""))
    except ValueError:
        return None  # absent, or a date, which API servers do not send


def _continue(answer: dict[str, Any]) -> str:
    metadata = answer.get("metadata")
    token = metadata.get("continue") if isinstance(metadata, dict) else None
    return token if isinstance(token, str) else ""
