"""``artifact-signer sign``: get artifacts signed, by their heads or whole, and have it shown that that is on record."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from signer.cli.approval_wait import ApprovalWait
from signer.cli.connection import connected, json_option
from signer.cli.durations import Duration
from signer.cli.error_wording import worded
from signer.cli.exit_codes import REFUSED, WAITING
from signer.cli.output import complain, note, show_json
from signer.cli.signing.evidence import Evidence
from signer.cli.signing.interruption import ended_like_ctrl_c
from signer.cli.signing.many import Outcome, Signing
from signer.cli.signing.one import signed_alone
from signer.cli.signing.order import Job, Order
from signer.cli.signing.places import STANDARD, Place, beside, in_place, require_distinct
from signer.client_credentials import ClientCertificate
from signer.domain.reasons import checked_reason
from signer.log_trust import NamedLog, log_trust

WITNESS_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 3600.0
DEFAULT_PATIENCE = "1h"
LONGEST_PATIENCE = timedelta(days=7)
PROOF_SUFFIX = ".tlog-proof"
FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)


class _Command(click.Command):
    """``--wait`` without a length of time: what follows it is no length either."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As ``--wait=DEFAULT_PATIENCE``."""
        options = args.index("--") if "--" in args else len(args)
        given = [f"--wait={DEFAULT_PATIENCE}" if word == "--wait" else word for word in args[:options]]
        return super().parse_args(ctx, given + args[options:])


@click.command(cls=_Command)
@click.argument(
    "artifacts",
    metavar="ARTIFACT...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
)
@click.option("--key", required=True, help="name of the key")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, allow_dash=True), help="signed artifact; - for standard output"
)
@click.option("--in-place", is_flag=True, help="replace each artifact by the signed one")
@click.option("--output-dir", type=DIRECTORY, help="write the signed artifacts into this directory, under their names")
@click.option("--whole", is_flag=True, help="send the payload too, not the head alone")
@click.option("--head-only", is_flag=True, hidden=True)
@click.option("--replace", is_flag=True, help="drop the signature that the artifact carries")
@click.option("--proof", type=FILE, help="write the proof that it is on record")
@click.option(
    "--proof-dir", type=DIRECTORY, help="write proofs into this directory, under the outputs' names and .tlog-proof"
)
@click.option("--log-key", metavar="VKEY|FILE", help="key of the log that has to show the signature on record")
@click.option("--log-origin", metavar="NAME", help="name of the log, for a log key in PEM")
@click.option(
    "--witness", "witnesses", multiple=True, metavar="VKEY|FILE", help="witness that has to have signed the proof"
)
@click.option("--witnesses", "demanded", type=click.IntRange(0), metavar="K", help="how many of them; all without it")
@click.option(
    "--witness-wait",
    type=click.FloatRange(0, LONGEST_WAIT_SECONDS),
    default=WITNESS_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="how long to wait for them",
)
@click.option("--client-certificate", type=FILE, metavar="FILE", help="ask with this certificate")
@click.option("--client-key", type=FILE, metavar="FILE", help="its key, if not there too")
@click.option(
    "--wait",
    type=Duration(LONGEST_PATIENCE),
    metavar="[=DURATION]",
    help=f"wait for approvals, {DEFAULT_PATIENCE} where no time is given",
)
@click.option("--emergency", metavar="REASON", help="past the approvals, for this reason; on record, loudly")
@json_option
def sign(
    artifacts: tuple[Path, ...],
    *,
    output: Path | None,
    in_place: bool,
    output_dir: Path | None,
    head_only: bool,
    proof: Path | None,
    proof_dir: Path | None,
    **wanted: Any,
) -> int:
    """Sign artifacts (- for standard input) with a key of the service. Many are one batch."""
    if wanted["whole"] and head_only:
        raise click.UsageError("--whole and --head-only exclude each other")
    if sum((output is not None, in_place, output_dir is not None)) != 1:
        raise click.UsageError("one of --output, --in-place and --output-dir is needed")
    if output is not None and len(artifacts) > 1:
        raise click.UsageError("--output is for one artifact: --output-dir or --in-place is for many")
    if proof is not None and proof_dir is not None:
        raise click.UsageError("--proof and --proof-dir exclude each other")
    if proof is not None and output is None:
        raise click.UsageError("--proof is for one artifact and --output: --proof-dir is for many")
    named = NamedLog(
        key=wanted.pop("log_key"),
        origin=wanted.pop("log_origin"),
        witnesses=wanted.pop("witnesses"),
        demanded=wanted.pop("demanded"),
    )
    order = _order(proves=proof is not None or proof_dir is not None, named=named, **wanted)
    jobs = [
        Job(artifact=artifact, place=place, proof=_proof(artifact, place, proof, proof_dir))
        for artifact, place in zip(artifacts, _places(artifacts, output, in_place, output_dir), strict=True)
    ]
    _require_proofs_apart(jobs)
    with ended_like_ctrl_c():
        return _one(order, jobs[0]) if output is not None else _many(order, jobs)


