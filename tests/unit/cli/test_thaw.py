"""`trysail thaw`: what it says of what is frozen, when it asks, and how it exits. The thawing itself: tests/real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.adapters.processes import this_process
from runner.cli.main import exit_code
from runner.model.canonical import canonical
from runner.model.hooks import FrozenPod, PlannedHook
from tests.unit.adapters.kubernetes_wire import kubeconfig, said, status_object
from tests.unit.adapters.scripted_server import Answer, ScriptedServer
from tests.unit.cli.conftest import Said

Thaw = Callable[..., Said]

HOOK = PlannedHook("shop", "db-0", "main", "post", ("thaw",), "fail", 30.0, "hooks.resources db")


def record(**fields: Any) -> str:
    """What a run left on a Pod long ago."""
    given: dict[str, Any] = {
        "backup": "daily-1",
        "policy": "daily",
        "holder": "there/boot/space/1/2",
        "since": "2026-03-01T02:00:00+00:00",
        "seconds": 90.0,
        "hooks": (HOOK,),
        **fields,
    }
    return canonical(FrozenPod(**given)).decode().strip()


def pod(text: str | None, name: str = "db-0") -> dict[str, Any]:
    """A Pod, with a record or without one."""
    notes = {} if text is None else {"trysail.dev/frozen": text}
    metadata = {"name": name, "namespace": "shop", "uid": "u", "resourceVersion": "7", "annotations": notes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def pods(*items: dict[str, Any]) -> Answer:
    """A list of them."""
    listed = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": list(items)}
    return said(listed)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """An API server that answers as it is told to."""
    with ScriptedServer() as up:
        yield up


@pytest.fixture
def thaw(server: ScriptedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Thaw:
    """Calls the command line with a kubeconfig of that server."""
    file = kubeconfig(tmp_path / "kubeconfig", server.url)

    def call(*words: str) -> Said:
        return Said(exit_code(["thaw", "--kubeconfig", str(file), *words]), *capsys.readouterr())

    return call


def test_nothing_is_frozen(server: ScriptedServer, thaw: Thaw) -> None:
    """It looks at the metadata of all Pods, and there is nothing to ask about."""
    server.expect(pods(pod(None)))
    assert thaw() == Said(0, "Nothing is frozen.\n", "")
    assert server.asked[0].path.startswith("/api/v1/pods?")
    assert "PartialObjectMetadata" in server.asked[0].headers["Accept"]


def test_namespaces_that_are_named_are_looked_at_alone(server: ScriptedServer, thaw: Thaw) -> None:
    """Each once."""
    server.expect(pods(), pods())
    assert thaw("-n", "a", "-n", "b", "-n", "a").code == 0
    assert [one.path.partition("?")[0] for one in server.asked] == [
        "/api/v1/namespaces/a/pods",
        "/api/v1/namespaces/b/pods",
    ]


def test_the_plan_shows_what_is_frozen_and_does_nothing(server: ScriptedServer, thaw: Thaw) -> None:
    """Pod, backup, since when, and until when it was allowed to; a mark that is none is shown as such."""
    server.expect(pods(pod(record()), pod("nonsense", "db-1")))
    ended = thaw("--plan")
    assert ended == Said(
        0,
        "shop/db-0: frozen by daily-1 since 2026-03-01T02:00:00+00:00, past its limit of 2026-03-01 02:01:30 UTC; "
        "1 hook to thaw it\n"
        "shop/db-1: marked as frozen, and the mark cannot be read\n",
        "",
    )
    assert len(server.asked) == 1


def test_who_may_still_be_at_work_is_told(server: ScriptedServer, thaw: Thaw) -> None:
    """A process that is known to live, or of which nobody knows, within its time; not one that is over."""
    server.expect(
        pods(
            pod(record(since="2999-01-01T00:00:00+00:00"), "a"),
            pod(record(), "b"),
            pod(record(since="2999-01-01T00:00:00+00:00", holder=this_process()), "c"),
        )
    )
    ended = thaw("--plan")
    assert ended.err == "Warning: daily-1, which froze shop/a, may still be at work: to thaw it now spoils that.\n"
    assert "until its limit of 2999-01-01" in ended.out


def test_who_may_still_be_at_work_thaws_by_himself(server: ScriptedServer, thaw: Thaw) -> None:
    """Thawed under its snapshots, its backup would be none; --force does it all the same."""
    frozen = record(since="2999-01-01T00:00:00+00:00")
    server.expect(pods(pod(frozen)))
    ended = thaw("--auto-approve")
    assert ended.code == 0
    assert ended.out.endswith(
        "Nothing was thawed: runs that may still be at work thaw by themselves; --force does it now.\n"
    )
    assert len(server.asked) == 1
    server.expect(pods(pod(frozen)), said(pod(None)))
    assert thaw("--auto-approve", "--force").out.endswith("1 of 1 thawed.\n")


def test_without_a_terminal_somebody_must_have_agreed(server: ScriptedServer, thaw: Thaw) -> None:
    """Nothing is done, and the hint says how."""
    server.expect(pods(pod(record())))
    ended = thaw()
    assert ended.code == 1
    assert "--auto-approve" in ended.err
    assert len(server.asked) == 1


def test_a_pod_that_could_not_be_thawed_is_partial(server: ScriptedServer, thaw: Thaw) -> None:
    """The record stays."""
    refused = said(status_object("container not found"), 404)
    live = said(pod(record()))
    server.expect(pods(pod(record())), live, refused, live)
    ended = thaw("--auto-approve")
    assert ended.code == 3
    assert "Problem: the post hook of shop/db-0, container main failed: container not found" in ended.err
    assert ended.out.endswith("0 of 1 thawed.\n")
    assert "PATCH" not in [one.method for one in server.asked]


def test_a_pod_that_was_thawed_meanwhile_is_left_alone(server: ScriptedServer, thaw: Thaw) -> None:
    """It may have been long until somebody said yes, and its hooks are no longer anybody's wish."""
    server.expect(pods(pod(record())), said(pod(None)))
    ended = thaw("--auto-approve")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "1 of 1 thawed.")
    assert len(server.asked) == 2


def test_a_mark_can_be_taken_off_although_a_hook_fails(server: ScriptedServer, thaw: Thaw) -> None:
    """With --forget; it is still no success."""
    refused = said(status_object("container not found"), 404)
    live = said(pod(record()))
    server.expect(pods(pod(record())), live, refused, live, live, said(pod(None)))
    assert thaw("--auto-approve", "--forget").code == 3
    assert [one.method for one in server.asked][-1] == "PATCH"
    assert server.asked[-1].body == (
        b'{"metadata":{"uid":"u","resourceVersion":"7","annotations":{"trysail.dev/frozen":null}}}'
    )


def test_a_pod_that_is_gone_is_thawed(server: ScriptedServer, thaw: Thaw) -> None:
    """What was frozen has gone with it."""
    gone = said(status_object('pods "db-0" not found'), 404)
    server.expect(pods(pod(record())), said(pod(record())), gone, gone, gone)
    ended = thaw("--auto-approve")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "1 of 1 thawed.")


def test_pods_that_may_not_be_listed_are_an_error(server: ScriptedServer, thaw: Thaw) -> None:
    """Nobody knows what is frozen."""
    server.expect(said(status_object("pods is forbidden"), 403))
    ended = thaw()
    assert ended.code == 1
    assert "pods is forbidden" in ended.err


def test_a_folder_of_manifests_has_nothing_that_runs(thaw: Thaw, tmp_path: Path) -> None:
    """It is an error of whoever asks."""
    assert exit_code(["thaw", "--manifests", str(tmp_path)]) == 1
