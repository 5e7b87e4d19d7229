"""What a plan of a restore means for the exit code. Pure."""

from __future__ import annotations

from runner.errors import ExitCode
from runner.model.restore import RestorePlan


def restore_exit_code(plan: RestorePlan, *, detailed: bool) -> ExitCode:
    """FINDINGS for conflicts, refusals, gaps and includes that match nothing; CHANGES where asked for; else DONE.

    Data of a volume that cannot be brought back is a refusal too.
    """
    refused = any(volume.action == "refuse" for volume in plan.volumes)
    if plan.count("conflict", "invalid") or refused or plan.gaps or plan.empty_includes:
        return ExitCode.FINDINGS
    return ExitCode.CHANGES if detailed and plan.changes_anything else ExitCode.DONE