def _order(
    *,
    client_certificate: Path | None,
    client_key: Path | None,
    emergency: str | None,
    wait: timedelta | None,
    as_json: bool,
    named: NamedLog,
    **wanted: Any,
) -> Order:
    if client_key is not None and client_certificate is None:
        raise click.UsageError("--client-key needs --client-certificate")
    shown = None if client_certificate is None else ClientCertificate(certificate=client_certificate, key=client_key)
    return Order(
        certificate=shown,
        emergency=None if emergency is None else checked_reason(emergency),
        patience=0.0 if wait is None else wait.total_seconds(),
        trust=log_trust(named, os.environ),
        describes=as_json,
        **wanted,
    )


def _places(
    artifacts: tuple[Path, ...], output: Path | None, replaced: bool, output_dir: Path | None
) -> list[Place | None]:
    if output == STANDARD:
        if sys.stdout.isatty():
            raise click.UsageError("an artifact is nothing for a terminal")
        return [None]
    if output is not None:
        return [beside(output, artifacts[0])]
    if STANDARD in artifacts:
        raise click.UsageError("standard input has no name: --output says where to write it")
    directory = output_dir or Path()
    places = [in_place(each) if replaced else beside(directory / each.name, each) for each in artifacts]
    require_distinct(places)
    return [*places]


def _proof(artifact: Path, place: Place | None, proof: Path | None, proof_dir: Path | None) -> Path | None:
    if proof_dir is None:
        return proof
    name = artifact.name if place is None else place.shown.name
    return proof_dir / f"{name}{PROOF_SUFFIX}"


def _require_proofs_apart(jobs: list[Job]) -> None:
    """Raises ``click.UsageError`` where a proof would be written over an output, an artifact or another proof."""
    taken = {job.place.path for job in jobs if job.place is not None}
    taken |= {job.artifact.resolve() for job in jobs if job.artifact != STANDARD}
    for job in jobs:
        if job.proof is None:
            continue
        if job.proof.resolve() in taken:
            raise click.UsageError(f"the proof {job.proof} names the same file as something else")
        taken.add(job.proof.resolve())


def _one(order: Order, job: Job) -> int:
    if order.describes and job.place is None:
        raise click.UsageError("standard output takes one of them: the artifact or --json")
    with connected(order.certificate) as client:
        evidence = Evidence(client, order)
        document = ApprovalWait(patience=order.patience)(lambda: signed_alone(client, order, job, evidence))
    if order.describes:
        show_json(document)
    note("signed" if job.place is None else f"signed {job.output}")
    _warn(order)
    return 0


def _many(order: Order, jobs: list[Job]) -> int:
    outcomes: list[Outcome] = []

    def report(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if outcome.error is None:
            note(f"signed {outcome.job.output}")
        elif told := worded(outcome.error):
            complain(f"{outcome.job.artifact}: {told.sentence}", hint=told.hint)

    with connected(order.certificate) as client:
        signing = Signing(
            client=client,
            order=order,
            evidence=Evidence(client, order),
            report=report,
            retry_seconds=client.retry_seconds,
        )
        signing(jobs)
    if order.describes:
        show_json({"results": [_told(outcome) for outcome in outcomes]})
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if len(outcomes) > len(failed):
        _warn(order)
    if not failed:
        return 0
    return WAITING if all(outcome.waits for outcome in failed) else REFUSED


def _told(outcome: Outcome) -> dict[str, object]:
    if outcome.error is None:
        return {"artifact": str(outcome.job.artifact), **(outcome.document or {})}
    told = worded(outcome.error)
    problem = {
        "code": getattr(outcome.error, "code", None),
        "detail": told and told.sentence,
        "hint": told and told.hint,
    }
    return {"artifact": str(outcome.job.artifact), "problem": problem}


def _warn(order: Order) -> None:
    if order.emergency is not None:
        note("it was signed in an emergency: verifiers and monitors refuse its proof until it was approved, too")
    if order.proves and order.trust is None:
        note("the proof's checkpoint was not verified: --log-key names the key of the log")
