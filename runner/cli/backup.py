"""`trysail backup create NAME` is `trysail run --name NAME`, for hands that know Velero."""

from __future__ import annotations

import click

from runner import wiring
from runner.cli.options import cluster_options, policy_name_option, policy_option
from runner.cli.run import run
from runner.errors import ExitCode


@click.group(name="backup")
def command() -> None:
    """Verbs as Velero has them."""


@command.command()
@click.argument("name")
@policy_option
@policy_name_option
@cluster_options
@click.option("--auto-approve", is_flag=True, help="Do not ask; needed where no terminal can answer.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="Form of the log.")
def create(
    name: str,
    filenames: tuple[str, ...],
    policy: str | None,
    cluster: wiring.ClusterChoice,
    auto_approve: bool,
    log_format: str,
) -> ExitCode:
    """Back up as `trysail run --name NAME` does."""
    return run(None, filenames, policy, cluster, name, auto_approve=auto_approve, log_format=log_format)
