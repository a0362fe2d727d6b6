"""Tokens from a subject to what may leave: signed by the token, recorded, verified by whoever asks afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hsm.algorithms import Algorithm
from hsm.errors import TokenUnavailable
from signer.domain.keys import Purpose, Validity, VersionState
from signer.domain.leaves import LogEvent
from signer.domain.token_claims import DeviceSubject, IssuedToken, TokenKind, TokenSubject, UserSubject
from signer.errors import (
    NoActiveVersion,
    SignatureLimitReached,
    SubjectRefused,
    TokenKeyMissing,
    TokenRefusal,
    TokenRefused,
    TokensLimited,
    VersionQuarantined,
)
from signer.storage.tables import log_leaves
from signer.storage.token_tables import issued_tokens
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, House
from tests.support.issued_tokens import DEVICE, USER, OpenDoor, open_door
from tests.support.memory_tokens import MemoryTokens, make_key, spki_of
from verifier.log.leaves import parsed_leaf

ALGORITHMS = ("ecdsa-p256", "rsa-2048", "ed25519")
KINDS: dict[str, TokenSubject] = {"device-token": DEVICE, "user-token": USER}


@pytest.fixture(autouse=True)
def door(monkeypatch: pytest.MonkeyPatch) -> OpenDoor:
    return open_door(monkeypatch)


def kind_of(subject: TokenSubject) -> TokenKind:
    return TokenKind.DEVICE if isinstance(subject, DeviceSubject) else TokenKind.USER


def with_keys(house: House, algorithm: str = "ecdsa-p256") -> House:
    for name, purpose in (("device-token", Purpose.DEVICE_TOKEN), ("user-token", Purpose.USER_TOKEN)):
        house.create(name, algorithm=algorithm, purpose=purpose)
    return house


def issue(house: House, subject: TokenSubject = DEVICE) -> IssuedToken:
    issuing = house.application.token_issuer.issue(subject, actor="device:1", request_id="r")
    return house.loop.run(issuing)


def verify(house: House, token: IssuedToken, kind: TokenKind = TokenKind.DEVICE) -> Any:
    house.loop.run(house.application.token_verifier.keep_current())
    return house.application.token_verifier.verify(token.text, kind)


def rows(house: House, table: Any = issued_tokens) -> list[Any]:
    with house.database.reading() as connection:
        return list(connection.execute(select(table)).all())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("key", KINDS)
def test_a_token_is_issued_recorded_and_verified(house: House, key: str, algorithm: str, clock: ManualClock) -> None:
    with_keys(house, algorithm)
    subject = KINDS[key]
    token = issue(house, subject)
    verified = verify(house, token, kind_of(subject))
    assert (verified.jti, verified.expires_at) == (token.jti, token.expires_at)
    assert (verified.key, verified.version) == (key, 1)
    assert verified.auth_set == (DEVICE.auth_set_id if subject is DEVICE else None)
    assert verified.expires_at - verified.issued_at == timedelta(days=7)
    assert verified.issued_at <= clock.now
    assert [row.jti for row in rows(house)] == [token.jti]


def test_what_is_recorded_is_the_digests_and_not_the_token(house: House) -> None:
    token = issue(with_keys(house))
    (leaf,) = (row.leaf for row in rows(house, log_leaves) if row.type == LogEvent.TOKEN_ISSUED)
    signed, _, signature = token.text.rpartition(".")
    assert parsed_leaf(leaf)["signed_sha256"] == hashlib.sha256(signed.encode()).hexdigest()
    for part in token.text.split(".")[1:]:
        for row in (*rows(house), *rows(house, log_leaves)):
            assert part not in str(row)
            assert part.encode() not in leaf
    assert signature not in repr(token)


def test_a_personal_token_has_its_own_life_and_name(house: House) -> None:
    subject = replace(USER, name="ci", lifetime=timedelta(hours=1))
    token = issue(with_keys(house), subject)
    verified = verify(house, token, TokenKind.USER)
    assert verified.expires_at - verified.issued_at == timedelta(hours=1)
    assert rows(house)[0].name == "ci"


def no_keys(_house: House) -> None: ...


def artifact_key(house: House) -> None:
    house.create("device-token")


def other_kind(house: House) -> None:
    house.create("device-token", purpose=Purpose.USER_TOKEN)


def switched_off(house: House) -> None:
    with_keys(house)
    house.lifecycle.disable(ADMIN, "device-token", 1)


def used_up(house: House) -> None:
    house.create("device-token", purpose=Purpose.DEVICE_TOKEN, validity=Validity(signature_limit=1))
    issue(house)


def asked_too_often(house: House) -> None:
    with_keys(house)
    for _ in range(10):
        issue(house)


REFUSED: dict[str, tuple[Callable[[House], None], type[Exception]]] = {
    "there is no key": (no_keys, TokenKeyMissing),
    "the key of this name is for artifacts": (artifact_key, TokenKeyMissing),
    "the key of this name is for users": (other_kind, TokenKeyMissing),
    "the key's only version was switched off": (switched_off, NoActiveVersion),
    "the version has made all its signatures": (used_up, SignatureLimitReached),
    "the auth set asked too often": (asked_too_often, TokensLimited),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_no_token_is_issued(house: House, sentence: str) -> None:
    prepare, error = REFUSED[sentence]
    prepare(house)
    before = rows(house)
    with pytest.raises(error):
        issue(house)
    assert rows(house) == before


@pytest.mark.parametrize("subject", [DEVICE, USER])
def test_a_subject_that_may_have_none_gets_none(house: House, door: OpenDoor, subject: TokenSubject) -> None:
    door.shut = {DEVICE.device_id, USER.user_id}
    with pytest.raises(SubjectRefused):
        issue(with_keys(house), subject)
    assert rows(house) == []


def test_a_token_that_is_away_issues_nothing(house: House, tokens: MemoryTokens) -> None:
    with_keys(house)
    with tokens.failing("sign", TokenUnavailable(token="one")), pytest.raises(TokenUnavailable):
        issue(house)
    assert rows(house) == []


class TestLife:
    def test_after_a_rotation_the_new_version_signs_and_the_old_one_verifies(self, house: House) -> None:
        old = issue(with_keys(house))
        house.prepare("device-token")
        house.rotate("device-token")
        new = issue(house)
        assert [verify(house, each).version for each in (old, new)] == [1, 2]

    def test_a_rotation_between_signing_and_recording_signs_anew(self, house: House) -> None:
        with_keys(house)
        issue(house)
        house.prepare("device-token")
        recorder: Any = house.parts.recorder
        record_many, rotated = recorder.record_many, []

        async def first_rotate(entries: Any, *, deadline: float) -> Any:
            if not rotated:
                rotated.append(house.rotate("device-token"))
            return await record_many(entries, deadline=deadline)

        recorder.record_many = first_rotate
        token = issue(house)
        assert verify(house, token).version == 2
        assert len(rows(house)) == 2

    def test_a_version_that_was_switched_off_verifies_nothing_at_once(self, house: House) -> None:
        token = issue(with_keys(house))
        assert verify(house, token).jti == token.jti
        house.lifecycle.disable(ADMIN, "device-token", 1)
        with pytest.raises(TokenRefused) as refused:
            verify(house, token)
        assert refused.value.reason is TokenRefusal.KEY_UNKNOWN

    def test_a_version_in_quarantine_verifies_nothing(self, house: House, tokens: MemoryTokens) -> None:
        token = issue(with_keys(house))
        version = house.version(1, "device-token")
        other = make_key(Algorithm.ECDSA_P256)
        tokens.substitute(version.cka_id, private=other, spki=spki_of(other))
        with pytest.raises(VersionQuarantined):
            issue(house)
        assert house.states("device-token") == [VersionState.QUARANTINED]
        with pytest.raises(TokenRefused):
            verify(house, token)

    def test_a_token_of_one_kind_opens_no_door_of_the_other(self, house: House) -> None:
        with_keys(house)
        for subject, other in ((DEVICE, TokenKind.USER), (USER, TokenKind.DEVICE)):
            with pytest.raises(TokenRefused) as refused:
                verify(house, issue(house, subject), other)
            assert refused.value.reason is TokenRefusal.KEY_UNKNOWN


def test_a_user_is_no_device() -> None:
    assert kind_of(UserSubject(user_id="1")) is TokenKind.USER
