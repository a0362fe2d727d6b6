"""Devices that come with certificates, on every database: who is accepted without a hand, and who never is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from signer.domain.client_certificates import ProvedCertificate
from signer.domain.devices import DeviceStatus
from signer.errors.device_certificates import DeviceCertificateKeyDiffers, DeviceCertificateMissing
from signer.storage.database import Database
from signer.storage.token_state_store import SqlTokenStateStore
from tests.support.client_cas import new_ca
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.device_certificates import certificate_of, device_ca, proved
from tests.support.device_office import ACTOR, LIMITS, Office, plan, revision, told
from tests.support.device_side import SomeDevice, new_key, pem_of

FLEET, SECOND = new_ca("fleet"), new_ca("second")
CAS = (device_ca(FLEET), device_ca(SECOND, "second"))
UNNAMED = (device_ca(FLEET, field=None, attribute=None),)


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def office(database: Database, clock: ManualClock) -> Office:
    return Office(database=database, clock=clock)


def of(device: SomeDevice) -> ProvedCertificate:
    return proved(certificate_of(device, FLEET), *CAS)


def enrolled(office: Office, serial: str = "SN-0042") -> SomeDevice:
    device = SomeDevice(serial=serial)
    assert office.outcome(device, shown=of(device)) == "token"
    return device


def client_cas(office: Office, device: SomeDevice) -> list[str | None]:
    return [each.client_ca for each in office.known(device).sets]


def test_a_stranger_with_a_certificate_is_accepted_without_a_hand(office: Office) -> None:
    device = SomeDevice()
    certificate = of(device)
    assert office.outcome(device, shown=certificate) == "token"
    assert (office.statuses(device), client_cas(office, device)) == (["accepted"], ["fleet"])
    (event,) = office.events()
    assert (event.type.value, event.actor) == ("device-accepted", f"device:{office.known(device).id}")
    assert (event.after["client_ca"], event.after["serial"]) == ("fleet", certificate.serial)
    before = revision(office)
    assert office.outcome(device, shown=certificate) == "token"
    assert (told(office), revision(office)) == (["device-accepted"], before)


def test_it_takes_no_strangers_place(database: Database, clock: ManualClock) -> None:
    office = Office(database, clock, replace(LIMITS, pending=1, per_address=1))
    assert office.outcome(SomeDevice(serial="stranger"), source="192.0.2.1") == "pending"
    assert office.outcome(SomeDevice(serial="another"), source="192.0.2.1") == "pending-limit"
    device = SomeDevice()
    assert office.outcome(device, source="192.0.2.1", shown=of(device)) == "token"


def test_there_is_no_room_for_more_than_may_be_accepted(database: Database, clock: ManualClock) -> None:
    office = Office(database, clock, replace(LIMITS, accepted=1))
    enrolled(office, "first")
    second = SomeDevice(serial="second")
    assert office.outcome(second, shown=of(second)) == "device-limit"
    assert office.statuses(second) == ["pending"]


def test_one_that_waits_for_a_person_is_accepted_with_a_certificate(office: Office) -> None:
    device = SomeDevice()
    assert office.outcome(device) == "pending"
    assert office.outcome(device, shown=of(device)) == "token"


def test_one_that_is_preauthorised_is_accepted_and_needs_it_from_then_on(office: Office) -> None:
    device = SomeDevice()
    office.preauthorize(device)
    assert office.outcome(device, shown=of(device)) == "token"
    assert office.outcome(device) == "device-certificate-missing"


def test_one_that_has_come_with_a_certificate_needs_one(office: Office) -> None:
    device = office.accepted()
    assert office.outcome(device) == "token"
    assert office.outcome(device, shown=of(device)) == "token"
    assert told(office)[-1] == "device-certified"
    assert office.outcome(device) == "device-certificate-missing"
    office.decide(device, "rejected")
    office.decide(device, "accepted")
    assert office.outcome(device) == "device-certificate-missing"


def test_a_certificate_that_names_nobody_leaves_the_decision_to_a_person(office: Office) -> None:
    device = SomeDevice()
    certificate = proved(certificate_of(device, FLEET), *UNNAMED)
    assert office.outcome(device, shown=certificate) == "pending"
    office.decide(device, "accepted")
    assert office.outcome(device, shown=certificate) == "token"
    assert office.outcome(device) == "device-certificate-missing"


def test_a_new_key_with_a_certificate_takes_the_place_of_the_one_before(office: Office) -> None:
    before = enrolled(office)
    token = office.token(before)
    after = SomeDevice(serial=before.serial)
    assert office.outcome(after, shown=of(after)) == "token"
    assert office.statuses(after) == ["rejected", "accepted"]
    assert office.revoked(token.jti)
    assert office.events()[-1].after["replaced_fingerprint"] == before.public_key.sha256
    # What it has displaced does not come back by its certificate, which is valid for years.
    assert office.outcome(before, shown=of(before)) == "rejected"


def test_a_key_that_was_rejected_or_taken_away_does_not_come_back_by_a_certificate(office: Office) -> None:
    device = enrolled(office)
    office.decide(device, "rejected")
    assert office.outcome(device, shown=of(device)) == "rejected"
    office.administration.decommission(office.known(device).id, actor=ACTOR)
    assert office.outcome(device, shown=of(device)) == "pending"
    assert office.known(device).status is DeviceStatus.PENDING


def test_a_dismissed_key_does_not_come_back_by_a_certificate(office: Office) -> None:
    device, other = enrolled(office), SomeDevice(serial="SN-0042")
    assert office.outcome(other) == "key-differs"
    office.administration.dismiss(office.known(device).id, office.set_of(device), actor=ACTOR)
    assert office.outcome(device, shown=of(device)) == "pending"


def test_the_certificate_of_another_key_leaves_nothing_behind(office: Office) -> None:
    device = SomeDevice()
    with pytest.raises(DeviceCertificateKeyDiffers):
        office.ask(device, shown=of(SomeDevice()))
    assert office.store.known(device.identity) is None


def test_another_ca_moves_the_key_to_it(office: Office) -> None:
    device = enrolled(office)
    assert office.outcome(device, shown=proved(certificate_of(device, SECOND), *CAS)) == "token"
    assert (client_cas(office, device), told(office)[-1]) == (["second"], "device-certified")


def test_the_next_key_of_one_that_needs_a_certificate_needs_one(office: Office) -> None:
    device = enrolled(office)
    token, next_key = office.token(device), new_key()
    with pytest.raises(DeviceCertificateMissing):
        office.change_key(device, next_key, token)
    with pytest.raises(DeviceCertificateKeyDiffers):
        office.change_key(device, next_key, token, of(SomeDevice(key=next_key)))
    office.change_key(device, next_key, token, of(device))
    after = SomeDevice(serial=device.serial, key=next_key)
    assert office.outcome(after) == "device-certificate-missing"
    assert office.outcome(after, shown=of(after)) == "token"


def test_a_next_key_that_a_person_plans_needs_one_too(office: Office) -> None:
    device = enrolled(office)
    after = SomeDevice(serial=device.serial)
    plan(office, device, pem_of(after.key))
    assert office.outcome(after) == "device-certificate-missing"


def test_what_a_gateway_compares_is_on_record(office: Office, database: Database) -> None:
    plain, device = office.accepted("SN-1"), enrolled(office)
    store = SqlTokenStateStore(database=database)
    found = [store.standing(office.token(each, f"{number}" * 36)) for number, each in enumerate((plain, device))]
    assert [each.client_ca for each in found] == [None, "fleet"]
    assert [each.key_sha256 for each in found] == [each.public_key.sha256 for each in (plain, device)]
