"""The files that are left: the signed artifact and its proof, both or neither."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO, cast

import click

from signer.artifacts import signature_member
from signer.cli.output import terminal
from signer.cli.signing.order import Job
from signer.cli.signing.source import Head
from signer.kernel_copy import copied
from signer.new_file import NewFile

HASHED_BYTES = 1 << 20
# What is copied in less time than anybody looks for is not worth a bar.
SHOWN_BYTES = 256 << 20


@dataclass(slots=True, kw_only=True)
class Output:
    """A signed artifact while it is written, to ``file``; ``proof`` is written at the end, where there is a place."""

    job: Job
    file: NewFile | BinaryIO
    proof: bytes | None = None

    def write(self, chunk: bytes) -> None:
        """Append."""
        self.file.write(chunk)

    def splice(self, source: BinaryIO, head: Head, encoded: bytes) -> None:
        """Write the signed artifact. What was verified is written as it was read then; the rest is copied."""
        cut = head.splice
        self.write(head.content[: cut.cut_from] + signature_member(encoded) + head.content[cut.cut_to :])
        if isinstance(self.file, NewFile):
            size = os.fstat(source.fileno()).st_size - len(head.content)
            hidden = size < SHOWN_BYTES or not terminal()
            with click.progressbar(length=size, label="writing", file=sys.stderr, hidden=hidden) as bar:
                for count in copied(source.fileno(), self.file.fileno(), len(head.content)):
                    bar.update(count)
            return
        source.seek(len(head.content))
        while chunk := source.read(HASHED_BYTES):
            self.write(chunk)

    def facts(self) -> dict[str, object]:
        """What was written, and where: ``output``, ``size`` in bytes, ``sha256`` in hex; nothing of standard output."""
        if not isinstance(self.file, NewFile):
            return {}
        descriptor = self.file.fileno()
        digest, size = hashlib.sha256(), 0
        while chunk := os.pread(descriptor, HASHED_BYTES, size):
            digest.update(chunk)
            size += len(chunk)
        return {"output": self.job.output, "size": size, "sha256": digest.hexdigest()}


@contextmanager
def output_of(job: Job, *, checked: bool) -> Iterator[Output]:
    """To be written inside of it; the files have their names after it, or after an exception there are none.

    ``checked``: only what was verified is written; where it is not, standard output gets it at the end.
    """
    if job.place is None:
        with _standard_output(job, checked=checked) as output:
            yield output
        return
    with NewFile(job.place.path, mode=job.place.mode, like=job.place.like) as file:
        proof: NewFile | None = None
        try:
            output = Output(job=job, file=file)
            with _proof_of(job, output) as proof:
                yield output
                file.stage()
            # The proof has its name: that of the output is the last step.
            file.put()
        except BaseException:
            if job.proof is not None and proof is not None and proof.was_put and not file.was_put:
                job.proof.unlink(missing_ok=True)
            raise


@contextmanager
def _standard_output(job: Job, *, checked: bool) -> Iterator[Output]:
    target = sys.stdout.buffer
    with nullcontext(target) if checked else tempfile.TemporaryFile() as file:
        output = Output(job=job, file=cast("BinaryIO", file))
        with _proof_of(job, output):
            yield output
            if not checked:
                file.seek(0)
                shutil.copyfileobj(file, target)
            target.flush()


@contextmanager
def _proof_of(job: Job, output: Output) -> Iterator[NewFile | None]:
    if job.proof is None:
        yield None
        return
    with NewFile(job.proof) as file:
        yield file
        file.write(output.proof or b"")
