"""The main line on the real parts: a policy becomes a plan, a backup, a proof, and objects again; kubectl judges."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.seaweedfs import SeaweedFS
from tests.real.conftest import environment
from tests.real.kubectl_oracle import Name, read_back, seen
from tests.real.places import Place, seaweed_place
from tests.real.shop import GROUP, LARGE_BYTES, LONG_NAME, TWISTED, apply_shop
from tests.real.trysail import Ended, Trysail, assert_no_secret, backup_name

pytestmark = pytest.mark.real

Json = dict[str, Any]

SHOP = "main-line"
# What the controllers go on writing would differ between the backup and the look that it is compared with.
RESTLESS = ["events"]
RBAC = "rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class Story:
    """What a user did: five commands, and what came of them."""

    trysail: Trysail
    place: Place
    policy: Path
    ended: dict[str, Ended]
    backup: str
    types: tuple[str, ...]  # whose items are in the archive
    archived: dict[Name, Json]  # every object of the archive, as kubectl reads it


@pytest.fixture(scope="module")
def story(
    control_plane: ControlPlane, seaweedfs: SeaweedFS, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Story:
    """Each command as a process, as people type them."""
    apply_shop(control_plane, SHOP)
    folder = tmp_path_factory.mktemp("main-line")
    trysail = Trysail(folder, environment(control_plane, seaweedfs))
    place = seaweed_place(seaweedfs, bucket, "main-line")
    policy = trysail.policy(
        location=place.location, includedNamespaces=[SHOP], excludedNamespaceScopedResources=RESTLESS
    )
    ended = {
        "validate": trysail.process("validate", policy),
        "plan": trysail.process("plan", "-f", policy),
        "run": trysail.process("run", "-f", policy, "--auto-approve"),
        "verify": trysail.process("verify", "latest", "-f", policy, "--deep"),
        "download": trysail.process("download", "latest", "--location", place.url, "-o", folder / "backup.tar.gz"),
    }
    subprocess.run(["tar", "xzf", "backup.tar.gz"], cwd=folder, check=True)
    types = tuple(sorted(found.name for found in (folder / "resources").iterdir()))
    archived = read_back("-R", "-f", folder / "resources")
    return Story(trysail, place, policy, ended, backup_name(ended["run"]), types, archived)


@pytest.fixture(scope="module")
def other_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An empty cluster: the one that takes over on the day when the first has died."""
    with ControlPlane(tmp_path_factory.mktemp("other-plane")) as plane:
        yield plane


def test_a_plan_says_what_the_run_then_does(story: Story) -> None:
    """The plan's count, the run's and the proof's are one number, and nothing is missing."""
    manifest = story.place.manifest()
    assert f"Plan: {manifest['items']} to store, 1 left out, 1 volume uncovered." in story.ended["plan"].out
    assert f"{story.backup} Completed: {manifest['items']} items" in story.ended["run"].out
    assert f"{story.backup} is whole: {manifest['items']} items" in story.ended["verify"].out
    assert (manifest["phase"], manifest["missing"]) == ("Completed", [])
    assert [listed for listed in manifest["lists"] if listed["planned"] != listed["stored"]] == []


def test_every_item_reads_back_to_the_very_object(story: Story, control_plane: ControlPlane) -> None:
    """Each file, read by Kubernetes' own reader, is what the API server says of that object: nothing more or less."""
    archived = story.archived
    cluster = seen(control_plane, *story.types)
    assert [name for name, value in archived.items() if cluster.get(name) != value] == []
    assert len(archived) == story.place.manifest()["items"]


def test_everything_of_the_namespace_is_archived(story: Story, control_plane: ControlPlane) -> None:
    """Whatever kubectl finds in the namespace is in the archive, save what the policy and a label leave out."""
    listed = control_plane.kubectl("api-resources", "--namespaced", "--verbs=list,create,get,delete", "-o", "name")
    types = sorted(set(listed.stdout.decode().split()) - {"events", "events.events.k8s.io"})
    expected = {name for name in seen(control_plane, *types) if name.namespace == SHOP}
    archived = {name for name in story.archived if name.namespace}
    assert expected - archived == {Name("v1", "ConfigMap", SHOP, "scratch")}
    assert archived - expected == set()


