"""Certificates of devices on every database: bounded, listed by number, counted when they end, lists replaced once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from signer.domain.events import Event, EventType
from signer.errors.device_certificates import DeviceCertificatesExhausted
from signer.services.client_certificates import ClientCertificateAdministration
from signer.services.device_ca_ports import CertificateQuery, DeviceCertificateRecord, RevocationListRecord
from signer.storage.database import Database
from signer.storage.device_certificate_store import SqlDeviceCertificates
from signer.storage.revoked_certificate_store import SqlRevokedCertificates
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener

DAY = timedelta(days=1)
TOLD = Event(
    type=EventType.DEVICE_CERTIFICATE_ISSUED, actor="tests", key=None, version=None, before={}, after={"ca": "fleet"}
)


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> SqlDeviceCertificates:
    return SqlDeviceCertificates(database=database, clock=clock)


def record(
    serial: str, *, device: str = "1", key: str = "a", days: int = 10, ca: str = "fleet"
) -> DeviceCertificateRecord:
    return DeviceCertificateRecord(
        ca=ca,
        serial=serial,
        identity_sha256=device * 64,
        key_sha256=key * 64,
        sha256="f" * 64,
        not_before=START,
        not_after=START + days * DAY,
        issued_at=START,
        actor="tests",
        renews=None,
        certificate=b"DER",
    )


def put(store: SqlDeviceCertificates, *records: DeviceCertificateRecord, most: int = 100) -> None:
    for each in records:
        store.add(each, TOLD, most=most)


def serials(store: SqlDeviceCertificates, **query: object) -> list[str]:
    found = store.certificates(CertificateQuery(**query))  # type: ignore[arg-type]
    return [each.record.serial for each in found]


def revoke(database: Database, clock: ManualClock, serial: str) -> None:
    revoked = SqlRevokedCertificates(database=database, clock=clock)
    ClientCertificateAdministration(store=revoked, cas=["fleet"]).revoke("fleet", serial, reason="x", actor="tests")


def test_what_is_put_comes_back_as_it_was(store: SqlDeviceCertificates) -> None:
    put(store, record("a3f"))
    (found,) = store.certificates(CertificateQuery())
    assert (found.record, found.revoked_at) == (record("a3f"), None)


def test_they_are_listed_by_number_and_chosen(
    store: SqlDeviceCertificates, database: Database, clock: ManualClock
) -> None:
    put(store, record("c"), record("a", device="2"), record("b", ca="other"), record("d", days=40))
    assert serials(store) == ["a", "b", "c", "d"]
    assert serials(store, after="b", limit=1) == ["c"]
    assert serials(store, ca="fleet") == ["a", "c", "d"]
    assert serials(store, identity_sha256="2" * 64) == ["a"]
    assert serials(store, ends_before=START + 20 * DAY) == ["a", "b", "c"]
    clock.advance(days=15)
    assert serials(store, ends_before=START + 50 * DAY) == ["d"]
    revoke(database, clock, "d")
    assert store.certificates(CertificateQuery(after="c"))[0].revoked_at == clock()


def test_as_many_of_one_device_hold_as_may(
    store: SqlDeviceCertificates, database: Database, clock: ManualClock
) -> None:
    put(store, record("a"), record("b"), record("c", device="2"), most=2)
    with pytest.raises(DeviceCertificatesExhausted):
        put(store, record("d"), most=2)
    revoke(database, clock, "a")
    put(store, record("d", days=20), most=2)
    with pytest.raises(DeviceCertificatesExhausted):
        put(store, record("e"), most=2)
    clock.advance(days=11)
    put(store, record("e", days=30), most=2)


def test_the_newest_of_a_key_is_the_last_that_was_not_revoked(
    store: SqlDeviceCertificates, database: Database, clock: ManualClock
) -> None:
    put(store, record("a"), record("b", days=20), record("c", key="b", days=30))
    newest = store.newest("fleet", "1" * 64, "a" * 64)
    assert newest is not None
    assert newest.serial == "b"
    revoke(database, clock, "b")
    newest = store.newest("fleet", "1" * 64, "a" * 64)
    assert newest is not None
    assert newest.serial == "a"
    assert store.newest("fleet", "2" * 64, "a" * 64) is None


def test_devices_are_counted_by_their_last_certificate(
    store: SqlDeviceCertificates, database: Database, clock: ManualClock
) -> None:
    put(store, record("a"), record("b", days=40), record("c", device="2"), record("d", device="3", ca="other"))
    put(store, record("e", device="4"))
    revoke(database, clock, "e")
    moments = {"soon": START + 15 * DAY, "later": START + 50 * DAY}
    assert store.ending(moments) == {
        ("fleet", "soon"): 1,
        ("fleet", "later"): 2,
        ("other", "soon"): 1,
        ("other", "later"): 1,
    }
    assert store.ending({}) == {}


def test_a_list_is_replaced_by_whoever_knows_the_last(store: SqlDeviceCertificates) -> None:
    first = RevocationListRecord(
        ca="fleet", version=1, number=1, this_update=START, next_update=START + DAY, revoked=0, content=b"DER"
    )
    second = replace(first, number=2, revoked=3)
    assert store.revocation_list("fleet", 1) is None
    assert store.replace_list(first, None, TOLD)
    assert not store.replace_list(second, None, TOLD)
    assert store.replace_list(second, first, TOLD)
    assert not store.replace_list(second, first, TOLD)
    assert store.revocation_list("fleet", 1) == second
    assert store.revocation_list("fleet", 2) is None
