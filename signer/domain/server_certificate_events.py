"""What happens to the certificates of servers, as events: public facts alone."""

from __future__ import annotations

from signer.domain.certificate_facts import certificate_facts
from signer.domain.events import Event, EventType
from signer.domain.server_certificates import ServerCertificate
from signer.domain.timestamps import rfc3339


def server_event(
    kind: EventType,
    certificate: ServerCertificate,
    *,
    actor: str,
    before: ServerCertificate | None = None,
    **facts: object,
) -> Event:
    """Something happened to this certificate. ``before``: the one whose place it takes; ``facts``: what else to say."""
    said = certificate_facts(certificate.pem)
    after = {
        "server": certificate.name,
        "certificate": certificate.fingerprint,
        "subject": said.subject,
        "issuer": said.issuer,
        "not_after": rfc3339(certificate.not_after),
        **facts,
    }
    return _event(kind, actor, {} if before is None else {"certificate": before.fingerprint}, after)


def requested_event(name: str, *, actor: str, spki_sha256: str, subject: str) -> Event:
    """A request for a CA was made; there is no certificate yet."""
    after: dict[str, object] = {"server": name, "public_key": spki_sha256, "subject": subject}
    return _event(EventType.SERVER_CERTIFICATE_REQUESTED, actor, {}, after)


def _event(kind: EventType, actor: str, before: dict[str, object], after: dict[str, object]) -> Event:
    return Event(type=kind, actor=actor, key=None, version=None, before=before, after=after)
