"""Tests of what a plan says of volumes and hooks: whole, by rule, folded where many are alike, easy on the eye."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from runner.model.plan import Plan
from runner.model.volumes import PlannedVolume
from runner.report.plan_markdown import COMMENT_LIMIT, render_plan_markdown
from runner.report.plan_text import render_plan
from tests.golden.golden import assert_golden
from tests.unit.report.ledger import SCRATCH, disk, hook, plan_of, scratch

GOLDEN = Path(__file__).parents[2] / "golden" / "plans" / "ledger"
# tfcmt's own pattern for what is created (pkg/terraform/parser.go).
CREATE = re.compile(r"(?m)^ *# (.*) will be created$")
AZURE = "/subscriptions/0d1a2b3c/resourceGroups/shop/providers/Microsoft.Compute/disks/pvc-5b8f0c3e-9d47-4a52"
SHARED = "volumePolicies[3]: fs-backup, but it is ReadWriteOncePod and in use by shop-prod/queue-0"


def every_fate() -> Plan:
    """Something of everything that a ledger can say."""
    return plan_of(
        [
            *(disk(f"shop-prod/data-postgres-{number}") for number in range(2)),
            disk("shop-prod/images", method="csi-snapshot", why="volumePolicies[0]: snapshot", capacity="100Gi",
                 storage_class="managed-csi", source="disk.csi.azure.com", handle=AZURE, snapshot_class="azure-retain"),
            disk("shop-prod/uploads", method="fs-backup", why="volumePolicies[2]: fs-backup", capacity="1Ti",
                 storage_class="efs", source="efs.csi.aws.com", handle="fs-0a1b2c3d::fsap-0e1f2a3b"),
            disk("shop-staging/uploads", method="fs-backup", why="volumePolicies[2]: fs-backup", capacity="20Gi",
                 storage_class="nfs", source="nfs", handle=""),
            *(scratch(f"shop-prod/web-7d9f6c5b8-x2x4{letter}") for letter in "bcdfghjklmnp"),
            scratch("shop-prod/api-0", "tmp", capacity="1Gi"),
            scratch("shop-prod/api-0", "shm", why="an emptyDir in memory holds nothing that outlives its Pod"),
            disk("shop-prod/queue", method="uncovered", why=SHARED, storage_class="local", source="local"),
            *(scratch(f"shop-staging/web-58d9f7c6d4-q7{end}", method="uncovered", why="no rule protects it")
              for end in ("lx9", "mw4")),
        ],
        [
            *(hook(f"shop-prod/postgres-{number}", when, "psql", "-U", "postgres", "-c", command)
              for number in range(2) for when, command in (("pre", "CHECKPOINT"), ("post", "SELECT 1"))),
            hook("shop-prod/queue-0", "pre", "/bin/sh", "-c", "redis-cli save && sync", container="redis",
                 on_error="continue", timeout=1.5, why="annotation pre.hook.backup.velero.io/command"),
        ],
        hooks={
            "beforeRun": [{"command": ["/usr/local/bin/page", "--quiet", "backup of the shop begins"]}],
            "onFailure": [{"command": ["page", "shop"], "timeout": "30s", "onError": "continue"}],
        },
    )  # fmt: skip


def many(number: int, **fields: Any) -> Plan:
    """So many claims in a twentieth of as many namespaces."""
    return plan_of(disk(f"team-{place // 20:02}/data-{place % 20}", **fields) for place in range(number))


def text(plan: Plan) -> str:
    """The plan without colours."""
    return render_plan(plan, changes=None)


# text


def test_the_ledger_is_said_word_for_word() -> None:
    """What people have read and found good stays so."""
    assert_golden(GOLDEN / "plan.txt", text(every_fate()))
    assert_golden(GOLDEN / "plan.md", render_plan_markdown(every_fate()))
    assert_golden(GOLDEN / "many.txt", text(many(500)))


def test_tfcmt_finds_what_will_be_created() -> None:
    """Beside the backup: each sort of snapshot, by name where it is one."""
    assert CREATE.findall(text(every_fate())) == [
        "/backups/demo/shop/{backup}",
        "2 native snapshots",
        "CSI snapshot of shop-prod/images",
        "2 file-system backups",
    ]


def test_the_last_line_counts_what_is_kept() -> None:
    """Only where there is such a volume."""
    assert text(every_fate()).endswith("Plan: 3 to store, 5 volumes to keep, 0 left out, 3 volumes uncovered.\n")
    assert text(plan_of()).endswith("Plan: 3 to store, 0 left out.\n")
    assert text(plan_of([disk("a/b")])).endswith("Plan: 3 to store, 1 volume to keep, 0 left out.\n")


def test_every_volume_has_its_rule_its_size_and_its_handle() -> None:
    """What all of a rule's volumes have in common stands once, above them."""
    found = text(plan_of([disk("a/one"), disk("a/two", storage_class="io2", capacity="1Ti")]))
    assert "  # 2 native snapshots will be created\n  # (snapshotLocation ebs; 1.0 TiB of ebs.csi.aws.com)\n" in found
    assert "  + a/one  50Gi  gp3  vol-a-one\n  + a/two  1Ti   io2  vol-a-two\n" in found


