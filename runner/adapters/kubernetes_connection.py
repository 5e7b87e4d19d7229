"""How requests reach an API server: its paths, one pool of connections, and credentials that stay fresh.

The official client finds cluster and credentials; sending is urllib3's alone, since the client's own way costs more
than half as much again of our time for each request. Never retries; every failure leaves as one of `runner.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException

from runner import __version__
from runner.adapters.kubernetes_answers import unreachable
from runner.errors import ClusterError, PageTooLarge
from runner.model.cluster import Resource

POOL_SIZE = 32  # connections that are kept; more than the engine's workers

_TIMEOUT = urllib3.Timeout(connect=10.0, read=300.0)
# The client refreshes tokens minutes before they expire, and reads a pod's once a minute: looking each second is often
# enough, and to look costs a fifth of a millisecond.
_CREDENTIAL_SECONDS = 1.0

Query = Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """What an API server answers, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """The way to one API server. `context` is how the user names it."""

    def __init__(self, configuration: Configuration, context: str) -> None:
        configuration.retries = False
        configuration.connection_pool_maxsize = POOL_SIZE
        self.context = context
        self.server = str(configuration.host)
        self.configuration = configuration
        self._lock = Lock()
        self._headers: dict[str, str] = {}
        self._fresh_until = float("-inf")
        self._send, self._root = _sender(configuration)

    def request(
        self,
        path: str,
        query: Query = (),
        accept: str = "application/json",
        max_bytes: int = 0,
        *,
        method: str = "GET",
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """One request; PageTooLarge where the answer is longer than `max_bytes` (0 for no limit)."""
        url = f"{self._root}{path}?{urlencode(query, quote_via=quote, safe='/')}" if query else f"{self._root}{path}"
        try:
            headers = {**self._credentials(), "Accept": accept}
            if body is not None:
                headers["Content-Type"] = content_type
            response = self._send(
                method, url, body=body, headers=headers, timeout=_TIMEOUT, retries=False, preload_content=False
            )
            return Answer(response.status, response.headers, _body(response, max_bytes, path))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise unreachable(self.server, first_line(error)) from error
        except ConfigException as error:  # an exec plugin, asked for a fresh token
            raise ClusterError(
                f"no credentials for {self.server}: {first_line(error)}",
                hint="run the credential plugin of this context by hand, and log in again",
                context=self.context,
            ) from error

    def url(self, path: str) -> str:
        """Where a path is."""
        return f"{self.server.rstrip('/')}{path}"

    def socket_headers(self) -> dict[str, str]:
        """Those of a websocket, which wants the credentials under a name in small letters."""
        try:
            found = self._credentials()
        except ConfigException as error:
            raise ClusterError(
                f"no credentials for {self.server}: {first_line(error)}",
                hint="run the credential plugin of this context by hand, and log in again",
                context=self.context,
            ) from error
        return {"authorization": found["Authorization"]} if "Authorization" in found else {}

    def _credentials(self) -> dict[str, str]:
        """The headers of every request. One thread at a time asks for a fresh token; the others wait for it."""
        if monotonic() < self._fresh_until:
            return self._headers
        with self._lock:
            if monotonic() >= self._fresh_until:
                headers = {"User-Agent": f"trysail/{__version__}"}
                settings: Any = self.configuration.auth_settings()
                if token := settings.get("BearerToken", {}).get("value"):
                    headers["Authorization"] = token
                self._headers = headers
                self._fresh_until = monotonic() + _CREDENTIAL_SECONDS
            return self._headers


def resource_path(resource: Resource, namespace: str = "") -> str:
    """The API server's path of a type, in one namespace or over all ("")."""
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{root}/namespaces/{namespace}/{resource.plural}" if namespace else f"{root}/{resource.plural}"


def object_path(resource: Resource, namespace: str, name: str) -> str:
    """The API server's path of one object."""
    return f"{resource_path(resource, namespace)}/{quote(name, safe='')}"


def first_line(error: BaseException) -> str:
    """What happened, in one line; urllib3 wraps it into exceptions of exceptions."""
    while error.args and isinstance(error.args[-1], Exception):
        error = error.args[-1]
    return (str(error).splitlines() or [type(error).__name__])[0]


def _sender(configuration: Configuration) -> tuple[Callable[..., Any], str]:
    """What sends, and what comes before each path. Redirects are not followed: the token would go to another place."""
    manager = RESTClientObject(configuration).pool_manager
    server = str(configuration.host)
    if isinstance(manager, urllib3.ProxyManager):

        def through_proxy(method: str, url: str, **more: Any) -> Any:
            return manager.urlopen(method, url, redirect=False, **more)

        return through_proxy, server
    pool = manager.connection_from_url(server)  # once: finding it costs a tenth of a millisecond each time

    def directly(method: str, url: str, **more: Any) -> Any:
        return pool.urlopen(method, url, redirect=False, assert_same_host=False, **more)

    return directly, urlsplit(server).path.rstrip("/")


def _body(response: Any, max_bytes: int, path: str) -> bytes:
    if not max_bytes:
        body: bytes = response.read()
        response.release_conn()
        return body
    body = response.read(max_bytes + 1)
    if len(body) > max_bytes:
        response.close()  # the rest is not read: the connection cannot be used again
        raise PageTooLarge(f"a page of {path} is larger than {max_bytes} bytes")
    response.release_conn()
    return body
