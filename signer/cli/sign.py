"""``artifact-signer sign``: get an artifact signed, by its head or whole, and have it shown that that is on record."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import click

from signer.answers import ServiceRefusal, proof_text
from signer.artifacts import Form, UploadReader
from signer.cli.approval_wait import ApprovalWait
from signer.cli.connection import connected, json_option
from signer.cli.durations import Duration
from signer.cli.output import note, show_json, terminal
from signer.client import Asked, Client
from signer.client_credentials import ClientCertificate
from signer.domain.reasons import checked_reason
from signer.errors import SignedAlready
from signer.kept_checkpoints import KeptCheckpoints, kept_below, patient
from signer.log_trust import NamedLog, log_trust
from signer.new_file import NewFile
from signer.proof_check import MadeSignature, require_recorded, unproved
from signer.signature_check import ReturnedArtifact, require_signature, trust_in
from signer.witnessed_proof import witnessed_proof
from verifier import Limits
from verifier.errors import LogError
from verifier.interruptible import interruptible
from verifier.log import LogProof, LogTrust

READ_BYTES = 1 << 16
HEAD_BYTES = 4 << 20
WITNESS_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 3600.0
DEFAULT_PATIENCE = "1h"
LONGEST_PATIENCE = timedelta(days=7)
STANDARD_INPUT = Path("-")
PROOF_SUFFIX = ".tlog-proof"
PEM_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What is wanted.

    Attributes:
        proof: where to write the proof.
        trust: the log that has to have signed it, and how many of which witnesses.
        witness_wait: seconds to wait for those.
        certificate: who asks, in the place of whom the environment says.
        emergency: why approvals shall be passed; None where they shall not.
        patience: seconds to wait for approvals; 0: not at all.
    """

    key: str
    output: Path
    replace: bool
    proof: Path | None
    trust: LogTrust | None
    witness_wait: float
    certificate: ClientCertificate | None
    emergency: str | None
    patience: float

    @property
    def awaits_witnesses(self) -> bool:
        """Whether a proof is wanted that witnesses signed too."""
        return self.trust is not None and self.trust.demanded > 0

    @property
    def asked(self) -> Asked:
        """How the service is asked."""
        return Asked(replace=self.replace, emergency=self.emergency)


class _Command(click.Command):
    """``--wait`` without a length of time: what follows it is no length either."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As ``--wait=DEFAULT_PATIENCE``."""
        options = args.index("--") if "--" in args else len(args)
        given = [f"--wait={DEFAULT_PATIENCE}" if word == "--wait" else word for word in args[:options]]
        return super().parse_args(ctx, given + args[options:])


