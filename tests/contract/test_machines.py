"""PostgreSQL, which several machines share: another primary, other clocks, and rows that somebody else changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from signer.domain.records import Recorded
from signer.domain.refusals import RefusedCall
from signer.errors import AccessTampered, ClockDiffers, FailoverUnconfirmed, LogRolledBack, MachineNotFound
from signer.storage.certified_records import CertifiedRecords
from signer.storage.failover import forget_machine
from signer.storage.server_clock import ServerClock
from signer.storage.tables import log_machines
from tests.support.books import TOLERANCE, entry
from tests.support.clock import ManualClock
from tests.support.desks import Desk, made_desk, whole_log
from tests.support.tampering import take_the_last_leaf_away, without_triggers


@pytest.fixture
def desk(postgres_url: str, clock: ManualClock) -> Iterator[Desk]:
    with made_desk(postgres_url, clock) as made:
        yield made


class TestFailover:
    """Another primary of PostgreSQL: the machines that were there confirm that it has what they certified."""

    @staticmethod
    def other(desk: Desk, timeline: str, **ago: float) -> None:
        """Another machine was there."""
        row = {"machine": "two", "timeline": timeline, "size": 1, "root": bytes(32)}
        with desk.database.writing() as connection:
            connection.execute(delete(log_machines).where(log_machines.c.machine == "two"))
            connection.execute(insert(log_machines).values({**row, "seen_at": desk.clock.now - timedelta(**ago)}))

    @staticmethod
    def timeline(desk: Desk) -> str:
        """The present one, as this machine has confirmed it."""
        with desk.database.reading() as connection:
            found = connection.execute(select(log_machines.c.timeline).where(log_machines.c.machine == "one"))
            return str(found.scalar_one())

    def test_a_machine_that_has_not_confirmed_is_waited_for(self, desk: Desk) -> None:
        self.other(desk, "before", hours=1)
        size = desk.records.verified.size
        for attempt in (lambda: desk.record("one"), desk.records.prove):
            with pytest.raises(FailoverUnconfirmed) as refused:
                attempt()
            assert refused.value.machines == ("two",)
        assert desk.records.verified.size == size
        self.other(desk, self.timeline(desk), hours=0)
        assert isinstance(desk.record("one")[0], Recorded)
        desk.records.prove()

    def test_a_machine_that_was_not_seen_for_a_day_is_not(self, desk: Desk) -> None:
        self.other(desk, "before", hours=24, seconds=1)
        assert isinstance(desk.record("one")[0], Recorded)

    def test_a_machine_that_is_gone_is_left_out_by_a_person(self, desk: Desk) -> None:
        self.other(desk, "before", hours=1)
        with pytest.raises(MachineNotFound) as refused:
            forget_machine(desk.database, "three")
        assert "two" in refused.value.known
        forget_machine(desk.database, "two")
        assert isinstance(desk.record("one")[0], Recorded)

    def test_a_machine_that_misses_leaves_confirms_nothing(self, desk: Desk) -> None:
        desk.records.prove()
        self.other(desk, self.timeline(desk), hours=0)
        desk.record("one")
        with desk.database.writing() as connection:
            without_triggers(connection)
            connection.execute(update(log_machines).where(log_machines.c.machine == "one").values(timeline="before"))
            take_the_last_leaf_away(connection)
        with pytest.raises(LogRolledBack):
            desk.records.prove()
        assert self.timeline(desk) == "before"

    def test_without_the_check_nobody_is_waited_for(self, desk: Desk, clock: ManualClock) -> None:
        self.other(desk, "before", hours=1)
        records = CertifiedRecords(
            database=desk.database,
            clock=clock,
            clock_tolerance=TOLERANCE,
            log=whole_log(desk.database),
            machine="one",
            failover_check=False,
            monotonic=lambda: 0.0,
        )
        sent = entry(desk.version, access_revision=desk.book.revision())
        assert isinstance(records.record_many([sent])[0], Recorded)


class TestWhatGivesPower:
    """Looked at in the transaction that records, also where the clock says that it was looked at just now."""

    ROWS: Mapping[str, str | None] = {
        "nothing": None,
        "an API token is planted": "INSERT INTO api_tokens (id, name, role, secret_sha256, created_at)"
        " VALUES ('0123456789abcdef', 'planted', 'signer', decode(repeat('00', 32), 'hex'), now())",
        "a limit is raised": "UPDATE key_versions SET signature_limit = 7",
        "a state is changed": "UPDATE key_versions SET state = 'disabled' WHERE id = "
        "(SELECT max(id) FROM key_versions)",
        "a key goes to another token": "UPDATE keys SET tokens = '[\"other\"]'",
        "the revision moves": "UPDATE access_state SET revision = revision + 1",
        "only the counters move": "UPDATE key_versions SET signature_count = signature_count + 1",
    }
    HARMLESS = ("nothing", "only the counters move")

    @pytest.mark.parametrize("sentence", ROWS)
    def test_a_row_that_was_changed_a_moment_ago_stops_everything(self, desk: Desk, sentence: str) -> None:
        desk.book.version()
        records = CertifiedRecords(
            database=desk.database,
            clock=desk.clock,
            clock_tolerance=TOLERANCE,
            log=whole_log(desk.database),
            machine="one",
            failover_check=True,
            monotonic=lambda: 0.0,
        )

        def record(name: str) -> object:
            return records.record_many([entry(desk.version, name, access_revision=desk.book.revision())])[0]

        assert isinstance(record("before"), Recorded)
        if (change := self.ROWS[sentence]) is not None:
            with desk.database.writing() as connection:
                connection.exec_driver_sql(change)
        if sentence in self.HARMLESS:
            assert isinstance(record("after"), Recorded)
            return
        size = desk.book.next_index()
        with pytest.raises(AccessTampered):
            record("after")
        assert desk.book.next_index() == size


class TestTheClockOfTheServer:
    """Machines share a log, and the clock of the one server: who differs from it puts nothing on record."""

    ROWS: Mapping[str, tuple[float, int | None]] = {
        "the same": (0, None),
        "ahead, within the tolerance": (3, None),
        "behind, within the tolerance": (-3, None),
        "ahead": (7, 7),
        "behind": (-7, -7),
        "a day ahead": (86_400, 86_400),
        "years behind": (-3e8, -300_000_000),
    }

    @staticmethod
    def records(desk: Desk, clock: Callable[[], datetime]) -> CertifiedRecords:
        """Records of a machine with this clock."""
        return CertifiedRecords(
            database=desk.database,
            clock=clock,
            clock_tolerance=timedelta(days=10_000),
            log=whole_log(desk.database),
            machine="one",
            failover_check=True,
            monotonic=lambda: 0.0,
            server_clock=ServerClock(clock=clock, tolerance=TOLERANCE),
        )

    @pytest.mark.parametrize("sentence", ROWS)
    def test_whoever_differs_records_nothing(self, desk: Desk, sentence: str) -> None:
        shift, refused = self.ROWS[sentence]
        records = self.records(desk, lambda: datetime.now(UTC) + timedelta(seconds=shift))
        calls: dict[str, Callable[[], object]] = {
            "a signature": lambda: records.record_many([entry(desk.version, access_revision=desk.book.revision())]),
            "a refusal": lambda: records.tell([RefusedCall(identity="x", key="k", reason="no").draft(suppressed=0)]),
            "readiness": records.prove,
        }
        for call in calls.values():
            size = desk.book.next_index()
            if refused is None:
                call()
                continue
            with pytest.raises(ClockDiffers) as error:
                call()
            # The statement takes a moment, on a busy machine a longer one.
            assert abs(error.value.seconds - refused) <= 1
            assert error.value.tolerance == TOLERANCE.total_seconds()
            assert desk.book.next_index() == size

    def test_a_clock_that_is_set_right_goes_on(self, desk: Desk) -> None:
        shift = timedelta(hours=1)
        records = self.records(desk, lambda: datetime.now(UTC) + shift)
        with pytest.raises(ClockDiffers):
            records.prove()
        shift = timedelta(0)
        records.prove()

    def test_a_slow_answer_is_no_difference(self, desk: Desk) -> None:
        """The server was asked between two looks at the clock: it is compared with both."""
        looks = iter((timedelta(seconds=-60), timedelta(seconds=60)))
        clock = ServerClock(clock=lambda: datetime.now(UTC) + next(looks), tolerance=TOLERANCE)
        with desk.database.reading() as connection:
            clock.compare(connection)
