"""Commands in Pods, through the API server's `exec`: a websocket whose messages begin with the number of a channel.

The client's own stream waits without a limit while it connects, follows redirects with the token in its hands and keeps
all output; so only what it stands on is used here, with the credentials of the `Connection`. What is retriable of the
errors was never begun: of a command whose end is not known, nobody can say how far it came.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from threading import Timer
from time import monotonic
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec
import urllib3
from kubernetes.client import Configuration
from kubernetes.client.rest import should_bypass_proxies
from websocket import (
    ABNF,
    WebSocket,
    WebSocketAddressException,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    WebSocketException,
    WebSocketProxyException,
    WebSocketTimeoutException,
)

from runner.adapters.commands import Tail
from runner.adapters.kubernetes_answers import error_of_status, unreachable
from runner.adapters.kubernetes_connection import Connection, first_line
from runner.errors import ClusterError, ExecTimedOut, Forbidden, ItemNotFound
from runner.volume_ports import Ended

# kubernetes.io/docs/reference/using-api/websockets; channel 3 says how the command ended.
_PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDOUT, _STDERR, _ERROR = 1, 2, 3

_CONNECT = 10.0  # seconds for each step of connecting
_SILENCE = 5.0  # seconds without a word, after which we say one: load balancers end connections that are silent
_MOST_STATUS = 65_536  # bytes of a Status

_EXIT_CODE: Final = re.compile(r"(?:exit status|exit code) (\d{1,3})\b")
_NO_CONTAINER: Final = re.compile(
    r'container not found|container "?[^"]*"? (?:(?:is )?not found|is not valid)|pods? "?[^"]*"? not found'
)


class KubernetesExec:
    """A PodExec."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(
        self, namespace: str, pod: str, container: str, command: Sequence[str], *, timeout: float, most: int
    ) -> Ended:
        """See volume_ports. `timeout` counts from the beginning, connecting included."""
        deadline = monotonic() + timeout
        words = [*(("command", word) for word in command), ("container", container)]
        flags = [("stdin", "false"), ("stdout", "true"), ("stderr", "true"), ("tty", "false")]
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/exec"
        late = ExecTimedOut(f"{command[0]} did not end within {timeout:g} s, and may still go on", path=path)
        talk = _Talk(self._connection, path, late, deadline, most)
        talk.begin(urlencode([*words, *flags], quote_via=quote))
        try:
            return talk.until_end()
        finally:
            talk.leave()


