"""Short ways to the steps of a key and to signatures."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from signer.domain.identity import Identity
from signer.domain.keys import Key
from signer.domain.requests import Signature, SigningRequest
from signer.services.lifecycle import NewKeyRequest
from tests.support.house import ADMIN, KEY, SIGNER, House, new_request
from tests.support.memory_tokens import MemoryTokens


def two_versions(house: House) -> Key:
    """An active version and a next one."""
    house.create()
    return house.prepare()


def step(house: House, name: str, number: int = 1) -> Key:
    """A step by the name of its command."""
    if name == "destroy":
        return house.lifecycle.destroy(ADMIN, KEY, number, confirmation=KEY).key
    if name == "rotate":
        return house.rotate()
    taken: Key = getattr(house.lifecycle, name)(ADMIN, KEY, number).key
    return taken


def asked(name: str = KEY, *, algorithm: str = "ecdsa-p256", tokens: tuple[str, ...] = ()) -> NewKeyRequest:
    return NewKeyRequest(unverified_name=name, unverified_algorithm=algorithm, tokens=tokens)


def sign(house: House, who: Identity = SIGNER, name: str = KEY, *, request: SigningRequest | None = None) -> Signature:
    """A signature over a manifest that nobody had signed before, unless it is given."""
    return house.sign(who, name, request or new_request())


def assert_nobody_asks_the_token(tokens: MemoryTokens) -> AbstractContextManager[None]:
    def asked() -> None:
        pytest.fail("the token was asked")

    return tokens.at("sign", asked)


def exchange(tokens: MemoryTokens, key_id: bytes, *, shown: bool = True) -> None:
    """Another key in the place of this one, with its own public half or without any."""
    tokens.substitute(key_id)
    if not shown:
        tokens.substitute(key_id, spki=None)
