"""The client: one method for each route of ``calls``, answered when it returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import httpx

from signer.answers import ClientError, SignedBy, signing_key
from signer.client import calls
from signer.client.calls import Asked, BatchItem, Call
from signer.client.values import Key, Refused, Session, Signature
from signer.client.verbs import Verbs

UPLOAD_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingArtifact:
    """A signed artifact on its way: ``chunks`` can be read once; ``by``: the version that made the signature."""

    by: SignedBy
    chunks: Iterator[bytes]


class Client(Verbs):
    """Talks to one service. Use as a context manager. Every method raises ``ClientError``, or ``ServiceRefusal``."""

    def sign(self, key: str, content: bytes, asked: Asked = Asked()) -> Signature:  # noqa: B008  (frozen)
        """The signature of a manifest, or of the artifact whose head ``content`` is."""
        return self._made(calls.sign(key, content, asked))

    def sign_batch(
        self,
        key: str,
        items: Sequence[BatchItem],
        asked: Asked = Asked(),  # noqa: B008  (frozen)
    ) -> tuple[Signature | Refused, ...]:
        """An answer for each of up to 1000 items, in order."""
        return self._made(calls.sign_batch(key, items, asked))

    @contextmanager
    def sign_artifact(
        self,
        key: str,
        artifact: BinaryIO,
        size: int,
        asked: Asked = Asked(),  # noqa: B008  (frozen)
    ) -> Iterator[IncomingArtifact]:
        """The signed artifact, to be read inside the context. ``artifact``: seekable, ``size`` bytes from its start on.

        It is sent again as long as no answer has begun.
        """
        with ExitStack() as held:
            response = self._begun(calls.sign_artifact(key, size, asked), artifact, held)
            yield IncomingArtifact(by=signing_key(response.headers), chunks=response.iter_bytes())

    def keys(self) -> tuple[Key, ...]:
        """All keys that the caller may know of."""
        return self._made(calls.keys())

    def key(self, name: str) -> Key:
        """One key."""
        return self._made(calls.key(name))

    def public_key(self, key: str, version: int) -> bytes:
        """The public key of a version, PEM."""
        return self._made(calls.public_key(key, version))

    def proof(self, key: str, version: int, manifest_sha256: str, *, witnessed: bool = False) -> bytes:
        """The proof file that a signature of this manifest is on record; ``witnessed``: where witnesses signed too."""
        return self._made(calls.proof(key, version, manifest_sha256, witnessed=witnessed))

    def consistency(self, old_size: int, size: int) -> tuple[bytes, ...]:
        """The path that shall prove that the log of ``size`` leaves begins with that of ``old_size``."""
        return self._made(calls.consistency(old_size, size))

    def checkpoint(self) -> bytes:
        """The newest checkpoint of the log, a signed note that is not verified."""
        return self._made(calls.checkpoint())

    def log_keys(self) -> tuple[str, ...]:
        """The keys that the service says its checkpoints are verified with."""
        return self._made(calls.log_keys())

    def exchange_ci_token(self, token: str, nonce: str) -> Session:
        """A session for the token of a CI job; ``nonce``: 32 random bytes as text, the same in all tries."""
        return self._made(calls.exchange_ci_token(token, nonce))

    def _begun(self, call: Call[bytes], artifact: BinaryIO, held: ExitStack) -> httpx.Response:
        attempts = self._attempts()
        while True:
            artifact.seek(0)
            try:
                return held.enter_context(self._sent(call, iter(lambda: artifact.read(UPLOAD_CHUNK_BYTES), b"")))
            except ClientError as error:
                self._wait(attempts.pause_after(error))
