"""`exec` as it goes over the wire: what is asked, how answers and silences become ends or errors, never too late."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from runner.adapters.kubernetes import KubernetesCluster
from runner.adapters.kubernetes_exec import KubernetesExec
from runner.errors import (
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    ExecTimedOut,
    Forbidden,
    ItemNotFound,
    Unauthorized,
)
from runner.volume_ports import Ended
from tests.unit.adapters.exec_server import BINARY, CLOSE, TEXT, Conversation, ExecServer, make_certificate
from tests.unit.adapters.kubernetes_wire import TOKEN, kubeconfig, status_object

Call = Callable[..., Ended]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a command through a server."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    def call(url: str, *words: str, timeout: float = 10, most: int = 4096, **cluster: Any) -> Ended:
        file = kubeconfig(tmp_path / "kubeconfig", url, **cluster)
        connection = KubernetesCluster.connect(str(file)).connection
        return KubernetesExec(connection).run("shop", "db-0", "main", words or ("x",), timeout=timeout, most=most)

    return call


def ends(code: int = 0) -> Callable[[Conversation], None]:
    """A command that says hello and ends."""

    def script(talk: Conversation) -> None:
        talk.upgrade()
        talk.say(1, "hello\n")
        talk.ended(code)
        talk.until_left()

    return script


def after_upgrade(*steps: Callable[[Conversation], None]) -> Callable[[Conversation], None]:
    """A script of steps; then it waits until we go."""

    def script(talk: Conversation) -> None:
        talk.upgrade()
        for step in steps:
            step(talk)
        talk.until_left()

    return script


# what is asked


def test_the_request(call: Call) -> None:
    """Every word of the command, the container, both outputs, no input; the token; both protocols; no origin."""
    with ExecServer(ends()) as server:
        call(server.url, "sh", "-c", "echo 'a b' && x=ü")
    talk = server.talks[0]
    method, target, _ = talk.line.split(" ")
    assert (method, urlsplit(target).path) == ("GET", "/api/v1/namespaces/shop/pods/db-0/exec")
    assert parse_qsl(urlsplit(target).query, strict_parsing=True) == [
        ("command", "sh"),
        ("command", "-c"),
        ("command", "echo 'a b' && x=ü"),
        ("container", "main"),
        ("stdin", "false"),
        ("stdout", "true"),
        ("stderr", "true"),
        ("tty", "false"),
    ]
    assert talk.headers["authorization"] == f"Bearer {TOKEN}"
    assert talk.headers["sec-websocket-protocol"] == "v5.channel.k8s.io,v4.channel.k8s.io"
    assert "origin" not in talk.headers


def test_a_server_below_a_path_is_asked_there(call: Call) -> None:
    """As behind a proxy of a management tool."""
    with ExecServer(ends()) as server:
        call(f"{server.url}/k8s/clusters/c-1")
    assert server.talks[0].line.startswith("GET /k8s/clusters/c-1/api/v1/namespaces/shop/pods/db-0/exec?")


# how it ends


@pytest.mark.parametrize("code", [0, 1, 7, 137, 255])
def test_the_exit_code_comes_back(call: Call, code: int) -> None:
    """By the cause that the Status names."""
    with ExecServer(ends(code)) as server:
        assert call(server.url) == Ended(code, "hello\n")


def test_an_older_server_speaks_version_4(call: Call) -> None:
    """It is the same but for closing single channels."""

    def script(talk: Conversation) -> None:
        talk.upgrade("v4.channel.k8s.io")
        talk.ended(3)
        talk.until_left()

    with ExecServer(script) as server:
        assert call(server.url).code == 3


def test_both_outputs_are_one_in_the_order_of_arrival(call: Call) -> None:
    """Whatever pieces they come in; other channels and empty messages are passed over."""
    script = after_upgrade(
        lambda talk: talk.say(1, "a"),
        lambda talk: talk.say(2, "b", opcode=TEXT),
        lambda talk: talk.frame(BINARY, b""),
        lambda talk: talk.say(255, b"\x01"),
        lambda talk: talk.say(9, "x"),
        lambda talk: talk.say(1, "c", more=True),
        lambda talk: talk.frame(0, b"d"),
        lambda talk: talk.ended(0),
    )
    with ExecServer(script) as server:
        assert call(server.url).output == "abcd"


def test_a_status_may_come_in_pieces(call: Call) -> None:
    """It is the end once it is whole."""
    script = after_upgrade(
        lambda talk: talk.say(3, '{"status":"Fai'),
        lambda talk: talk.say(3, 'lure","details":{"causes":[{"reason":"ExitCode","message":"4"}]}}'),
    )
    with ExecServer(script) as server:
        assert call(server.url).code == 4


def test_only_the_end_of_the_output_is_kept(call: Call) -> None:
    """And it is told that there was more."""
    script = after_upgrade(*[lambda talk: talk.say(1, "0123456789" * 1000)] * 20, lambda talk: talk.ended(0))
    with ExecServer(script) as server:
        assert call(server.url, most=15) == Ended(0, "567890123456789", cut=True)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("error executing command in container: exit status 7", 7),
        ("command terminated with exit code 126", 126),
        ("Internal error occurred: exit status 137", 137),
    ],
)
def test_a_code_that_stands_in_words_alone(call: Call, message: str, code: int) -> None:
    """Some runtimes answer so."""
    script = after_upgrade(
        lambda talk: talk.status(status="Failure", reason="InternalError", message=message, code=500)
    )
    with ExecServer(script) as server:
        assert call(server.url).code == code


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (
            {"reason": "InternalError", "message": 'unable to upgrade connection: container not found ("main")'},
            ItemNotFound,
        ),
        ({"reason": "InternalError", "message": 'pods "db-0" not found'}, ItemNotFound),
        ({"reason": "NotFound", "message": "gone", "code": 404}, ItemNotFound),
        ({"reason": "Forbidden", "message": "no", "code": 403}, Forbidden),
        ({"reason": "InternalError", "message": 'exec: "nope": executable file not found in $PATH'}, ClusterError),
        ({}, ClusterError),
    ],
)
def test_a_command_that_could_not_be_run(call: Call, fields: dict[str, object], error: type[ClusterError]) -> None:
    """What is not there, what is not allowed, and all else; none of it is tried again."""
    script = after_upgrade(lambda talk: talk.status(status="Failure", **fields))
    with ExecServer(script) as server, pytest.raises(error) as raised:
        call(server.url)
    assert not raised.value.retriable
    assert type(raised.value) is error


# refusals


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (400, "container main is not valid for pod db-0", ItemNotFound),
        (400, "you must specify at least 1 of stdin, stdout, stderr", ClusterError),
        (401, "Unauthorized", Unauthorized),
        (403, 'pods "db-0" is forbidden', Forbidden),
        (404, 'pods "db-0" not found', ItemNotFound),
        (429, "too many", ClusterBusy),
        (500, 'container not found ("main")', ItemNotFound),
        (500, "error dialing backend: EOF", ClusterBusy),
        (503, "no endpoints", ClusterBusy),
    ],
)
def test_a_refusal_is_the_error_that_it_is(call: Call, status: int, message: str, error: type[ClusterError]) -> None:
    """By its status, and by its words where that says too little."""
    with (
        ExecServer(lambda talk: talk.refuse(status, status_object(message), Retry_After="3")) as server,
        pytest.raises(error) as raised,
    ):
        call(server.url)
    assert type(raised.value) is error
    assert message in raised.value.message
    assert TOKEN not in str(vars(raised.value))
    if isinstance(raised.value, ClusterBusy):
        assert raised.value.retry_after == 3.0
    if isinstance(raised.value, Forbidden):
        assert "pods/exec" in raised.value.hint


def test_a_redirect_is_not_followed(call: Call) -> None:
    """The token would go to another place."""
    with (
        ExecServer(ends()) as other,
        ExecServer(lambda talk: talk.refuse(302, b"", Location=f"ws://127.0.0.1:{other.port}/")) as server,
        pytest.raises(ClusterError, match="does not take part") as raised,
    ):
        call(server.url)
    assert not raised.value.retriable
    assert other.talks == []


@pytest.mark.parametrize("protocol", ["", "v1.channel.k8s.io"])  # the first names none
def test_a_server_that_speaks_otherwise_is_left(call: Call, protocol: str) -> None:
    """Without our protocols nobody says how a command ended."""
    with ExecServer(lambda talk: talk.upgrade(protocol)) as server, pytest.raises(ClusterError) as raised:
        call(server.url)
    assert not raised.value.retriable


@pytest.mark.parametrize(
    "answer", [b"\x16\x03\x01 what", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"\xff\xfe\r\n"]
)
def test_a_server_of_another_kind(call: Call, answer: bytes) -> None:
    """It is an error, and nothing else leaves."""
    with ExecServer(lambda talk: talk.send(answer)) as server, pytest.raises(ClusterError):
        call(server.url)


# what breaks off


def test_nobody_there_is_tried_again(call: Call) -> None:
    """Nothing was begun."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ClusterUnreachable):
        call(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "script",
    [
        lambda talk: None,
        lambda talk: talk.upgrade(),
        lambda talk: (talk.upgrade(), talk.say(1, "half"), talk.frame(CLOSE, b"")),
        lambda talk: (talk.upgrade(), talk.send(b"\x82\x7e")),
        lambda talk: (talk.upgrade(), talk.say(3, '{"status":1}')),
        lambda talk: (talk.upgrade(), talk.send(b"\xf3\xff\xff\xff")),
    ],
    ids=["before the answer", "after it", "closed", "within a message", "a status of another kind", "no websocket"],
)
def test_a_connection_that_breaks_off_is_not_tried_again(call: Call, script: Callable[[Conversation], None]) -> None:
    """Nobody knows how far the command came; and the hint says so."""
    with ExecServer(script) as server, pytest.raises(ClusterError, match="broke off") as raised:
        call(server.url)
    assert not raised.value.retriable
    assert "may have been done" in raised.value.hint


