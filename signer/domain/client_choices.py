"""What an operator chooses among for clients' certificates."""

from __future__ import annotations

from enum import StrEnum


class CaUse(StrEnum):
    """Whose certificates a CA issues."""

    IDENTITY = "identity"  # of callers of the service's own routes
    DEVICE = "device"  # of devices, which are never callers of those


class IdentityField(StrEnum):
    """Which part of a certificate names its holder."""

    # serial-number is the attribute of that name in the subject, not the number that its CA has given the certificate.

    SAN_URI = "san-uri"
    SAN_DNS = "san-dns"
    SUBJECT = "subject"
    CN = "cn"
    SERIAL_NUMBER = "serial-number"


class Demand(StrEnum):
    """Whether devices come with a certificate."""

    OPTIONAL = "optional"  # those that have come with one need one from then on
    REQUIRED = "required"


class CertificateHeader(StrEnum):
    """In which form a proxy tells of the certificate that it was shown."""

    OFF = "off"
    CLIENT_CERT = "client-cert"  # RFC 9440
    NGINX = "nginx"  # $ssl_client_escaped_cert and $ssl_client_verify
