"""Files of volumes end to end: Jobs of the real Job controller run the mover, and restic stores into SeaweedFS."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.csi import Csi
from tests.parts.movers import Movers
from tests.parts.nodes import Nodes
from tests.parts.seaweedfs import SeaweedFS
from tests.parts.tls import TlsFront
from tests.real.conftest import environment
from tests.real.places import Place
from tests.real.trysail import Ended, Trysail, assert_no_secret

pytestmark = pytest.mark.real

Json = dict[str, Any]
PASSWORD = "open-sesame-files-7"
LEFT = "jobs,pods,secrets"


@pytest.fixture
def movers(control_plane: ControlPlane, nodes: Nodes, csi: Csi, tmp_path: Path) -> Iterator[Movers]:
    """Mover Pods are run while a test goes on."""
    folder = tmp_path / "movers"
    folder.mkdir()
    with Movers(control_plane, csi, folder) as running:
        yield running


@pytest.fixture
def files(tmp_path: Path, control_plane: ControlPlane, seaweedfs: SeaweedFS) -> Trysail:
    """Trysail, with the store's keys and the repository's password by names of their own."""
    env = environment(control_plane, seaweedfs)
    keys = {"STORE_KEY": env["AWS_ACCESS_KEY_ID"], "STORE_SECRET": env["AWS_SECRET_ACCESS_KEY"]}
    return Trysail(tmp_path, {**env, **keys, "FILES_PASSWORD": PASSWORD})


def policy(files: Trysail, weed: Place, namespace: str, **spec: Any) -> Path:
    """Of one namespace, with the files of all its claims."""
    credential = {"accessKeyId": {"env": "STORE_KEY"}, "secretAccessKey": {"env": "STORE_SECRET"}}
    rules = [{"conditions": {"volumeTypes": ["persistentVolumeClaim"]}, "action": {"type": "fs-backup"}}]
    image = {"image": "registry.example.com/trysail:test", "repositoryPassword": {"env": "FILES_PASSWORD"}}
    given = {"includedNamespaces": [namespace], "volumePolicies": rules, "fsBackup": image, "onUncovered": "fail"}
    return files.policy("shop", location={**weed.location, "credential": credential}, **(given | spec))


def ledger(weed: Place) -> dict[str, Json]:
    """volumes.json of the only backup, by claim."""
    record = json.loads(weed.read("volumes.json"))
    return {line["planned"]["claim"].partition("/")[2]: line for line in record["volumes"]}


def fill(folder: Path) -> None:
    """A little of everything."""
    (folder / "notes.txt").write_text("before the backup")
    (folder / "sub").mkdir()
    (folder / "sub" / "secret").write_text("x")
    (folder / "sub" / "secret").chmod(0o600)
    (folder / "link").symlink_to("notes.txt")


def quiet(*endings: Ended) -> None:
    """None of them told the password."""
    assert_no_secret(*(text for ended in endings for text in (ended.out, ended.err)), more=(PASSWORD,))


def config_map(plane: ControlPlane, namespace: str) -> None:
    """Something that comes after claims."""
    plane.kubectl("create", "configmap", "settings", "-n", namespace, "--from-literal=a=b")


def test_files_are_stored_lost_and_brought_back(
    files: Trysail, weed: Place, control_plane: ControlPlane, csi: Csi, movers: Movers, namespace: str
) -> None:
    """By a Job each way; nothing of them is left in the cluster, nor in the archive, and the password is nowhere."""
    handle = csi.claim(namespace, "data")
    fill(csi.volume_path(handle))
    file = policy(files, weed, namespace)
    planned = files("plan", "-f", file)
    assert "file-system backup" in planned.said
    run = files.process("run", "-f", file, "--auto-approve")
    line = ledger(weed)["data"]
    assert (line["outcome"], line["snapshot"]["provider"], line["snapshot"]["files"]) == ("stored", "restic", 2)
    left = control_plane.kubectl("get", LEFT, "-n", namespace, "-o", "name").stdout.decode().split()
    assert [name for name in left if "mover" in name] == []
    listed = files("list", "--location", weed.url)
    assert len(listed.out.splitlines()) == 2
    files("verify", "latest", "--location", weed.url, "--deep")
    assert "trysail-mover" not in weed.read("index.jsonl.gz").decode()

    (csi.volume_path(handle) / "notes.txt").write_text("after it")
    control_plane.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=90s")
    restored = files.process("restore", "latest", "-f", file, "--auto-approve")
    assert "1 brought back" in restored.out
    made = csi.volume_path(csi.handle(namespace, "data"))
    assert made != csi.volume_path(handle)
    assert (made / "notes.txt").read_text() == "before the backup"
    assert (made / "sub" / "secret").stat().st_mode & 0o777 == 0o600
    assert (made / "link").readlink() == Path("notes.txt")
    assert sorted(path.name for path in made.iterdir()) == ["link", "notes.txt", "sub"]
    assert movers.ran == [f"{namespace}/data"] * 2
    assert "No changes." in files("restore", "latest", "-f", file, "--plan").out
    quiet(planned, run, restored)
    for name in ("plan.json", "volumes.json", "manifest.json", "log.jsonl.gz"):
        assert PASSWORD.encode() not in weed.read(name)


def test_a_wrong_password_holds_the_namespace_back_and_the_right_one_goes_on(
    files: Trysail, weed: Place, control_plane: ControlPlane, csi: Csi, movers: Movers, namespace: str
) -> None:
    """A claim without its files is no claim that anything should begin with."""
    fill(csi.volume_path(csi.claim(namespace, "data")))
    config_map(control_plane, namespace)
    file = policy(files, weed, namespace)
    files("run", "-f", file, "--auto-approve")
    control_plane.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=90s")
    wrong = files.with_env(FILES_PASSWORD="another one")
    refused = wrong("restore", "latest", "-f", file, "--auto-approve", code=3)
    assert "wrong password" in refused.said
    assert "nothing shall begin without it" in refused.said
    there = control_plane.kubectl("get", "configmaps", "-n", namespace, "-o", "name").stdout.decode().split()
    assert "configmap/settings" not in there
    restored = files("restore", "latest", "-f", file, "--auto-approve")
    assert "1 brought back" in restored.out
    made = csi.volume_path(csi.handle(namespace, "data"))
    assert (made / "notes.txt").read_text() == "before the backup"
    control_plane.kubectl("get", "configmap", "settings", "-n", namespace)
    quiet(refused, restored)


def test_a_file_that_cannot_be_stored_is_named(
    files: Trysail, weed: Place, control_plane: ControlPlane, csi: Csi, movers: Movers, namespace: str
) -> None:
    """A password that does not fit the repository: the line says so, the objects are stored, exit 3."""
    fill(csi.volume_path(csi.claim(namespace, "data")))
    file = policy(files, weed, namespace)
    files("run", "-f", file, "--auto-approve")
    run = files.with_env(FILES_PASSWORD="changed")("run", "-f", file, "--auto-approve", code=3)
    assert "wrong password" in run.said
    assert "PartiallyFailed" in run.out


def test_a_store_of_a_private_authority(
    files: Trysail,
    seaweedfs: SeaweedFS,
    weed: Place,
    control_plane: ControlPlane,
    csi: Csi,
    movers: Movers,
    namespace: str,
    tmp_path: Path,
) -> None:
    """Its certificate is on this machine alone: Jobs are given it, there and back."""
    fill(csi.volume_path(csi.claim(namespace, "data")))
    with TlsFront(seaweedfs.endpoint, tmp_path) as front:
        location = weed.location | {"config": {"s3Url": front.endpoint, "s3ForcePathStyle": True}}
        location["objectStorage"] = location["objectStorage"] | {"caFile": str(front.certificate)}
        file = policy(files, replace(weed, location=location), namespace)
        files("run", "-f", file, "--auto-approve")
        assert ledger(weed)["data"]["outcome"] == "stored"
        control_plane.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=90s")
        assert "1 brought back" in files("restore", "latest", "-f", file, "--auto-approve").out
    made = csi.volume_path(csi.handle(namespace, "data"))
    assert (made / "notes.txt").read_text() == "before the backup"


def test_the_movers_of_a_first_run_do_not_damage_their_repository(
    files: Trysail, weed: Place, control_plane: ControlPlane, csi: Csi, movers: Movers, namespace: str
) -> None:
    """Three at once, where there is no repository yet: one makes it, and whatever they store can be read again."""
    names = ["one", "three", "two"]
    handles = {name: csi.claim(namespace, name) for name in names}
    for name, handle in handles.items():
        (csi.volume_path(handle) / "name").write_text(name)
    image = {"image": "registry.example.com/trysail:test", "repositoryPassword": {"env": "FILES_PASSWORD"}}
    file = policy(files, weed, namespace, fsBackup={**image, "parallel": 3})
    files("run", "-f", file, "--auto-approve")
    assert {name: line["outcome"] for name, line in ledger(weed).items()} == dict.fromkeys(names, "stored")
    control_plane.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=90s")
    assert "3 brought back" in files("restore", "latest", "-f", file, "--auto-approve").out
    for name in names:
        assert (csi.volume_path(csi.handle(namespace, name)) / "name").read_text() == name


def test_nothing_begins_before_its_files_are_there(
    files: Trysail, weed: Place, control_plane: ControlPlane, csi: Csi, movers: Movers, namespace: str
) -> None:
    """A Deployment is created once the mover of its namespace has ended; one that is killed is tried again."""
    fill(csi.volume_path(csi.claim(namespace, "data")))
    control_plane.kubectl("create", "deployment", "web", "-n", namespace, "--image=registry.example.com/web:1")
    file = policy(files, weed, namespace)
    movers.kills["data"] = 1
    files("run", "-f", file, "--auto-approve")
    assert ledger(weed)["data"]["outcome"] == "stored"
    control_plane.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=90s")
    movers.hold.set()
    with files.start("restore", "latest", "-f", file, "--auto-approve") as running:
        while "mover" not in seen(control_plane, namespace, "pods"):
            assert not running.ended, "it waits for its mover"
        assert "web" not in seen(control_plane, namespace, "deployments")
        movers.kills["data"] = 1
        movers.hold.clear()
        assert "1 brought back" in running.wait(0).out
    made = csi.volume_path(csi.handle(namespace, "data"))
    assert sorted(path.name for path in made.iterdir()) == ["link", "notes.txt", "sub"]
    assert "web" in seen(control_plane, namespace, "deployments")
    assert movers.ran == [f"{namespace}/data"] * 4


def seen(plane: ControlPlane, namespace: str, types: str) -> str:
    """The names of what is there."""
    return plane.kubectl("get", types, "-n", namespace, "-o", "name").stdout.decode()


def test_a_mover_that_is_always_killed_holds_its_namespace_back(
    files: Trysail, weed: Place, control_plane: ControlPlane, csi: Csi, movers: Movers, namespace: str
) -> None:
    """The reason is Kubernetes' own, and the same command goes on with the volume that is half written."""
    fill(csi.volume_path(csi.claim(namespace, "data")))
    config_map(control_plane, namespace)
    file = policy(files, weed, namespace)
    files("run", "-f", file, "--auto-approve")
    control_plane.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=90s")
    movers.kills["data"] = 3
    failed = files("restore", "latest", "-f", file, "--auto-approve", code=3)
    assert "exit code 137: OOMKilled" in failed.said
    assert "settings" not in seen(control_plane, namespace, "configmaps")
    assert "mover" not in seen(control_plane, namespace, LEFT)
    assert "1 brought back" in files("restore", "latest", "-f", file, "--auto-approve").out
    made = csi.volume_path(csi.handle(namespace, "data"))
    assert sorted(path.name for path in made.iterdir()) == ["link", "notes.txt", "sub"]
    assert "settings" in seen(control_plane, namespace, "configmaps")


