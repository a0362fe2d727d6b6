"""A CA whose key is in the token: it certifies keys that are not, and lists what is revoked of that.

1. What is signed is put together here from a template; a caller's bytes never are. The CA's purpose has to be that of
   the use: a CA for servers issues for no device.
2. The active version of a key issues, within its validity, under the name that its own certificate has.
3. What was signed verifies with that certificate, and so with the pinned key, or the version is quarantined and nothing
   leaves.
4. Nothing is recorded here: who asks puts it on record before it goes on to anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from signer.domain.certificate_authority import (
    USE_EXTENSIONS,
    USE_MESSAGES,
    CertificateTemplate,
    IssuedCertificate,
    RevokedSerial,
    SignedRevocationList,
    issued_period,
)
from signer.domain.certificate_extensions import NO_CA, SIGNATURES_ONLY
from signer.domain.certificates import CertificateStep, require_state, signs_until
from signer.domain.keys import Key, KeyVersion
from signer.domain.messages import RevocationListContent
from signer.errors import CertificateRejected, NoActiveVersion
from signer.services.certificate_keys import CertificateKeys
from signer.services.clock import RecordedClock
from signer.services.ports import Certificate, KeyStore
from signer.services.signing import MessageSigner
from signer.services.token_keys import builder_hash


class CertificateAuthority:
    """Issues certificates by keys of the purposes ``server-ca`` and ``device-ca``. Safe for threads."""

    def __init__(
        self,
        *,
        store: KeyStore,
        signer: MessageSigner,
        clock: RecordedClock,
        quarantine: Callable[[Key, KeyVersion], None],
    ) -> None:
        self._store = store
        self._keys = CertificateKeys(signer=signer, quarantine=quarantine)
        self._clock = clock

    def issue(self, key: Key, version: KeyVersion, template: CertificateTemplate) -> IssuedCertificate:
        """A certificate for ``template.public_key``, signed by this version of the CA's key.

        Raises ``StepNotAllowed`` where the version is not active, ``VersionExpired``, ``CertificateNotFound`` where the
        CA has no certificate of its own, ``CertificateRejected``, ``MessageNotAllowed`` where the key's purpose is not
        that of the use, ``VersionQuarantined`` or a ``hsm.errors.TokenError``.
        """
        now = self._clock.now()
        require_state(key, version, CertificateStep.CERTIFY)
        signs_until(key, version, now=now)
        own = self._store.certificate(key, version.number)
        ca = x509.load_pem_x509_certificate(own.pem.encode("ascii"))
        begin, end = issued_period(template, ca, now=now)
        with self._keys.private_key(key, version, USE_MESSAGES[template.use]) as private_key:
            builder = _builder(template, ca).not_valid_before(begin).not_valid_after(end)
            made = builder.sign(private_key, builder_hash(private_key))
            made.verify_directly_issued_by(ca)
        return _issued(made, key, version, own)

    def issue_by(self, name: str, template: CertificateTemplate) -> IssuedCertificate:
        """As ``issue``, by the active version of the key of this name; raises ``KeyNotFound`` besides."""
        key = self._store.key(name)
        if key.active is None:
            raise NoActiveVersion(key=name)
        return self.issue(key, key.active, template)

    def revocation_list(
        self, key: Key, version: KeyVersion, revoked: Sequence[RevokedSerial], *, number: int, lifetime: timedelta
    ) -> SignedRevocationList:
        """The list of what is revoked, signed by this version of the CA's key; raises as ``issue`` does.

        A version that issues no more signs lists of what it issued. ``number``: of the list.
        """
        now = self._clock.now().astimezone(UTC).replace(microsecond=0)
        require_state(key, version, CertificateStep.REVOKE)
        own = self._store.certificate(key, version.number)
        ca = x509.load_pem_x509_certificate(own.pem.encode("ascii"))
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_identifier(ca))
        builder = x509.CertificateRevocationListBuilder(ca.subject, now, now + lifetime)
        builder = builder.add_extension(x509.CRLNumber(number), critical=False).add_extension(authority, critical=False)
        for each in revoked:
            builder = builder.add_revoked_certificate(_entry(each))
        with self._keys.private_key(key, version, RevocationListContent) as private_key:
            made = builder.sign(private_key, builder_hash(private_key))
            if not made.is_signature_valid(private_key.public_key()):
                raise InvalidSignature
        return SignedRevocationList(der=made.public_bytes(Encoding.DER), this_update=now, next_update=now + lifetime)


def _identifier(ca: x509.Certificate) -> x509.SubjectKeyIdentifier:
    try:
        return ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound as error:
        # An imported one may lack it, against RFC 5280 section 4.2.1.2; chains are then built by names alone.
        raise CertificateRejected(reason="the CA's own certificate has no subject key identifier") from error


def _entry(revoked: RevokedSerial) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder()
    return builder.serial_number(revoked.number).revocation_date(revoked.at).build()


def _builder(template: CertificateTemplate, ca: x509.Certificate) -> x509.CertificateBuilder:
    identifier = _identifier(ca)
    builder = (
        x509.CertificateBuilder(issuer_name=ca.subject, subject_name=template.subject)
        .public_key(template.public_key)
        .serial_number(x509.random_serial_number())
        .add_extension(NO_CA, critical=True)
        .add_extension(SIGNATURES_ONLY, critical=True)
        .add_extension(USE_EXTENSIONS[template.use], critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(template.public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    return builder if template.names is None else builder.add_extension(template.names, critical=False)


def _issued(made: x509.Certificate, key: Key, version: KeyVersion, own: Certificate) -> IssuedCertificate:
    return IssuedCertificate(
        pem=made.public_bytes(Encoding.PEM).decode("ascii"),
        chain_pem=own.pem + own.chain_pem,
        serial=f"{made.serial_number:x}",
        fingerprint=made.fingerprint(hashes.SHA256()).hex(),
        not_before=made.not_valid_before_utc,
        not_after=made.not_valid_after_utc,
        ca_key=key.name,
        ca_version=version.number,
    )
