"""Lists of revoked certificates (CRLs, RFC 5280 section 5) of the CAs of devices that issue here.

1. Each version of a CA's key that is in use signs a list of its own: who verifies looks for that of the issuer.
2. A list is made anew where something was revoked since, and when half of its time is over: whoever fetches it in
   between always gets one that holds.
3. Whoever asks for lists has no credentials: they cost a signature only where rule 2 says so.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
from collections.abc import Callable
from datetime import datetime

from signer.domain.certificate_authority import RevokedSerial
from signer.domain.certificates import IN_USE
from signer.domain.events import Event, EventType
from signer.domain.keys import Key, KeyVersion
from signer.domain.timestamps import rfc3339
from signer.errors import CertificateNotFound
from signer.services.access_ports import RevokedCertificate, RevokedCertificates
from signer.services.certificate_authority import CertificateAuthority
from signer.services.device_ca import DeviceCa, IssuingCa
from signer.services.device_ca_ports import DeviceCertificateRecords, RevocationListRecord
from signer.services.ports import KeyStore

ACTOR = "artifact-signer"


class DeviceRevocationLists:
    """For threads."""

    def __init__(
        self,
        *,
        cas: DeviceCa,
        authority: CertificateAuthority,
        keys: KeyStore,
        records: DeviceCertificateRecords,
        revoked: RevokedCertificates,
        clock: Callable[[], datetime],
    ) -> None:
        self._cas = cas
        self._authority = authority
        self._keys = keys
        self._records = records
        self._revoked = revoked
        self._clock = clock

    def lists(self, ca_name: str) -> tuple[RevocationListRecord, ...]:
        """Those of the CA, one for each version of its key that is in use and has a certificate.

        Raises ``ClientCaNotFound``, ``DeviceCaNotIssuing``, and what says why a version does not sign now.
        """
        ca = self._cas.ca(ca_name)
        key = self._keys.key(ca.key)
        revoked = tuple(each for each in self._revoked.all_revoked() if each.ca == ca.name)
        versions = [version for version in key.versions if version.state in IN_USE and self._certified(key, version)]
        return tuple(self._current(ca, key, version, revoked) for version in versions)

    def pem(self, ca_name: str) -> bytes:
        """All of them, one after the other."""
        return b"".join(_pem(each.content) for each in self.lists(ca_name))

    def _certified(self, key: Key, version: KeyVersion) -> bool:
        try:
            self._keys.certificate(key, version.number)
        except CertificateNotFound:
            return False
        return True

    def _current(
        self, ca: IssuingCa, key: Key, version: KeyVersion, revoked: tuple[RevokedCertificate, ...]
    ) -> RevocationListRecord:
        last, now = self._records.revocation_list(ca.name, version.number), self._clock()
        if last is not None and last.revoked == len(revoked) and last.this_update <= now < _half(last):
            return last
        made = self._made(ca, key, version, revoked, last)
        event = _event(made, key)
        if self._records.replace_list(made, last, event):
            return made
        # Somebody else was quicker, and theirs is as new.
        return self._records.revocation_list(ca.name, version.number) or made

    def _made(
        self,
        ca: IssuingCa,
        key: Key,
        version: KeyVersion,
        revoked: tuple[RevokedCertificate, ...],
        last: RevocationListRecord | None,
    ) -> RevocationListRecord:
        now = self._clock()
        # Never smaller than one from before, also where the database was put back to an earlier state.
        number = max(int(now.timestamp()), 0 if last is None else last.number + 1)
        serials = [RevokedSerial(number=int(each.serial, 16), at=each.revoked_at) for each in revoked]
        signed = self._authority.revocation_list(key, version, serials, number=number, lifetime=ca.list_lifetime)
        return RevocationListRecord(
            ca=ca.name,
            version=version.number,
            number=number,
            this_update=signed.this_update,
            next_update=signed.next_update,
            revoked=len(revoked),
            content=signed.der,
        )


def _half(made: RevocationListRecord) -> datetime:
    return made.this_update + (made.next_update - made.this_update) / 2


def _event(made: RevocationListRecord, key: Key) -> Event:
    return Event(
        type=EventType.DEVICE_REVOCATION_LIST_ISSUED,
        actor=ACTOR,
        key=key.name,
        version=made.version,
        before={},
        after={
            "ca": made.ca,
            "number": made.number,
            "revoked": made.revoked,
            "sha256": hashlib.sha256(made.content).hexdigest(),
            "next_update": rfc3339(made.next_update),
        },
    )


def _pem(der: bytes) -> bytes:
    lines = "\n".join(textwrap.wrap(base64.b64encode(der).decode("ascii"), 64))
    return f"-----BEGIN X509 CRL-----\n{lines}\n-----END X509 CRL-----\n".encode("ascii")
