"""A TCP proxy that loses answers: the request reaches the server and is done, its answer does not come back.

Knows just enough of HTTP/1.1 to find where an answer's head ends.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 65536
_INTERIM = b"HTTP/1.1 100"
_HEAD_END = b"\r\n\r\n"


class LossyProxy:
    """`with LossyProxy(server) as proxy: proxy.lose("PUT")`; `endpoint` takes the place of the server's own."""

    def __init__(self, endpoint: str) -> None:
        self._server = urlsplit(endpoint)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[Thread] = []
        self._lock = Lock()
        self._needle = b""
        self._keeps_head = False
        self._open: set[socket.socket] = set()
        self.lost = 0
        self.endpoint = self._server._replace(netloc=f"127.0.0.1:{self._listener.getsockname()[1]}").geturl()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def lose(self, needle: str, *, after_head: bool = False) -> None:
        """The next request with `needle` in it gets no answer, or only the answer's head; then all is well again."""
        with self._lock:
            self._needle, self._keeps_head = needle.encode(), after_head

    def _start(self, work: object, *arguments: object) -> None:
        assert callable(work)
        thread = Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        address = (self._server.hostname, self._server.port)
        with (
            self._known(client),
            socket.create_connection(address) as server,
            self._known(server),
            suppress(OSError),
        ):
            doomed: list[bool] = []
            self._start(self._answer, server, client, doomed)
            while data := client.recv(_CHUNK):
                if self._hits(data):
                    doomed.append(True)
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket, doomed: list[bool]) -> None:
        with suppress(OSError):
            while data := server.recv(_CHUNK):
                if doomed and not data.startswith(_INTERIM):
                    if self._keeps_head:
                        client.sendall(data[: data.index(_HEAD_END) + len(_HEAD_END)])
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    def _hits(self, data: bytes) -> bool:
        with self._lock:
            hit = bool(self._needle) and self._needle in data
            if hit:
                self._needle = b""
                self.lost += 1
            return hit

    @contextmanager
    def _known(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(connection)
        try:
            with connection:
                yield
        finally:
            with self._lock:
                self._open.discard(connection)
