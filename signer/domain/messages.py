"""Everything that a key of the service may sign, as a closed set of types, each tied to the purposes of its keys.

1. Nothing is signed that is not a ``Message``, and no key signs a message that ``PURPOSES`` does not give it: one
   kind of key can never be made to sign what another kind stands for.
2. What the service signs for itself begins with ``SELF_SIGNED``. Its first byte is 0x00, so that it can be no
   manifest (which begins with a hexadecimal digit), no JWT (base64url), no checkpoint or other note (C2SP
   signed-note: no control character but the newline) and no certificate or request (DER begins with 0x30).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from signer.domain.keys import CERTIFICATE_AUTHORITIES, Purpose
from signer.domain.token_claims import DeviceClaims, TokenHeader, UserClaims, signing_input
from signer.errors import MessageNotAllowed
from verifier import Manifest
from verifier.log import Checkpoint as CheckpointText
from verifier.log import RecalledList

SELF_SIGNED = b"\x00artifact-signer/self-signed\x00"


@dataclass(frozen=True, slots=True)
class ArtifactManifest:
    """The manifest of an artifact: the bytes that devices verify."""

    manifest: Manifest

    @property
    def content(self) -> bytes:
        """What is signed."""
        return self.manifest.raw


@dataclass(frozen=True, slots=True)
class BlindDigest:
    """The SHA-256 digest of a manifest that was not seen, 32 bytes: with no content of which more could be said."""

    digest: bytes


class SelfCheck(StrEnum):
    """A key proves itself to the service; ``value`` says on which occasion. These signatures leave nowhere."""

    READINESS = "readiness"
    ADOPTION = "adoption"  # before a pair that is in the token already becomes part of a version
    COMPLETION = "completion"  # before an interrupted creation is completed
    ENABLING = "enabling"  # before a version that was switched off signs again

    @property
    def content(self) -> bytes:
        """What is signed."""
        return SELF_SIGNED + self.value.encode("ascii")


@dataclass(frozen=True, slots=True)
class CertificateContent:
    """A key's own certificate without its signature (TBSCertificate, RFC 5280 section 4.1): it certifies itself."""

    content: bytes


@dataclass(frozen=True, slots=True)
class ServerCertificateContent:
    """The same of a TLS server's certificate: a CA certifies a key that is not its own."""

    content: bytes


@dataclass(frozen=True, slots=True)
class DeviceCertificateContent:
    """The same of a device's certificate."""

    content: bytes


@dataclass(frozen=True, slots=True)
class RevocationListContent:
    """A list of revoked certificates without its signature (TBSCertList, RFC 5280 section 5.1)."""

    content: bytes


@dataclass(frozen=True, slots=True)
class CertificateRequestContent:
    """A request without its signature (CertificationRequestInfo, RFC 2986 section 4.1), put together by the service."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of the log: the text of a signed note (C2SP tlog-checkpoint)."""

    head: CheckpointText

    @property
    def content(self) -> bytes:
        """What is signed."""
        return str(self.head).encode("utf-8")


@dataclass(frozen=True, slots=True)
class RecalledManifests:
    """The recalled manifests, for devices: the text of a signed note whose first line no checkpoint has."""

    recalled: RecalledList

    @property
    def content(self) -> bytes:
        """What is signed."""
        return str(self.recalled).encode("utf-8")


@dataclass(frozen=True, slots=True)
class UserTokenClaims:
    """A user's token without its signature: the signing input of a JWS (RFC 7515 section 5.1)."""

    header: TokenHeader
    claims: UserClaims

    @property
    def content(self) -> bytes:
        """What is signed."""
        return signing_input(self.header, self.claims)


@dataclass(frozen=True, slots=True)
class DeviceTokenClaims:
    """A device's token without its signature, in the same form."""

    header: TokenHeader
    claims: DeviceClaims

    @property
    def content(self) -> bytes:
        """What is signed."""
        return signing_input(self.header, self.claims)


# What has bytes of its own, from which the digest is made here.
ContentMessage = (
    ArtifactManifest
    | Checkpoint
    | RecalledManifests
    | SelfCheck
    | CertificateContent
    | CertificateRequestContent
    | ServerCertificateContent
    | DeviceCertificateContent
    | RevocationListContent
    | UserTokenClaims
    | DeviceTokenClaims
)
Message = ContentMessage | BlindDigest

ANY_PURPOSE = frozenset(Purpose)
PURPOSES: Mapping[type[Message], frozenset[Purpose]] = MappingProxyType(
    {
        ArtifactManifest: frozenset({Purpose.ARTIFACT}),
        Checkpoint: frozenset({Purpose.LOG}),
        RecalledManifests: frozenset({Purpose.LOG}),
        BlindDigest: frozenset({Purpose.ARTIFACT}),
        SelfCheck: ANY_PURPOSE,
        CertificateContent: ANY_PURPOSE,
        CertificateRequestContent: ANY_PURPOSE,
        ServerCertificateContent: frozenset({Purpose.SERVER_CA}),
        DeviceCertificateContent: frozenset({Purpose.DEVICE_CA}),
        RevocationListContent: CERTIFICATE_AUTHORITIES,
        UserTokenClaims: frozenset({Purpose.USER_TOKEN}),
        DeviceTokenClaims: frozenset({Purpose.DEVICE_TOKEN}),
    }
)


def signable(message: ContentMessage, purpose: Purpose) -> bytes:
    """The bytes of ``message``, if keys of ``purpose`` may sign it; raises ``MessageNotAllowed``."""
    _require(message, purpose)
    return message.content


def signable_digest(message: BlindDigest, purpose: Purpose) -> bytes:
    """The digest, if keys of ``purpose`` may sign one; raises ``MessageNotAllowed``."""
    _require(message, purpose)
    return message.digest


def _require(message: Message, purpose: Purpose) -> None:
    if purpose not in PURPOSES.get(type(message), frozenset()):
        raise MessageNotAllowed(message=type(message).__name__, purpose=purpose.value)
