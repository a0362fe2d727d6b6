"""``artifact-signer sign``: get an artifact signed, whole or by its head only."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import click

from signer.answers import ServiceRefusal, encoded_signature, signing_key_of
from signer.artifacts import Form, UploadReader
from signer.cli.connection import connected, json_option
from signer.cli.output import note, show_json, terminal
from signer.errors import SignedAlready
from signer.new_file import NewFile
from signer.signature_check import ReturnedArtifact, require_signature, trust_in
from verifier import Limits

READ_BYTES = 1 << 16
HEAD_BYTES = 4 << 20
STANDARD_INPUT = Path("-")


@click.command()
@click.argument("artifact", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--key", required=True, help="name of the key")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, help="signed artifact")
@click.option("--head-only", is_flag=True, help="send only the head; the payload stays here")
@click.option("--replace", is_flag=True, help="drop the signature that the artifact carries")
@json_option
def sign(artifact: Path, *, key: str, output: Path, head_only: bool, replace: bool, as_json: bool) -> None:
    """Sign ARTIFACT (- for standard input) with a key of the service."""
    with _opened(artifact, beside=output) as source:
        try:
            document = (_sign_by_head if head_only else _sign_whole)(source, key, output, replace=replace)
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
    note(f"signed {output}")


def _sign_whole(source: BinaryIO, key: str, output: Path, *, replace: bool) -> dict[str, object]:
    upload, _ = _head(source, replace=replace)
    size = source.seek(0, 2)
    source.seek(0)
    with connected() as client, NewFile(output) as target:
        returned = ReturnedArtifact(upload.manifest)
        with click.progressbar(length=size, label="sending", file=sys.stderr, hidden=not terminal()) as bar:
            sent = cast("BinaryIO", _Watched(source, bar.update))
            with client.sign_artifact(key, sent, size, replace=replace) as signed:
                for chunk in signed.chunks:
                    returned.feed(chunk)
                    target.write(chunk)
        returned.finish(trust_in(client.public_key(key, signed.key.version), signed.key))
    return {"key": key, "version": signed.key.version, "fingerprint": signed.key.fingerprint, **target.facts}


def _sign_by_head(source: BinaryIO, key: str, output: Path, *, replace: bool) -> dict[str, object]:
    upload, head = _head(source, replace=replace)
    with connected() as client:
        document = client.sign_head(key, head, replace=replace)
        encoded, signing = encoded_signature(document), signing_key_of(document)
        require_signature(upload.manifest, encoded, trust_in(client.public_key(key, signing.version), signing))
    with NewFile(output) as target:
        for part in upload.splice.join(source, encoded):
            target.write(part)
    return {**document, **target.facts}


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
        shutil.copyfileobj(sys.stdin.buffer, copy)
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
