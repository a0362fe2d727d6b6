"""One artifact by itself: by its head, or whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import BinaryIO, cast

import click

from signer.cli.output import terminal
from signer.cli.signing.evidence import Evidence
from signer.cli.signing.order import Job, Order
from signer.cli.signing.output import output_of
from signer.cli.signing.source import Head, head_of, opened
from signer.client import Client, Signature
from signer.proof_check import MadeSignature
from signer.signature_check import ReturnedArtifact

Document = dict[str, object]


def signed_alone(client: Client, order: Order, job: Job, evidence: Evidence) -> Document:
    """Sign it; what is told of it for programs. Raises whatever says why it is not signed; then nothing is left."""
    with opened(job) as source:
        head = head_of(source, replace=order.replace)
        if order.whole:
            return _whole(client, order, job, source, head, evidence)
        return kept(order, job, source, head, client.sign(order.key, head.content, order.asked), evidence)


def kept(order: Order, job: Job, source: BinaryIO, head: Head, signature: Signature, evidence: Evidence) -> Document:
    """Write the artifact with a signature that came for its head, when all is as it should be."""
    document: Document = dict(signature.document)
    with output_of(job, checked=True) as output:
        output.proof = evidence.of_signature(head.manifest, signature)
        if output.proof is not None:
            document["proof"] = output.proof.decode("utf-8")
        output.splice(source, head, signature.encoded)
        return {**document, **(output.facts() if order.describes else {})}


def _whole(client: Client, order: Order, job: Job, source: BinaryIO, head: Head, evidence: Evidence) -> Document:
    size = source.seek(0, 2)
    with output_of(job, checked=False) as output:
        returned = ReturnedArtifact(head.manifest)
        with click.progressbar(length=size, label="sending", file=sys.stderr, hidden=not terminal()) as bar:
            sent = cast("BinaryIO", _Watched(source, bar.update))
            with client.sign_artifact(order.key, sent, size, order.asked) as signed:
                for chunk in signed.chunks:
                    returned.feed(chunk)
                    output.write(chunk)
        encoded = returned.finish(evidence.trust(signed.by))
        recorded: Document = {}
        if order.demands_proof:
            made = MadeSignature(manifest=head.manifest, encoded=encoded, key=signed.by)
            output.proof = evidence.proof(made)
            recorded["index"] = evidence.require(made, output.proof)
        told = {"key": order.key, "version": signed.by.version, "fingerprint": signed.by.fingerprint, **recorded}
        return {**told, **(output.facts() if order.describes else {})}


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
        self._tell(offset - self._file.tell())
        return self._file.seek(offset)
