"""What a plan means for the exit code, and whether a run may follow it. Pure."""

from __future__ import annotations

from runner.errors import ExitCode
from runner.model.plan import Plan


def blocked_by_volumes(plan: Plan) -> bool:
    """Uncovered volumes stop a run unless the policy says otherwise (onUncovered, default fail)."""
    return bool(plan.uncovered) and plan.policy["spec"].get("onUncovered", "fail") == "fail"


def plan_exit_code(plan: Plan) -> ExitCode:
    """FINDINGS for what could not be read, includes that match nothing, and uncovered volumes; else DONE."""
    if plan.gaps or plan.empty_includes or blocked_by_volumes(plan):
        return ExitCode.FINDINGS
    return ExitCode.DONE
