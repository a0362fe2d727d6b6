"""``artifact-signer backup`` and ``artifact-signer restore``, on an installation of this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from signer.cli.local import config_option
from signer.cli.output import note
from signer.config import load_settings

if TYPE_CHECKING:
    from signer.log_continuation import ContinuedLog

_folder = click.argument("directory", type=click.Path(path_type=Path, file_okay=False))


@click.command()
@_folder
@config_option
def backup(*, directory: Path, config: Path) -> None:
    """Copy database, checkpoint, the log's keys and configuration into DIRECTORY; the service may run meanwhile."""
    from signer.backup import also_to_keep, make_backup

    settings = load_settings(config, os.environ)
    made = make_backup(settings, config, directory)
    note(f"{directory} holds {made.origin}: {made.size} leaves, {made.signatures} signatures, all verified")
    for sentence in also_to_keep(settings):
        note(f"keep as well: {sentence}")


@click.command()
@_folder
@click.option("--accept-rollback", is_flag=True, help="leaves are lost: let the log go on under another name")
@click.option("--reason", help="with --accept-rollback: why; on record")
@click.option(
    "--log-checkpoint",
    "checkpoints",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="checkpoint that was seen elsewhere: the backup has to begin with its log",
)
@config_option
def restore(
    *, directory: Path, accept_rollback: bool, reason: str | None, checkpoints: tuple[Path, ...], config: Path
) -> None:
    """Put the backup in DIRECTORY in the place of the database; refused where more of the log is known to be lost."""
    from signer.restore import Rollback
    from signer.restore import restore as put_back

    if accept_rollback != bool(reason and reason.strip()):
        raise click.UsageError("--accept-rollback needs --reason, and the other way round")
    rollback = Rollback(directory=config.resolve().parent, reason=reason) if reason else None
    done = put_back(load_settings(config, os.environ), directory, rollback=rollback, checkpoints=checkpoints)
    note(f"the database is {done.backup.origin} of {done.backup.size} leaves, all verified")
    if done.aside is not None:
        note(f"what was there before is {done.aside}")
    if done.continued is not None:
        _tell(done.continued, config)
    if not done.has_file:
        _tell_unknown(done.compared, config)
    note(f"then: artifact-signer doctor --config {config}")


def _tell_unknown(compared: tuple[str, ...], config: Path) -> None:
    if compared:
        note(f"this machine has no checkpoint file: the backup was compared with {' and '.join(compared)} alone")
    else:
        note("this machine has no checkpoint file: nothing here tells whether the backup is the newest")
    note("warning: what was signed after the backup would be lost without a trace; ask a witness, or a monitor, first")
    note(f"next: artifact-signer log resume --no-file --config {config}")


def _tell(continued: ContinuedLog, config: Path) -> None:
    note(f"leaves are lost: the log goes on as {continued.origin}, with keys of its own; log.vkey is the new one")
    if continued.aside.exists():
        note(f"the checkpoint file of the old one is {continued.aside}")
    note(f"{continued.suspended} API tokens are suspended: some may have been revoked since the backup")
    note(f"next: artifact-signer api-tokens reinstate --reason TEXT NAME --config {config}")
