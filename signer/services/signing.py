"""Signatures by the keys of the service, below anything that knows artifacts.

1. What is signed is a message of ``domain.messages``, by a key whose purpose its table gives that message.
2. The token layer verifies each signature with the pinned public key before it returns it.
3. Nothing is counted, recorded or quarantined here: that is for the callers, each by its own rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hsm import Algorithm, PinnedKey, SignRequest, TokenError
from signer.domain.keys import Key, KeyVersion, Purpose
from signer.domain.messages import BlindDigest, ContentMessage, Message, signable, signable_digest
from signer.errors import MessageNotAllowed, VersionHasNoPair
from signer.services.ports import AsyncTokenSigner, TokenAccess

PINS_KEPT = 256


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
    return _pin(version.cka_id, key.algorithm, version.spki)


@lru_cache(maxsize=PINS_KEPT)
def _pin(key_id: bytes, algorithm: Algorithm, spki: bytes) -> PinnedKey:
    # Kept, since it is made for each signature, with a digest of the public key.
    return PinnedKey(key_id=key_id, algorithm=algorithm, spki=spki)


def signing_key(key: Key, version: KeyVersion) -> SigningKey:
    """The version as something that signs; raises ``VersionHasNoPair``."""
    return SigningKey(pin=pinned(key, version), purpose=key.purpose, tokens=version.home)


class MessageSigner:
    """The one way from a message to a signature. Safe for threads."""

    def __init__(self, *, tokens: TokenAccess, timeout: float) -> None:
        self._tokens = tokens
        self._timeout = timeout

    def sign_bytes(self, key: SigningKey, message: ContentMessage) -> bytes:
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
        allowed = [_allowed(key, message) for key, message in asked]
        requests = [each for each in allowed if isinstance(each, SignRequest)]
        signed = iter(await self._tokens.sign_each(requests, timeout=timeout))
        return [next(signed) if isinstance(each, SignRequest) else each for each in allowed]

    def ask_each(
        self,
        asked: Sequence[tuple[SigningKey, Message]],
        *,
        timeout: float,
        wanted: Callable[[int], bool],
        settled: Callable[[int, bytes | Exception], None],
    ) -> None:
        """As ``sign_each``, without waiting: ``settled`` is told each number and outcome, as soon as there is one.

        What nobody ``wanted`` any more when it was looked at may end untold. Neither of the two may raise.
        """
        allowed = [_allowed(key, message) for key, message in asked]
        requests = [each for each in allowed if isinstance(each, SignRequest)]
        if len(requests) == len(allowed):
            self._tokens.ask_each(requests, timeout=timeout, wanted=wanted, settled=settled)
            return
        numbers = []
        for number, each in enumerate(allowed):
            if isinstance(each, SignRequest):
                numbers.append(number)
            else:
                settled(number, each)
        self._tokens.ask_each(
            requests,
            timeout=timeout,
            wanted=lambda number: wanted(numbers[number]),
            settled=lambda number, outcome: settled(numbers[number], outcome),
        )


class NoSigner:
    """Of a command, which has no event loop."""

    async def sign_each(self, *_: object, **__: object) -> list[bytes | TokenError]:
        """Never called."""
        raise RuntimeError("this process signs nothing on a loop")

    def ask_each(self, *_: object, **__: object) -> None:
        """Never called."""
        raise RuntimeError("this process signs nothing on a loop")


def _allowed(key: SigningKey, message: Message) -> SignRequest | MessageNotAllowed:
    try:
        if isinstance(message, BlindDigest):
            return SignRequest(key.pin, signable_digest(message, key.purpose), key.tokens, prehashed=True)
        return SignRequest(key.pin, signable(message, key.purpose), key.tokens)
    except MessageNotAllowed as refused:
        return refused
