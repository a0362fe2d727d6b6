"""Checkpoints: signed by a key of the log whose token answers, and given out only where they verify."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from hsm import PinnedKey
from hsm.errors import DeadlineExceeded, SignatureMismatch, TokenUnavailable
from signer.domain.keys import Purpose
from signer.domain.log_keys import (
    Signatures,
    checkpoint_keys,
    known_origin,
    log_key_name,
    log_verifier_keys,
    opened_as_signed,
    signed_note,
)
from signer.domain.verified_log import VerifiedLog
from signer.errors import CheckpointFileDamaged, LogKeyMissing
from signer.services.checkpoints import CheckpointSigner
from signer.services.lifecycle import NewKeyRequest
from signer.services.ports import TokenAccess
from tests.support.house import ADMIN, UNLIMITED, House
from tests.support.memory_tokens import MemoryTokens
from verifier.errors import OriginMismatch
from verifier.log import Frontier, LogError, NoteSignature, SignedNote, leaf_hash, open_checkpoint

ORIGIN = "artifact-signer/0123456789abcdef"
LOG = VerifiedLog(frontier=Frontier().extended(leaf_hash(bytes([each])) for each in range(5)))


def _signer(house: House, timeout: float = 6.0) -> CheckpointSigner:
    return CheckpointSigner(origin=ORIGIN, keys=house.store.all_keys, tokens=house.tokens, timeout=timeout)


def _create(house: House, name: str = "log", token: str = "one", algorithm: str = "ed25519") -> None:
    request = NewKeyRequest(unverified_name=name, unverified_algorithm=algorithm, purpose=Purpose.LOG, tokens=(token,))
    house.lifecycle.create(ADMIN, request)


def _lines(note: bytes) -> tuple[NoteSignature, ...]:
    return SignedNote.parse(note).unverified_signatures


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_a_checkpoint_is_of_the_verified_log_and_verifies(house: House, algorithm: str) -> None:
    _create(house, algorithm=algorithm)
    note = _signer(house).sign(LOG)
    opened = open_checkpoint(note, log_verifier_keys(house.store.all_keys(), ORIGIN))
    assert (opened.checkpoint.origin, opened.checkpoint.size) == (ORIGIN, 5)
    assert opened.checkpoint.root == LOG.frontier.root


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.LOG}))
def test_a_key_of_another_purpose_signs_none(house: House, purpose: str) -> None:
    house.create("log", purpose=Purpose(purpose))
    with pytest.raises(LogKeyMissing):
        _signer(house).sign(LOG)
    assert log_verifier_keys(house.store.all_keys(), ORIGIN) == ()


def test_a_key_that_no_note_can_carry_signs_none(house: House) -> None:
    _create(house, algorithm="rsa-2048")
    with pytest.raises(LogKeyMissing):
        _signer(house).sign(LOG)


def test_a_key_that_is_switched_off_signs_none(house: House) -> None:
    _create(house)
    house.lifecycle.disable(ADMIN, "log", 1)
    with pytest.raises(LogKeyMissing):
        _signer(house).sign(LOG)


def test_losing_a_token_stops_no_checkpoint(pair_house: House, two_tokens: MemoryTokens) -> None:
    _create(pair_house)
    _create(pair_house, "log-two", "two")
    keys, signer = log_verifier_keys(pair_house.store.all_keys(), ORIGIN), _signer(pair_house)
    assert [line.id for line in _lines(signer.sign(LOG))] == [keys[0].id]
    with two_tokens.failing("sign", TokenUnavailable(token="one")):
        assert [line.id for line in _lines(signer.sign(LOG))] == [keys[1].id]
    # Who answered is asked first from then on.
    assert [line.id for line in _lines(signer.sign(LOG))] == [keys[1].id]
    with two_tokens.failing("sign", TokenUnavailable(token="two")):
        assert [line.id for line in _lines(signer.sign(LOG))] == [keys[0].id]


@pytest.mark.parametrize("error", [TokenUnavailable(token=""), SignatureMismatch(token="")], ids=lambda each: each.code)
def test_without_any_token_the_first_reason_is_told(
    pair_house: House, two_tokens: MemoryTokens, error: TokenUnavailable | SignatureMismatch
) -> None:
    _create(pair_house)
    _create(pair_house, "log-two", "two")
    signer = _signer(pair_house)
    with two_tokens.failing("sign", error), pytest.raises(type(error)):
        signer.sign(LOG)
    assert len(_lines(signer.sign(LOG))) == 1


@dataclass
class Hanging:
    """Tokens that answer nothing, and how long they were waited for, in all."""

    waited: float = 0.0

    def sign(self, key: PinnedKey, _message: bytes, *, tokens: object, timeout: float) -> bytes:
        self.waited += timeout
        raise DeadlineExceeded(token=str(tokens), timeout=timeout)


@pytest.mark.parametrize("prepared", [False, True], ids=["", "each with its next version"])
@pytest.mark.parametrize("keys", [1, 2])
def test_two_checkpoints_without_an_answer_end_within_the_time_of_a_request(
    pair_house: House, keys: int, prepared: bool
) -> None:
    """One that is under way, and the next one, which who has come meanwhile waits for."""
    for name, token in (("log", "one"), ("log-two", "two"))[:keys]:
        _create(pair_house, name, token)
        if prepared:
            pair_house.lifecycle.prepare(ADMIN, name, validity=UNLIMITED, tokens=(token,))
    hanging = Hanging()
    signer = CheckpointSigner(
        origin=ORIGIN, keys=pair_house.store.all_keys, tokens=cast("TokenAccess", hanging), timeout=6.0
    )
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            signer.sign(LOG)
    assert 0 < hanging.waited < 5.0


def test_while_there_is_a_next_version_both_sign(house: House) -> None:
    _create(house)
    house.prepare("log")
    signer = _signer(house)
    active, following = log_verifier_keys(house.store.all_keys(), ORIGIN)
    assert [line.id for line in _lines(signer.sign(LOG))] == [active.id, following.id]
    house.rotate("log")
    signer.forget()
    assert [line.id for line in _lines(signer.sign(LOG))] == [following.id]
    assert log_verifier_keys(house.store.all_keys(), ORIGIN) == (active, following)


def test_a_next_version_in_another_token_stops_no_checkpoint(pair_house: House, two_tokens: MemoryTokens) -> None:
    _create(pair_house)
    pair_house.lifecycle.prepare(ADMIN, "log", validity=UNLIMITED, tokens=("two",))
    signer, (active, following) = _signer(pair_house), log_verifier_keys(pair_house.store.all_keys(), ORIGIN)
    with two_tokens.failing("sign", TokenUnavailable(token="two")):
        assert [line.id for line in _lines(signer.sign(LOG))] == [active.id]
    assert [line.id for line in _lines(signer.sign(LOG))] == [active.id, following.id]
    with two_tokens.failing("sign", TokenUnavailable(token="one")), pytest.raises(TokenUnavailable):
        signer.sign(LOG)


def test_the_first_key_is_named_log_and_is_asked_first(pair_house: House) -> None:
    assert [log_key_name("a", first=True), log_key_name("b", first=False)] == ["log", "log-b"]
    _create(pair_house, "a-log", "two")
    _create(pair_house, "log")
    groups = checkpoint_keys(pair_house.store.all_keys(), ORIGIN)
    assert [key.key.name for group in groups for key in group] == ["log", "a-log"]


NOT_AS_SIGNED: dict[str, Callable[[bytes], bytes]] = {
    "of another size": lambda note: note.replace(b"\n5\n", b"\n6\n"),
    "with a further line": lambda note: note.replace(b"\n\n", b"\nmore\n\n"),
    "with another signature": lambda note: note[:-10] + (b"A" if note[-10:-9] != b"A" else b"B") + note[-9:],
    "by another key": lambda note: note.replace(b" " + _lines(note)[0].name.encode() + b" ", b" other "),
    "with a signature twice": lambda note: note + note.rpartition(b"\n\n")[2],
    "without its signature": lambda note: note.rpartition(b"\n\n")[0] + b"\n",
    "with its signature in another spelling": lambda note: note.replace(b"==\n", b"\n").replace(b"=\n", b"\n"),
}


@pytest.mark.parametrize("changed", NOT_AS_SIGNED.values(), ids=NOT_AS_SIGNED)
@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_a_note_that_is_not_what_the_token_layer_verified_is_not_given_out(
    house: House, monkeypatch: pytest.MonkeyPatch, algorithm: str, changed: Callable[[bytes], bytes]
) -> None:
    _create(house, algorithm=algorithm)

    def another(text: str, signatures: Signatures) -> bytes:
        note = signed_note(text, signatures)
        assert changed(note) != note
        return changed(note)

    monkeypatch.setattr("signer.services.checkpoints.signed_note", another)
    with pytest.raises(LogError):
        _signer(house).sign(LOG)


def test_a_checkpoint_of_another_log_is_not_given_out(house: House) -> None:
    _create(house)
    key = checkpoint_keys(house.store.all_keys(), ORIGIN)[0][0]
    text = _signer(house).sign(LOG).decode().replace(ORIGIN, "other", 1).partition("\n\n")[0] + "\n"
    signatures = [(key, bytes(64))]
    with pytest.raises(OriginMismatch):
        opened_as_signed(signed_note(text, signatures), text, signatures)


def test_a_checkpoint_of_the_log_tells_its_name_whatever_became_of_its_key(house: House) -> None:
    _create(house)
    note = _signer(house).sign(LOG)
    house.lifecycle.disable(ADMIN, "log", 1)
    assert known_origin(note, house.store.all_keys(), path=Path("file")) == ORIGIN


def test_a_checkpoint_that_no_key_of_the_log_signed_tells_nothing(house: House) -> None:
    _create(house)
    note = _signer(house).sign(LOG)
    for wrong in (note.replace(b"0123456789abcdef", b"fedcba9876543210"), note[:-20] + b"\n", b"", b"\xff"):
        with pytest.raises(CheckpointFileDamaged):
            known_origin(wrong, house.store.all_keys(), path=Path("file"))
