"""Readiness tells the truth, by itself: it breaks with what signatures need, and comes back with it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import text

from hsm.errors import DeadlineExceeded, PinRejected, TokenBusy, TokenError, TokenUnavailable
from signer.domain.keys import VersionState as S
from signer.domain.messages import SelfCheck
from signer.domain.workers import OVERDUE, PENDING, Readiness
from signer.errors import CreationUnfinished
from signer.services.clock import RecordedClock, SteadyClock
from signer.services.last_fault import LastFault
from signer.services.readiness import ReadinessPlan, ReadinessService
from signer.services.signing import MessageSigner
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY, House
from tests.support.memory_tokens import MemoryTokens
from verifier import Limits, Manifest, VerificationError

INTERVAL = 10.0
TIMEOUT = 15.0
PATIENCE = 20.0
TOLERANCE = timedelta(seconds=5)


@pytest.fixture
def readiness(house: House) -> ReadinessService:
    return house.application.readiness


def broken(found: Readiness) -> dict[str, str]:
    """What is wrong, by name."""
    return {item.name: item.code for item in found.conditions if item.code is not None}


class TestRounds:
    def test_nothing_is_ready_before_the_first_round(self, readiness: ReadinessService) -> None:
        found = readiness.current()
        assert (found.ready, found.checked_at, broken(found)) == (False, None, {"proof": PENDING})

    def test_every_active_key_is_proved(self, house: House, readiness: ReadinessService, clock: ManualClock) -> None:
        for name in ("b", "a"):
            house.create(name)
        found = readiness.prove()
        assert (found.ready, found.checked_at) == (True, clock.now)
        assert {"database", "key a", "key b"} <= {item.name for item in found.conditions}
        assert [item.name for item in found.conditions] == sorted(item.name for item in found.conditions)
        assert readiness.current() == found

    def test_an_installation_without_keys_is_ready(self, readiness: ReadinessService) -> None:
        assert readiness.prove().ready

    def test_a_proof_is_not_counted_as_a_signature(self, house: House, readiness: ReadinessService) -> None:
        house.create()
        events = house.events()
        readiness.prove()
        assert house.version().signature_count == 0
        assert house.version().last_signed_at is None
        assert house.events() == events

    def test_what_is_signed_for_a_proof_can_be_no_manifest(self) -> None:
        with pytest.raises(VerificationError):
            Manifest.parse(SelfCheck.READINESS.content, limits=Limits())

    @pytest.mark.parametrize("state", ["disable", "pending"])
    def test_a_key_that_nobody_expects_to_sign_is_not_proved(
        self, house: House, tokens: MemoryTokens, readiness: ReadinessService, state: str
    ) -> None:
        house.create()
        house.create("another")
        house.lifecycle.disable(ADMIN, KEY, 1)
        if state == "pending":
            with tokens.failing("generate", DeadlineExceeded(token="one")), pytest.raises(CreationUnfinished):
                house.prepare()
        found = readiness.prove()
        assert found.ready
        assert "key firmware" not in {item.name for item in found.conditions}


TROUBLE: dict[str, TokenError] = {
    "the token is gone": TokenUnavailable(token="one"),
    "the token is busy": TokenBusy(token="one"),
    "the token hangs": DeadlineExceeded(token="one"),
    "the PIN is refused": PinRejected(token="one"),
}


class TestBreaking:
    @pytest.mark.parametrize("sentence", TROUBLE)
    def test_it_breaks_with_the_token_and_recovers_with_it(
        self,
        house: House,
        tokens: MemoryTokens,
        readiness: ReadinessService,
        clock: ManualClock,
        caplog: pytest.LogCaptureFixture,
        sentence: str,
    ) -> None:
        caplog.set_level(logging.INFO, logger="signer.services.readiness")
        house.create()
        assert readiness.prove().ready
        since = clock.advance(seconds=10)
        with tokens.failing("sign", TROUBLE[sentence]):
            for _ in range(3):
                found = readiness.prove()
                assert not found.ready
                assert broken(found) == {"key firmware": TROUBLE[sentence].code}
                assert next(item.since for item in found.conditions if item.code) == since
                clock.advance(seconds=10)
        assert readiness.prove().ready
        assert broken(readiness.current()) == {}
        assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]

    def test_one_token_of_two_is_enough(self, pair_house: House, two_tokens: MemoryTokens) -> None:
        two_tokens.copy(pair_house.create().version(1).cka_id, target="two")
        with two_tokens.failing("sign", TokenUnavailable(token="one")):
            assert pair_house.application.readiness.prove().ready

    def test_one_broken_key_of_two_is_named(
        self, house: House, tokens: MemoryTokens, readiness: ReadinessService
    ) -> None:
        house.create("good")
        tokens.remove(house.create("lost").version(1).cka_id)
        found = readiness.prove()
        assert not found.ready
        assert broken(found) == {"key lost": "token-key-not-found"}

    def test_another_key_in_the_token_is_quarantined_and_named(
        self, house: House, tokens: MemoryTokens, readiness: ReadinessService, clock: ManualClock
    ) -> None:
        key = house.create()
        (pair,) = tokens.pairs()
        tokens.substitute(key.version(1).cka_id)
        assert broken(readiness.prove()) == {"key firmware": "token-key-mismatch"}
        assert house.states() == [S.QUARANTINED]
        clock.advance(seconds=1)
        assert broken(readiness.prove()) == {"key firmware": "version-quarantined"}
        tokens.remove(pair.key_id)
        tokens.put(pair)
        assert broken(readiness.prove()), "it is for a person to say that all is well"
        house.lifecycle.enable(ADMIN, KEY, 1)
        assert broken(readiness.prove()) == {}

    def test_it_breaks_with_the_database_and_recovers_with_it(
        self, house: House, readiness: ReadinessService, clock: ManualClock
    ) -> None:
        house.create()
        _rename(house, "key_versions", "elsewhere")
        assert broken(readiness.prove()) == {"database": "database-unavailable"}
        _rename(house, "elsewhere", "key_versions")
        clock.advance(seconds=1)
        assert readiness.prove().ready

    def test_a_database_of_another_release_is_named(self, house: House, readiness: ReadinessService) -> None:
        with house.database.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        assert broken(readiness.prove()) == {"database": "database-revision-mismatch"}

    def test_a_round_that_does_not_come_is_overdue(
        self, house: House, readiness: ReadinessService, clock: ManualClock
    ) -> None:
        house.create()
        checked = clock.now
        readiness.prove()
        clock.advance(seconds=3 * INTERVAL + 3 * TIMEOUT)
        assert readiness.current().ready
        clock.advance(microseconds=1)
        found = readiness.current()
        assert (found.ready, broken(found)) == (False, {"proof": OVERDUE})
        assert found.checked_at == checked
        assert readiness.prove().ready


def _rename(house: House, old: str, new: str) -> None:
    with house.database.writing() as connection:
        connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


@dataclass(slots=True)
class Running:
    """A proof in its own thread, at a short interval."""

    service: ReadinessService

    def until(self, condition: Callable[[Readiness], bool]) -> Readiness:
        deadline = time.monotonic() + PATIENCE
        while not condition(found := self.service.current()):
            assert time.monotonic() < deadline, found
            time.sleep(0.001)
        return found


@pytest.fixture
def running(house: House, clock: ManualClock) -> Iterator[Running]:
    service = ReadinessService(
        store=house.store,
        tokens=house.tokens,
        signer=MessageSigner(tokens=house.tokens, timeout=TIMEOUT),
        reports=house.parts.reports,
        clock=RecordedClock(
            clock=SteadyClock(clock=clock, monotonic=lambda: clock().timestamp()),
            store=house.store,
            tolerance=TOLERANCE,
        ),
        monotonic=time.monotonic,
        quarantine=house.application.quarantine,
        plan=ReadinessPlan(interval=0.005, timeout=TIMEOUT, workers=1, vital_keys=frozenset(), last_fault=LastFault()),
    )
    yield Running(service)
    service.close()


class TestByItself:
    def test_it_breaks_and_recovers_without_being_asked(
        self, house: House, tokens: MemoryTokens, running: Running
    ) -> None:
        house.create()
        running.service.start()
        running.until(lambda found: found.ready)
        with tokens.failing("sign", TokenUnavailable(token="one")):
            found = running.until(lambda found: not found.ready)
            assert broken(found) == {"key firmware": "token-unavailable"}
        running.until(lambda found: found.ready)

    def test_a_key_that_is_made_later_is_proved_too(self, house: House, running: Running) -> None:
        running.service.start()
        running.until(lambda found: found.ready)
        house.create()
        running.until(lambda found: any(item.name == "key firmware" for item in found.conditions))

    def test_an_error_that_nobody_foresaw_is_not_ready_and_does_not_end_it(
        self, house: House, tokens: MemoryTokens, running: Running
    ) -> None:
        house.create()

        def crash() -> None:
            raise ZeroDivisionError

        running.service.start()
        with tokens.at("sign", crash):
            running.until(lambda found: broken(found) == {"proof": "proof-failed"})
        running.until(lambda found: found.ready)

    def test_it_stops(self, house: House, tokens: MemoryTokens, running: Running) -> None:
        house.create()
        running.service.start()
        running.until(lambda found: found.ready)
        running.service.close()
        with tokens.at("sign", lambda: pytest.fail("a proof after the end")):
            checked = running.service.current().checked_at
            time.sleep(0.05)
        assert running.service.current().checked_at == checked

    def test_it_stops_although_it_never_began(self, running: Running) -> None:
        running.service.close()
