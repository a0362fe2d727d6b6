"""What a CA of devices needs of whoever keeps its certificates; ``storage`` provides it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from signer.domain.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCertificateRecord:
    """A certificate that was issued here for the key of a device.

    Attributes:
        serial: lowercase hex.
        identity_sha256: of the device, known here or not.
        key_sha256: of its public key; ``sha256`` of the DER certificate.
        not_before: aware UTC, as the others.
        actor: who asked for it.
        renews: the serial number of the certificate that it was asked with.
        certificate: DER.
    """

    ca: str
    serial: str
    identity_sha256: str
    key_sha256: str
    sha256: str
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    actor: str
    renews: str | None
    certificate: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCertificate:
    """One of them, and when it was revoked."""

    record: DeviceCertificateRecord
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateQuery:
    """Which are asked for: of a CA, of an identity, or that end before a moment and hold until now; all by default.

    ``after``: those with a higher serial number, as text. ``limit``: no more than so many.
    """

    ca: str | None = None
    identity_sha256: str | None = None
    ends_before: datetime | None = None
    after: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationListRecord:
    """A list of revoked certificates that a version of a CA's key has signed.

    Attributes:
        number: grows with each list (RFC 5280 section 5.2.3).
        revoked: how many are in it.
        content: DER.
    """

    ca: str
    version: int
    number: int
    this_update: datetime
    next_update: datetime
    revoked: int
    content: bytes = field(repr=False)


class DeviceCertificateRecords(Protocol):
    """What was issued, and lists of what is revoked. Each call is one transaction."""

    def add(self, record: DeviceCertificateRecord, event: Event, *, most: int) -> None:
        """Put it on record, durable when the call returns.

        Raises ``DeviceCertificatesExhausted`` where so many of its CA and identity hold.
        """

    def newest(self, ca: str, identity_sha256: str, key_sha256: str) -> DeviceCertificateRecord | None:
        """Of this key for this identity the one that ends last and is not revoked; None where there is none."""

    def certificates(self, query: CertificateQuery) -> tuple[ListedCertificate, ...]:
        """By serial number."""

    def ending(self, moments: Mapping[str, datetime]) -> Mapping[tuple[str, str], int]:
        """How many identities have no certificate that holds after each moment, by CA and the moment's name.

        Identities whose last certificate was revoked are not counted.
        """

    def revocation_list(self, ca: str, version: int) -> RevocationListRecord | None:
        """The last one; None where there is none."""

    def replace_list(self, new: RevocationListRecord, before: RevocationListRecord | None, event: Event) -> bool:
        """Let the new one be the last; False where ``before`` is not, because somebody else was quicker."""
