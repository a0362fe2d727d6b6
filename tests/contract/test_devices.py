"""Devices on every database: who becomes what by whom, and what it takes from tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from signer.domain.devices import AuthStatus, DeviceStatus
from signer.errors import (
    AuthSetNotFound,
    AuthSetOfAnotherDevice,
    DeviceKeyTaken,
    DeviceLimitReached,
    DeviceNotFound,
    DeviceStepNotAllowed,
    DeviceTokenNotFound,
    SignerError,
)
from signer.services.device_ports import DeviceQuery
from signer.storage.access import access_digest
from signer.storage.database import Database
from signer.storage.device_tables import auth_sets, devices
from signer.storage.record_statements import statements
from signer.storage.token_subjects import accepted_auth_sets
from tests.support import device_rivals
from tests.support.clock import ManualClock
from tests.support.crowd import PROCESSES, Crowd
from tests.support.databases import Opener
from tests.support.device_office import ACTOR, LIMITS, Office, plan, revision, told
from tests.support.device_side import SomeDevice, new_key, pem_of
from tests.support.issued_tokens import token_entry

THREADS = 4


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def office(database: Database, clock: ManualClock) -> Office:
    return Office(database=database, clock=clock)


def number(office: Office, table: object) -> int:
    with office.database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


class TestFirstContact:
    """Anybody can be pending; it gives nothing, and is forgotten."""

    def test_a_stranger_is_pending_once_and_leaves_no_leaf(self, office: Office) -> None:
        device = SomeDevice()
        before = revision(office)
        assert [office.outcome(device) for _ in range(3)] == ["pending"] * 3
        known = office.known(device)
        assert (known.status, office.statuses(device)) == (DeviceStatus.PENDING, ["pending"])
        assert (told(office), revision(office)) == ([], before)

    def test_a_known_device_with_another_key_stays_accepted(self, office: Office) -> None:
        device = office.accepted()
        other = SomeDevice()
        assert office.outcome(other) == "key-differs"
        assert office.statuses(device) == ["accepted", "pending"]
        assert office.known(device).status is DeviceStatus.ACCEPTED
        assert office.outcome(device) == "token"

    def test_as_many_are_pending_as_may_be(self, database: Database, clock: ManualClock) -> None:
        office = Office(database, clock, replace(LIMITS, pending=2))
        found = [office.outcome(SomeDevice(serial=str(each))) for each in range(3)]
        assert found == ["pending", "pending", "pending-limit"]
        assert number(office, devices) == 2

    def test_an_address_makes_so_many_in_an_hour_and_others_are_not_held_up(
        self, database: Database, clock: ManualClock
    ) -> None:
        office = Office(database, clock, replace(LIMITS, per_address=2))

        def ask(serial: int, source: str | None = "192.0.2.1") -> str:
            return office.outcome(SomeDevice(serial=str(serial)), source=source)

        assert [ask(1), ask(2), ask(3)] == ["pending", "pending", "address-limit"]
        assert [ask(4, "192.0.2.2"), ask(5, None)] == ["pending", "pending"]
        clock.advance(hours=1)
        assert ask(3) == "pending"

    def test_a_device_has_so_many_keys(self, database: Database, clock: ManualClock) -> None:
        office = Office(database, clock, replace(LIMITS, keys=2))
        assert [office.outcome(SomeDevice()) for _ in range(3)] == ["pending", "pending", "keys-limit"]

    def test_what_nobody_decides_about_is_forgotten(self, office: Office, clock: ManualClock) -> None:
        device, later = SomeDevice(serial="1"), SomeDevice(serial="2")
        office.outcome(device)
        clock.advance(days=7, seconds=1)
        office.outcome(later)
        assert office.store.known(device.identity) is None
        assert (number(office, devices), number(office, auth_sets)) == (1, 1)

    def test_a_device_that_goes_on_asking_is_not_forgotten(self, office: Office, clock: ManualClock) -> None:
        device = SomeDevice(serial="1")
        for _ in range(4):
            assert office.outcome(device) == "pending"
            clock.advance(days=5)
        office.outcome(SomeDevice(serial="2"))
        assert office.statuses(device) == ["pending"]

    def test_an_accepted_device_keeps_its_key_when_a_pending_one_is_forgotten(
        self, office: Office, clock: ManualClock
    ) -> None:
        device, other = office.accepted(), SomeDevice()
        office.outcome(other)
        clock.advance(days=8)
        office.outcome(SomeDevice(serial="2"))
        assert office.statuses(device) == ["accepted"]
        assert office.outcome(device) == "token"


class TestDecisions:
    """A person decides; each is one leaf, and moves the counter."""

    def test_accepting_and_rejecting(self, office: Office) -> None:
        device = office.accepted()
        assert office.outcome(device) == "token"
        before = revision(office)
        office.decide(device, "rejected")
        assert office.outcome(device) == "rejected"
        assert revision(office) == before + 1
        assert told(office) == ["device-accepted", "device-rejected"]
        event = office.events()[-1]
        assert event.actor == ACTOR
        assert event.before == {"status": "accepted"}
        assert event.after == {
            "device": office.known(device).id,
            "auth_set": office.set_of(device),
            "identity_sha256": device.identity.sha256,
            "fingerprint": device.public_key.sha256,
            "status": "rejected",
        }

    def test_the_rows_of_what_was_decided_carry_the_counter(self, office: Office) -> None:
        device, other = office.accepted("1"), office.accepted("2")
        office.decide(device, "rejected")
        with office.database.reading() as connection:
            rows = dict(connection.execute(select(auth_sets.c.id, auth_sets.c.revision)).all())
        assert rows == {office.set_of(device): revision(office), office.set_of(other): revision(office) - 1}

    def test_who_may_have_a_token_is_asked_where_it_is_recorded(self, office: Office) -> None:
        device, other = office.accepted("1"), office.accepted("2")
        office.outcome(pending := SomeDevice(serial="3"))
        entries = [
            token_entry(subject=office.known(each).id, auth_set=office.set_of(each))
            for each in (device, other, pending)
        ]

        def found() -> set[str]:
            with office.database.writing() as connection:
                sql = statements(connection.dialect.name)
                return {auth_set for _, _, auth_set in accepted_auth_sets(connection, sql, entries)}

        assert found() == {office.set_of(device), office.set_of(other)}
        kept, gone = office.set_of(other), office.known(other).id
        office.decide(device, "rejected")
        assert found() == {kept}
        office.administration.decommission(gone, actor=ACTOR)
        assert found() == set()

    def test_the_same_again_is_nothing(self, office: Office) -> None:
        device = office.accepted()
        before = revision(office)
        office.decide(device, "accepted")
        assert (told(office), revision(office)) == (["device-accepted"], before)

    def test_accepting_a_key_rejects_the_one_before(self, office: Office) -> None:
        device, other = office.accepted(), SomeDevice()
        office.outcome(other)
        office.decide(other, "accepted")
        assert office.statuses(device) == ["rejected", "accepted"]
        assert (office.outcome(device), office.outcome(other)) == ("rejected", "token")
        assert office.events()[-1].after["replaced"] == office.set_of(device)

    @pytest.mark.parametrize("status", ["rejected", "pending"])
    def test_tokens_from_before_hold_no_longer_for_ever(self, office: Office, status: str) -> None:
        device = office.accepted()
        office.token(device)
        office.decide(device, status)
        assert office.revoked()
        office.decide(device, "accepted")
        assert office.revoked()

    def test_other_tokens_hold(self, office: Office) -> None:
        device, other = office.accepted("1"), office.accepted("2")
        office.token(device, "a" * 36)
        office.token(other, "b" * 36)
        office.decide(device, "rejected")
        assert (office.revoked("a" * 36), office.revoked("b" * 36)) == (True, False)

    def test_as_many_are_accepted_as_may_be(self, database: Database, clock: ManualClock) -> None:
        office = Office(database, clock, replace(LIMITS, accepted=1))
        device, other = office.accepted("1"), SomeDevice(serial="2")
        office.outcome(other)
        with pytest.raises(DeviceLimitReached):
            office.decide(other, "accepted")
        another_key = SomeDevice(serial="1")
        office.outcome(another_key)
        office.decide(another_key, "accepted")
        assert office.outcome(device) == "rejected"

    def test_the_database_itself_holds_that_one_key_is_accepted(self, office: Office) -> None:
        device = office.accepted()
        office.outcome(SomeDevice())
        with pytest.raises(IntegrityError), office.database.writing() as connection:
            connection.execute(update(auth_sets).values(status="accepted"))
        assert office.statuses(device) == ["accepted", "pending"]

    def test_devices_give_no_power_over_keys(self, office: Office) -> None:
        def digest() -> str:
            with office.database.reading() as connection:
                return access_digest(connection)

        before = digest()
        office.accepted()
        assert digest() == before


STRANGE: dict[str, tuple[Callable[[Office, SomeDevice, SomeDevice], object], type[SignerError]]] = {
    "a device that nobody knows": (
        lambda office, one, _: office.administration.decide("x", office.set_of(one), "accepted", actor=ACTOR),
        DeviceNotFound,
    ),
    "a set that nobody knows": (
        lambda office, one, _: office.administration.decide(office.known(one).id, "x", "accepted", actor=ACTOR),
        AuthSetNotFound,
    ),
    "a set of another device": (
        lambda office, one, other: office.administration.decide(
            office.known(one).id, office.set_of(other), "accepted", actor=ACTOR
        ),
        AuthSetOfAnotherDevice,
    ),
    "a status that is none": (lambda office, one, _: office.decide(one, "nothing"), DeviceStepNotAllowed),
    "a status that no person gives": (lambda office, one, _: office.decide(one, "preauthorized"), DeviceStepNotAllowed),
    "a device to decommission that nobody knows": (
        lambda office, _, __: office.administration.decommission("x", actor=ACTOR),
        DeviceNotFound,
    ),
    "a set to dismiss of another device": (
        lambda office, one, other: office.administration.dismiss(
            office.known(one).id, office.set_of(other), actor=ACTOR
        ),
        AuthSetNotFound,
    ),
    "a token that nobody issued": (
        lambda office, _, __: office.administration.revoke_token("x", actor=ACTOR),
        DeviceTokenNotFound,
    ),
    "the next key of one that is not accepted": (
        lambda office, _, other: plan(office, other, pem_of(new_key())),
        DeviceStepNotAllowed,
    ),
    "its own key as the next": (lambda office, one, _: plan(office, one, pem_of(one.key)), DeviceKeyTaken),
}


@pytest.mark.parametrize("sentence", STRANGE)
def test_what_is_not_possible_is_refused_and_changes_nothing(office: Office, sentence: str) -> None:
    step, error = STRANGE[sentence]
    one, other = office.accepted("1"), SomeDevice(serial="2")
    office.outcome(other)
    before, leaves = revision(office), told(office)
    with pytest.raises(error):
        step(office, one, other)
    assert (revision(office), told(office)) == (before, leaves)


def test_devices_are_listed_by_status_and_id_in_pages(office: Office) -> None:
    accepted = [office.known(office.accepted(str(each))).id for each in range(3)]
    waiting = [SomeDevice(serial=f"p{each}") for each in range(2)]
    for device in waiting:
        office.outcome(device)
    expected = [*sorted(accepted), *sorted(office.known(device).id for device in waiting)]
    pages = [office.store.devices(DeviceQuery(page=page, per_page=2)) for page in (1, 2, 3, 4)]
    assert [device.id for page in pages for device in page.devices] == expected
    assert [page.more for page in pages] == [True, True, False, False]
    chosen = DeviceQuery(statuses=(DeviceStatus.PENDING,), ids=(*expected[1:4], "x"))
    assert [device.id for device in office.store.devices(chosen).devices] == [expected[3]]
    assert (office.store.count(None), office.store.count(DeviceStatus.ACCEPTED)) == (5, 3)
    assert office.store.count(DeviceStatus.NOAUTH) == 0
    assert {each.status for device in office.store.devices(DeviceQuery()).devices for each in device.sets} == {
        AuthStatus.ACCEPTED,
        AuthStatus.PENDING,
    }


def test_of_all_machines_one_makes_a_device_known(database_url: str, crowd: Crowd, office: Office) -> None:
    device = SomeDevice()
    found = crowd.everywhere(device_rivals.meet, database_url, device.serial, pem_of(device.key), THREADS)
    assert [each for part in found for each in part] == ["pending"] * PROCESSES * THREADS
    assert (number(office, devices), number(office, auth_sets)) == (1, 1)


def test_of_keys_that_all_machines_accept_at_once_one_is(database_url: str, crowd: Crowd, office: Office) -> None:
    keys = [SomeDevice() for _ in range(THREADS)]
    for each in keys:
        office.outcome(each)
    sets = [office.set_of(each) for each in keys]
    crowd.everywhere(device_rivals.accept, database_url, office.known(keys[0]).id, sets)
    assert sorted(office.statuses(keys[0])) == ["accepted", *["rejected"] * (THREADS - 1)]


def test_of_one_request_that_all_machines_are_shown_one_is_fresh(
    database_url: str, crowd: Crowd, office: Office
) -> None:
    device = office.accepted()
    found = crowd.everywhere(
        device_rivals.replay, database_url, device.serial, office.set_of(device), THREADS, int(time.time())
    )
    outcomes = [each for part in found for each in part]
    assert outcomes.count("token") == 1
    assert outcomes.count("not-fresh") == PROCESSES * THREADS - 1