# time


def drip(talk: Conversation) -> None:
    """A byte now and then, of a message that never is whole."""
    talk.send(b"\x82\x7e\xff\xff")
    for _ in range(200):
        talk.send(b"x")
        sleep(0.05)


def flood(talk: Conversation) -> None:
    """Output without end."""
    while True:
        talk.say(1, b"y" * 60_000)


def pings(talk: Conversation) -> None:
    """Signs of life, and nothing else."""
    for _ in range(200):
        talk.frame(9, b"hi")
        sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        lambda talk: talk.until_left(),
        lambda talk: (talk.send(b"HTTP/1.1 101 S"), talk.until_left()),
        after_upgrade(),
        after_upgrade(drip),
        after_upgrade(flood),
        after_upgrade(pings),
        after_upgrade(lambda talk: talk.say(3, '{"status":')),
    ],
    ids=["no answer", "half an answer", "silence", "drops", "flood", "pings", "half a status"],
)
def test_nothing_takes_longer_than_the_timeout(call: Call, script: Callable[[Conversation], None]) -> None:
    """ExecTimedOut, and that the command may still go on."""
    begun = monotonic()
    with ExecServer(script) as server, pytest.raises(ExecTimedOut, match="may still go on"):
        call(server.url, timeout=0.5)
    assert monotonic() - begun < 5


