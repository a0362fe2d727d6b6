"""What stops signatures makes the service not ready, whatever a token says; one key's end does not."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from hsm.errors import TokenBusy, TokenError, TokenUnavailable
from signer.domain.keys import Purpose, Validity
from signer.domain.workers import PENDING, WORKERS_MISSING, Worker
from signer.errors import DatabaseFull, SignerError
from signer.services.clock import RecordedClock, SteadyClock
from signer.services.last_fault import LastFault
from signer.services.readiness import ReadinessPlan, ReadinessService
from signer.services.signing import MessageSigner
from signer.storage.worker_store import SqlWorkerStore
from tests.support import databases
from tests.support.clock import START, ManualClock
from tests.support.house import ADMIN, KEY, READER, REQUEST, SIGNER, House, open_house
from tests.support.memory_tokens import MemoryTokens
from tests.support.postgres import Cluster

from .conftest import OpenHouse
from .test_readiness import INTERVAL, TIMEOUT, TOLERANCE, TROUBLE, broken


@pytest.fixture
def readiness(house: House) -> ReadinessService:
    return house.application.readiness


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, which a test can fill."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


OWN_REASONS: dict[str, tuple[Validity, float, str]] = {
    "its time is over": (Validity(not_after=START + timedelta(days=1)), 2.0, "version-expired"),
    "its time has not begun": (Validity(not_before=START + timedelta(days=1)), 0.0, "version-not-yet-valid"),
    "it has made all its signatures": (Validity(signature_limit=1), 0.0, "signature-limit-reached"),
}


class TestKeysWithReasonsOfTheirOwn:
    @pytest.mark.parametrize("sentence", OWN_REASONS)
    @pytest.mark.parametrize("vital", [(), (KEY,)])
    def test_they_are_named_and_break_nothing_but_where_they_are_vital(
        self, open_worker: OpenHouse, tokens: MemoryTokens, clock: ManualClock, sentence: str, vital: tuple[str, ...]
    ) -> None:
        validity, days, code = OWN_REASONS[sentence]
        house = open_worker(tokens, vital_keys=vital)
        house.create(validity=validity)
        house.create("other")
        if validity.signature_limit:
            house.sign(SIGNER)
        clock.advance(days=days)
        found = house.application.readiness.prove()
        assert broken(found) == {"key firmware": code}
        assert found.ready is not bool(vital)

    def test_a_vital_key_that_is_switched_off(self, open_worker: OpenHouse, tokens: MemoryTokens) -> None:
        house = open_worker(tokens, vital_keys=(KEY,))
        house.create()
        assert house.application.readiness.prove().ready
        house.lifecycle.disable(ADMIN, KEY, 1)
        found = house.application.readiness.prove()
        assert (found.ready, broken(found)) == (False, {"key firmware": "no-active-version"})

    def test_a_vital_key_that_does_not_exist_matters_once_there_are_keys(
        self, open_worker: OpenHouse, tokens: MemoryTokens
    ) -> None:
        house = open_worker(tokens, vital_keys=("release",))
        assert house.application.readiness.prove().ready
        house.create()
        found = house.application.readiness.prove()
        assert (found.ready, broken(found)) == (False, {"key release": "key-not-found"})


class TestTheWayOfASignature:
    """What stops every signature makes the service not ready, although the token signs."""

    def test_a_clock_behind_the_record(self, house: House, readiness: ReadinessService, clock: ManualClock) -> None:
        house.create()
        clock.advance(seconds=-6)
        found = readiness.prove()
        assert (found.ready, broken(found)) == (False, {"clock": "clock-moved-back"})
        clock.advance(seconds=6)
        assert readiness.prove().ready

    def test_a_database_that_is_full(self, house: House, readiness: ReadinessService, clock: ManualClock) -> None:
        house.create()
        with full(house):
            found = readiness.prove()
        assert (found.ready, broken(found)) == (False, {"database": "database-full"})
        clock.advance(seconds=1)
        assert readiness.prove().ready

    def test_a_disk_that_is_really_full(self, small_disk: Path, tokens: MemoryTokens, clock: ManualClock) -> None:
        url = f"sqlite:///{small_disk}/signer.sqlite"
        databases.migrate(url)
        with open_house(url, small_disk, tokens, clock) as house:
            house.create()
            with fill(small_disk / "filled"):
                found = house.application.readiness.prove()
                assert (found.ready, broken(found)) == (False, {"database": "database-full"})
                with pytest.raises(DatabaseFull):
                    house.create("another")
            clock.advance(seconds=1)
            assert house.application.readiness.prove().ready

    def test_a_server_that_a_failover_made_read_only(
        self, postgres_url: str, postgres_cluster: Cluster, tmp_path: Path, tokens: MemoryTokens, clock: ManualClock
    ) -> None:
        read_only = "ALTER DATABASE shared SET default_transaction_read_only = on"
        with open_house(postgres_url, tmp_path, tokens, clock) as house:
            house.create()
            assert house.application.readiness.prove().ready
        with postgres_cluster.connect("shared") as admin:
            admin.execute(read_only)
            try:
                with open_house(postgres_url, tmp_path, tokens, clock) as house:
                    found = house.application.readiness.prove()
                assert (found.ready, broken(found)) == (False, {"database": "database-read-only"})
            finally:
                admin.execute("SET default_transaction_read_only = off")
                admin.execute("ALTER DATABASE shared RESET default_transaction_read_only")

    def test_a_database_whose_file_was_deleted(self, house: House, readiness: ReadinessService) -> None:
        house.create()
        assert readiness.prove().ready
        path_of(house).unlink()
        found = readiness.prove()
        assert (found.ready, broken(found)) == (False, {"database": "database-file-lost"})

    def test_a_database_that_another_program_keeps_locked(
        self, open_worker: OpenHouse, tokens: MemoryTokens, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(databases, "TIMEOUT", 0.2)
        house = open_worker(tokens)
        house.create()
        with closing(sqlite3.connect(path_of(house), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            found = house.application.readiness.prove()
            assert (found.ready, broken(found)) == (False, {"database": "database-unavailable"})
        clock.advance(seconds=1)
        assert house.application.readiness.prove().ready


class TestFailures:
    """A signature that fails for a reason of the service is the first to tell."""

    @pytest.mark.parametrize("sentence", sorted(TROUBLE.keys() - {"the token is busy"}))
    def test_a_failed_signature_is_told_at_once_and_until_the_next_round(
        self, house: House, tokens: MemoryTokens, readiness: ReadinessService, clock: ManualClock, sentence: str
    ) -> None:
        house.create()
        assert readiness.prove().ready
        clock.advance(seconds=1)
        with tokens.failing("sign", TROUBLE[sentence]), pytest.raises(TokenError):
            house.sign(SIGNER, KEY, REQUEST)
        found = readiness.current()
        assert (found.ready, broken(found)) == (False, {"proof": PENDING})
        clock.advance(seconds=1)
        assert readiness.prove().ready

    def test_a_failed_count_is_told_at_once(self, house: House, readiness: ReadinessService) -> None:
        house.create()
        assert readiness.prove().ready
        with full(house), pytest.raises(DatabaseFull):
            house.sign(SIGNER, KEY, REQUEST)
        assert not readiness.current().ready

    def test_what_is_wrong_with_the_request_is_not(
        self, house: House, tokens: MemoryTokens, readiness: ReadinessService
    ) -> None:
        house.create()
        house.create("log", purpose=Purpose.LOG)
        assert readiness.prove().ready
        for identity, key in ((READER, KEY), (SIGNER, "log"), (SIGNER, "nothing")):
            with pytest.raises(SignerError):
                house.sign(identity, key, REQUEST)
        with tokens.failing("sign", TokenBusy(token="one")), pytest.raises(TokenBusy):
            house.sign(SIGNER, KEY, REQUEST)
        assert readiness.current().ready


class TestTwoWorkers:
    """Readiness is the service's: each worker answers for both."""

    @pytest.fixture
    def pair(self, house: House, clock: ManualClock) -> tuple[ReadinessService, ReadinessService]:
        house.create()
        shared = LastFault()
        one, other = (worker_of(house, clock, pid=pid, last_fault=shared) for pid in (1, 2))
        return one, other

    @staticmethod
    def turn(*services: ReadinessService) -> list[bool]:
        """Each worker takes its turn, then each is asked."""
        for service in services:
            service._turn()
        for service in services:
            service._look()
        return [service.current().ready for service in services]

    def test_it_is_ready_when_both_have_signed(self, pair: tuple[ReadinessService, ReadinessService]) -> None:
        one, other = pair
        one._turn()
        found = one.current()
        assert (found.ready, broken(found)) == (False, {"workers": WORKERS_MISSING})
        assert self.turn(one, other) == [True, True]

    def test_what_a_round_of_one_finds_is_told_by_the_other_at_once_and_until_both_have_made_a_good_one(
        self,
        house: House,
        tokens: MemoryTokens,
        pair: tuple[ReadinessService, ReadinessService],
        clock: ManualClock,
    ) -> None:
        one, other = pair
        assert self.turn(one, other) == [True, True]
        clock.advance(seconds=INTERVAL)
        with tokens.failing("sign", TokenUnavailable(token="one")):
            one._turn()
        found = other.current()
        assert (found.ready, broken(found)) == (False, {"proof": PENDING}), "before it has looked at any row"
        clock.advance(seconds=1)
        one._turn()
        other._look()
        assert [one.current().ready, other.current().ready] == [False, False]
        assert self.turn(one, other) == [True, True]

    def test_a_round_that_began_before_the_fault_was_found_proves_nothing(
        self,
        house: House,
        tokens: MemoryTokens,
        pair: tuple[ReadinessService, ReadinessService],
        clock: ManualClock,
    ) -> None:
        one, other = pair
        assert self.turn(one, other) == [True, True]
        clock.advance(seconds=INTERVAL)

        def meanwhile() -> None:
            clock.advance(seconds=1)
            one.observe(TokenUnavailable(token="one"))

        with tokens.at("sign", meanwhile):
            other._turn()
        assert not other.current().ready

    def test_a_signature_that_fails_in_one_is_told_by_both_until_both_have_signed_again(
        self, pair: tuple[ReadinessService, ReadinessService], clock: ManualClock
    ) -> None:
        one, other = pair
        assert self.turn(one, other) == [True, True]
        clock.advance(seconds=0.5)
        one.observe(TokenUnavailable(token="one"))
        one._turn()
        other._look()
        assert [one.current().ready, other.current().ready] == [False, False]
        clock.advance(seconds=0.6)
        one._turn()
        assert [one.current().ready, other.current().ready] == [False, False]
        assert self.turn(one, other) == [True, True]

    def test_who_is_asked_looks_whether_the_database_still_takes_writes(
        self, house: House, pair: tuple[ReadinessService, ReadinessService], clock: ManualClock
    ) -> None:
        one, other = pair
        assert self.turn(one, other) == [True, True]
        clock.advance(seconds=2)
        with full(house):
            other.current()
            other._turn()
            assert broken(other.current()) == {"database": "database-full"}
        clock.advance(seconds=1)
        assert self.turn(one, other) == [True, True]