def test_a_file_that_cannot_be_read_is_its_volumes_error(
    files: Trysail, weed: Place, control_plane: ControlPlane, csi: Csi, movers: Movers, namespace: str
) -> None:
    """Named in the line and in the output; objects and other volumes are stored, exit 3."""
    fill(csi.volume_path(csi.claim(namespace, "good")))
    bad = csi.volume_path(csi.claim(namespace, "bad")) / "locked"
    bad.write_text("x")
    bad.chmod(0)
    os.chown(bad, 1234, 1234)
    movers.under = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
    run = files("run", "-f", policy(files, weed, namespace), "--auto-approve", code=3)
    assert "PartiallyFailed" in run.out
    lines = ledger(weed)
    assert lines["bad"]["error"].startswith("1 files could not be read: "), run.out + run.err
    assert {name: line["outcome"] for name, line in lines.items()} == {"good": "stored", "bad": "failed"}
    assert "locked" in lines["bad"]["error"]
    assert "mover" not in seen(control_plane, namespace, LEFT)


def test_an_interrupted_run_takes_its_jobs_away(
    files: Trysail, weed: Place, control_plane: ControlPlane, csi: Csi, movers: Movers, namespace: str
) -> None:
    """SIGTERM while the mover's Pod waits: no Job, no Pod and no Secret is left."""
    fill(csi.volume_path(csi.claim(namespace, "data")))
    movers.hold.set()
    file = policy(files, weed, namespace)
    with files.start("run", "-f", file, "--auto-approve") as running:
        while "mover" not in control_plane.kubectl("get", "pods", "-n", namespace, "-o", "name").stdout.decode():
            assert not running.ended, "it waits for its mover"
        running.send(signal.SIGTERM)
        running.wait(130)
    left = control_plane.kubectl("get", LEFT, "-n", namespace, "-o", "name").stdout.decode()
    assert "mover" not in left
    weed.assert_no_backup()


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_pod_security_takes_the_jobs_pods(
    files: Trysail, weed: Place, control_plane: ControlPlane, csi: Csi, movers: Movers, namespace: str, level: str
) -> None:
    """In namespaces that enforce a standard the API server itself decides about the mover's Pods: they run."""
    control_plane.kubectl("label", "namespace", namespace, f"pod-security.kubernetes.io/enforce={level}")
    fill(csi.volume_path(csi.claim(namespace, "data")))
    files("run", "-f", policy(files, weed, namespace), "--auto-approve")
    assert ledger(weed)["data"]["outcome"] == "stored"


