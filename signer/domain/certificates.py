"""What a certificate of a version may say: subject, further names and dates, from unchecked text to checked values.

1. A subject is an RFC 4514 string of attributes from a closed set; no value is empty or holds a control character.
2. A further name is ``dns:``, ``email:``, ``ip:`` or ``uri:`` and the name itself, in the form certificates hold.
3. No certificate outlives the version's not-after. Without an end it is valid until 9999 (RFC 5280 section 4.1.2.5).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from cryptography import x509
from cryptography.x509.oid import NameOID

from signer.domain.keys import CERTIFICATE_AUTHORITIES, Key, KeyVersion
from signer.domain.keys import VersionState as S
from signer.domain.lifecycle import allowed_steps
from signer.errors import CertificateRejected, StepNotAllowed, VersionExpired

MAX_SUBJECT_CHARACTERS = 1024
MAX_ATTRIBUTE_CHARACTERS = 128
MAX_ALTERNATIVE_NAMES = 32
MAX_NAME_CHARACTERS = 1024
MAX_DNS_CHARACTERS = 253
MAX_EMAIL_CHARACTERS = 254
MAX_DAYS = 36500
# A CA begins before it is made: what it issues begins before too, for clocks that are behind.
CA_MARGIN = timedelta(days=1)
WITHOUT_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

DNS_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
DNS_NAME = re.compile(rf"(?:\*\.)?{DNS_LABEL}(?:\.{DNS_LABEL})*")
EMAIL_LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")

# Names beside those that the library knows; both spellings of e-mail are in use.
FURTHER_ATTRIBUTES = {
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "E": NameOID.EMAIL_ADDRESS,
    "serialNumber": NameOID.SERIAL_NUMBER,
}
# These are not UTF-8 in a certificate.
ASCII_ATTRIBUTES = frozenset(
    {NameOID.COUNTRY_NAME, NameOID.DOMAIN_COMPONENT, NameOID.EMAIL_ADDRESS, NameOID.SERIAL_NUMBER}
)
ATTRIBUTES = ASCII_ATTRIBUTES | {
    NameOID.COMMON_NAME,
    NameOID.LOCALITY_NAME,
    NameOID.STATE_OR_PROVINCE_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.STREET_ADDRESS,
    NameOID.USER_ID,
}


class CertificateStep(StrEnum):
    """What can be done about the certificate of a version, by the name of its command."""

    ISSUE = "certificate"
    REQUEST = "csr"
    IMPORT = "import-certificate"
    REVOKE = "revoke"  # certificates of other keys, as a CA
    CERTIFY = "certify"  # another key, as a CA


IN_USE = frozenset({S.NEXT, S.ACTIVE, S.PREVIOUS})

CERTIFICATE_STATES: Mapping[CertificateStep, frozenset[S]] = MappingProxyType(
    {
        CertificateStep.ISSUE: IN_USE,
        CertificateStep.REQUEST: IN_USE,
        CertificateStep.IMPORT: IN_USE,
        CertificateStep.REVOKE: IN_USE,
        CertificateStep.CERTIFY: frozenset({S.ACTIVE}),
    }
)
# Nothing is known of the pair, or it is gone.
WITHOUT_CERTIFICATE = frozenset({S.PENDING, S.DESTROYING, S.DESTROYED})


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateParameters:
    """What a person asks a certificate or a request to say, unchecked.

    Attributes:
        unverified_subject: RFC 4514 string; None: the key's name as CN.
        unverified_names: ``dns:…``, ``email:…``, ``ip:…``, ``uri:…``.
        days: how long a self-signed certificate is valid; None: as long as the version signs.
    """

    unverified_subject: str | None = None
    unverified_names: tuple[str, ...] = ()
    days: int | None = None


def require_state(key: Key, version: KeyVersion, step: CertificateStep) -> KeyVersion:
    """The version, if its state allows the step; raises ``StepNotAllowed``."""
    if version.state not in CERTIFICATE_STATES[step]:
        raise StepNotAllowed(
            key=key.name,
            version=version.number,
            state=version.state.value,
            step=step.value,
            allowed=allowed_steps(version.state),
        )
    return version


def checked_subject(unverified_subject: str | None, key_name: str) -> x509.Name:
    """The subject, ``CN=key_name`` where none is given; raises ``CertificateRejected``."""
    if unverified_subject is None:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, key_name)])
    if len(unverified_subject) > MAX_SUBJECT_CHARACTERS:
        raise CertificateRejected(reason=f"the subject is longer than {MAX_SUBJECT_CHARACTERS} characters")
    try:
        subject = x509.Name.from_rfc4514_string(unverified_subject, FURTHER_ATTRIBUTES)
    except ValueError as error:
        raise CertificateRejected(
            reason="the subject is not a distinguished name such as CN=firmware,O=Example (RFC 4514)"
        ) from error
    if not subject.rdns:
        raise CertificateRejected(reason="the subject is empty")
    for attribute in subject:
        _check_attribute(attribute)
    return subject


def _check_attribute(attribute: x509.NameAttribute[str | bytes]) -> None:
    name, value = attribute.rfc4514_attribute_name, attribute.value
    if attribute.oid not in ATTRIBUTES:
        raise CertificateRejected(reason=f"the subject has the attribute {name}, which is not one of the usual ones")
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise CertificateRejected(reason=f"the subject's {name} is empty or holds characters that do not print")
    if len(value) > MAX_ATTRIBUTE_CHARACTERS:
        raise CertificateRejected(reason=f"the subject's {name} is longer than {MAX_ATTRIBUTE_CHARACTERS} characters")
    if attribute.oid in ASCII_ATTRIBUTES and not value.isascii():
        raise CertificateRejected(reason=f"the subject's {name} holds characters outside of ASCII")


def checked_names(unverified_names: tuple[str, ...]) -> x509.SubjectAlternativeName | None:
    """The further names, each once, or None where there are none; raises ``CertificateRejected``."""
    if len(unverified_names) > MAX_ALTERNATIVE_NAMES:
        raise CertificateRejected(reason=f"there are more than {MAX_ALTERNATIVE_NAMES} alternative names")
    names = dict.fromkeys(_checked_name(name) for name in unverified_names)
    return x509.SubjectAlternativeName(names) if names else None


def _checked_name(unverified_name: str) -> x509.GeneralName:
    kind, _, value = unverified_name.partition(":")
    reader = NAME_KINDS.get(kind)
    if reader is None:
        raise CertificateRejected(reason=f"an alternative name begins with one of {', '.join(NAME_KINDS)} and a colon")
    name = reader(value) if len(value) <= MAX_NAME_CHARACTERS else None
    if name is None:
        raise CertificateRejected(reason=f"an alternative name of the kind {kind} is not one that a certificate holds")
    return name


def _dns(value: str) -> x509.GeneralName | None:
    # Names outside of ASCII have to come as A-labels (RFC 5280 section 7.2).
    return x509.DNSName(value) if len(value) <= MAX_DNS_CHARACTERS and DNS_NAME.fullmatch(value) else None


def _email(value: str) -> x509.GeneralName | None:
    local, _, host = value.rpartition("@")
    if len(value) > MAX_EMAIL_CHARACTERS or not EMAIL_LOCAL_PART.fullmatch(local) or not DNS_NAME.fullmatch(host):
        return None
    return None if host.startswith("*") else x509.RFC822Name(value)


def _ip(value: str) -> x509.GeneralName | None:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    # A zone has a meaning on one machine only, and a certificate has no room for it.
    return None if getattr(address, "scope_id", None) else x509.IPAddress(address)


def _uri(value: str) -> x509.GeneralName | None:
    return x509.UniformResourceIdentifier(value) if URI.fullmatch(value) else None


NAME_KINDS: Mapping[str, Callable[[str], x509.GeneralName | None]] = MappingProxyType(
    {"dns": _dns, "email": _email, "ip": _ip, "uri": _uri}
)


def checked_period(key: Key, version: KeyVersion, days: int | None, *, now: datetime) -> tuple[datetime, datetime]:
    """First and last moment of a self-signed certificate, whole seconds in UTC.

    Raises ``CertificateRejected`` or ``VersionExpired``.
    """
    moment = now - CA_MARGIN if key.purpose in CERTIFICATE_AUTHORITIES else now
    begin = max(moment, version.validity.not_before or moment).astimezone(UTC).replace(microsecond=0)
    limit = signs_until(key, version, now=now)
    if days is None:
        return begin, limit
    if not 1 <= days <= MAX_DAYS:
        raise CertificateRejected(reason=f"a certificate is valid for 1 to {MAX_DAYS} days")
    # Not the other way round: the sum may lie beyond the calendar.
    if timedelta(days=days) > limit - begin:
        raise CertificateRejected(
            reason=f"it would be valid longer than the version, which signs until {limit:%Y-%m-%d}"
        )
    return begin, begin + timedelta(days=days)


def signs_until(key: Key, version: KeyVersion, *, now: datetime) -> datetime:
    """The last whole second at which the version signs, UTC; raises ``VersionExpired`` where that is over."""
    not_after = version.validity.not_after
    if not_after is None:
        return WITHOUT_END
    if now > not_after:
        raise VersionExpired(key=key.name, version=version.number, not_after=not_after)
    return not_after.astimezone(UTC).replace(microsecond=0)
