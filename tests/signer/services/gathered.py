"""Single calls in one turn of a worker's event loop, and what stands in the places of its token and recorder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from hsm import SignRequest
from signer.domain.identity import Identity
from signer.domain.records import Outcome, SignatureEntry
from signer.domain.requests import Signature
from signer.errors import SignerError
from signer.services.signing_calls import SigningCall
from tests.support.house import KEY, SIGNER, House, new_request

SOON = 10.0
Settled = Callable[[int, bytes | Exception], None]
Asking = Callable[[Sequence[SignRequest], Settled, Callable[[int], bool]], None]


def call(who: Identity = SIGNER, key: str = KEY, **options: Any) -> SigningCall:
    return SigningCall(identity=who, key=key, **({"request": new_request()} | options))


def begun(house: House, calls: Sequence[SigningCall]) -> list[asyncio.Task[Signature]]:
    """Each call in a task of its own, all in one turn of the loop."""
    return [asyncio.ensure_future(house.signing.sign(each)) for each in calls]


def together(house: House, calls: Sequence[SigningCall]) -> list[Signature | BaseException]:
    async def ask() -> list[Signature | BaseException]:
        return await asyncio.gather(*begun(house, calls), return_exceptions=True)

    return house.loop.run(ask())


@contextmanager
def token(house: House, step: Asking) -> Iterator[None]:
    """``step`` in the place of what has the token sign."""

    def ask_each(
        requests: Sequence[SignRequest], *, timeout: float, wanted: Callable[[int], bool], settled: Settled
    ) -> None:
        step(requests, settled, wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.parts.token_signer, "ask_each", ask_each)
        yield


@contextmanager
def recorder(
    house: House, step: Callable[[Sequence[SignatureEntry], Callable[[], Coroutine[Any, Any, Any]]], Any]
) -> Iterator[None]:
    """``step`` before what the recorder does."""
    real = house.parts.recorder.record_many

    async def record_many(entries: Sequence[SignatureEntry], *, deadline: float) -> list[Outcome | SignerError]:
        outcomes: list[Outcome | SignerError] = await step(entries, lambda: real(entries, deadline=deadline))
        return outcomes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.parts.recorder, "record_many", record_many)
        yield


def signature_of(house: House, request: SignRequest) -> bytes:
    return house.tokens.sign(request.key, request.message, tokens=request.tokens)


def at_once(house: House) -> Asking:
    """A token that has signed everything in the turn in which it was asked."""

    def sign_all(requests: Sequence[SignRequest], settled: Settled, _: object) -> None:
        for number, request in enumerate(requests):
            settled(number, signature_of(house, request))

    return sign_all


def nobody(*_: object) -> None:
    """A token that is not to be asked."""
    pytest.fail("the token was asked")
