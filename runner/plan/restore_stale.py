"""Whether a saved plan of a restore may still be done: only if it would change nothing that it does not name. Pure."""

from __future__ import annotations

from runner.model.canonical import document
from runner.model.policy_set import ResolvedRestore
from runner.model.restore import CHANGING, Action, RestorePlan
from runner.plan.restore import MERGED, OURS, OWNERS_ALONE

SHOWN = 10  # items that are named; of further ones there is only the count

# What may have become of an item since it was planned: done, or half done, by a run that was killed.
_FITS: dict[Action, frozenset[Action]] = {
    "create": frozenset({"create", "unchanged"}),
    "update": frozenset({"update", "unchanged"}),
    "recreate": frozenset({"recreate", "create", "unchanged"}),
}


def restore_stale_reasons(saved: RestorePlan, now: RestorePlan) -> tuple[str, ...]:
    """Each thing that forbids doing `saved`. `now` is the plan that the same policy would get."""
    if saved.target.uid != now.target.uid:
        return (f"it was made for the cluster with UID {saved.target.uid}, this one is {now.target.uid}",)
    if saved.backup.digest != now.backup.digest:
        return (f"the backup {saved.backup.name} is not the one that it was made from",)
    planned = _fates(saved)
    found = [
        f"{what} would be {_WORDS[action]} now{_planned(planned.get(what))}"
        for what, (action, why) in _fates(now).items()
        if not _fits(planned.get(what), action, why)
    ]
    more = (f"and {len(found) - SHOWN} more",) if len(found) > SHOWN else ()
    return (*found[:SHOWN], *more)


def restore_policy_reasons(saved: RestorePlan, resolved: ResolvedRestore) -> tuple[str, ...]:
    """Whether the plan was made from another state of its RestorePolicy."""
    if saved.policy != document(resolved.policy):
        return (f"the policy {saved.policy_name} has changed since",)
    return ()


_WORDS: dict[Action, str] = {
    "create": "created",
    "update": "updated",
    "recreate": "recreated",
    "unchanged": "left as it is",
    "skip": "left alone, since it differs",
    "conflict": "in conflict",
    "invalid": "refused",
}


def _fates(plan: RestorePlan) -> dict[str, tuple[Action, str]]:
    found: dict[str, tuple[Action, str]] = {}
    for step in plan.steps:
        where = f"{step.namespace}/" if step.namespace else ""
        for name in step.names:
            what = f"{where}{step.resource}/{name}"
            if what not in found or step.action in CHANGING:  # a damaged Namespace is refused, and made from its name
                found[what] = step.action, step.why
    return found


def _fits(planned: tuple[Action, str] | None, action: Action, why: str) -> bool:
    if planned is None:
        return action not in CHANGING
    if planned[0] not in CHANGING:
        return action not in CHANGING
    # A namespace that has come is given its own accounts before ours.
    return action in _FITS[planned[0]] or why in {OURS, MERGED, *OWNERS_ALONE}


def _planned(planned: tuple[Action, str] | None) -> str:
    return ", and the plan does not have it" if planned is None else f", and was to be {_WORDS[planned[0]]}"


def already_done(saved: RestorePlan, now: RestorePlan) -> int:
    """How many items `saved` was to change that need nothing any more."""
    left = {what for what, (action, _) in _fates(now).items() if action in CHANGING}
    return sum(1 for what, (action, _) in _fates(saved).items() if action in CHANGING and what not in left)
