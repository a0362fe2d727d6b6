"""What the client demands of a signature before it writes a file: that it is one, over what was sent.

1. The public key is the one of the version that the service says it signed with.
2. The signature verifies with it, over the manifest that was sent.
3. A signed artifact that came back is complete, and every digest in it is right.
"""

from __future__ import annotations

from signer.answers import ClientError, SignedBy, not_the_service
from verifier import ArtifactReader, Limits, Manifest, SignatureRead, TrustStore, VerificationKey
from verifier import VerificationError as Refusal
from verifier.events import Event, ManifestRead
from verifier.signatures import verify_manifest_signature
from verifier.wording import explain

DROPPED = "what came was dropped; look at the service and at what stands between here and it"


def trust_in(pem: bytes, signing: SignedBy) -> TrustStore:
    """The public key ``pem`` of the version that is said to have signed; raises ``ClientError``."""
    try:
        key = VerificationKey.from_pem(pem)
    except Refusal as error:
        raise not_the_service("a public key that is none") from error
    if key.fingerprint != signing.fingerprint:
        raise ClientError(
            sentence="the service shows another public key than the one that it says it signed with", hint=DROPPED
        )
    return TrustStore((key,))


def require_signature(manifest: Manifest, encoded: bytes, trust: TrustStore) -> None:
    """``encoded``, the bytes of ``manifest.sig``, is a signature over ``manifest``; raises ``ClientError``."""
    try:
        verify_manifest_signature(manifest.raw, encoded, trust)
    except Refusal as error:
        raise ClientError(
            sentence="the service's signature does not verify with the public key that it shows", hint=DROPPED
        ) from error


class ReturnedArtifact:
    """A signed artifact while it comes back. Feed it all, then call ``finish`` once; each raises ``ClientError``."""

    def __init__(self, sent: Manifest) -> None:
        self._sent = sent
        self._reader = ArtifactReader(limits=Limits(), payload_data=False)
        self._encoded: bytes | None = None

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        try:
            for event in self._reader.feed(chunk):
                self._take(event)
        except Refusal as error:
            raise _damaged(error) from error

    def finish(self, trust: TrustStore) -> bytes:
        """All has come: it is the artifact that was sent, and signed. Returns the bytes of its ``manifest.sig``."""
        try:
            for event in self._reader.finish():
                self._take(event)
        except Refusal as error:
            raise _damaged(error) from error
        if self._encoded is None:
            raise ClientError(sentence="the service returned an artifact without a signature", hint=DROPPED)
        require_signature(self._sent, self._encoded, trust)
        return self._encoded

    def _take(self, event: Event) -> None:
        match event:
            case ManifestRead() if event.manifest.raw != self._sent.raw:
                raise ClientError(
                    sentence="the service returned another artifact than the one that was sent", hint=DROPPED
                )
            case SignatureRead():
                self._encoded = event.encoded


def _damaged(error: Refusal) -> ClientError:
    return ClientError(sentence=f"the service returned no sound artifact: {explain(error).sentence}", hint=DROPPED)
