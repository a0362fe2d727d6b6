"""Puts together what makes certificates: those of keys themselves, and those that a CA in the token issues."""

from __future__ import annotations

from signer.services.access import Access
from signer.services.certificate_authority import CertificateAuthority
from signer.services.certificates import CertificateService
from signer.services.clock import RecordedClock
from signer.services.ports import KeyStore
from signer.services.quarantine import Quarantine
from signer.services.signing import MessageSigner


def certificate_services(
    store: KeyStore, signer: MessageSigner, clock: RecordedClock, quarantine: Quarantine, access: Access
) -> tuple[CertificateService, CertificateAuthority]:
    """Both, over the same keys."""
    own = CertificateService(store=store, signer=signer, clock=clock, quarantine=quarantine, access=access)
    return own, CertificateAuthority(store=store, signer=signer, clock=clock, quarantine=quarantine)
