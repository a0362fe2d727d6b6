"""Puts together what makes and proves key pairs."""

from __future__ import annotations

from signer.config import Settings
from signer.services.adoption import Adoption
from signer.services.key_pairs import KeyPairMaker
from signer.services.ports import KeyStore, TokenAccess
from signer.services.signing import MessageSigner


def message_signer(settings: Settings, tokens: TokenAccess) -> MessageSigner:
    """What signs the messages of each purpose."""
    return MessageSigner(tokens=tokens, timeout=settings.signing.timeout)


def pair_maker(settings: Settings, store: KeyStore, tokens: TokenAccess) -> KeyPairMaker:
    """What fulfils pending versions."""
    timeout = settings.signing.timeout
    return KeyPairMaker(
        store=store,
        tokens=tokens,
        adoption=Adoption(
            tokens=tokens,
            signer=message_signer(settings, tokens),
            strict=settings.signing.strict_adoption,
            timeout=timeout,
        ),
        timeout=timeout,
    )
