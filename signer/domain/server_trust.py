"""Whether a client that trusts a bundle, and nothing else, believes a server's certificate, as each family decides.

1. Mender's own client verifies with OpenSSL: a chain has to end in a certificate of the bundle that issued itself, and
   the host is compared with the alternative names, or with the common name where there are none at all.
2. Programs written in Go (mender-cli) take any certificate of the bundle for an anchor, the server's own too, and
   compare alternative names alone.
3. What a system trusts besides is not looked at: a device that gets its trust from there needs no bundle.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from signer.domain.chains import UNREADABLE, extension

MAX_DEPTH = 8


class ClientFamily(StrEnum):
    """Clients that decide alike."""

    MENDER = "mender"
    GO = "go"


class TrustProblem(StrEnum):
    """Why a client refuses, as it would say it."""

    UNKNOWN = "the bundle holds neither it nor what issued it"
    ISSUER_MISSING = "the bundle holds it and not what issued it (OpenSSL 20)"
    EXPIRED = "it has expired"
    NOT_YET = "it is not valid yet"
    NO_NAMES = "it has no alternative names"
    OTHER_NAME = "it is for another host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a server shows: its certificate, then those of its issuers."""

    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...]


def trust_problem(
    shown: Shown, bundle: Sequence[x509.Certificate], family: ClientFamily, *, host: str | None, now: datetime
) -> TrustProblem | None:
    """Why clients of this family refuse what is shown, or None. ``host``: None: whatever it is called."""
    chain = _chain(shown, bundle, family, now)
    if chain is None:
        known = shown.leaf in bundle
        return TrustProblem.ISSUER_MISSING if known else TrustProblem.UNKNOWN
    for certificate in chain:
        if now < certificate.not_valid_before_utc:
            return TrustProblem.NOT_YET
        if now > certificate.not_valid_after_utc:
            return TrustProblem.EXPIRED
    return _name_problem(shown.leaf, family, host)


def _chain(
    shown: Shown, bundle: Sequence[x509.Certificate], family: ClientFamily, now: datetime
) -> tuple[x509.Certificate, ...] | None:
    """From the server's certificate to an anchor; None where there is no way. One that is in date comes first."""
    current, passed = shown.leaf, [shown.leaf]
    for _ in range(MAX_DEPTH):
        if current in bundle and (family is ClientFamily.GO or _issued_itself(current)):
            return tuple(passed)
        above = [
            each for each in (*bundle, *shown.issuers) if each not in passed and _is_ca(each) and _issued(each, current)
        ]
        if not above:
            return None
        current = min(above, key=lambda each: not each.not_valid_before_utc <= now <= each.not_valid_after_utc)
        passed.append(current)
    return None


def _is_ca(certificate: x509.Certificate) -> bool:
    constraints = extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _issued_itself(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer and _issued(certificate, certificate)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def _name_problem(leaf: x509.Certificate, family: ClientFamily, host: str | None) -> TrustProblem | None:
    names = extension(leaf, x509.SubjectAlternativeName)
    if names is None:
        if family is ClientFamily.GO:
            return TrustProblem.NO_NAMES
        common = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        return None if host is None or any(_names_host(each, host) for each in common) else TrustProblem.OTHER_NAME
    return None if host is None or covers(names, host) else TrustProblem.OTHER_NAME


def covers(names: x509.SubjectAlternativeName, host: str) -> bool:
    """Whether the names hold ``host``: an address as such, a DNS name with at most a leading wildcard label."""
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        return any(_names_host(each, host) for each in names.get_values_for_type(x509.DNSName))


def _names_host(name: str, host: str) -> bool:
    wanted, known = host.lower().rstrip("."), name.lower()
    return known == wanted or known == f"*.{wanted.partition('.')[2]}"
