"""Keys of devices on every database: awaited, planned, taken away, replayed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from signer.domain.devices import DeviceStatus
from signer.errors import (
    DeviceKeysExhausted,
    DeviceKeyTaken,
    DeviceNotFound,
    DeviceRefusal,
    DeviceRefused,
    DeviceTokenNotFound,
)
from signer.storage.database import Database
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.device_office import ACTOR, LIMITS, WEEK, Office, now_of, plan, revision, told
from tests.support.device_side import SomeDevice, new_key, pem_of

THREADS = 4


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def office(database: Database, clock: ManualClock) -> Office:
    return Office(database=database, clock=clock)


class TestPreauthorising:
    """A device that is awaited is accepted by its first request."""

    def test_a_new_device_is_accepted_when_it_asks(self, office: Office) -> None:
        device = SomeDevice()
        known, done = office.preauthorize(device)
        assert (done, known.status) == (True, DeviceStatus.PREAUTHORIZED)
        assert office.outcome(device) == "token"
        assert office.statuses(device) == ["accepted"]
        assert told(office) == ["device-preauthorized", "device-accepted"]
        assert office.events()[-1].actor == f"device:{known.id}"

    def test_another_key_is_only_pending_and_told_apart(self, office: Office) -> None:
        office.preauthorize(SomeDevice())
        assert office.outcome(SomeDevice()) == "key-differs"

    def test_a_known_identity_is_left_alone(self, office: Office) -> None:
        device = office.accepted()
        known, done = office.preauthorize(SomeDevice())
        assert (known, done) == (office.known(device), False)
        assert told(office) == ["device-accepted"]

    def test_force_puts_another_key_beside_it(self, office: Office) -> None:
        device, other = office.accepted(), SomeDevice()
        known, done = office.preauthorize(other, force=True)
        assert (known.id, done) == (office.known(device).id, True)
        assert office.statuses(device) == ["accepted", "preauthorized"]
        assert office.outcome(device) == "token"
        assert office.outcome(other) == "token"
        assert office.statuses(device) == ["rejected", "accepted"]

    def test_force_takes_a_rejected_key_back_and_leaves_an_accepted_one(self, office: Office) -> None:
        device = office.accepted()
        office.preauthorize(device, force=True)
        assert office.statuses(device) == ["accepted"]
        office.decide(device, "rejected")
        office.preauthorize(device, force=True)
        assert office.outcome(device) == "token"

    def test_the_limit_holds_when_it_asks(self, database: Database, clock: ManualClock) -> None:
        office = Office(database, clock, replace(LIMITS, accepted=1))
        office.accepted("1")
        device = SomeDevice(serial="2")
        office.preauthorize(device)
        assert office.outcome(device) == "device-limit"
        assert office.statuses(device) == ["preauthorized"]


class TestTakingAway:
    """What is taken away does not come back by itself."""

    def test_a_dismissed_key_is_pending_again_under_another_id(self, office: Office) -> None:
        device = office.accepted()
        office.token(device)
        known, before = office.known(device), office.set_of(device)
        office.administration.dismiss(known.id, before, actor=ACTOR)
        assert office.known(device).status is DeviceStatus.NOAUTH
        assert office.revoked()
        assert office.outcome(device) == "pending"
        assert office.set_of(device) != before
        assert told(office)[-1] == "device-key-dismissed"

    def test_the_last_preauthorised_key_takes_the_device_along(self, office: Office) -> None:
        device = SomeDevice()
        known, _ = office.preauthorize(device)
        office.administration.dismiss(known.id, office.set_of(device), actor=ACTOR)
        assert office.store.known(device.identity) is None

    def test_a_decommissioned_device_is_gone_and_comes_back_as_another(self, office: Office) -> None:
        device = office.accepted()
        office.token(device)
        known, before = office.known(device), revision(office)
        office.administration.decommission(known.id, actor=ACTOR)
        assert revision(office) == before + 1
        assert office.revoked()
        with pytest.raises(DeviceNotFound):
            office.store.device(known.id)
        assert office.outcome(device) == "pending"
        assert office.known(device).id != known.id
        assert told(office)[-1] == "device-decommissioned"

    def test_one_token_is_revoked_once(self, office: Office) -> None:
        device = office.accepted()
        token = office.token(device)
        before = revision(office)
        office.administration.revoke_token(token.jti, actor=ACTOR)
        assert (office.revoked(), revision(office)) == (True, before + 1)
        assert office.events()[-1].after["jti"] == token.jti
        with pytest.raises(DeviceTokenNotFound):
            office.administration.revoke_token(token.jti, actor=ACTOR)


class TestPlannedChange:
    """The next key of a device is awaited beside the present one."""

    def test_the_next_key_takes_the_place_of_the_present_one_when_it_asks(self, office: Office) -> None:
        device, following = office.accepted(), SomeDevice()
        office.token(device)
        plan(office, device, pem_of(following.key))
        assert (office.outcome(device), office.revoked()) == ("token", False)
        assert office.outcome(following) == "token"
        assert (office.outcome(device), office.revoked()) == ("rejected", True)
        assert told(office)[-2:] == ["device-key-planned", "device-key-changed"]
        assert office.events()[-1].after["replaced_fingerprint"] == device.public_key.sha256

    def test_it_is_awaited_for_its_time_and_not_longer(self, office: Office, clock: ManualClock) -> None:
        device, following = office.accepted(), SomeDevice()
        plan(office, device, pem_of(following.key))
        clock.advance(days=7)
        assert office.outcome(following) == "expired"
        assert office.outcome(device) == "token"
        office.outcome(SomeDevice(serial="2"))
        assert office.outcome(following) == "expired"

    def test_the_key_before_is_heard_again_during_the_overlap(self, office: Office, clock: ManualClock) -> None:
        device, following = office.accepted(), SomeDevice()
        plan(office, device, pem_of(following.key), overlap=3600)
        assert office.outcome(following) == "token"
        assert office.statuses(device) == ["preauthorized", "accepted"]
        clock.advance(minutes=59)
        assert office.outcome(device) == "token"
        assert office.statuses(device) == ["accepted", "rejected"]
        assert office.outcome(following) == "rejected"

    def test_after_the_overlap_it_is_not(self, office: Office, clock: ManualClock) -> None:
        device, following = office.accepted(), SomeDevice()
        plan(office, device, pem_of(following.key), overlap=3600)
        office.outcome(following)
        clock.advance(hours=1)
        assert (office.outcome(device), office.outcome(following)) == ("expired", "token")

    def test_a_device_has_so_many_keys(self, office: Office) -> None:
        device = office.accepted()
        for _ in range(LIMITS.keys - 1):
            office.outcome(SomeDevice())
        with pytest.raises(DeviceKeysExhausted):
            plan(office, device, pem_of(new_key()))


class TestChangeByTheDevice:
    """Both keys, a token of the present one, and a time."""

    def test_the_present_key_holds_until_the_next_one_asks(self, office: Office) -> None:
        device = office.accepted()
        following = SomeDevice()
        awaited = office.change_key(device, following.key, office.token(device))
        assert awaited.auth_set == office.set_of(following)
        assert awaited.valid_until is not None
        assert timedelta(0) <= office.clock() + WEEK - awaited.valid_until < timedelta(seconds=1)
        ts = now_of(office.clock)
        assert office.outcome(device, ts=ts, nonce="x" * 22) == "token"
        assert (office.outcome(following), office.outcome(device, ts=ts, nonce="y" * 22)) == ("token", "rejected")

    def test_the_same_change_twice_is_one(self, office: Office) -> None:
        device, following, token = office.accepted(), SomeDevice(), None
        token = office.token(device)
        first = office.change_key(device, following.key, token)
        assert office.change_key(device, following.key, token, nonce="m" * 22) == first
        assert office.statuses(device) == ["accepted", "preauthorized"]
        assert told(office).count("device-key-planned") == 1

    def test_a_change_that_has_waited_long_is_awaited_longer(self, office: Office, clock: ManualClock) -> None:
        device, following = office.accepted(), SomeDevice()
        first = office.change_key(device, following.key, office.token(device))
        clock.advance(days=4)
        again = office.change_key(device, following.key, office.token(device, "k" * 36))
        assert again.auth_set == first.auth_set
        assert again.valid_until is not None
        assert first.valid_until is not None
        assert again.valid_until > first.valid_until
        assert told(office).count("device-key-planned") == 2

    def test_a_key_that_was_only_pending_is_planned_then(self, office: Office) -> None:
        device, following = office.accepted(), SomeDevice()
        assert office.outcome(following) == "key-differs"
        office.change_key(device, following.key, office.token(device))
        assert office.statuses(device) == ["accepted", "preauthorized"]

    def test_a_change_that_was_recorded_is_no_change_again(self, office: Office) -> None:
        device, token = office.accepted(), None
        token, following = office.token(device), new_key()
        office.change_key(device, following, token)
        with pytest.raises(DeviceRefused) as refused:
            office.change_key(device, following, token)
        assert refused.value.reason is DeviceRefusal.NOT_FRESH

    @pytest.mark.parametrize("how", ["rejected", "dismissed", "decommissioned", "replaced"])
    def test_a_key_never_comes_back(self, office: Office, how: str) -> None:
        device, former = office.accepted(), SomeDevice()
        office.outcome(former)
        known, taken = office.known(device), office.set_of(former)
        if how == "rejected":
            office.decide(former, "rejected")
        elif how == "dismissed":
            office.administration.dismiss(known.id, taken, actor=ACTOR)
        elif how == "decommissioned":
            office.administration.decommission(known.id, actor=ACTOR)
            office.outcome(device)
            office.decide(device, "accepted")
        else:
            office.decide(former, "accepted")
            office.decide(device, "accepted")
        with pytest.raises(DeviceKeyTaken):
            office.change_key(device, former.key, office.token(device))

    @pytest.mark.parametrize("status", ["pending", "rejected"])
    def test_a_device_that_is_not_accepted_changes_nothing(self, office: Office, status: str) -> None:
        device = office.accepted()
        token = office.token(device)
        office.decide(device, status)
        with pytest.raises(DeviceRefused) as refused:
            office.change_key(device, new_key(), token)
        assert refused.value.reason is DeviceRefusal.NOT_FOUND

    def test_a_token_of_another_device_or_key_is_none(self, office: Office) -> None:
        device, other = office.accepted("1"), office.accepted("2")
        own, strange = office.token(device, "a" * 36), office.token(other, "b" * 36)
        office.administration.revoke_token(own.jti, actor=ACTOR)
        never = replace(own, jti="c" * 36)
        crossed = replace(strange, subject=own.subject, auth_set=own.auth_set)
        for token in (strange, own, never, crossed):
            with pytest.raises(DeviceRefused) as refused:
                office.change_key(device, new_key(), token)
            assert refused.value.reason is DeviceRefusal.TOKEN


class TestReplays:
    """A key that sends its time is heard once for each request."""

    def test_a_replayed_request_gets_nothing(self, office: Office, clock: ManualClock) -> None:
        device, ts = office.accepted(), now_of(clock)
        found = [office.outcome(device, ts=ts, nonce="n" * 22) for _ in range(20)]
        assert found == ["token"] + ["not-fresh"] * 19

    def test_requests_from_before_it_sent_a_time_get_nothing(self, office: Office, clock: ManualClock) -> None:
        device = office.accepted()
        assert office.outcome(device) == "token"
        office.ask(device, ts=now_of(clock), nonce="n" * 22)
        assert office.outcome(device) == "not-fresh"

    def test_a_time_of_its_own_clock_is_not_believed_for_long(self, office: Office, clock: ManualClock) -> None:
        device = office.accepted()
        assert office.outcome(device, ts=now_of(clock) + 400, nonce="n" * 22) == "clock"
        assert office.outcome(device) == "token"

    def test_a_preauthorised_key_is_not_accepted_by_an_old_request(self, office: Office, clock: ManualClock) -> None:
        device, ts = SomeDevice(), now_of(clock)
        clock.advance(hours=1)
        office.preauthorize(device)
        assert office.outcome(device, ts=ts, nonce="n" * 22) == "clock"
        assert office.statuses(device) == ["preauthorized"]
