"""That devices have asked, written down together on every database: each for itself, and durable when it returns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
from sqlalchemy import Connection

from signer.domain.auth_requests import Freshness
from signer.domain.devices import Device
from signer.errors import DatabaseFull, DeviceRefusal, DeviceRefused
from signer.storage.database import Database
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.device_office import Office

MANY = 6
PATIENCE = 30.0


@dataclass
class Counted:
    """Counts the transactions of a database that write, and holds each up until it may begin."""

    database: Database
    transactions: int = 0
    failure: Exception | None = None
    begun: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        self.transactions += 1
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        with self._real() as connection:
            yield connection
            if self.failure is not None:
                raise self.failure

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        self._real = self.database.writing
        patch.setattr(self.database, "writing", self.writing)


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def office(database: Database, clock: ManualClock) -> Office:
    return Office(database=database, clock=clock)


@pytest.fixture
def counted(database: Database, office: Office, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(database=database)


def accepted(office: Office, number: int = 0) -> Device:
    """A device with one key that is accepted."""
    return office.known(office.accepted(f"SN-{number}"))


def fresh(clock: ManualClock, nonce: str = "n") -> Freshness:
    return Freshness(ts=int(clock.now.timestamp()), nonce=nonce * 22)


def at_once(office: Office, counted: Counted, notes: list[tuple[Device, Freshness]]) -> list[BaseException | None]:
    """What each is told: the first while nothing is under way, the others while the first is."""

    def waits_behind(number: int) -> bool:
        return len(office.store._notes._waiting) == number

    def note(device: Device, freshness: Freshness) -> None:
        office.store.note(device, device.sets[0].id, freshness)

    with ThreadPoolExecutor(len(notes)) as pool:
        calls: list[Future[None]] = [pool.submit(note, *notes[0])]
        assert counted.begun.wait(PATIENCE)
        for number, each in enumerate(notes[1:], start=1):
            calls.append(pool.submit(note, *each))
            _until(partial(waits_behind, number))
        counted.go_on.set()
        return [call.exception(PATIENCE) for call in calls]


def _until(condition: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(int(PATIENCE / 0.005)):
        if condition():
            return
        waited.wait(0.005)
    raise AssertionError


class TestTogether:
    def test_what_comes_while_one_is_written_is_one_transaction(
        self, office: Office, counted: Counted, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        devices = [accepted(office, number) for number in range(MANY)]
        counted.watch(monkeypatch)
        assert at_once(office, counted, [(device, fresh(clock)) for device in devices]) == [None] * MANY
        assert counted.transactions == 2
        for device in devices:
            found = office.store.device(device.id)
            last = found.sets[0].last_fresh
            assert last is not None
            assert last.nonces == ("n" * 22,)
            assert found.checked_in_at is not None
            assert found.checked_in_at >= clock.now

    def test_of_one_key_each_meets_what_the_one_before_has_left(
        self, office: Office, counted: Counted, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, device, other = (accepted(office, number) for number in range(3))
        counted.watch(monkeypatch)
        sent = [(first, "n"), (device, "a"), (device, "b"), (device, "a"), (other, "n")]
        told = at_once(office, counted, [(each, fresh(clock, nonce)) for each, nonce in sent])
        reasons = [each.reason if isinstance(each, DeviceRefused) else each for each in told]
        assert reasons == [None, None, None, DeviceRefusal.NOT_FRESH, None]
        last = office.store.device(device.id).sets[0].last_fresh
        assert last is not None
        assert last.nonces == ("a" * 22, "b" * 22)

    def test_where_the_transaction_fails_all_are_told_and_none_is_written(
        self, office: Office, counted: Counted, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        devices = [accepted(office, number) for number in range(3)]
        notes = [(device, fresh(clock)) for device in devices]
        with monkeypatch.context() as patch:
            counted.watch(patch)
            counted.failure = DatabaseFull()
            told = at_once(office, counted, notes)
        assert [type(each) for each in told] == [DatabaseFull] * 3
        for device, freshness in notes:
            office.store.note(device, device.sets[0].id, freshness)


class TestAlone:
    def test_a_key_of_another_device_is_refused(self, office: Office, clock: ManualClock) -> None:
        one, other = accepted(office, 1), accepted(office, 2)
        with pytest.raises(DeviceRefused) as refused:
            office.store.note(one, other.sets[0].id, fresh(clock))
        assert refused.value.reason is DeviceRefusal.REJECTED
        assert office.store.device(other.id).sets[0].last_fresh is None

    def test_what_was_durable_is_refused_again(self, office: Office, clock: ManualClock) -> None:
        device = accepted(office)
        office.store.note(device, device.sets[0].id, fresh(clock))
        with pytest.raises(DeviceRefused) as refused:
            office.store.note(device, device.sets[0].id, fresh(clock))
        assert refused.value.reason is DeviceRefusal.NOT_FRESH
