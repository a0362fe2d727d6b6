"""An artifact on this machine: opened, and its head read and checked, so that what cannot be signed is not sent."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from signer.answers import ServiceRefusal
from signer.artifacts import Form, SignatureSplice, UploadReader
from signer.cli.signing.order import Job
from signer.cli.signing.places import STANDARD
from signer.errors import SignedAlready
from verifier import Limits, Manifest
from verifier.interruptible import interruptible

READ_BYTES = 1 << 16
# What is read beyond the end of the header is sent with it.
HEAD_READ_BYTES = 4 << 10
HEAD_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The beginning of an artifact, up to at least the end of its header: ``content``, and what is in it."""

    content: bytes
    manifest: Manifest
    splice: SignatureSplice


@contextmanager
def opened(job: Job) -> Iterator[BinaryIO]:
    """The artifact, seekable: standard input waits on the disk of the output, in a file without a name."""
    if job.artifact != STANDARD:
        with job.artifact.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile(dir=None if job.place is None else job.place.path.parent) as copy:
        with interruptible(sys.stdin.fileno()) as source:
            while chunk := source.read(READ_BYTES):
                copy.write(chunk)
        copy.seek(0)
        yield cast("BinaryIO", copy)


def head_of(source: BinaryIO, *, replace: bool) -> Head:
    """Read from the beginning; raises ``VerificationError``, and ``ServiceRefusal`` where it is signed already."""
    source.seek(0)
    upload = UploadReader(form=Form.ARTIFACT, limits=Limits(), head_bytes=HEAD_BYTES, replace=replace)
    content = bytearray()
    try:
        while upload.header is None and (chunk := source.read(HEAD_READ_BYTES)):
            content += chunk
            upload.feed(chunk)
        if upload.header is None:
            upload.finish()  # says what is wrong with it
    except SignedAlready as error:
        raise ServiceRefusal(
            sentence="the artifact is signed already",
            hint="--replace drops that signature for the new one",
            code=SignedAlready.code,
            status=409,
            document={},
        ) from error
    return Head(content=bytes(content), manifest=upload.manifest, splice=upload.splice)
