"""A client's certificate as a proxy tells of it, in header fields.

1. It is believed where the request comes from a proxy that may tell, and refused, not ignored, from anywhere else: then
   somebody tries to be somebody else, or believes in a setting that is not there.
2. One form is configured. A field of another form is refused too: a proxy that does not write it lets it through.
3. There is exactly one value, bounded, and it is the whole certificate.
4. nginx says beside it whether it has verified it; with anything but ``SUCCESS`` it has not.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from signer.domain.client_choices import CertificateHeader
from signer.domain.credentials import CERTIFICATE_FIELDS
from signer.errors import CertificateHeaderInvalid, CertificateHeaderUntrusted, CertificateHeaderUnverified

Fields = Sequence[tuple[str, str]]

MAX_FIELD_BYTES = 16 << 10
RFC_9440, RFC_9440_CHAIN = "client-cert", "client-cert-chain"
NGINX_CERTIFICATE, NGINX_VERIFY = "x-ssl-client-cert", "x-ssl-client-verify"
FORMS: Mapping[CertificateHeader, frozenset[str]] = MappingProxyType(
    {
        CertificateHeader.OFF: frozenset(),
        # The chain is what the proxy has built; the issuer is found here again.
        CertificateHeader.CLIENT_CERT: frozenset({RFC_9440, RFC_9440_CHAIN}),
        CertificateHeader.NGINX: frozenset({NGINX_CERTIFICATE, NGINX_VERIFY}),
    }
)
VERIFIED, NOT_SHOWN = "SUCCESS", "NONE"
# A byte sequence of RFC 8941 section 3.3.5, without parameters.
BYTE_SEQUENCE = re.compile(r":([A-Za-z0-9+/]+={0,2}):")
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)\n-----END CERTIFICATE-----\n?")


def told_certificate(fields: Fields, *, form: CertificateHeader, vouched: bool) -> bytes | None:
    """The certificate that the fields tell of, DER; None where they tell of none.

    ``fields``: those of ``CERTIFICATE_FIELDS`` that came, repeated ones too. ``vouched``: they come from a proxy that
    may tell. Raises ``CertificateHeaderUntrusted``, ``CertificateHeaderInvalid`` or ``CertificateHeaderUnverified``.
    """
    for name, value in fields:
        if not vouched or name not in FORMS[form]:
            raise CertificateHeaderUntrusted(header=_title(name))
        if len(value) > MAX_FIELD_BYTES:
            raise CertificateHeaderInvalid(header=_title(name), reason=f"it is larger than {MAX_FIELD_BYTES} bytes")
    return READERS[form](fields) if fields else None


def _rfc_9440(fields: Fields) -> bytes | None:
    value = _only(fields, RFC_9440)
    if value is None:
        return None
    found = BYTE_SEQUENCE.fullmatch(value)
    return _decoded(found[1].encode("ascii") if found else b"", RFC_9440)


def _nginx(fields: Fields) -> bytes | None:
    value, verified = _only(fields, NGINX_CERTIFICATE), _only(fields, NGINX_VERIFY)
    if verified is None:
        raise CertificateHeaderInvalid(header=_title(NGINX_CERTIFICATE), reason="nothing says whether it was verified")
    if value is None and verified == NOT_SHOWN:
        return None
    if verified != VERIFIED:
        raise CertificateHeaderUnverified
    # Not as in a form: there a plus sign, which base64 has, would be a space.
    found = PEM.fullmatch(unquote_to_bytes(value or ""))
    return _decoded(found[1].replace(b"\n", b"") if found else b"", NGINX_CERTIFICATE)


READERS: Mapping[CertificateHeader, Callable[[Fields], bytes | None]] = MappingProxyType(
    {CertificateHeader.CLIENT_CERT: _rfc_9440, CertificateHeader.NGINX: _nginx}
)


def _only(fields: Fields, name: str) -> str | None:
    values = [value for each, value in fields if each == name]
    if len(values) > 1:
        raise CertificateHeaderInvalid(header=_title(name), reason="it came more than once")
    return values[0] if values else None


def _decoded(text: bytes, name: str) -> bytes:
    """The bytes, where ``text`` is their one spelling in base64 and not empty."""
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        content = b""
    if not content or base64.b64encode(content) != text:
        raise CertificateHeaderInvalid(header=_title(name), reason="it does not hold one certificate in this form")
    return content


def _title(name: str) -> str:
    return CERTIFICATE_FIELDS[name]
