"""How the certificate of a device says whose it is: one value, in the field in which the service looks for it.

Everything that a certificate says comes from here: nothing does from whoever asks for it.
"""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.x509.oid import NameOID

from signer.domain.client_certificates import HOST, MAX_VALUE_CHARACTERS, PRINTABLE, URI
from signer.domain.client_choices import IdentityField
from signer.domain.device_identity import DeviceIdentity
from signer.errors.device_certificates import DeviceNameUnfit

# RFC 5280 appendix A.1: ub-common-name, ub-serial-number.
MAX_SUBJECT_VALUE = 64
# X.520 has the serial number of a device as PrintableString.
_PRINTABLE_STRING = re.compile(r"[A-Za-z0-9 '()+,./:=?-]+")
# How much of the identity's digest tells two subjects apart where the name stands elsewhere.
_DIGEST_DIGITS = 32


def named(
    value: str | None, *, field: IdentityField, attribute: str, identity: DeviceIdentity
) -> tuple[x509.Name, x509.SubjectAlternativeName | None]:
    """Subject and alternative names of the certificate of a device; raises ``DeviceNameUnfit``."""
    if value is None:
        raise DeviceNameUnfit(attribute=attribute, problem="is missing, or no text")
    if not PRINTABLE.fullmatch(value) or value != value.strip():
        raise DeviceNameUnfit(attribute=attribute, problem="is empty or not printable ASCII")
    if field in (IdentityField.CN, IdentityField.SERIAL_NUMBER):
        return _in_subject(value, field, attribute), None
    form, kind = _ALTERNATIVES[field]
    if len(value) > MAX_VALUE_CHARACTERS or not form.fullmatch(value):
        raise DeviceNameUnfit(attribute=attribute, problem=f"is not in the form of a {field.value}")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity.sha256[:_DIGEST_DIGITS])])
    return subject, x509.SubjectAlternativeName([kind(value)])


def _in_subject(value: str, field: IdentityField, attribute: str) -> x509.Name:
    if len(value) > MAX_SUBJECT_VALUE:
        raise DeviceNameUnfit(attribute=attribute, problem=f"is longer than {MAX_SUBJECT_VALUE} characters")
    if field is IdentityField.CN:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value)])
    if not _PRINTABLE_STRING.fullmatch(value):
        raise DeviceNameUnfit(attribute=attribute, problem="has characters that no serialNumber has")
    return x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, value)])


_ALTERNATIVES = {
    IdentityField.SAN_DNS: (HOST, x509.DNSName),
    IdentityField.SAN_URI: (URI, x509.UniformResourceIdentifier),
}