def test_what_is_related_comes_along(story: Story) -> None:
    """Of the cluster's own objects: the namespace, the volume, the CRD, and the rights of the ServiceAccount."""
    assert {name for name in story.archived if not name.namespace} == {
        Name("v1", "Namespace", "", SHOP),
        Name("v1", "PersistentVolume", "", f"{SHOP}-archive"),
        Name("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"orders.{GROUP}"),
        Name(RBAC, "ClusterRole", "", f"{SHOP}:Reader"),
        Name(RBAC, "ClusterRoleBinding", "", f"{SHOP}:reader"),
    }


def test_twisted_values_and_names_are_there(story: Story) -> None:
    """The values that YAML readers twist, the largest object and the oddest names are among what was compared."""
    archived = story.archived
    twisted = archived[Name("v1", "ConfigMap", SHOP, "twisted")]["data"]
    assert [twisted[f"v{number}"] for number in range(len(TWISTED))] == list(TWISTED)
    numbers = archived[Name(f"{GROUP}/v1", "Order", SHOP, "numbers")]["spec"]
    # The API server itself keeps 2^64 - 1, which is beyond int64, as the nearest float64, and prints it like this.
    assert (numbers["uint64"], numbers["int64"], numbers["half"]) == (18446744073709552000, 2**63 - 1, 0.5)
    assert len(archived[Name(f"{GROUP}/v1", "Order", SHOP, "large")]["spec"]["receipt"]) > LARGE_BYTES - 18
    assert Name("v1", "ConfigMap", SHOP, LONG_NAME) in archived
    roles = {name.name for name in archived if name.kind == "Role"}
    assert {"a:b", "Foo", "foo", "back\\slash $(rm) *?[x]", "ü 'single' \"double\""} <= roles


def test_another_cluster_takes_what_was_archived(story: Story, other_plane: ControlPlane) -> None:
    """An empty API server accepts every archived object, without the few fields that only it may give.

    Namespaces, types and accounts are made, as everything else needs them; the rest is `--dry-run=server`.
    """
    made_by_the_cluster = {"kube-root-ca.crt", "default"}
    items = [_creatable(value) for name, value in story.archived.items() if name.name not in made_by_the_cluster]
    first = ("Namespace", "CustomResourceDefinition", "ServiceAccount")
    for kind in first:
        other_plane.kubectl("create", "-f", "-", stdin=_listed([value for value in items if value["kind"] == kind]))
    other_plane.kubectl("wait", "--for=condition=Established", f"crd/orders.{GROUP}", "--timeout=60s")
    rest = [value for value in items if value["kind"] not in first]
    done = other_plane.kubectl("create", "--dry-run=server", "-o", "name", "-f", "-", stdin=_listed(rest))
    assert len(done.stdout.splitlines()) == len(rest)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ((f"{SHOP}/configmaps/twisted",), 1),
        (("role", "Foo", "-n", SHOP), 1),
        (("cm", LONG_NAME), 1),
        (("deploy,svc,pdb", "-n", SHOP), 3),
        (("deployments.apps,services", "-l", "app=web"), 2),
        ((f"orders.{GROUP}", "-A"), 3),
        ((f"clusterrole/{SHOP}:Reader",), 1),
    ],
    ids=["id", "type and name", "short name", "types", "selector", "custom", "cluster-scoped"],
)
def test_get_prints_the_very_objects(story: Story, words: tuple[str, ...], count: int) -> None:
    """What is read by ranges from the bucket alone is, to kubectl, what the whole archive holds."""
    got = story.trysail("get", "latest", *words, "--location", story.place.url)
    objects = read_back("-f", "-", stdin=got.out.encode())
    assert len(objects) == count
    assert objects == {name: story.archived[name] for name in objects}


def test_get_prints_json_too(story: Story) -> None:
    """As a List, as kubectl has it."""
    got = story.trysail("get", "latest", "cm,roles", "-n", SHOP, "--location", story.place.url, "-o", "json")
    objects = read_back("-f", "-", stdin=got.out.encode())
    expected = {name: value for name, value in story.archived.items() if name.kind in {"ConfigMap", "Role"}}
    assert objects == expected


def test_the_same_objects_give_the_same_bytes(story: Story) -> None:
    """A second backup of the unchanged cluster has the very archive and index, and knows that nothing changed."""
    planned = story.trysail("plan", "-f", story.policy, "--detailed-exitcode")
    assert "No changes" in planned.out
    name = backup_name(story.trysail("run", "-f", story.policy, "--auto-approve"))
    prefix = f"real/shop/{name}/"
    for key in ("k8s-objects.tar.gz", "index.jsonl.gz", "plan.json", "volumes.json"):
        assert story.place.store.read(prefix + key) == story.place.store.read(f"real/shop/{story.backup}/{key}")
    listed = json.loads(story.trysail("list", "--location", story.place.url, "-o", "json").out)
    assert [entry["name"] for entry in listed["backups"]] == [name, story.backup]


def test_no_secret_is_anywhere_but_in_the_archive(story: Story) -> None:
    """Plan, index, volumes, log, manifest, inventory, and all that is printed, hold no Secret, plain or encoded."""
    for key in ("index.jsonl.gz", "plan.json", "volumes.json", "log.jsonl.gz", "manifest.json"):
        content = story.place.store.read(f"real/shop/{story.backup}/{key}")
        assert_no_secret(gzip.decompress(content) if key.endswith(".gz") else content)
    for ended in story.ended.values():
        assert_no_secret(ended.out, ended.err)
    inventory = story.trysail.folder / "inventory.json"
    story.trysail("inventory", "--out", inventory)
    assert_no_secret(inventory.read_bytes())
    for form in ("text", "json", "markdown"):
        story.trysail("plan", "-f", story.policy, "-o", form)  # which looks through what it prints
    story.trysail("describe", story.backup, "--location", story.place.url)
    digest = hashlib.sha256(story.place.store.read(f"real/shop/{story.backup}/k8s-objects.tar.gz")).hexdigest()
    assert digest in story.ended["run"].err


def _creatable(value: Json) -> Json:
    """The object without what belongs to the life that it had."""
    metadata = {key: kept for key, kept in value["metadata"].items() if key not in {"uid", "resourceVersion"}}
    creatable = {**value, "metadata": metadata}
    if value["kind"] == "Job":  # its selector and its template's labels name the uid of the Job that was
        spec = {key: kept for key, kept in value["spec"].items() if key != "selector"}
        creatable["spec"] = {**spec, "template": {**spec["template"], "metadata": {}}}
    return creatable


def _listed(items: list[Json]) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()
