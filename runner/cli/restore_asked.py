"""What the command line of `trysail restore` says beside the RestorePolicy, and which of it cannot be together."""

from __future__ import annotations

from dataclasses import dataclass

from runner import wiring
from runner.errors import UsageError

NOWHERE = "none"
PLAN_SUFFIX = ".json"  # by which a saved plan is told from the name of a backup


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says besides the policy."""

    target: wiring.ClusterChoice
    to: str | None
    plan_only: bool
    out: str | None
    output: str
    diff: bool
    server_dry_run: bool
    auto_approve: bool
    allow_damaged: bool
    undo_location: str | None
    log_format: str
    detailed: bool
    into_scratch: bool


def check_asked(asked: Asked) -> None:
    """Refuses options that cannot be together, before anything is opened."""
    if asked.to is not None and asked.target != wiring.ClusterChoice():
        raise UsageError("--to is a target of its own", hint="leave out --context, --kubeconfig and --manifests")
    if asked.undo_location not in {None, NOWHERE}:
        wiring.location_of_url(str(asked.undo_location))  # what is wrong with it is said before anything is planned
    if asked.into_scratch:
        if asked.to is not None or asked.target.manifests is not None:
            raise UsageError(
                "--into-scratch asks an API server; a folder accepts everything", hint="give the --context of a cluster"
            )
        if asked.plan_only or asked.out is not None:
            raise UsageError(
                "--into-scratch has no plan to show: it tries, and takes back", hint="leave out --plan and --out"
            )
    if asked.out is not None and not asked.out.endswith(PLAN_SUFFIX):
        raise UsageError(
            f'--out: "{asked.out}" would not be known for a plan again',
            hint=f"give it a name that ends in {PLAN_SUFFIX}",
        )
    if asked.output != "text" and not asked.plan_only and asked.out is None:
        raise UsageError(
            f"-o {asked.output} is a form of the plan, and this would restore",
            hint="add --plan; the result of a restore as JSON is --log-format json",
        )


def target_words(asked: Asked) -> list[str]:
    """The options that name the same target again."""
    return [*asked.target.words(), *(() if asked.to is None else ("--to", asked.to))]