def test_a_claim_of_one_pod_is_uncovered_while_that_pod_runs(
    files: Trysail, weed: Place, control_plane: ControlPlane, nodes: Nodes, namespace: str
) -> None:
    """ReadWriteOncePod: a Job's Pod would wait for ever."""
    spec: Json = {"accessModes": ["ReadWriteOncePod"], "storageClassName": "", "volumeName": f"{namespace}-data"}
    size = {"storage": "1Gi"}
    source = {"csi": {"driver": "other.csi.example.com", "volumeHandle": f"{namespace}-data"}}
    volume = {**source, "capacity": size, "accessModes": ["ReadWriteOncePod"], "storageClassName": ""}
    control_plane.must("POST", "/api/v1/persistentvolumes", {"metadata": {"name": f"{namespace}-data"}, "spec": volume})
    base = f"/api/v1/namespaces/{namespace}"
    claim = {"metadata": {"name": "data"}, "spec": {**spec, "resources": {"requests": size}}}
    control_plane.must("POST", f"{base}/persistentvolumeclaims", claim)
    container = {"name": "web", "image": "registry.example.com/web:1"}
    used = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    pod = {"metadata": {"name": "web"}, "spec": {"containers": [container], "volumes": [used]}}
    control_plane.must("POST", f"{base}/pods", pod)
    control_plane.kubectl("wait", "pod/web", "-n", namespace, "--for=condition=Ready", "--timeout=60s")
    planned = files("plan", "-f", policy(files, weed, namespace), code=4)
    said = planned.said.replace(" # ", " ")
    assert "it is ReadWriteOncePod, and a Pod uses it: no Job can mount it" in said


def test_what_no_job_can_mount_is_uncovered_with_that_reason(
    files: Trysail, weed: Place, control_plane: ControlPlane, csi: Csi, namespace: str
) -> None:
    """An emptyDir of another Pod: the run stops before it writes."""
    pod: Json = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {
            "containers": [{"name": "web", "image": "registry.example.com/web:1"}],
            "volumes": [{"name": "cache", "emptyDir": {}}],
        },
    }
    control_plane.must("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    file = policy(files, weed, namespace, volumePolicies=[{"action": {"type": "fs-backup"}}])
    assert "no Job can mount" in files("plan", "-f", file, code=4).said
    refused = files("run", "-f", file, "--auto-approve", code=4)
    assert f"{namespace}/web:cache" in refused.err
    weed.assert_no_backup()