def test_five_hundred_volumes_are_a_page() -> None:
    """A line a namespace, every volume counted, and it says that it is so."""
    found = text(many(500))
    assert found.count("\n") < 60
    lines = re.findall(r"(?m)^  \+ (\d+)  team-\d\d +1000\.0 GiB  data-0, ", found)
    assert [int(count) for count in lines] == [20] * 25
    assert "# Summed up: -o json has every volume" in found
    assert max(map(len, found.splitlines())) <= 80


def test_a_hundred_volumes_are_named() -> None:
    """As long as they can be read, each has its line."""
    found = text(many(100))
    assert found.count("  vol-team-") == 100
    assert "Summed up" not in found


def test_claims_that_nothing_protects_are_never_folded() -> None:
    """However many there are."""
    found = text(many(2000, method="uncovered", why="no rule"))
    assert len(re.findall(r"(?m)^  ! team-\d\d/data-\d+ ", found)) == 2000


def test_pods_of_one_workload_are_one_line() -> None:
    """Of the same volume, by the same rule; what differs in anything has a line of its own."""
    pods = [scratch(f"shop/web-7d9f6c5b8-x2x4{letter}") for letter in "bcdf"]
    odd = [scratch("shop/web-7d9f6c5b8-x2x4b", "tmp"), scratch("other/web-7d9f6c5b8-x2x4b")]
    found = text(plan_of([*pods, *odd]))
    assert f"  - 6 volumes ({SCRATCH})\n      shop/web-… (4 Pods) cache" in found
    assert "      shop/web-7d9f6c5b8-x2x4b tmp" in found
    assert "      other/web-7d9f6c5b8-x2x4b cache" in found


def test_what_a_rule_skips_is_counted_where_it_is_much() -> None:
    """Ten by name, the others by number."""
    found = text(plan_of(scratch(f"shop/job-{name}x", "tmp") for name in range(40)))
    assert f"  - 40 volumes ({SCRATCH})\n" in found
    assert found.count(" tmp  emptyDir\n") == 10
    assert "      and 30 more\n" in found


def test_commands_are_shown_whole() -> None:
    """Who reviews a plan sees all that it runs, as a shell would take it."""
    script = "pg_dumpall && " * 40 + "echo 'done'"
    found = text(plan_of([], [hook("a/db-0", "pre", "sh", "-c", script)]))
    assert re.sub(r"\s+", "", script.replace("'", """'"'"'""")) in re.sub(r"\s+", "", found)


def test_hooks_of_alike_pods_are_said_once() -> None:
    """What is run before the snapshots stands before what is run after them, and who differs stands apart."""
    hooks = [hook(f"a/db-{n}", when, "x", order=1) for n in range(3) for when in ("post", "pre")]
    found = text(plan_of([], [*hooks, hook("a/db-3", "pre", "y")]))
    assert "commands will be run in 4 Pods, around their snapshots\n  > a/db-… (3 Pods)\n      before  x\n" in found
    assert "  > a/db-3\n      before  y\n" in found


def test_hooks_of_many_pods_are_cut() -> None:
    """Fifty Pods, and how many more."""
    found = text(plan_of([], [hook(f"ns-{n}x/db", "pre", "x") for n in range(70)]))
    assert found.count("      before  x\n") == 50
    assert "    and in 20 more Pods: -o json has every command\n" in found


def test_without_volumes_and_hooks_nothing_is_said_of_them() -> None:
    """No chapter without content."""
    assert not re.search("volume|command|snapshot", text(plan_of()))
    assert not re.search("olume|ommand|napshot", render_plan_markdown(plan_of()))


def test_lines_fit_a_terminal() -> None:
    """Eighty columns, but for handles that are longer."""
    lines = [line for line in text(every_fate()).splitlines() if AZURE not in line]
    assert max(map(len, lines)) <= 80


# markdown


def test_a_long_ledger_is_folded() -> None:
    """Ten rows stand open; more of them behind a click."""
    found = render_plan_markdown(plan_of(disk(f"a/b-{number}x") for number in range(11)))
    assert "\n\n<details>\n<summary>11 volumes</summary>\n\n| Volume |" in found
    assert found.count("<details>") == found.count("</details>")
    assert "| `a/b-10x` | 50Gi | `gp3` | `ebs.csi.aws.com` | `vol-a-b-10x` |" in found


@pytest.mark.slow
@pytest.mark.parametrize("limit", [4_000, 20_000, COMMENT_LIMIT])
def test_any_limit_is_kept(limit: int) -> None:
    """With thousands of volumes and commands: what is cut is counted."""
    plan = plan_of(
        [disk(f"team/data-{number}x") for number in range(1500)]
        + [PlannedVolume("skip", f"rule {number}", claim=f"a/b-{number}x") for number in range(500)],
        [hook(f"ns-{number}/db", "pre", "sync") for number in range(1000)],
    )
    found = render_plan_markdown(plan, limit=limit)
    assert len(found) <= limit
    assert "Cut to fit a comment: lists end after" in found
    shown = len(re.findall(r"(?m)^\| `team/data-", found))
    (more,) = re.findall(r"\*and (\d+) more\* \| \| \| \| \|\n", found)
    assert shown + int(more) == 1500
