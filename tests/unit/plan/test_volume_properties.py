"""What holds for every ledger, whatever the policy and the cluster are."""

from __future__ import annotations

from hypothesis import given

from runner.model.inventory import ClaimFacts, Inventory, PodFacts, VolumeFacts
from runner.model.policy_set import ResolvedPolicy
from runner.plan.backup import plan_backup
from runner.plan.hooks_now import HooksNow, hooks_now
from runner.plan.needs import CLAIMS, PODS, VOLUMES
from runner.plan.picture import Picture, look
from runner.plan.relations import relate
from runner.plan.selection import Selection
from runner.plan.stale import differences, stale_reasons
from runner.plan.volume_groups import groups
from tests.unit.plan.worlds import PROPERTY, as_collected, inventories, policies


def picture_of(resolved: ResolvedPolicy, inventory: Inventory) -> Picture:
    """What the policy selects."""
    return relate(look(Selection(resolved.policy.spec), inventory))


@PROPERTY
@given(policies(), inventories())
def test_everything_selected_is_exactly_one_line(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """Each claim, each PersistentVolume, each data-holding volume of a Pod that is not over: none twice, none not."""
    picture = picture_of(resolved, inventory)
    lines = plan_backup(resolved, inventory).volumes
    names = [line.name for line in lines]
    assert names == sorted(set(names))
    claims = {f"{row.namespace}/{row.name}" for row in picture.rows(CLAIMS) if isinstance(row.facts, ClaimFacts)}
    assert {line.claim for line in lines if line.claim} == claims
    volumes = {row.name for row in picture.rows(VOLUMES) if isinstance(row.facts, VolumeFacts)}
    named = [line.volume for line in lines if line.uid]  # that were looked at
    assert len(set(named)) == len(named)
    assert volumes <= set(named)
    within = {
        f"{row.namespace}/{row.name}:{volume.name}"
        for row in picture.rows(PODS)
        if isinstance(row.facts, PodFacts) and row.facts.phase not in {"Succeeded", "Failed"}
        for volume in row.facts.volumes
    }
    assert {line.name for line in lines if line.pod} == within


@PROPERTY
@given(policies(), inventories())
def test_every_line_has_its_reason(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """None without a why; a CSI snapshot has its class, and nothing else has one; what is kept is there."""
    for line in plan_backup(resolved, inventory).volumes:
        assert line.why
        assert bool(line.snapshot_class) == (line.method == "csi-snapshot")
        assert not line.keeps or line.volume
        assert line.method not in {"csi-snapshot", "fs-backup"} or line.claim
        assert line.method != "native-snapshot" or line.handle


@PROPERTY
@given(policies(), inventories())
def test_no_two_snapshots_of_one_volume(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """Whatever names it, an EBS volume is snapshotted once."""
    lines = plan_backup(resolved, inventory).volumes
    handles = [line.handle for line in lines if line.method == "native-snapshot"]
    assert len(set(handles)) == len(handles)


@PROPERTY
@given(policies(), inventories())
def test_groups_share_out_what_is_kept(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """Each kept volume and each hook is in one group; Pods with hooks that share a claim are in the same."""
    plan = plan_backup(resolved, inventory)
    found = groups(plan.volumes, plan.hooks)
    assert sorted(line.name for group in found for line in group.volumes) == [
        line.name for line in plan.volumes if line.keeps
    ]
    assert sum(len(group.pre) + len(group.post) for group in found) == len(plan.hooks)
    of_claim: dict[str, str] = {}
    for group in found:
        assert group.volumes or group.pre or group.post
        for hook in (*group.pre, *group.post):
            for claim in hook.claims:
                assert of_claim.setdefault(claim, group.name) == group.name


@PROPERTY
@given(policies(), inventories())
def test_a_plan_fits_the_cluster_that_it_was_made_from(resolved: ResolvedPolicy, inventory: Inventory) -> None:
    """Read again, whole or as far as is needed: nothing is stale, nothing is different, every hook is run."""
    plan = plan_backup(resolved, inventory)
    collected = as_collected(Selection(resolved.policy.spec), inventory)
    now = plan_backup(resolved, collected)
    assert stale_reasons(plan, now, collected) == ()
    assert differences(plan, now) == ()
    assert hooks_now(plan.hooks, now.hooks, collected) == HooksNow(plan.hooks)
