"""Signatures by the keys of the service, below anything that knows artifacts.

1. What is signed is a message of ``domain.messages``, by a key whose purpose its table gives that message.
2. The token layer verifies each signature with the pinned public key before it returns it.
3. Nothing is counted, recorded or quarantined here: that is for the callers, each by its own rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hsm import PinnedKey
from signer.domain.keys import Key, KeyVersion, Purpose
from signer.domain.messages import Message, signable
from signer.errors import VersionHasNoPair
from signer.services.ports import AsyncTokenSigner, TokenAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A pinned pair, the purpose that it signs for, and the configured names of the tokens that may be asked."""

    pin: PinnedKey
    purpose: Purpose
    tokens: tuple[str, ...]


def pinned(key: Key, version: KeyVersion) -> PinnedKey:
    """The version as the token layer knows it; raises ``VersionHasNoPair``."""
    if version.spki is None:
        raise VersionHasNoPair(key=key.name, version=version.number)
    return PinnedKey(key_id=version.cka_id, algorithm=key.algorithm, spki=version.spki)


def signing_key(key: Key, version: KeyVersion) -> SigningKey:
    """The version as something that signs; raises ``VersionHasNoPair``."""
    return SigningKey(pin=pinned(key, version), purpose=key.purpose, tokens=key.tokens)


class MessageSigner:
    """The one way from a message to a signature. Safe for threads."""

    def __init__(self, *, tokens: TokenAccess, timeout: float) -> None:
        self._tokens = tokens
        self._timeout = timeout

    def sign_bytes(self, key: SigningKey, message: Message) -> bytes:
        """A signature over ``message.content`` that ``key.pin`` verifies, as the token layer encodes it.

        Raises ``MessageNotAllowed`` or a ``hsm.errors.TokenError``, at the latest after the timeout.
        """
        # The one place through which the service's keys sign: what the table does not give this purpose is refused
        # here, whoever asks.
        content = signable(message, key.purpose)
        return self._tokens.sign(key.pin, content, tokens=key.tokens, timeout=self._timeout)


class AsyncMessageSigner:
    """The same way for an event loop, for many messages at once."""

    def __init__(self, *, tokens: AsyncTokenSigner) -> None:
        self._tokens = tokens

    async def sign_each(
        self, asked: Sequence[tuple[SigningKey, Message]], *, timeout: float
    ) -> list[bytes | Exception]:
        """A signature for each, as ``MessageSigner.sign_bytes`` gives it, or what that would raise.

        What is asked together reaches the token together. ``timeout``: seconds in all.
        """
        if len(asked) == 1:
            ((key, message),) = asked
            try:
                return [await self._sign(key, message, timeout)]
            except Exception as error:  # noqa: BLE001  (an outcome, as below)
                return [error]
        outcomes = await asyncio.gather(
            *(self._sign(key, message, timeout) for key, message in asked), return_exceptions=True
        )
        return [_no_interruption(outcome) for outcome in outcomes]

    async def _sign(self, key: SigningKey, message: Message, timeout: float) -> bytes:
        content = signable(message, key.purpose)
        return await self._tokens.sign(key.pin, content, tokens=key.tokens, timeout=timeout)


class NoSigner:
    """Of a command, which has no event loop."""

    async def sign(self, *_: object, **__: object) -> bytes:
        """Never called."""
        raise RuntimeError("this process signs nothing on a loop")


def _no_interruption(outcome: bytes | BaseException) -> bytes | Exception:
    if isinstance(outcome, bytes | Exception):
        return outcome
    raise outcome
