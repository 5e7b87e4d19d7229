"""A restore test on a real API server: it tells a good backup from a bad one, and leaves nothing behind it."""

from __future__ import annotations

import json
import re
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, Final

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.nodes import Nodes
from tests.real.estate import estate
from tests.real.fault_proxy import Ask, FaultProxy, Matches, held, status
from tests.real.places import Place, folder_place
from tests.real.restores import backed_up, estate_policy
from tests.real.round_trip import create, remove, settle
from tests.real.trysail import Ended, Trysail, assert_no_secret
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]

PASSWORDS: Final = ("hunter2 horse", "shop:open sesame", "a key")  # of the estate's Secrets
MARK: Final = "trysail-scratch-"

# What begins to work, is billed or can be reached once it is there: none of it may be, not for a moment.
WORKING: Final = {
    "pods": "/api/v1/pods",
    "services": "/api/v1/services",
    "persistentvolumeclaims": "/api/v1/persistentvolumeclaims",
    "deployments": "/apis/apps/v1/deployments",
    "jobs": "/apis/batch/v1/jobs",
    "ingresses": "/apis/networking.k8s.io/v1/ingresses",
}
# What only lies there, and may be created for real.
LYING: Final = {
    "configmaps",
    "limitranges",
    "namespaces",
    "networkpolicies",
    "poddisruptionbudgets",
    "rolebindings",
    "roles",
    "secrets",
    "serviceaccounts",
}


@dataclass(frozen=True)
class Story:
    """An application that lives, and a backup of it."""

    plane: ControlPlane
    trysail: Trysail
    namespace: str
    policy: Path
    place: Place
    backup: str

    def restore_policy(self, **spec: Any) -> Path:
        """A RestorePolicy of that backup."""
        given = {"storageLocation": self.place.location, "backupName": self.backup, **spec}
        metadata = {"name": "drill"}
        document = {"apiVersion": "trysail.dev/v1alpha1", "kind": "RestorePolicy", "metadata": metadata, "spec": given}
        path = self.trysail.folder / "restores" / "drill.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document))
        return path


