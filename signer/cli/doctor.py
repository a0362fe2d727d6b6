"""``artifact-signer doctor``: what is wrong with this installation, and how to repair it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import click

from signer.cli.local import config_option
from signer.cli.output import printable, show_json

SEVERITY_WIDTH = 7
MAX_AGE_SECONDS = 366 * 86400


@click.command()
@config_option
@click.option("--repair", is_flag=True, help="end what a crash left between token and database")
@click.option("--mend", is_flag=True, hidden=True, help="the former name of --repair")
@click.option(
    "--clock-is-right",
    metavar="REASON",
    help="with --repair: let a record that is ahead of the clock go on from now; how you know that the clock is right",
)
@click.option(
    "--pending-age",
    type=click.IntRange(0, MAX_AGE_SECONDS),
    metavar="SECONDS",
    help="age from which on a version that is being made counts as interrupted",
)
@click.option(
    "--moving",
    nargs=2,
    metavar="FROM TO",
    help="only say what is left to do until the token FROM is not needed any more, and its keys are in TO",
)
@click.option("--json", "as_json", is_flag=True, help="write a JSON document")
def doctor(
    config: Path,
    *,
    repair: bool,
    mend: bool,
    clock_is_right: str | None,
    pending_age: int | None,
    moving: tuple[str, str] | None,
    as_json: bool,
) -> int:
    """Look at every part of an installation; exit status 1 if anything failed, 2 if it has no usable configuration."""
    from signer.doctor import CHECKS, Request, checks_of_move, examine
    from signer.services.reconciliation import DEFAULT_PENDING_AGE

    age = DEFAULT_PENDING_AGE if pending_age is None else timedelta(seconds=pending_age)
    repair = repair or mend
    if clock_is_right is not None and not (repair and clock_is_right.strip()):
        raise click.UsageError("--clock-is-right needs --repair and a reason")
    if moving is not None and (repair or moving[0] == moving[1]):
        raise click.UsageError("--moving needs two tokens, and repairs nothing")
    request = Request(
        config=config, environment=os.environ, repair=repair, clock_is_right=clock_is_right, pending_age=age
    )
    report = examine(request, checks=CHECKS if moving is None else checks_of_move(*moving))
    if as_json:
        show_json(report.document())
        return report.exit_status
    for line in report.lines:
        finding = line.finding
        click.echo(f"{finding.severity.value:{SEVERITY_WIDTH}} {line.check}: {printable(finding.sentence)}")
        if finding.hint is not None:
            click.echo(f"hint: {printable(finding.hint)}")
    return report.exit_status
