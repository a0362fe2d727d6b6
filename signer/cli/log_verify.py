"""``artifact-signer log verify`` and ``log export``.

Exit codes: 0 the log holds, 1 it does not, 2 it could not be looked at.
"""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from signer.answers import ClientError
from signer.cli.log_sources import OpenLog, here_option, log_key_options, opened
from signer.cli.output import complain, note, show_json, terminal
from signer.errors import SignerError
from signer.log.check import CheckPlan, Verdict
from signer.log.faults import Fault, FaultKind
from signer.log.source import MAX_CHECKPOINT_BYTES, PartUnusable
from verifier.errors import VerificationError

HOLDS, HOLDS_NOT, UNSEEN = 0, 1, 2
NOT_FROM_OUTSIDE = (
    "what the database has beside the leaves: search columns, head, stored checkpoints, signatures on record",
    "whether keys and API tokens in the database are those that the leaves tell of",
)
_REPORT_SECONDS = 0.5
Parameters = ParamSpec("Parameters")


def looking(command: Callable[Parameters, int]) -> Callable[Parameters, int]:
    """What could not be looked at is told, with an exit code of its own."""

    @wraps(command)
    def run(*arguments: Parameters.args, **options: Parameters.kwargs) -> int:
        try:
            return command(*arguments, **options)
        except (ClientError, SignerError, VerificationError, OSError) as error:
            from signer.cli.main import explained

            explained(error)
            return UNSEEN

    return run


@click.command()
@here_option
@click.option("--export", type=click.Path(path_type=Path, file_okay=False), help="folder that log export wrote")
@log_key_options
@click.option(
    "--since",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CHECKPOINT",
    help="file of a checkpoint that was seen before: the log has to begin with it",
)
@click.option(
    "--state", type=click.Path(path_type=Path, dir_okay=False), help="file that says how far it was verified: go on"
)
@click.option("--json", "as_json", is_flag=True, help="write a JSON document")
@looking
def verify(
    *,
    config: Path | None,
    export: Path | None,
    texts: tuple[str, ...],
    log_origin: str | None,
    since: tuple[Path, ...],
    state: Path | None,
    as_json: bool,
) -> int:
    """Check every leaf, hash and signature of a log; exit status 1 if it does not hold, 2 if it cannot be seen."""
    with opened(config, export, texts, log_origin) as log:
        plan = CheckPlan(keys=log.keys, since=[_note(path) for path in since], state=state, report=_Progress())
        verdict = log.check(plan)
    verdict = replace(verdict, fault=verdict.fault or log.fault)
    if as_json:
        show_json(_document(log, verdict))
    else:
        _tell(log, verdict)
    return HOLDS if verdict.fault is None else HOLDS_NOT


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@here_option
@log_key_options
@looking
def export(*, directory: Path, config: Path | None, texts: tuple[str, ...], log_origin: str | None) -> int:
    """Copy the log into DIRECTORY, or go on with a copy: tiles, entries, the newest checkpoint, the log's keys."""
    from signer.log.export import export_log

    with opened(config, None, texts, log_origin) as log:
        try:
            exported = export_log(log.source, directory, log.keys, _Progress())
        except PartUnusable as error:
            facts = {"path": error.path, "problem": error.problem}
            return _refused(Fault(FaultKind.PART_UNUSABLE, error.first, facts))
    if exported.fault is not None:
        return _refused(exported.fault)
    size = exported.checkpoint.size
    note(f"{directory} holds the log {exported.checkpoint.origin} of {size} leaves, {exported.written} files are new")
    note(f"artifact-signer log verify --export {directory} checks it")
    return HOLDS


def _refused(fault: Fault) -> int:
    complain(fault.sentence)
    return HOLDS_NOT


def _note(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_CHECKPOINT_BYTES + 1)


def _tell(log: OpenLog, verdict: Verdict) -> None:
    if verdict.fault is not None:
        complain(f"the log does not hold: {verdict.fault.sentence}")
        return
    assert verdict.checkpoint is not None  # noqa: S101  (a log without one has a fault)
    root = base64.b64encode(verdict.checkpoint.root).decode("ascii")
    click.echo(f"{verdict.checkpoint.origin} holds")
    click.echo(f"leaves      {verdict.size}, {verdict.checkpoint.size} of them under the newest checkpoint")
    click.echo(f"signatures  {verdict.signatures}")
    click.echo(f"root        {root}")
    if log.audit is None:
        for sentence in NOT_FROM_OUTSIDE:
            note(f"not seen from outside: {sentence}")


def _document(log: OpenLog, verdict: Verdict) -> dict[str, object]:
    fault, checkpoint = verdict.fault, verdict.checkpoint
    return {
        "holds": fault is None,
        "origin": None if checkpoint is None else checkpoint.origin,
        "size": verdict.size,
        "checkpoint_size": None if checkpoint is None else checkpoint.size,
        "root": None if checkpoint is None else base64.b64encode(checkpoint.root).decode("ascii"),
        "signatures": verdict.signatures,
        "verified_before": verdict.began,
        "fault": fault and {"kind": fault.kind.value, "index": fault.index, "sentence": fault.sentence},
        "not_seen": [] if log.audit is not None else list(NOT_FROM_OUTSIDE),
    }


class _Progress:
    """How far it is, for who sits at a terminal."""

    def __init__(self) -> None:
        self._shown = time.monotonic()
        self._terminal = terminal()

    def __call__(self, done: int, whole: int) -> None:
        if not self._terminal:
            return
        if done < whole and time.monotonic() < self._shown + _REPORT_SECONDS:
            return
        self._shown = time.monotonic()
        click.echo(f"\r{done} of {whole} leaves", nl=done >= whole, err=True)
        sys.stderr.flush()
