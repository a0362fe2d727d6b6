"""Whether the service is running behind its address, with the configured certificate, and ready to sign."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding

from signer.config import ServerSettings, Tls
from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, warning
from signer.doctor.tls import served_certificate

PROBE_TIMEOUT = 5.0
MAX_ANSWER_BYTES = 1 << 16
MAX_CONDITIONS = 8
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (a wildcard is read, not bound)
HTTP_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP status and the JSON object that came with it; ``certificate``: DER, None without TLS."""

    status: int
    document: dict[str, object]
    certificate: bytes | None


def workers(examination: Examination) -> Iterator[Finding]:
    """The workers answer ``/healthz`` with the configured certificate, and ``/readyz`` says that they can sign."""
    server = examination.settings.server
    try:
        health = ask(server, "/healthz")
    except (ConnectionRefusedError, FileNotFoundError):
        yield warning(
            f"nothing listens on {server.bind}: the service is not running",
            f"artifact-signer serve --config {examination.config}",
        )
        return
    except (OSError, http.client.HTTPException, ValueError) as error:
        yield failed(
            f"what listens on {server.bind} does not answer as this service: {_reason(error)}",
            "look at the log of the service, and at what else may listen there (ss -ltnp)",
        )
        return
    configured = served_certificate(examination)
    if configured is not None and health.certificate != configured.public_bytes(Encoding.DER):
        yield failed(
            f"what listens on {server.bind} shows another certificate than {server.certificate}",
            "restart the service if the certificate was renewed; otherwise find out who listens there",
        )
        return
    if health.status != HTTP_OK:
        yield failed(f"the service on {server.bind} answers /healthz with status {health.status}", "look at its log")
        return
    yield ok(f"the service answers on {server.bind}")
    yield _readiness(server)


def ask(server: ServerSettings, path: str) -> Answer:
    """``GET path`` on the service's own address. Raises ``OSError``, ``HTTPException`` or ``ValueError``.

    No authority is asked about the certificate: the caller compares it with the configured one, which an expired or
    self-signed certificate passes as well.
    """
    with closing(_connection(server)) as connection:
        certificate = connection.getpeercert(binary_form=True) if isinstance(connection, ssl.SSLSocket) else None
        exchange = http.client.HTTPConnection("localhost", timeout=PROBE_TIMEOUT)
        exchange.sock = connection
        exchange.request("GET", path, headers={"Connection": "close"})
        with exchange.getresponse() as response:
            document = json.loads(response.read(MAX_ANSWER_BYTES))
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004  (what came is wrong, not how it was asked for)
        return Answer(status=response.status, document=document, certificate=certificate)


def _connection(server: ServerSettings) -> socket.socket:
    if server.unix_socket is not None:
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(PROBE_TIMEOUT)
        try:
            plain.connect(str(server.unix_socket))
        except BaseException:
            plain.close()
            raise
    else:
        port = int(server.bind.rpartition(":")[2])
        plain = socket.create_connection((WILDCARDS.get(server.host, server.host), port), timeout=PROBE_TIMEOUT)
    if server.tls is Tls.OFF:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # compared by the caller, byte by byte
    try:
        return context.wrap_socket(plain)
    except BaseException:
        plain.close()
        raise


def _readiness(server: ServerSettings) -> Finding:
    try:
        answer = ask(server, "/readyz")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return failed(f"the service on {server.bind} does not answer /readyz: {_reason(error)}", "look at its log")
    if answer.status == HTTP_OK:
        return ok("the service is ready: every active key has just made a verified signature")
    return failed(
        f"the service is not ready: {_broken(answer.document) or 'it has not proved its keys yet'}",
        "the lines of this report about token, PIN, keys and database say what to mend",
    )


def _broken(document: dict[str, object]) -> str:
    conditions = document.get("conditions")
    rows = [item for item in conditions if isinstance(item, dict)] if isinstance(conditions, list) else []
    broken = [f"{item.get('name')}: {item.get('code')}" for item in rows if item.get("code") is not None]
    return ", ".join(broken[:MAX_CONDITIONS])


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {PROBE_TIMEOUT:.0f} seconds"
    if isinstance(error, ssl.SSLError):
        return f"no TLS ({(error.reason or 'refused').replace('_', ' ').lower()})"
    return (error.strerror or type(error).__name__).lower() if isinstance(error, OSError) else "no JSON over HTTP"
