"""The one way from a message to a signature: what a key is not for never reaches the token."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from hsm import Algorithm
from hsm.errors import SignatureMismatch, TokenUnavailable
from signer.domain.keys import Purpose, VersionState
from signer.domain.messages import ArtifactManifest, SelfCheck
from signer.errors import MessageNotAllowed, VersionHasNoPair
from signer.services.signing import AsyncMessageSigner, MessageSigner, signing_key
from tests.support.house import MANIFEST, House
from tests.support.in_process import ThreadedSigner
from tests.support.memory_tokens import MemoryTokens, verify

from .steps import assert_nobody_asks_the_token


def signer(tokens: MemoryTokens) -> MessageSigner:
    return MessageSigner(tokens=tokens, timeout=5.0)


def test_a_message_is_signed_by_the_pinned_key(house: House, tokens: MemoryTokens) -> None:
    key = house.create()
    signed = signing_key(key, key.version(1))
    raw = signer(tokens).sign_bytes(signed, ArtifactManifest(MANIFEST))
    verify(signed.pin.spki, raw, MANIFEST.raw)


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.ARTIFACT}))
def test_no_key_of_another_purpose_signs_an_artifact(house: House, tokens: MemoryTokens, purpose: Purpose) -> None:
    key = house.create(purpose=Purpose(purpose))
    signed = signing_key(key, key.version(1))
    with assert_nobody_asks_the_token(tokens), pytest.raises(MessageNotAllowed) as refusal:
        signer(tokens).sign_bytes(signed, ArtifactManifest(MANIFEST))
    assert refusal.value.facts == {"message": "ArtifactManifest", "purpose": purpose}


def test_a_version_without_its_pair_signs_nothing(house: House) -> None:
    key = house.create()
    version = key.version(1)
    object.__setattr__(version, "spki", None)
    with pytest.raises(VersionHasNoPair):
        signing_key(key, version)


@pytest.mark.parametrize(
    ("name", "other"), [("cka_id", b"another"), ("spki", b"another"), ("algorithm", Algorithm.RSA_3072)]
)
def test_a_pin_is_of_this_pair_and_no_other(house: House, name: str, other: object) -> None:
    key = house.create()
    version = key.version(1)
    first = signing_key(key, version).pin
    assert (first.key_id, first.algorithm, first.spki) == (version.cka_id, key.algorithm, version.spki)
    object.__setattr__(key if name == "algorithm" else version, name, other)
    pin = signing_key(key, version).pin
    assert (pin.key_id, pin.algorithm, pin.spki) == (version.cka_id, key.algorithm, version.spki)
    assert pin.digest == hashlib.sha256(version.spki or b"").digest()


@pytest.mark.parametrize(
    "error", [TokenUnavailable(token="one"), SignatureMismatch(token="one")], ids=lambda error: error.code
)
def test_what_the_token_refuses_is_told_as_it_is_and_changes_nothing(
    house: House, tokens: MemoryTokens, error: Exception
) -> None:
    key = house.create()
    with tokens.failing("sign", error), pytest.raises(type(error)):  # type: ignore[arg-type]
        signer(tokens).sign_bytes(signing_key(key, key.version(1)), SelfCheck.READINESS)
    assert house.states() == [VersionState.ACTIVE]


def test_of_many_at_once_each_is_refused_alone(house: House, tokens: MemoryTokens) -> None:
    artifact, log = house.create(), house.create("log", purpose=Purpose.LOG)
    allowed, other = (signing_key(key, key.version(1)) for key in (artifact, log))
    asked = [(allowed, ArtifactManifest(MANIFEST)), (other, ArtifactManifest(MANIFEST)), (allowed, SelfCheck.READINESS)]
    many = AsyncMessageSigner(tokens=ThreadedSigner(tokens))
    first, refused, last = asyncio.run(many.sign_each(asked, timeout=5.0))
    verify(allowed.pin.spki, first, MANIFEST.raw)  # type: ignore[arg-type]
    verify(allowed.pin.spki, last, SelfCheck.READINESS.content)  # type: ignore[arg-type]
    assert isinstance(refused, MessageNotAllowed)
    with assert_nobody_asks_the_token(tokens):
        (alone,) = asyncio.run(many.sign_each([(other, ArtifactManifest(MANIFEST))], timeout=5.0))
    assert isinstance(alone, MessageNotAllowed)


def test_of_many_that_nobody_waits_for_each_is_refused_alone(house: House, tokens: MemoryTokens) -> None:
    artifact, log = house.create(), house.create("log", purpose=Purpose.LOG)
    allowed, other = (signing_key(key, key.version(1)) for key in (artifact, log))
    asked = [(other, ArtifactManifest(MANIFEST)), (allowed, ArtifactManifest(MANIFEST)), (allowed, SelfCheck.READINESS)]
    many, told = AsyncMessageSigner(tokens=ThreadedSigner(tokens)), dict[int, bytes | Exception]()

    async def ask() -> None:
        wanted = [False, True, True].__getitem__
        many.ask_each(asked, timeout=5.0, wanted=wanted, settled=told.__setitem__)
        assert list(told) == [0]
        async with asyncio.timeout(5.0):
            while len(told) < len(asked):
                await asyncio.sleep(0.001)

    asyncio.run(ask())
    assert isinstance(told[0], MessageNotAllowed)
    verify(allowed.pin.spki, told[1], MANIFEST.raw)  # type: ignore[arg-type]
    verify(allowed.pin.spki, told[2], SelfCheck.READINESS.content)  # type: ignore[arg-type]
