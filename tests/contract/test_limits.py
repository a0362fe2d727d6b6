"""How many signatures an identity may have made: counted where they are recorded, in memory and on databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from signer.domain.access.limits import LimitDemand, LimitReached, Period
from signer.domain.keys import Validity
from signer.domain.limits import Counted, Counts
from signer.domain.records import Outcome, Recorded, Refusal, Refused
from signer.domain.requests import Checked
from tests.support.books import Book, MemoryBook, SqlBook, entry
from tests.support.clock import ManualClock
from tests.support.databases import Opener

# The middle of a minute, an hour and a day.
NOON = datetime(2030, 6, 15, 12, 30, 30, tzinfo=UTC)
PIPELINE, OTHER = "api-token:pipeline", "api-token:other"


def limits(**counts: int) -> tuple[LimitDemand, ...]:
    """As rules write them."""
    return tuple(LimitDemand(period=Period(period), count=count) for period, count in counts.items())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def book(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Book]:
    if request.param == "memory":
        yield MemoryBook(clock)
        return
    opener = Opener(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    yield SqlBook(opener(), clock)
    opener.close()


class Desk:
    """Asks for signatures, each over a manifest of its own unless it is named."""

    def __init__(self, book: Book, clock: ManualClock) -> None:
        self.book = book
        self.clock = clock
        self.version = book.version()
        self._made = 0

    def ask(
        self,
        demanded: Sequence[LimitDemand],
        *manifests: str,
        identity: str = PIPELINE,
        key: str = "firmware",
        checked: Checked = Checked.MANIFEST,
    ) -> list[Outcome]:
        """What becomes of these, together."""
        self._made += 1
        return self.book.record_many(
            [
                entry(
                    self.version, manifest or f"{self._made}", access_revision=self.book.revision(),
                    limits=tuple(demanded), identity=identity, key=key, checked=checked,
                )
                for manifest in manifests or ("",)
            ]
        )  # fmt: skip

    def told(self, demanded: Sequence[LimitDemand], *manifests: str, **options: str) -> list[str]:
        """``signed``, ``again``, or why not."""
        return [_told(outcome) for outcome in self.ask(demanded, *manifests, **options)]  # type: ignore[arg-type]


def _told(outcome: Outcome) -> str:
    if isinstance(outcome, Recorded):
        return "again" if outcome.repeated else "signed"
    assert isinstance(outcome, Refused)
    return outcome.reason.value


@pytest.fixture
def desk(book: Book, clock: ManualClock) -> Desk:
    return Desk(book, clock)


SIGNED, LIMITED, REACHED = "signed", Refusal.RATE_LIMITED.value, Refusal.COUNT_REACHED.value
ENDS = {
    "per_minute": datetime(2030, 6, 15, 12, 31, tzinfo=UTC),
    "per_hour": datetime(2030, 6, 15, 13, 0, tzinfo=UTC),
    "per_day": datetime(2030, 6, 16, 0, 0, tzinfo=UTC),
}


@pytest.mark.parametrize("period", ENDS)
def test_so_many_are_made_in_a_period_and_it_is_said_when_the_next_begins(desk: Desk, period: str) -> None:
    demanded = limits(**{period: 2})
    assert desk.told(demanded, "a") + desk.told(demanded, "b") == [SIGNED, SIGNED]
    (refused,) = desk.ask(demanded, "c")
    reached = LimitReached(period=Period(period), count=2, ends=ENDS[period])
    assert refused == Refused(reason=Refusal.RATE_LIMITED, reached=reached)
    desk.clock.now = ENDS[period]
    assert desk.told(demanded, "c") + desk.told(demanded, "d") + desk.told(demanded, "e") == [SIGNED, SIGNED, LIMITED]


@pytest.mark.parametrize("period", ENDS)
def test_until_the_last_moment_of_a_period_it_is_the_same(desk: Desk, period: str) -> None:
    demanded = limits(**{period: 1})
    desk.told(demanded, "a")
    desk.clock.now = ENDS[period].replace(microsecond=0)
    desk.clock.advance(microseconds=-1)
    assert desk.told(demanded, "b") == [LIMITED]


def test_a_total_never_begins_again(desk: Desk) -> None:
    demanded = limits(total=1)
    desk.told(demanded, "a")
    desk.clock.advance(days=4000)
    (refused,) = desk.ask(demanded, "b")
    assert refused == Refused(
        reason=Refusal.COUNT_REACHED, reached=LimitReached(period=Period.TOTAL, count=1, ends=None)
    )


def test_of_one_batch_the_first_are_made(desk: Desk) -> None:
    assert desk.told(limits(per_day=2), "a", "b", "c", "d") == [SIGNED, SIGNED, LIMITED, LIMITED]
    assert desk.book.signed(desk.version)[0] == 2 == len(desk.book.written())


def test_of_several_limits_each_holds_and_the_one_that_lasts_is_told(desk: Desk) -> None:
    demanded = limits(per_minute=1, per_day=2, total=3)
    assert desk.told(demanded, "a", "b") == [SIGNED, LIMITED]
    desk.clock.advance(minutes=1)
    (_, refused) = desk.ask(demanded, "b", "c")
    assert isinstance(refused, Refused)
    assert refused.reached == LimitReached(period=Period.DAY, count=2, ends=ENDS["per_day"])
    desk.clock.advance(days=1)
    assert desk.told(demanded, "c", "d") == [SIGNED, REACHED]


class TestWhatCounts:
    def test_a_signature_on_record_does_not_and_is_given_out_over_the_limit(self, desk: Desk) -> None:
        demanded = limits(per_day=1)
        desk.told(demanded, "a")
        assert desk.told(demanded, "a", "a") == ["again", "again"]
        assert desk.told(demanded, "b") == [LIMITED]
        assert desk.told(demanded, "a") == ["again"]

    def test_who_saw_more_of_one_on_record_does_not(self, desk: Desk) -> None:
        demanded = limits(per_day=1)
        desk.ask(demanded, "a", checked=Checked.MANIFEST)
        assert [_told(each) for each in desk.ask(demanded, "a", checked=Checked.ARTIFACT)] == ["again"]

    def test_what_was_refused_does_not(self, desk: Desk) -> None:
        demanded = limits(per_minute=1, per_day=2)
        assert desk.told(demanded, "a", "b", "c", "d") == [SIGNED, LIMITED, LIMITED, LIMITED]
        desk.clock.advance(minutes=1)
        assert desk.told(demanded, "b") == [SIGNED]

    def test_what_the_version_may_not_sign_does_not(self, desk: Desk) -> None:
        desk.version = desk.book.version(validity=Validity(signature_limit=1))
        demanded = limits(total=2)
        assert desk.told(demanded, "a", "b") == [SIGNED, Refusal.LIMIT_REACHED.value]
        desk.version = desk.book.version()
        assert desk.told(demanded, "b", "c") == [SIGNED, REACHED]

    def test_what_was_made_under_a_rule_without_a_limit_does_not(self, desk: Desk) -> None:
        assert desk.told((), "a", "b", "c") == [SIGNED] * 3
        assert desk.told(limits(per_day=1), "d", "e") == [SIGNED, LIMITED]
        assert desk.told((), "e") == [SIGNED]

    def test_the_same_entry_that_comes_again_does_not(self, desk: Desk) -> None:
        sent = entry(desk.version, "a", access_revision=desk.book.revision(), limits=limits(per_day=2))
        for _ in range(3):
            desk.book.record_many([sent])
        assert desk.told(limits(per_day=2), "b", "c") == [SIGNED, LIMITED]

    def test_another_identity_and_another_key_count_for_themselves(self, desk: Desk) -> None:
        demanded = limits(per_day=1)
        assert desk.told(demanded, "a", "b") == [SIGNED, LIMITED]
        assert desk.told(demanded, "b", "c", identity=OTHER) == [SIGNED, LIMITED]
        assert desk.told(demanded, "c", "d", key="boot") == [SIGNED, LIMITED]

    def test_another_version_of_the_key_counts_together(self, desk: Desk) -> None:
        demanded = limits(per_day=1)
        desk.told(demanded, "a")
        desk.version = desk.book.version()
        assert desk.told(demanded, "b") == [LIMITED]


class TestChanges:
    def test_a_lower_limit_holds_for_what_was_counted(self, desk: Desk) -> None:
        assert desk.told(limits(per_day=5), "a", "b", "c") == [SIGNED] * 3
        assert desk.told(limits(per_day=2), "d") == [LIMITED]

    def test_a_higher_one_leaves_room_at_once(self, desk: Desk) -> None:
        assert desk.told(limits(per_day=1), "a", "b") == [SIGNED, LIMITED]
        assert desk.told(limits(per_day=2), "b", "c") == [SIGNED, LIMITED]

    def test_a_clock_that_was_corrected_begins_a_period_of_its_own(self) -> None:
        (limit,) = limits(per_day=1)
        counts = Counts({(PIPELINE, "firmware", "per_day"): Counted(number=limit.number(NOON) + 3650, signatures=1)})
        assert counts.reached(PIPELINE, "firmware", [limit], NOON) is None
        counts.add(PIPELINE, "firmware", [limit], NOON)
        reached = counts.reached(PIPELINE, "firmware", [limit], NOON)
        assert reached == LimitReached(period=Period.DAY, count=1, ends=ENDS["per_day"])

    def test_a_clock_that_is_a_little_behind_opens_no_period_twice(self, desk: Desk) -> None:
        demanded = limits(per_minute=1)
        desk.clock.now = ENDS["per_minute"]
        desk.told(demanded, "a")
        desk.clock.advance(seconds=-1)
        assert desk.told(demanded, "b") == [LIMITED]