@click.command(cls=_Command)
@click.argument("artifact", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--key", required=True, help="name of the key")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, help="signed artifact")
@click.option("--whole", is_flag=True, help="send the payload too, not the head alone")
@click.option("--head-only", is_flag=True, hidden=True)
@click.option("--replace", is_flag=True, help="drop the signature that the artifact carries")
@click.option("--proof", type=click.Path(path_type=Path, dir_okay=False), help="write the proof that it is on record")
@click.option(
    "--proof-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="write it into this directory, under the output's name and .tlog-proof",
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
@click.option(
    "--client-certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="ask with this certificate",
)
@click.option(
    "--client-key", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="its key, if not there too"
)
@click.option(
    "--wait",
    type=Duration(LONGEST_PATIENCE),
    metavar="[=DURATION]",
    help=f"wait for approvals, {DEFAULT_PATIENCE} where no time is given",
)
@click.option("--emergency", metavar="REASON", help="past the approvals, for this reason; on record, loudly")
@json_option
def sign(
    artifact: Path,
    *,
    whole: bool,
    head_only: bool,
    log_key: str | None,
    log_origin: str | None,
    witnesses: tuple[str, ...],
    demanded: int | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Sign ARTIFACT (- for standard input) with a key of the service."""
    if whole and head_only:
        raise click.UsageError("--whole and --head-only exclude each other")
    named = NamedLog(key=log_key, origin=log_origin, witnesses=witnesses, demanded=demanded)
    order = _order(trust=log_trust(named, os.environ), **wanted)
    with _opened(artifact, beside=order.output) as source:
        try:
            document = ApprovalWait(patience=order.patience)(lambda: _signed(source, order, whole=whole))
        except SignedAlready as error:
            raise ServiceRefusal(
                sentence="the artifact is signed already",
                hint="--replace drops that signature for the new one",
                code=SignedAlready.code,
                status=409,
                document={},
            ) from error
    if as_json:
        show_json(document)
    note(f"signed {order.output}")
    if order.emergency is not None:
        note("it was signed in an emergency: verifiers and monitors refuse its proof until it was approved, too")
    if order.proof is not None and order.trust is None:
        note("the proof's checkpoint was not verified: --log-key names the key of the log")


def _order(
    *,
    output: Path,
    proof: Path | None,
    proof_dir: Path | None,
    client_certificate: Path | None,
    client_key: Path | None,
    emergency: str | None,
    wait: timedelta | None,
    **wanted: Any,
) -> _Order:
    if client_key is not None and client_certificate is None:
        raise click.UsageError("--client-key needs --client-certificate")
    if proof is not None and proof_dir is not None:
        raise click.UsageError("--proof and --proof-dir exclude each other")
    place = proof_dir / f"{output.name}{PROOF_SUFFIX}" if proof_dir is not None else proof
    if place is not None and place.absolute() == output.absolute():
        raise click.UsageError("--output and --proof name the same file")
    shown = None if client_certificate is None else ClientCertificate(certificate=client_certificate, key=client_key)
    reason = None if emergency is None else checked_reason(emergency)
    patience = 0.0 if wait is None else wait.total_seconds()
    return _Order(output=output, proof=place, certificate=shown, emergency=reason, patience=patience, **wanted)


def _signed(source: BinaryIO, order: _Order, *, whole: bool) -> dict[str, object]:
    source.seek(0)
    return (_sign_whole if whole else _sign_by_head)(source, order)


def _sign_whole(source: BinaryIO, order: _Order) -> dict[str, object]:
    upload, _ = _head(source, replace=order.replace)
    size = source.seek(0, 2)
    source.seek(0)
    with connected(order.certificate) as client, _files(order) as (target, keep_proof):
        returned = ReturnedArtifact(upload.manifest)
        with click.progressbar(length=size, label="sending", file=sys.stderr, hidden=not terminal()) as bar:
            sent = cast("BinaryIO", _Watched(source, bar.update))
            with client.sign_artifact(order.key, sent, size, order.asked) as signed:
                for chunk in signed.chunks:
                    returned.feed(chunk)
                    target.write(chunk)
        encoded = returned.finish(trust_in(client.public_key(order.key, signed.by.version), signed.by))
        recorded: dict[str, object] = {}
        if order.proof or order.trust:
            made = MadeSignature(manifest=upload.manifest, encoded=encoded, key=signed.by)
            proof = _proof(client, order, made)
            recorded["index"] = _require_proof(client, order, made, proof)
            keep_proof(proof)
    key = {"key": order.key, "version": signed.by.version, "fingerprint": signed.by.fingerprint}
    return {**key, **recorded, **target.facts}


def _sign_by_head(source: BinaryIO, order: _Order) -> dict[str, object]:
    upload, head = _head(source, replace=order.replace)
    with connected(order.certificate) as client, _files(order) as (target, keep_proof):
        signature = client.sign(order.key, head, order.asked)
        encoded, signing, document = signature.encoded, signature.by, signature.document
        require_signature(upload.manifest, encoded, trust_in(client.public_key(order.key, signing.version), signing))
        if order.proof or order.trust:
            made = MadeSignature(manifest=upload.manifest, encoded=encoded, key=signing)
            proof = _proof(client, order, made) if order.awaits_witnesses else proof_text(document)
            _require_proof(client, order, made, proof)
            document["proof"] = proof.decode("utf-8")
            keep_proof(proof)
        for part in upload.splice.join(source, encoded):
            target.write(part)
    return {**document, **target.facts}


def _proof(client: Client, order: _Order, made: MadeSignature) -> bytes:
    """As the service has it now, or where witnesses are demanded as soon as they have signed."""
    record = partial(client.proof, order.key, made.key.version, made.manifest.sha256)
    if order.trust is None or not order.awaits_witnesses:
        return record()
    try:
        return witnessed_proof(lambda: record(witnessed=True), order.trust, patience=order.witness_wait)
    except LogError as error:
        raise unproved(error) from error


def _require_proof(client: Client, order: _Order, made: MadeSignature, proof: bytes) -> int:
    """The index of the leaf."""
    index = require_recorded(proof, made, order.trust, allow_emergency=order.emergency is not None)
    _require_history(client, proof, order)
    return index


def _require_history(client: Client, proof: bytes, order: _Order) -> None:
    """The log is the one that was seen before; only a checkpoint that its key signed says anything of that."""
    if order.trust is None:
        return
    try:
        kept = KeptCheckpoints(kept_below(os.environ))
        kept.require(LogProof.parse(proof).checkpoint, patient(client.consistency))
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "there is no home directory"
        note(f"the log's checkpoint is not kept: {(reason or 'it cannot be written').lower()}")


@contextmanager
def _files(order: _Order) -> Iterator[tuple[NewFile, Callable[[bytes], None]]]:
    """The output, and what keeps a proof: after a failure there is neither."""
    with ExitStack() as undo:

        def keep(proof: bytes) -> None:
            if order.proof is not None:
                with NewFile(order.proof) as file:
                    file.write(proof)
                undo.callback(order.proof.unlink, missing_ok=True)

        with NewFile(order.output) as target:
            yield target, keep
        undo.pop_all()


def _head(source: BinaryIO, *, replace: bool) -> tuple[UploadReader, bytes]:
    """The beginning of the artifact, read and checked here, so that what cannot be signed is not sent."""
    upload = UploadReader(form=Form.ARTIFACT, limits=Limits(), head_bytes=HEAD_BYTES, replace=replace)
    head = bytearray()
    while upload.header is None and (chunk := source.read(READ_BYTES)):
        head += chunk
        upload.feed(chunk)
    if upload.header is None:
        upload.finish()  # says what is wrong with it
    return upload, bytes(head)


@contextmanager
def _opened(artifact: Path, *, beside: Path) -> Iterator[BinaryIO]:
    """The artifact, seekable: what comes from standard input waits on the disk of the output."""
    if artifact != STANDARD_INPUT:
        with artifact.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile(dir=beside.parent) as copy:
        with interruptible(sys.stdin.fileno()) as source:
            while chunk := source.read(READ_BYTES):
                copy.write(chunk)
        copy.seek(0)
        yield cast("BinaryIO", copy)


class _Watched:
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, tell: Callable[[int], None]) -> None:
        self._file = file
        self._tell = tell

    def read(self, size: int) -> bytes:
        chunk = self._file.read(size)
        self._tell(len(chunk))
        return chunk

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)
