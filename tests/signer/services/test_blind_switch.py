"""Whether a key signs digests: off until somebody says so, on record, and guarded as the life of the key is."""

from __future__ import annotations

import pytest

from signer.domain.events import EventType
from signer.domain.identity import Identity
from signer.domain.keys import Purpose
from signer.errors import AccessDenied, ApprovalRequired, KeyNotFound, StateChanged
from signer.errors.blind import BlindSignNotForPurpose
from signer.services.lifecycle import NewKeyRequest
from signer.storage.access import access_digest
from tests.support.guarded_house import ADMIN as GUARDED_ADMIN
from tests.support.guarded_house import guard, refused, waits
from tests.support.house import ADMIN, KEY, READER, SIGNER, House


def request(name: str = KEY, *, purpose: Purpose = Purpose.ARTIFACT) -> NewKeyRequest:
    return NewKeyRequest(unverified_name=name, unverified_algorithm="ecdsa-p256", purpose=purpose, blind_sign=True)


def turn(house: House, who: Identity = ADMIN, name: str = KEY, *, allowed: bool = True) -> bool:
    return house.application.digests.switch.turn(who, name, allowed=allowed).blind_sign


def digest(house: House) -> str:
    with house.database.reading() as connection:
        return access_digest(connection)


def test_a_key_signs_no_digests_unless_that_is_asked_for(house: House) -> None:
    assert house.create().blind_sign is False
    assert "blind_sign" not in house.events()[0].event.after


def test_a_new_key_may_be_made_to_sign_digests_and_its_first_event_says_so(house: House) -> None:
    assert house.lifecycle.create(ADMIN, request()).key.blind_sign is True
    assert house.store.key(KEY).blind_sign is True
    assert house.events()[0].event.after["blind_sign"] is True


@pytest.mark.parametrize("purpose", [each for each in Purpose if each is not Purpose.ARTIFACT])
def test_only_keys_that_sign_artifacts_sign_digests(house: House, purpose: Purpose) -> None:
    with pytest.raises(BlindSignNotForPurpose):
        house.lifecycle.create(ADMIN, request("other", purpose=purpose))
    house.create("another", purpose=purpose)
    with pytest.raises(BlindSignNotForPurpose):
        turn(house, name="another")


def test_switching_is_one_event_each_and_gives_power_as_the_log_sees_it(house: House) -> None:
    house.create()
    start, before = house.last_event, digest(house)
    assert turn(house)
    after = digest(house)
    assert after != before
    assert turn(house)
    assert digest(house) == after
    assert not turn(house, allowed=False)
    assert [(each.event.type, each.event.before, each.event.after) for each in house.events(after=start)] == [
        (EventType.KEY_BLIND_SIGN_CHANGED, {"blind_sign": False}, {"blind_sign": True}),
        (EventType.KEY_BLIND_SIGN_CHANGED, {"blind_sign": True}, {"blind_sign": False}),
    ]


@pytest.mark.parametrize(("who", "refusal"), [(SIGNER, AccessDenied), (READER, AccessDenied)])
def test_who_does_not_manage_the_key_switches_nothing(house: House, who: Identity, refusal: type[Exception]) -> None:
    house.create()
    for allowed in (True, False):
        with pytest.raises(refusal):
            turn(house, who, allowed=allowed)
    assert house.store.key(KEY).blind_sign is False


def test_no_key_no_switch(house: House) -> None:
    with pytest.raises(KeyNotFound):
        turn(house, name="nothing")


def test_what_was_switched_meanwhile_is_not_switched_over(house: House) -> None:
    key, event = house.create(), house.events()[0].event
    turn(house)
    with pytest.raises(StateChanged):
        house.store.set_blind_sign(key, event, allowed=True)


class TestOfAGuardedKey:
    def test_switching_on_waits_for_people(self, house: House) -> None:
        guarded = guard(house)
        on = lambda: turn(house, Identity(name=GUARDED_ADMIN), "firmware")  # noqa: E731
        waiting = waits(on)
        assert house.store.key("firmware").blind_sign is False
        guarded.approve(waiting)
        assert on()

    def test_switching_off_waits_for_nobody(self, house: House) -> None:
        guarded = guard(house)
        on = lambda: turn(house, Identity(name=GUARDED_ADMIN), "firmware")  # noqa: E731
        guarded.approve(waits(on))
        on()
        assert refused(lambda: turn(house, Identity(name=GUARDED_ADMIN), "firmware", allowed=False)) is None

    def test_a_new_key_that_signs_digests_is_another_change_than_one_that_does_not(self, house: House) -> None:
        guarded = guard(house)
        plain = NewKeyRequest(unverified_name="fw-new", unverified_algorithm="ecdsa-p256")
        who = Identity(name=GUARDED_ADMIN)
        guarded.approve(waits(lambda: house.lifecycle.create(who, plain)))
        with pytest.raises(ApprovalRequired):
            house.lifecycle.create(who, request("fw-new"))
