"""What the service shows in a TLS handshake, and whose client certificates it takes."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from signer.client_ca_settings import ClientCaSettings
from signer.domain.client_cas import distinct, read_client_ca
from signer.domain.client_certificates import ClientCa
from signer.errors import ClientCaUnusable, ConfigurationInvalid
from signer.server_settings import ServerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCertificate:
    """What is on record as shown: the certificate with its issuers in PEM, and the file of its private half."""

    fingerprint: str
    pem: str
    private_key: Path

    @property
    def source(self) -> str:
        """What it is called where it cannot be used."""
        return f"the certificate {self.fingerprint[:16]} and {self.private_key}"


def tls_context(
    server: ServerSettings, cas: Iterable[ClientCa] = (), shown: ShownCertificate | None = None
) -> ssl.SSLContext:
    """TLS with this certificate, or that of the configured files; one context serves all new connections of a worker.

    1. No ticket is given out: where clients have certificates, no connection carries one that was shown in another. TLS
       1.2 could go on with a session without a ticket, and cannot be told not to: there it is TLS 1.3 or none.
    2. A client's certificate is optional. Who is asked for one and what it is worth, each request decides.
    3. What issues clients' certificates is trusted whoever issued it: no other CA is.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    certificate = server.certificate if shown is None else shown.source
    try:
        _load(context, server, shown)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or "the two do not belong together or are not PEM"
        raise ConfigurationInvalid(
            path=str(certificate),
            problems=(f"certificate and private key cannot be used: {reason}",),
        ) from error
    issuers = b"".join(issuer.public_bytes(Encoding.DER) for ca in cas for issuer in ca.issuers)
    if issuers:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=issuers)
    return context


def _load(context: ssl.SSLContext, server: ServerSettings, shown: ShownCertificate | None) -> None:
    if shown is None:
        context.load_cert_chain(server.certificate, server.private_key)
        return
    # The library takes certificates from files alone; this one has no name, and goes with the descriptor.
    with os.fdopen(os.memfd_create("certificate"), "wb") as file:
        file.write(shown.pem.encode("ascii"))
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}", shown.private_key)


def client_cas(tables: Iterable[ClientCaSettings]) -> tuple[ClientCa, ...]:
    """The CAs, as their files say now; raises ``ClientCaUnusable``."""
    return distinct(read_table(table) for table in tables)


def read_table(table: ClientCaSettings) -> ClientCa:
    """One CA, as its file says now; raises ``ClientCaUnusable``."""
    try:
        content = table.file.read_bytes()
    except OSError as error:
        raise ClientCaUnusable(name=table.name, reason=f"{table.file} cannot be read: {error.strerror}") from error
    return read_client_ca(content, name=table.name, use=table.use, field=table.field, attribute=table.attribute)
