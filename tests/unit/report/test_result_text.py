"""Tests of how a run ended, as text: short when all is well, and every missing thing by name when not."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from runner.model.manifest import COMPLETED, MANIFEST_FORMAT, PARTIALLY_FAILED, Listed, Manifest, StoredKey
from runner.model.plan import Gap, LeftOut, PlannedCluster
from runner.model.result import Leftover, Result
from runner.report.result_text import render_result
from tests.unit.plan.build import claim, named, planned, volume

NAME = "daily-20260301020000-ab12"
URL = "s3://backups/prod"
PLAN = planned({"shop/configmaps": named("api", "web")})
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def result(*, plan: Any = PLAN, leftovers: tuple[Leftover, ...] = (), seconds: float = 1.5, **fields: Any) -> Result:
    """A run that went well, but for what is given."""
    manifest = Manifest(
        format_version=MANIFEST_FORMAT,
        kind="Backup",
        digest="sha256:0",
        name=NAME,
        phase=PARTIALLY_FAILED if fields.get("missing") else COMPLETED,
        cluster=PlannedCluster("demo", "uid"),
        server="https://127.0.0.1:6443",
        server_version="v1.36.0",
        policy_name="daily",
        policy=plan.policy,
        plan_digest=plan.digest,
        started="2026-03-01T02:00:00+00:00",
        completed="2026-03-01T02:00:02+00:00",
        trysail_version="0.1.0",
        items=3,
        size=2048,
        keys={"k8s-objects.tar.gz": StoredKey(1000, "a"), "index.jsonl.gz": StoredKey(500, "b")},
        lists=(Listed("configmaps", "shop", 2, 2, "7", consistent=True),),
        left_out=(),
        missing=(),
        warnings=(),
    )
    return Result(msgspec.structs.replace(manifest, **fields), plan, leftovers, seconds)


def test_a_run_that_went_well_is_said_in_few_lines() -> None:
    """Phase, name, items, speed, place, sizes, and what to do next: nothing else."""
    assert render_result(result(), URL) == (
        f"{NAME} Completed: 3 items in 1.5 s, 2 items/s\n"
        "\n"
        f"  into  s3://backups/prod/demo/daily/{NAME}/\n"
        "  size  2.0 KiB of YAML, 1.5 KiB stored\n"
        "  keys  index.jsonl.gz 500 B, k8s-objects.tar.gz 1000 B\n"
        "\n"
        "Next:\n"
        f"  trysail verify {NAME} --location s3://backups/prod\n"
        f"  trysail describe {NAME} --location s3://backups/prod\n"
    )


def test_everything_missing_is_named() -> None:
    """A partial backup says so, and names each gap with its reason, however many there are."""
    missing = tuple(Gap(f"secrets in namespace team-{number}", "forbidden") for number in range(50))
    found = render_result(result(missing=missing), URL)
    assert found.startswith(f"{NAME} PartiallyFailed: ")
    assert "\n50 things missing from this backup:\n" in found
    for gap in missing:
        assert f"\n  ? {gap.what}\n      forbidden\n" in found


def test_differences_to_the_plan_are_named() -> None:
    """What the run itself left out, with its reason, and each list that brought more or less than planned."""
    found = render_result(
        result(
            left_out=(LeftOut("pods", "it is being deleted", 2),),
            lists=(
                Listed("pods", "shop", 12, 10, "7", consistent=True),
                Listed("nodes", "", 1, 2, "8", consistent=True),
                Listed("configmaps", "shop", 2, 2, "9", consistent=False),
                Listed("roles.rbac.authorization.k8s.io", "shop", 1, 1, "", consistent=False),  # asked for by name
            ),
        ),
        URL,
    )
    assert "\n  - 2 pods (it is being deleted)\n" in found
    assert "\n  ~ pods in namespace shop: planned 12, stored 10\n" in found
    assert "\n  ~ nodes: planned 1, stored 2\n" in found
    assert found.count("roles.rbac.authorization.k8s.io") == 0
    assert "their later items are of a later moment:\n\n  ~ configmaps in namespace shop\n" in found


def test_many_differences_are_counted() -> None:
    """A busy cluster differs everywhere: the first twenty by name, the others by number."""
    lists = tuple(Listed("pods", f"team-{number:02}", 2, 1, "7", consistent=True) for number in range(33))
    found = render_result(result(lists=lists), URL)
    assert found.count("planned 2, stored 1") == 20
    assert "\n    and 13 more\n" in found


def test_uncovered_volumes_are_said_again() -> None:
    """Their objects are in the backup and their data is not: that is worth a second look; not if it is ignored."""
    contents = {
        "shop/persistentvolumeclaims": [claim("data", "pv-1")],
        "persistentvolumes": [volume("pv-1", "shop/data")],
    }
    found = render_result(result(plan=planned(contents, onUncovered="warn")), URL)
    assert "1 volume uncovered: its object is stored, its data is not:\n\n  ! shop/data  10Gi\n" in found
    assert "uncovered" not in render_result(result(plan=planned(contents, onUncovered="ignore")), URL)


def test_empty_includes_say_why_the_exit_code_is_not_0() -> None:
    """The run is done and exits with 4: the text says what matched nothing."""
    plan = planned({"shop/configmaps": named("a")}, includedNamespaces=["shop", "nowhere"])
    found = render_result(result(plan=plan), URL)
    assert '\n  ! includedNamespaces "nowhere" matches no namespace\n' in found


def test_what_dead_runs_left_is_named_once() -> None:
    """Keys and unfinished uploads of runs that never finished; the warning about them is not said a second time."""
    dead = Leftover("daily-1", keys=2, size=3_000_000, uploads=1)
    uploads = Leftover("daily-2", keys=0, size=0, uploads=2)
    warnings = ("daily-1 was begun and never finished (or still goes on): 2 keys", "2 Secrets in plain text")
    found = render_result(result(leftovers=(dead, uploads), warnings=warnings), URL)
    assert "\n  ! daily-1: 2 keys, 2.9 MiB, 1 unfinished upload\n" in found
    assert "\n  ! daily-2: 2 unfinished uploads\n" in found
    assert found.count("never finished") == 1
    assert "\nWarning: 2 Secrets in plain text\n" in found


@pytest.mark.parametrize(
    ("location", "reached"),
    [
        ({"provider": "filesystem", "path": "/b"}, "--location s3://backups/prod"),
        (
            {
                "provider": "s3",
                "objectStorage": {"bucket": "backups", "prefix": "prod", "caFile": "/ca.pem"},
                "config": {"s3Url": "https://minio:9000", "s3ForcePathStyle": True, "serverSideEncryption": "AES256"},
                "credential": {"accessKeyId": {"env": "ID"}, "secretAccessKey": {"env": "KEY"}},
            },
            "--location 's3://backups/prod?s3Url=https://minio:9000&s3ForcePathStyle=true&caFile=/ca.pem'",
        ),
    ],
)
def test_the_next_commands_reach_the_backup(location: dict[str, Any], reached: str) -> None:
    """They name the store with all that a URL needs and no credential, ready for a shell."""
    plan = msgspec.structs.replace(PLAN, location=location)
    found = render_result(result(plan=plan), URL)
    assert found.endswith(f"\n  trysail verify {NAME} {reached}\n  trysail describe {NAME} {reached}\n")


def test_the_caller_may_know_a_shorter_way() -> None:
    """Where the policy is at hand, the next commands go by it."""
    assert f"trysail verify {NAME} -f policy.yaml\n" in render_result(result(), URL, reach="-f policy.yaml")


def test_nothing_divides_by_no_time() -> None:
    """A clock that stands still makes no speed."""
    assert render_result(result(seconds=0.0), URL).splitlines()[0].endswith("3 items in 0.0 s")


def test_colours_change_nothing_but_colours() -> None:
    """Without its escape sequences the coloured text is the plain one, whatever is in it."""
    whole = result(
        missing=(Gap("secrets", "forbidden"),),
        leftovers=(Leftover("daily-1", 1, 1, 0),),
        warnings=("warned",),
        left_out=(LeftOut("pods", "it is being deleted", 2),),
    )
    assert ANSI.sub("", render_result(whole, URL, color=True)) == render_result(whole, URL)


def test_nothing_from_elsewhere_steers_a_terminal() -> None:
    """A server's error and a type's name are text, in a line that is ours."""
    odd = "x\x1b[2J\r\n\u202eError: y"
    found = render_result(
        result(
            missing=(Gap(odd, odd),),
            left_out=(LeftOut(odd, odd, 1),),
            lists=(Listed(odd, odd, 1, 0, "1", consistent=False),),
            warnings=(odd,),
        ),
        f"/{odd}",
    )
    assert all(line.isprintable() for line in found.split("\n"))
    assert not re.search(r"(?m)^Error", found)
