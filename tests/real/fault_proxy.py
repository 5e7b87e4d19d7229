"""A proxy between Trysail and a real server, of Kubernetes or of EC2, that goes wrong where a test says so, only there.

Owns what happens to answers on the wire; knows nothing of what Trysail makes of them.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import urllib3

from tests.parts.controlplane import ControlPlane
from tests.real.kubeconfigs import write_kubeconfig
from tests.unit.adapters.scripted_server import make_certificate

_PATIENCE: Final = 60.0  # seconds that an answer is held back at most
_PASSED: Final = {"accept", "authorization", "content-type"}
_KEPT: Final = {"Content-Type", "Retry-After", "Warning"}


@dataclass(frozen=True)
class Ask:
    """A request. `target` is its path with the query; names of headers are in lower case."""

    target: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: bytes = b""

    @property
    def path(self) -> str:
        """Without the query."""
        return urlsplit(self.target).path

    @property
    def whole(self) -> bool:
        """Whether it asks for whole objects, as a run does, and not for metadata, as a plan does."""
        return "as=" not in self.headers.get("accept", "")

    @property
    def writes(self) -> bool:
        """Whether it changes the cluster: not in a dry run, nor by asking what one may do."""
        return self.method != "GET" and "dryRun" not in self.target and "accessreviews" not in self.path

    @property
    def token(self) -> str:
        """The continue token; "" on a first page."""
        return parse_qs(urlsplit(self.target).query).get("continue", [""])[0]


@dataclass(frozen=True)
class Reply:
    """What comes back. Of `body` the first `sent` bytes, where that is given; then the connection breaks."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None


Forward = Callable[[], Reply]
Fault = Callable[[Ask, Forward], Reply]
Matches = Callable[[Ask], bool]


# faults


def status(code: int, body: bytes = b"no", **headers: str) -> Fault:
    """An answer of the proxy's own."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _, __: Reply(code, body, {"Content-Type": "text/plain"} | named)


def dropped() -> Fault:
    """The connection breaks before an answer."""
    return lambda _, __: Reply(0, sent=0)


def cut() -> Fault:
    """The connection breaks in the middle of the answer's body."""

    def fault(_: Ask, forward: Forward) -> Reply:
        reply = forward()
        return replace(reply, sent=len(reply.body) // 2)

    return fault


def truncated() -> Fault:
    """Half of the body, with a length that agrees: only a reader of JSON can know."""

    def fault(_: Ask, forward: Forward) -> Reply:
        reply = forward()
        return replace(reply, body=reply.body[: len(reply.body) // 2])

    return fault


def expired(*, resumable: bool) -> Fault:
    """410, as for a continue token that is too old; `resumable` gives one to go on with, as API servers do."""

    def fault(ask: Ask, _: Forward) -> Reply:
        assert ask.token
        answer: dict[str, Any] = {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410}
        answer |= {"message": "The provided continue parameter is too old", "metadata": {}}
        if resumable:
            answer["metadata"] = {"continue": ask.token}
        return Reply(410, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    return fault


def after(action: Callable[[], object]) -> Fault:
    """Something else happens before the request goes on to the server."""

    def fault(_: Ask, forward: Forward) -> Reply:
        action()
        return forward()

    return fault


def held(until: Event) -> Fault:
    """The answer is kept back until something has happened."""

    def fault(_: Ask, forward: Forward) -> Reply:
        reply = forward()
        assert until.wait(_PATIENCE)
        return reply

    return fault


class PlainProxy:
    """`with PlainProxy(url) as proxy: proxy.when(lambda ask: …, cut())`; `server` leads through it to `url`."""

    def __init__(self, url: str, *, ca_file: Path | None = None, headers: Mapping[str, str] | None = None) -> None:
        self.asked: list[Ask] = []
        self.answered: list[tuple[Ask, int]] = []  # by the server behind it: with which status
        self._url = url
        self._headers = dict(headers or {})  # of every request that goes on
        self._faults: list[tuple[Matches, Fault, int]] = []
        self._lock = Lock()
        trusted = None if ca_file is None else str(ca_file)
        self._pool = urllib3.PoolManager(ca_certs=trusted, retries=False, maxsize=32)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.server = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._pool.clear()

    @property
    def written(self) -> list[Ask]:
        """The requests that change the cluster, so far."""
        with self._lock:
            return [ask for ask in self.asked if ask.writes]

    def when(self, matches: Matches, fault: Fault, *, times: int = 1) -> None:
        """The next requests that match meet the fault, so many times; faults that were added earlier come first."""
        with self._lock:
            self._faults.append((matches, fault, times))

    def always(self, matches: Matches, fault: Fault) -> None:
        """Every request that matches, for ever."""
        self.when(matches, fault, times=1 << 30)

    def forget(self) -> None:
        """No request meets a fault from now on."""
        with self._lock:
            self._faults.clear()

    def reply(self, ask: Ask) -> Reply:
        """What comes of a request."""
        with self._lock:
            self.asked.append(ask)
            fault = self._fault(ask)

        def forward() -> Reply:
            return self._forward(ask)

        return forward() if fault is None else fault(ask, forward)

    def _fault(self, ask: Ask) -> Fault | None:
        for number, (matches, fault, times) in enumerate(self._faults):
            if times and matches(ask):
                self._faults[number] = (matches, fault, times - 1)
                return fault
        return None

    def _forward(self, ask: Ask) -> Reply:
        passed = {name: value for name, value in ask.headers.items() if name in _PASSED}
        passed |= self._headers
        try:
            answer = self._pool.request(ask.method, self._url + ask.target, body=ask.body or None, headers=passed)
        except urllib3.exceptions.HTTPError:
            return Reply(0, sent=0)
        with self._lock:
            self.answered.append((ask, answer.status))
        kept = {name: value for name, value in answer.headers.items() if name in _KEPT}
        return Reply(answer.status, answer.data, kept)


class FaultProxy(PlainProxy):
    """`with FaultProxy(plane, folder) as proxy`, before an API server: `kubeconfig` leads through it, by HTTPS.

    With `client_authority` it takes only clients with a certificate that this file vouches for, and speaks to the
    API server as its admin, as an authenticating proxy does.
    """

    def __init__(self, plane: ControlPlane, folder: Path, *, client_authority: Path | None = None) -> None:
        as_admin = {"authorization": f"Bearer {plane.token}"} if client_authority is not None else None
        super().__init__(plane.server, ca_file=plane.ca_file, headers=as_admin)
        self.certificate = make_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        if client_authority is not None:
            context.load_verify_locations(client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.server = f"https://127.0.0.1:{self._server.server_port}"
        self.kubeconfig = write_kubeconfig(
            folder / "proxy.kubeconfig", plane, server=self.server, authority=self.certificate
        )


def _handler(proxy: PlainProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            reply = proxy.reply(Ask(self.path, headers, self.command, body))
            self.close_connection = reply.sent is not None
            if reply.status:
                self.send_response(reply.status)
                for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body[: reply.sent])

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server calls these names

        def log_message(self, *_: object) -> None:
            """Says nothing."""

        def handle(self) -> None:
            """A client that goes away, or has no certificate that we take, is no error of ours."""
            try:
                super().handle()
            except OSError:
                self.close_connection = True

    return Handler