def test_a_port_that_takes_no_calls_does_not_keep_us(call: Call) -> None:
    """Its queue is full: connecting alone would take minutes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        full = [socket.socket() for _ in range(3)]
        try:
            for one in full:
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            with pytest.raises(ExecTimedOut):
                call(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.5)
        finally:
            for one in full:
                one.close()


# TLS and proxies


def test_a_server_is_trusted_by_the_kubeconfigs_authority(call: Call, tmp_path: Path) -> None:
    """And by no other; that is not tried again."""
    certificate = make_certificate(tmp_path)
    with ExecServer(ends(), certificate=certificate) as server:
        assert call(server.url, **{"certificate-authority": str(certificate)}).code == 0
        with pytest.raises(ClusterError, match="is not trusted") as raised:
            call(server.url)
    assert not raised.value.retriable


def test_the_name_of_the_certificate_counts(call: Call, tmp_path: Path) -> None:
    """Unless the kubeconfig names another, or wants it not to."""
    certificate = make_certificate(tmp_path)
    authority = {"certificate-authority": str(certificate)}
    with ExecServer(ends(), certificate=certificate) as server:
        other = server.url.replace("127.0.0.1", "localhost")
        with pytest.raises(ClusterError, match="is not trusted"):
            call(other, **authority)
        assert call(other, **authority, **{"tls-server-name": "127.0.0.1"}).code == 0
        assert call(other, **{"insecure-skip-tls-verify": True}).code == 0


def test_the_kubeconfigs_proxy_is_the_way(call: Call, tmp_path: Path) -> None:
    """It is asked for a tunnel, with the user and password that its URL has, and sees no token."""
    certificate = make_certificate(tmp_path)
    with ExecServer(ends(5), certificate=certificate) as server:

        def tunnel(talk: Conversation) -> None:
            talk.send(b"HTTP/1.1 200 OK\r\n\r\n")
            with socket.create_connection(("127.0.0.1", server.port)) as beyond:
                _pass_on(talk.wire, beyond)

        with ExecServer(tunnel) as proxy:
            way = {"proxy-url": f"http://me:p%40ss@127.0.0.1:{proxy.port}"}
            assert call(server.url, **way, **{"certificate-authority": str(certificate)}).code == 5
    asked = proxy.talks[0]
    assert asked.line == f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"
    assert asked.headers["proxy-authorization"] == "Basic bWU6cEBzcw=="
    assert TOKEN not in str(asked.headers)


def test_variables_of_the_environment_are_the_clients_to_read(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of theirs is taken, but for hosts that need none."""
    with ExecServer(lambda talk: talk.refuse(407, b"")) as proxy, ExecServer(ends()) as server:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ClusterUnreachable, match="407"):
            call(server.url)
        monkeypatch.setenv("no_proxy", "127.0.0.0/8,localhost")
        assert call(server.url).code == 0


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    """Bytes to and fro, until a side goes."""
    while True:
        for ready in select.select([one, other], [], [], 10)[0]:
            data = ready.recv(65_536)
            if not data:
                return
            (other if ready is one else one).sendall(data)
