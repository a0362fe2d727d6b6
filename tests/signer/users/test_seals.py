"""Sealed seeds: nobody reads one without the key, and nobody's is another one's."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer.auth.seals import SeedSeal
from signer.errors.users import SealKeyUnusable, SeedUnreadable

SEED = bytes(range(20))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "users.seal"
    path.write_bytes(bytes(32))
    return path


def test_a_seed_is_opened_again(key: Path) -> None:
    sealed = SeedSeal(key).seal("a", SEED)
    assert SEED not in sealed
    assert SeedSeal(key).opened("a", sealed) == SEED


def test_two_seals_of_a_seed_differ(key: Path) -> None:
    seal = SeedSeal(key)
    assert seal.seal("a", SEED) != seal.seal("a", SEED)


UNREADABLE = {
    "another user's": lambda sealed: ("b", sealed),
    "one bit changed": lambda sealed: ("a", sealed[:-1] + bytes([sealed[-1] ^ 1])),
    "another nonce": lambda sealed: ("a", sealed[:1] + bytes(12) + sealed[13:]),
    "cut off": lambda sealed: ("a", sealed[:-1]),
    "cut off in its nonce": lambda sealed: ("a", sealed[:9]),
    "nothing": lambda sealed: ("a", b""),
    "another form": lambda sealed: ("a", b"\x02" + sealed[1:]),
    "the seed itself": lambda sealed: ("a", SEED),
}


@pytest.mark.parametrize("sentence", UNREADABLE)
def test_a_seal_is_not_opened(key: Path, sentence: str) -> None:
    seal = SeedSeal(key)
    user, sealed = UNREADABLE[sentence](seal.seal("a", SEED))
    with pytest.raises(SeedUnreadable):
        seal.opened(user, sealed)


def test_a_seal_is_not_opened_with_another_key(key: Path) -> None:
    sealed = SeedSeal(key).seal("a", SEED)
    key.write_bytes(bytes([1] * 32))
    with pytest.raises(SeedUnreadable):
        SeedSeal(key).opened("a", sealed)


@pytest.mark.parametrize("content", [None, b"", bytes(31), bytes(33)])
def test_a_key_is_not_taken(key: Path, content: bytes | None) -> None:
    if content is None:
        key.unlink()
    else:
        key.write_bytes(content)
    with pytest.raises(SealKeyUnusable):
        SeedSeal(key).seal("a", SEED)


def test_without_a_key_nothing_is_sealed() -> None:
    with pytest.raises(SealKeyUnusable):
        SeedSeal(None).seal("a", SEED)