def worker_of(house: House, clock: ManualClock, *, pid: int, last_fault: LastFault) -> ReadinessService:
    """One of two workers, whose thread the test is."""
    worker = Worker(service="host/0/0", machine="host", pid=pid, started=pid)
    steady = SteadyClock(clock=clock, monotonic=lambda: clock().timestamp())
    return ReadinessService(
        store=house.store,
        reports=SqlWorkerStore(database=house.database, worker=worker, is_alive=lambda _: True, clock=clock),
        tokens=house.tokens,
        signer=MessageSigner(tokens=house.tokens, timeout=TIMEOUT),
        clock=RecordedClock(clock=steady, store=house.store, tolerance=TOLERANCE),
        monotonic=lambda: clock().timestamp(),
        quarantine=house.application.quarantine,
        plan=ReadinessPlan(
            interval=INTERVAL, timeout=TIMEOUT, workers=2, vital_keys=frozenset(), last_fault=last_fault
        ),
    )


@contextmanager
def full(house: House) -> Iterator[None]:
    """No write reaches the disk of the database."""

    @contextmanager
    def writing() -> Iterator[None]:
        raise DatabaseFull
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.database, "writing", writing)
        yield


@contextmanager
def fill(path: Path) -> Iterator[None]:
    """A file that takes all of the disk that is left."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))
    try:
        yield
    finally:
        path.unlink()


def path_of(house: House) -> Path:
    """The file of the database."""
    return Path(house.database._engine.url.database or "")
