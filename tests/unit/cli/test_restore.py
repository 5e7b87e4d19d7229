"""`trysail restore` as it is typed: what its options choose and change, over folders of manifests as clusters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.repair import BACKUP, ENCODED, EVERYTHING, OTHER_PASSWORD, PASSWORD, Json, Repair, fates

GENERAL = {"namespaces/shop", "shop/configmaps/settings"}
STAGE = {"namespaces/stage", "stage/configmaps/settings"}


@pytest.fixture
def repair(tmp_path: Path) -> Repair:
    """A cluster that has lost everything, and a backup of it."""
    made = Repair(tmp_path)
    made.lose()
    return made


CHOICES: dict[str, tuple[set[str], set[str]]] = {  # options -> what is restored, and what more must not be
    "": (EVERYTHING, set()),
    "-n stage": (STAGE, {"shop"}),
    "--namespace shop": ({name for name in EVERYTHING if "shop" in name}, {"stage"}),
    "--include-namespaces s*e": (STAGE, {"shop"}),
    "--include-namespaces shop,stage --no-cluster-resources": (
        {name for name in EVERYTHING if "cluster" not in name},
        {"clusterroles"},
    ),
    "--exclude-namespaces shop": (STAGE, {"shop"}),
    "--include-resources configmaps": ({*GENERAL, *STAGE, "shop/configmaps/texts"}, {"secrets", "services"}),
    "--include-resources cm": ({*GENERAL, *STAGE, "shop/configmaps/texts"}, {"secrets", "services"}),
    "--include-resources configmaps,*.apps -n shop": (
        {*GENERAL, "shop/configmaps/texts", "shop/deployments.apps/web"},
        {"stage", "secrets"},
    ),
    "--exclude-resources *.apps,secrets": (
        EVERYTHING - {"shop/deployments.apps/web", "shop/secrets/password"},
        {"deployments", "secrets"},
    ),
    "-l tier=front": ({"namespaces/shop", "shop/configmaps/texts"}, {"settings", "stage"}),
    "-l app=web,!tier": ({*GENERAL, "shop/deployments.apps/web"}, {"texts", "stage"}),
    "-l tier": ({"namespaces/shop", "shop/configmaps/texts"}, {"settings"}),
    "--item shop/configmaps/settings": (GENERAL, {"texts", "stage"}),
    "--item shop/cm/settings": (GENERAL, {"texts", "stage"}),
    "--item shop/configmap/settings --item stage/configmaps/settings": ({*GENERAL, *STAGE}, {"texts"}),
    "--item deploy/web": ({"namespaces/shop", "shop/deployments.apps/web"}, {"configmaps"}),
    "--include-cluster-resources -n stage": ({*STAGE, "clusterroles.rbac.authorization.k8s.io/reader"}, {"shop/"}),
}


@pytest.mark.parametrize("options", CHOICES)
def test_what_is_restored(repair: Repair, options: str) -> None:
    """Each filter takes what it says and nothing else; what it takes has its namespace with it."""
    wanted, unwanted = CHOICES[options]
    found = fates(repair.plan(BACKUP, *options.split()))
    assert set(found.values()) == {"create"}
    assert set(found) == wanted
    assert not [name for name in found for part in unwanted if part in name]


def test_an_item_that_is_not_there(repair: Repair) -> None:
    """Is a finding, so that nobody takes "No changes." for an answer to another question."""
    plan = repair.plan(BACKUP, "--item", "shop/configmaps/setings", code=4)
    assert plan["steps"] == []
    assert "includedItems configmaps/setings in shop matches nothing" in plan["emptyIncludes"]


def test_into_other_namespaces(repair: Repair) -> None:
    """Beside what is there; the plan says where from."""
    ended = repair.restore(BACKUP, "-n", "shop", "--namespace-mappings", "shop:copy", "--auto-approve")
    assert "namespace copy (in the backup: shop) will be restored: 6 to create" in ended.out
    found = repair.objects(repair.cluster)
    assert found["copy/ConfigMap/settings"]["data"] == {"mode": "on"}
    assert "Namespace/shop" not in found


def test_other_storage_classes_labels_and_node_ports(repair: Repair) -> None:
    """Each changes its fields and no others; a node port that Kubernetes chose is chosen anew without the option."""
    options = ("--storage-class-mappings", "fast:slow", "--labels", "team:web,example.com/why:drill")
    repair.restore(BACKUP, *options, "--auto-approve")
    found = repair.objects(repair.cluster)
    assert found["shop/PersistentVolumeClaim/data"]["spec"]["storageClassName"] == "slow"
    labels = {"team": "web", "example.com/why": "drill", "trysail.dev/backup": BACKUP}
    assert found["shop/ConfigMap/settings"]["metadata"]["labels"] == {"app": "web", **labels}
    assert "nodePort" not in found["shop/Service/web"]["spec"]["ports"][0]
    repair.lose()
    repair.restore(BACKUP, "--preserve-nodeports", "--auto-approve")
    assert repair.live("shop/Service/web")["spec"]["ports"][0]["nodePort"] == 30080


def test_a_second_restore(repair: Repair) -> None:
    """Says that nothing is to be done, asks nobody, and changes no byte."""
    repair.restore(BACKUP, "--auto-approve")
    before = repair.state()
    assert repair.restore(BACKUP).out.endswith("\nNo changes. All 10 items are there as stored.\n")
    assert repair.state() == before


# what is there, and differs


def test_what_differs_is_left_alone(repair: Repair) -> None:
    """Without a policy for it; the rest is restored, and the result says what was not."""
    repair.restore(BACKUP, "-n", "shop", "--auto-approve")
    repair.change()
    ended = repair.restore(BACKUP, "--auto-approve")
    assert "Not restored, as the plan said: 2 skipped." in ended.out
    assert repair.live("shop/ConfigMap/settings")["data"]["mode"] == "off"
    assert "stage/ConfigMap/settings" in repair.objects(repair.cluster)


@pytest.mark.parametrize(("policy", "extra"), [("update", {"extra": "kept"}), ("recreate", {})])
def test_what_differs_is_made_as_it_was_and_back_again(repair: Repair, policy: str, extra: dict[str, str]) -> None:
    """Update keeps what only the live one has, recreate does not; the command that is printed undoes either."""
    repair.restore(BACKUP, "--auto-approve")
    repair.change()
    ended = repair.restore(BACKUP, "--existing-resource-policy", policy, "--auto-approve")
    assert repair.live("shop/ConfigMap/settings")["data"] == {"mode": "on", **extra}
    assert repair.live("shop/Secret/password")["data"] == {"key": ENCODED[PASSWORD]}
    (undo, name) = printed(ended.out)
    assert undo.startswith(f"trysail restore {name} --location {repair.backups} --manifests {repair.cluster} ")
    repair.again(f"{undo} --auto-approve")
    assert repair.live("shop/ConfigMap/settings")["data"] == {"mode": "off", "extra": "kept"}
    assert repair.live("shop/Secret/password")["data"] == {"key": ENCODED[OTHER_PASSWORD]}


def test_the_undo_command_finds_its_way_as_the_restore_did(repair: Repair) -> None:
    """By -f, where credentials may be; and `latest` is still the backup, and not what was saved of its restores."""
    repair.restore(BACKUP, "--auto-approve")
    repair.change()
    words = ("restore", "latest", "-f", repair.policy, "--manifests", repair.cluster)
    ended = repair.call(*words, "--existing-resource-policy", "update", "--auto-approve")
    undo, name = printed(ended.out)
    assert f" -f {repair.policy} " in undo
    assert repair.names() == [name, BACKUP]
    assert json.loads(repair.call(*words, "--plan", "-o", "json").out)["backup"]["name"] == BACKUP
    repair.again(f"{undo} --auto-approve")
    assert repair.live("shop/ConfigMap/settings")["data"]["mode"] == "off"
    assert repair.plan("latest")["backup"]["name"] == BACKUP


def test_saved_elsewhere_or_not_at_all(repair: Repair) -> None:
    """--undo-location says where; `none` saves nothing, and the result says what that means."""
    repair.restore(BACKUP, "--auto-approve")
    repair.change()
    elsewhere = repair.folder / "else where"
    update = ("--existing-resource-policy", "update", "--auto-approve")
    ended = repair.restore(BACKUP, *update, "--undo-location", elsewhere)
    undo, name = printed(ended.out)
    assert repair.names() == [BACKUP]
    assert name in repair.call("list", "--location", elsewhere, "-o", "name").out
    repair.again(f"{undo} --auto-approve --undo-location none")
    assert repair.live("shop/ConfigMap/settings")["data"]["mode"] == "off"
    ended = repair.restore(BACKUP, *update, "--undo-location", "none")
    assert "What was overwritten was not saved: it cannot be brought back." in ended.out
    assert repair.names() == [BACKUP]


def test_a_backup_in_veleros_layout_is_undone_in_it(repair: Repair) -> None:
    """No folder of ours comes into a bucket that a Velero may share."""
    policy = repair.shelf.policy("velero", includedNamespaces=["shop"], archive={"layout": "velero"})
    document = yaml.safe_load(policy.read_text())
    bucket = repair.folder / "bucket"
    document["spec"]["storageLocation"]["path"] = str(bucket)
    policy.write_text(yaml.safe_dump(document))
    repair.restore(BACKUP, "--auto-approve")
    repair.shelf.run("-f", policy, "--name", "v1")
    repair.change()
    words = ("restore", "v1", "-f", policy, "--manifests", repair.cluster, "--auto-approve")
    ended = repair.call(*words, "--existing-resource-policy", "update")
    assert {path.name for path in bucket.iterdir()} == {"backups"}
    undo, _ = printed(ended.out)
    repair.again(f"{undo} --auto-approve")
    assert {path.name for path in bucket.iterdir()} == {"backups"}
    assert repair.live("shop/ConfigMap/settings")["data"]["mode"] == "off"


def test_each_field_is_shown(repair: Repair) -> None:
    """--diff; of Secrets only that they differ."""
    repair.restore(BACKUP, "--auto-approve")
    repair.change()
    options = (BACKUP, "--existing-resource-policy", "update", "--force-conflicts", "--plan")
    ended = repair.restore(*options, "--diff")
    assert '         ~ data.mode: "off" -> "on"\n' in ended.out
    assert re.search(r'~ data\.key: "sha256:[0-9a-f]{12}" -> "sha256:[0-9a-f]{12}"\n', ended.out)
    assert "data.mode" not in repair.restore(*options).out
    assert repair.plan(*options[:-1])["policy"]["spec"] == {"existingResourcePolicy": "update", "forceConflicts": True}


# forms and exit codes


def test_forms_of_the_plan(repair: Repair) -> None:
    """Text, JSON and Markdown of one plan; none of them changes anything."""
    before = repair.state()
    plan = repair.plan(BACKUP)
    assert plan["kind"] == "RestorePlan"
    digest = plan["digest"].removeprefix("sha256:")
    assert digest in repair.restore(BACKUP, "--plan").out
    markdown = repair.restore(BACKUP, "--plan", "-o", "markdown").out
    assert markdown.startswith("#")
    assert digest[:12] in markdown
    assert repair.state() == before


def test_exit_codes_of_a_plan(repair: Repair) -> None:
    """2 only where it is asked for and something changes; 4 where something is refused, in plan and result."""
    repair.restore(BACKUP, "--plan")
    repair.restore(BACKUP, "--plan", "--detailed-exitcode", code=2)
    wrong = {"conditions": {"groupResource": "secrets"}, "patches": [{"operation": "remove", "path": "/no/such"}]}
    policy = repair.restore_policy(resourceModifiers=[wrong])
    words = ("restore", "-f", policy, "--manifests", repair.cluster)
    plan = json.loads(repair.call(*words, "--plan", "-o", "json", "--detailed-exitcode", code=4).out)
    assert fates(plan)["shop/secrets/password"] == "invalid"
    ended = repair.call(*words, "--auto-approve", code=4)
    assert "Not restored, as the plan said: 1 invalid." in ended.out
    assert "shop/Secret/password" not in repair.objects(repair.cluster)
    assert "shop/ConfigMap/settings" in repair.objects(repair.cluster)
    repair.restore(BACKUP, "--auto-approve")
    repair.restore(BACKUP, "--plan", "--detailed-exitcode")


def test_what_fails_is_named(repair: Repair) -> None:
    """Exit code 3, each item with its reason; the same command goes on once that is seen to."""
    (repair.cluster / "shop").mkdir()
    (repair.cluster / "shop" / "configmaps").touch()
    ended = repair.restore(BACKUP, "--auto-approve", code=3)
    assert "Restore of b1 PartiallyFailed: 8 items" in ended.out
    assert "2 items failed:" in ended.out
    assert "Failed: shop/configmaps/settings: " in ended.err
    (repair.cluster / "shop" / "configmaps").unlink()
    assert "  done  2 created, 0 updated, 0 recreated\n" in repair.restore(BACKUP, "--auto-approve").out


def test_json_lines(repair: Repair) -> None:
    """Standard error is events, standard output one line: what was done, or that there was nothing to do."""
    json_log = ("--log-format", "json", "--auto-approve")
    ended = repair.restore(BACKUP, *json_log)
    events = [json.loads(line)["event"] for line in ended.err.splitlines()]
    assert {"restorestarted", "restorefinished"} <= {event.replace("_", "").lower() for event in events}
    nothing: Json = {"created": 0, "updated": 0, "recreated": 0, "already": 0, "failed": [], "undo": "", "exitCode": 0}
    assert json.loads(ended.out) == {"backup": BACKUP, **nothing, "created": 10}
    assert json.loads(repair.restore(BACKUP, *json_log).out) == {"backup": BACKUP, **nothing}


# a folder as the target


def test_into_a_folder(repair: Repair) -> None:
    """Manifests of the backup, whatever the cluster has; nobody is asked, since nothing but files comes of it."""
    folder = repair.folder / "out"
    ended = repair.call("restore", BACKUP, "--location", repair.backups, "--to", folder, "-n", "shop")
    assert "Completed: 7 items" in ended.out
    assert (folder / "cluster" / "namespaces" / "shop.yaml").is_file()
    found = repair.objects(folder)
    assert found["shop/ConfigMap/settings"]["data"] == {"mode": "on"}
    assert all("uid" not in value["metadata"] for value in found.values())
    assert repair.objects(repair.cluster).keys() == {"Namespace/kube-system"}


def printed(out: str) -> tuple[str, str]:
    """The command that undoes a restore, and the backup that it names."""
    command = out[out.index("  trysail restore before-restore-") :].strip()
    return command, command.split()[2]
