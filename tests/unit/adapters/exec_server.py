"""A server on loopback that takes one conversation after the other, as an API server's `exec` would, by a script."""

from __future__ import annotations

import json
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha1
from pathlib import Path
from threading import Thread
from typing import Any, Self

from tests.unit.adapters.scripted_server import make_certificate

__all__ = ["Conversation", "ExecServer", "make_certificate"]

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
TEXT, BINARY, CLOSE = 1, 2, 8


class Conversation:
    """One connection, from the server's side."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.line, self.headers = self._request()

    def upgrade(self, protocol: str = "v5.channel.k8s.io") -> None:
        """Agrees to a websocket."""
        accept = b64encode(sha1(f"{self.headers['sec-websocket-key']}{_GUID}".encode()).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines.append(f"Sec-WebSocket-Accept: {accept}")
        if protocol:
            lines.append(f"Sec-WebSocket-Protocol: {protocol}")
        self.send("\r\n".join([*lines, "", ""]).encode())

    def refuse(self, status: int, body: object, **headers: str) -> None:
        """Answers as to any request."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Content-Length": str(len(content)), **{k.replace("_", "-"): v for k, v in headers.items()}}
        lines = [f"HTTP/1.1 {status} No", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        self.send("\r\n".join(lines).encode() + content)

    def say(self, channel: int, content: bytes | str, *, opcode: int = BINARY, more: bool = False) -> None:
        """One message of a channel, or its first piece."""
        data = content.encode() if isinstance(content, str) else content
        self.frame(opcode, bytes([channel]) + data, more=more)

    def status(self, **fields: Any) -> None:
        """How the command ended."""
        self.say(3, json.dumps({"kind": "Status", **fields}))

    def ended(self, code: int) -> None:
        """The command's own exit code."""
        if code == 0:
            self.status(status="Success")
            return
        causes = [{"reason": "ExitCode", "message": str(code)}]
        self.status(status="Failure", reason="NonZeroExitCode", details={"causes": causes}, message="it ended")

    def frame(self, opcode: int, data: bytes, *, more: bool = False) -> None:
        """A frame of a websocket."""
        head = bytes([opcode | (0 if more else 0x80)])
        length = bytes([len(data)]) if len(data) < 126 else bytes([126]) + len(data).to_bytes(2)
        self.send(head + length + data)

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.wire.sendall(data)

    def until_left(self) -> None:
        """Waits until the other side goes."""
        with suppress(OSError):
            while self.wire.recv(4096):
                pass

    def _request(self) -> tuple[str, dict[str, str]]:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.wire.recv(4096)
            if not piece:
                break
            data += piece
        first, *rest = data.decode().split("\r\n")
        pairs = (line.partition(": ") for line in rest if line)
        return first, {name.lower(): value for name, _, value in pairs}


Script = Callable[[Conversation], None]


class ExecServer:
    """`with ExecServer(script) as server:`; each connection is given to the script, and closed when that returns."""

    def __init__(self, script: Script, *, certificate: Path | None = None) -> None:
        self.talks: list[Conversation] = []
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            wire.settimeout(20)
            with suppress(OSError), wire:
                talk = Conversation(self._context.wrap_socket(wire, server_side=True) if self._context else wire)
                self.talks.append(talk)
                with talk.wire:
                    self._script(talk)