@pytest.fixture(scope="module")
def story(control_plane: ControlPlane, nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """It has something of every kind, and is backed up into a folder."""
    namespace = f"scratch-{secrets.token_hex(4)}"
    trysail = Trysail(tmp_path_factory.mktemp("scratch"), {"KUBECONFIG": str(control_plane.kubeconfig)})
    create(control_plane, estate(namespace))
    settle(control_plane, namespace)
    place = folder_place(trysail.folder / "backups")
    policy = estate_policy(trysail, place, namespace)
    yield Story(control_plane, trysail, namespace, policy, place, backed_up(trysail, policy))
    remove(control_plane, namespace)


@pytest.fixture
def proxy(control_plane: ControlPlane, tmp_path: Path) -> Iterator[FaultProxy]:
    """Between Trysail and the API server."""
    with FaultProxy(control_plane, tmp_path) as between:
        yield between


def test_a_good_backup_passes(story: Story, proxy: FaultProxy) -> None:
    """It says so, records it where `list` shows it, and the backup is as whole as before."""
    versions = {name: story.plane.must("GET", path)["metadata"]["resourceVersion"] for name, path in WORKING.items()}
    words = ("restore", "latest", "-f", story.policy, "--into-scratch", "--kubeconfig", proxy.kubeconfig)
    ended = story.trysail(*words)
    assert ended.out.startswith(f"Restore test of {story.backup} passed.\n")
    created, checked = _counts(ended)
    assert created > 10
    assert checked > 10
    assert_no_secret(ended.out, ended.err, more=PASSWORDS)
    assert _left(story.plane) == []
    row = next(line for line in story.trysail("list", "-f", story.policy).out.splitlines() if story.backup in line)
    assert "passed" in row
    (listed,) = json.loads(story.trysail("list", "-f", story.policy, "-o", "json").out)["backups"]
    assert listed["restoreTest"].endswith(" passed")
    story.trysail("verify", "latest", "-f", story.policy, "--deep")
    for name, path in WORKING.items():
        assert _came(story.plane, path, versions[name]) == []
    written = {_type_of(ask) for ask in proxy.written}
    assert written <= LYING
    assert all(MARK in ask.path for ask in proxy.written if _type_of(ask) != "namespaces")
    assert all(MARK in ask.path or MARK.encode() in ask.body for ask in proxy.written)


def test_what_the_server_refuses_fails_the_test(story: Story) -> None:
    """Exit code 4, the item by name with the server's reason; recorded, and nothing is left."""
    spoil = {
        "conditions": {"groupResource": "deployments.apps"},
        "mergePatches": [{"patchData": "spec: {replicas: -1}"}],
    }
    policy = story.restore_policy(resourceModifiers=[spoil])
    ended = story.trysail("restore", "-f", policy, "--into-scratch", code=4)
    assert ended.out.startswith(f"Restore test of {story.backup} failed.\n")
    assert "deployments.apps/web" in ended.out
    assert "must be greater than or equal to 0" in ended.said
    assert [line for line in ended.out.splitlines() if len(line) > 80 and "record" not in line] == []
    assert _left(story.plane) == []
    (listed,) = json.loads(story.trysail("list", "-f", story.policy, "-o", "json").out)["backups"]
    assert listed["restoreTest"].endswith(" failed")
    wait_for(lambda: f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}" not in str(story.place.all_keys()), "another second")
    told = story.trysail("restore", "-f", policy, "--into-scratch", "--log-format", "json", code=4)
    result = json.loads(told.out)
    assert (result["passed"], result["exitCode"], result["backup"]) == (False, 4, story.backup)
    assert {failed["name"] for failed in result["failed"] if failed["resource"] == "deployments.apps"} == {"web"}
    record = json.loads(Path(result["recordedAs"]).read_text())
    assert record["failed"] == result["failed"]


def test_a_test_of_nothing_does_not_pass(story: Story) -> None:
    """A filter that matches nothing is a slip, and no proof of a backup."""
    before = story.place.all_keys()
    words = ("restore", story.backup, "-f", story.policy, "--into-scratch")
    ended = story.trysail(*words, "-n", f"{story.namespace}x", code=1)
    assert f'includedNamespaces "{story.namespace}x" matches no namespace' in ended.err
    assert story.place.all_keys() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_in_the_middle(number: signal.Signals, story: Story, proxy: FaultProxy) -> None:
    """Exit code 130, the scratch namespaces are removed, and no result is recorded."""
    before = story.place.all_keys()
    release = Event()
    proxy.always(_creates("configmaps"), held(release))
    words = ("restore", story.backup, "-f", story.policy, "--into-scratch", "--kubeconfig", proxy.kubeconfig)
    with story.trysail.start(*words) as running:
        try:
            wait_for(lambda: any(_creates("configmaps")(ask) for ask in proxy.asked), "a ConfigMap on its way")
            assert _left(story.plane)
            running.send(number)
        finally:
            release.set()
        ended = running.wait(130)
    assert f"Error: cancelled by {number.name}: the restore test was ended" in ended.err
    assert _left(story.plane) == []
    assert story.place.all_keys() == before


def test_a_signal_while_it_is_removed(story: Story, proxy: FaultProxy) -> None:
    """What was begun is taken back all the same."""
    release = Event()
    proxy.when(lambda ask: ask.method == "DELETE", held(release))
    words = ("restore", story.backup, "-f", story.policy, "--into-scratch", "--kubeconfig", proxy.kubeconfig)
    with story.trysail.start(*words) as running:
        try:
            wait_for(lambda: any(ask.method == "DELETE" for ask in proxy.asked), "the removal")
            running.send(signal.SIGINT)
        finally:
            release.set()
        running.wait(130)
    assert _left(story.plane) == []


def test_what_cannot_be_removed_is_named(story: Story, proxy: FaultProxy) -> None:
    """With the command that removes it."""
    forbidden = json.dumps({"kind": "Status", "status": "Failure", "reason": "Forbidden", "message": "no", "code": 403})
    proxy.always(lambda ask: ask.method == "DELETE", status(403, forbidden.encode(), Content_Type="application/json"))
    words = ("restore", story.backup, "-f", story.policy, "--into-scratch", "--kubeconfig", proxy.kubeconfig)
    ended = story.trysail(*words, code=1)
    found = re.search(rf"kubectl delete namespace ({MARK}\S+)$", ended.err, re.MULTILINE)
    assert found, ended.err
    assert _left(story.plane) == [found[1]]
    story.plane.kubectl("delete", "namespace", found[1], "--wait=false")


def _counts(ended: Ended) -> tuple[int, int]:
    found = re.search(r"created +(\d+) items.* checked +(\d+) items", ended.said)
    assert found, ended.out
    return int(found[1]), int(found[2])


def _left(plane: ControlPlane) -> list[str]:
    """Scratch namespaces that nobody has deleted."""
    found = plane.must("GET", "/api/v1/namespaces")["items"]
    names = [item["metadata"] for item in found if item["metadata"]["name"].startswith(MARK)]
    return [metadata["name"] for metadata in names if "deletionTimestamp" not in metadata]


def _came(plane: ControlPlane, path: str, version: str) -> list[str]:
    """What has come into being in scratch namespaces since a resourceVersion, be it gone again."""
    raw = plane.kubectl("get", "--raw", f"{path}?watch=1&resourceVersion={version}&timeoutSeconds=1").stdout
    metadata = [json.loads(line)["object"]["metadata"] for line in raw.splitlines()]
    return [one["name"] for one in metadata if one["namespace"].startswith(MARK)]


def _creates(plural: str) -> Matches:
    def creates(ask: Ask) -> bool:
        return ask.writes and ask.method == "POST" and ask.path.endswith(f"/{plural}")

    return creates


def _type_of(ask: Ask) -> str:
    """The plural that a request is about: of /apis/GROUP/VERSION[/namespaces/NAMESPACE]/PLURAL[/NAME]."""
    parts = ask.path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    return rest[2] if rest[0] == "namespaces" and len(rest) > 2 else rest[0]