class _Talk:
    """One command's conversation."""

    def __init__(self, connection: Connection, path: str, late: ExecTimedOut, deadline: float, most: int) -> None:
        self._connection, self._path = connection, path
        self._late, self._deadline = late, deadline
        self._tail = Tail(most)
        self._socket: Any = WebSocket(skip_utf8_validation=True)
        # Whatever keeps us waiting, a byte each second too: at the deadline nothing is left to wait for.
        self._watch = Timer(max(deadline - monotonic(), 0), self._hang_up)
        self._watch.daemon = True

    def begin(self, query: str) -> None:
        """Connects, and has the command begun."""
        configuration = self._connection.configuration
        url = "ws" + self._connection.url(f"{self._path}?{query}").removeprefix("http")
        self._watch.start()
        try:
            self._socket.sock_opt.sslopt = _tls(configuration) if url.startswith("wss:") else {}
            self._socket.connect(
                url,
                timeout=min(_CONNECT, max(self._deadline - monotonic(), 0.001)),
                header=[f"{name}: {value}" for name, value in self._connection.socket_headers().items()],
                subprotocols=list(_PROTOCOLS),
                suppress_origin=True,
                redirect_limit=0,  # the token would go to another place
                **_proxy(configuration, self._connection.server),
            )
        except BaseException as error:
            self.leave()
            if isinstance(error, Exception):
                raise self._refused(error) from error
            raise

    def until_end(self) -> Ended:
        """Reads what the command prints, until it is told how it ended."""
        status = bytearray()
        while True:
            try:
                opcode, frame = self._next()
            except (WebSocketException, OSError, AttributeError) as error:  # AttributeError: hung up meanwhile
                self._check_time(error)
                raise self._broken(first_line(error)) from error
            data: bytes = frame.data
            if opcode == ABNF.OPCODE_CLOSE:
                break
            if opcode not in {ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT} or not data:
                continue
            if data[0] in {_STDOUT, _STDERR}:
                self._tail.add(data[1:])
            elif data[0] == _ERROR and len(status) < _MOST_STATUS:
                status += data[1:]
                if (ended := self._ended(bytes(status))) is not None:
                    return ended
        self._check_time(None)
        raise self._broken("it was closed")

    def leave(self) -> None:
        """Closes the connection, without ceremony."""
        self._watch.cancel()
        self._hang_up()
        self._watch.join()

    def _next(self) -> Any:
        """The next message. Every now and then of a silence, a word of ours."""
        while True:
            self._check_time(None)
            self._socket.settimeout(min(_SILENCE, max(self._deadline - monotonic(), 0.001)))
            try:
                return self._socket.recv_data_frame(control_frame=True)
            except WebSocketTimeoutException as error:
                self._check_time(error)
                self._socket.ping()

    def _ended(self, content: bytes) -> Ended | None:
        """How the command ended, by the Status of the error channel; None while that is not whole."""
        try:
            status = _STATUS.decode(content)
        except msgspec.ValidationError as error:
            raise self._broken("what the API server says of its end is not what Kubernetes' API promises") from error
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if status.status == "Success":
            return self._tail.ended(0)
        causes = (status.details.causes if status.details is not None else None) or []
        for cause in causes:
            if cause.reason == "ExitCode" and (cause.message or "").isdecimal():
                return self._tail.ended(int(cause.message or ""))
        message = " ".join((status.message or status.reason or "no reason is given").split())
        if status.reason == "NotFound" or status.code == 404 or _NO_CONTAINER.search(message):
            raise ItemNotFound(message, path=self._path)
        if status.reason == "Forbidden" or status.code == 403:
            raise _forbidden(message, self._path)
        # Some runtimes answer so where others name the code as a cause.
        if found := _EXIT_CODE.search(message):
            return self._tail.ended(int(found[1]))
        self._check_time(None)
        raise ClusterError(f"the command could not be run: {message}", path=self._path)

    def _refused(self, error: Exception) -> ClusterError:
        """Why it did not come to a conversation."""
        if monotonic() >= self._deadline:
            return self._late
        server = self._connection.server
        match error:
            case ClusterError():
                return error
            case WebSocketBadStatusException():
                return self._error_of(error)
            case WebSocketConnectionClosedException() | WebSocketTimeoutException() | ConnectionResetError():
                # The request was on its way: the command may have been begun.
                return self._broken(first_line(error))
            case WebSocketAddressException() | WebSocketProxyException() | OSError() | urllib3.exceptions.HTTPError():
                return unreachable(server, first_line(error))
            case WebSocketException():  # an answer that is none
                return ClusterError(f"the API server at {server} does not take part: {first_line(error)}")
            case _:
                return ClusterError(f"no command can be run through {server}: {first_line(error)}")

    def _error_of(self, error: WebSocketBadStatusException) -> ClusterError:
        headers = urllib3.HTTPHeaderDict(error.resp_headers or {})
        body = error.resp_body or b""
        refused = error_of_status(error.status_code, headers, body, self._path)
        if isinstance(refused, Forbidden):
            return _forbidden(refused.message, self._path)
        if _NO_CONTAINER.search(refused.message):
            return ItemNotFound(refused.message, path=self._path)
        return refused

    def _broken(self, reason: str) -> ClusterError:
        return ClusterError(
            f"the connection broke off before the command's end was known: {reason}",
            hint="the command may have been done, in part or whole",
            path=self._path,
        )

    def _check_time(self, error: Exception | None) -> None:
        if monotonic() >= self._deadline:
            raise self._late from error

    def _hang_up(self) -> None:
        with suppress(OSError, WebSocketException, AttributeError):  # it may be closed already, on the other thread
            self._socket.shutdown()


class _Cause(msgspec.Struct):
    reason: str | None = None
    message: str | None = None


class _Details(msgspec.Struct):
    causes: list[_Cause] | None = None


class _Status(msgspec.Struct):
    status: str
    reason: str | None = None
    message: str | None = None
    code: int | None = None
    details: _Details | None = None


# Made once, before there are threads: msgspec 0.22 crashes where several of them are the first to decode a type.
_STATUS = msgspec.json.Decoder(_Status)


def _tls(configuration: Configuration) -> dict[str, Any]:
    """As urllib3 has it for every other request: the same authority, certificate and name."""
    context = urllib3.util.ssl_.create_urllib3_context()
    if configuration.verify_ssl:
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = configuration.assert_hostname is not False
        if configuration.ssl_ca_cert or configuration.ca_cert_data:
            context.load_verify_locations(configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
        else:
            context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    options: dict[str, Any] = {
        "context": context,
        "cert_reqs": context.verify_mode,
        "check_hostname": context.check_hostname,
    }
    if configuration.tls_server_name:
        options["server_hostname"] = configuration.tls_server_name
    return options


def _proxy(configuration: Configuration, server: str) -> dict[str, Any]:
    """The way that every other request takes: the variables of the environment are the client's to read."""
    if not configuration.proxy or should_bypass_proxies(server, configuration.no_proxy or ""):
        # Without a host, the library would look into the environment itself.
        return {"http_proxy_host": "none", "http_proxy_port": 1, "http_no_proxy": ["*"]}
    parts = urlsplit(configuration.proxy)
    options: dict[str, Any] = {
        "proxy_type": {"https": "http"}.get(parts.scheme, parts.scheme) or "http",
        "http_proxy_host": parts.hostname,
        "http_proxy_port": parts.port or 80,
        "http_proxy_timeout": _CONNECT,
        "http_no_proxy": [""],
    }
    if parts.username:
        options["http_proxy_auth"] = (unquote(parts.username), unquote(parts.password or ""))
    return options


def _forbidden(message: str, path: str) -> Forbidden:
    return Forbidden(message, hint="ask for the rights get and create on pods/exec", path=path)
