"""Versions of token keys end after their tokens, or with a reason that goes on record."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from signer.domain.events import EventType
from signer.domain.keys import VersionState
from signer.domain.timestamps import rfc3339
from signer.errors import ReasonInvalid, TokenRefused, TokensStillValid
from signer.storage.database import Database
from signer.storage.issued_tokens import REMOVED_AT_ONCE, SqlIssuedTokens, end_all_user_tokens, remove_expired
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, House
from tests.support.issued_tokens import DEVICE, USER, OpenDoor, open_door

from .test_token_issuing import issue, rows, verify, with_keys

KEY = "device-token"
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def door(monkeypatch: pytest.MonkeyPatch) -> OpenDoor:
    return open_door(monkeypatch)


@pytest.fixture
def rotated(house: House) -> House:
    """A key whose first version signed one token and is previous now."""
    issue(with_keys(house))
    house.prepare(KEY)
    house.rotate(KEY)
    return house


def ends(house: House) -> dict[int, datetime | None]:
    return dict(house.application.queries.tokens_valid_until(house.store.key(KEY)) or {})


def last_facts(house: House) -> dict[str, object]:
    return dict(house.events()[-1].event.after)


class TestRetiring:
    def test_a_version_is_not_retired_while_a_token_of_it_holds(self, rotated: House) -> None:
        token_end = rows(rotated)[0].expires_at
        with pytest.raises(TokensStillValid) as refused:
            rotated.lifecycle.retire(ADMIN, KEY, 1)
        assert refused.value.tokens_valid_until == token_end
        assert rotated.states(KEY) == [VersionState.PREVIOUS, VersionState.ACTIVE]

    def test_to_the_last_moment(self, rotated: House, clock: ManualClock) -> None:
        clock.now = rows(rotated)[0].expires_at - timedelta(microseconds=1)
        with pytest.raises(TokensStillValid):
            rotated.lifecycle.retire(ADMIN, KEY, 1)

    def test_afterwards_it_is(self, rotated: House, clock: ManualClock) -> None:
        clock.now = rows(rotated)[0].expires_at
        rotated.lifecycle.retire(ADMIN, KEY, 1)
        assert rotated.states(KEY) == [VersionState.RETIRED, VersionState.ACTIVE]
        assert last_facts(rotated) == {"state": "retired"}

    def test_it_is_the_last_token_that_counts(self, house: House, clock: ManualClock) -> None:
        issue(with_keys(house))
        clock.advance(days=3)
        issue(house)
        house.prepare(KEY)
        house.rotate(KEY)
        assert ends(house)[1] == max(row.expires_at for row in rows(house))

    def test_a_reason_is_the_way_past_and_goes_on_record(self, rotated: House) -> None:
        token_end = rows(rotated)[0].expires_at
        rotated.lifecycle.retire(ADMIN, KEY, 1, force=" the key was in a photo ")
        assert last_facts(rotated) == {
            "state": "retired",
            "tokens_valid_until": rfc3339(token_end),
            "reason": "the key was in a photo",
        }
        assert rotated.event_types()[-1] is EventType.VERSION_RETIRED

    @pytest.mark.parametrize("reason", ["", "  ", "a\nb", "a" * 301])
    def test_a_reason_that_is_none_is_no_way_past(self, rotated: House, reason: str) -> None:
        with pytest.raises(ReasonInvalid):
            rotated.lifecycle.retire(ADMIN, KEY, 1, force=reason)
        assert rotated.states(KEY)[0] is VersionState.PREVIOUS

    def test_tokens_that_were_revoked_keep_nothing(self, rotated: House, clock: ManualClock) -> None:
        with rotated.database.writing() as connection:
            connection.exec_driver_sql("UPDATE issued_tokens SET revoked_at = issued_at")
        rotated.lifecycle.retire(ADMIN, KEY, 1)

    def test_a_version_that_signed_none_is_retired_at_once(self, house: House) -> None:
        with_keys(house)
        house.prepare(KEY)
        house.lifecycle.retire(ADMIN, KEY, 2)

    def test_keys_of_artifacts_know_nothing_of_it(self, house: House) -> None:
        house.create()
        assert house.application.queries.tokens_valid_until(house.store.key("firmware")) is None


class TestDestroying:
    def test_switching_off_waits_for_nothing_and_ends_tokens(self, rotated: House) -> None:
        rotated.lifecycle.disable(ADMIN, KEY, 1)
        assert ends(rotated)[1] is not None

    def test_what_could_be_switched_on_again_is_not_destroyed(self, rotated: House) -> None:
        rotated.lifecycle.disable(ADMIN, KEY, 1)
        with pytest.raises(TokensStillValid):
            rotated.lifecycle.destroy(ADMIN, KEY, 1, confirmation=KEY)
        assert rotated.states(KEY)[0] is VersionState.DISABLED

    def test_with_a_reason_it_is(self, rotated: House) -> None:
        rotated.lifecycle.disable(ADMIN, KEY, 1)
        rotated.lifecycle.destroy(ADMIN, KEY, 1, confirmation=KEY, force="stolen")
        assert rotated.states(KEY)[0] is VersionState.DESTROYED
        started = next(e.event for e in rotated.events() if e.event.type is EventType.DESTRUCTION_STARTED)
        assert started.after["reason"] == "stolen"


def test_tokens_of_a_retired_version_are_refused(rotated: House) -> None:
    rotated.lifecycle.retire(ADMIN, KEY, 1, force="lost")
    token = issue(rotated)
    assert verify(rotated, token).version == 2


class TestWhatIsOver:
    def test_expired_tokens_and_idle_buckets_are_removed_and_no_others(self, house: House, clock: ManualClock) -> None:
        issue(with_keys(house))
        clock.advance(days=6)
        issue(house, DEVICE)
        with house.database.writing() as connection:
            assert remove_expired(connection, before=clock.now) == 0
        clock.advance(days=2)
        with house.database.writing() as connection:
            assert remove_expired(connection, before=clock.now) == 2
            assert remove_expired(connection, before=clock.now) == 0
        assert len(rows(house)) == 1

    def test_a_round_is_bounded(self, house: House, clock: ManualClock) -> None:
        issue(with_keys(house))
        multiply(house.database, REMOVED_AT_ONCE + 7)
        with house.database.writing() as connection:
            assert remove_expired(connection, before=clock.now + 2 * WEEK) == REMOVED_AT_ONCE + 1
        assert len(rows(house)) == 8

    def test_the_last_end_is_found_by_the_index(self, house: House) -> None:
        with_keys(house)
        with house.database.reading() as connection:
            plan = connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN SELECT expires_at FROM issued_tokens WHERE version_id = 1 AND revoked_at IS NULL "
                "ORDER BY expires_at DESC LIMIT 1"
            ).all()
        assert "ix_issued_tokens_version_id" in str(plan)
        assert SqlIssuedTokens(database=house.database).last_end(1) is None


def multiply(database: Database, number: int) -> None:
    """As many more tokens like the one there is."""
    with database.writing() as connection:
        connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO issued_tokens "
            "(jti, kind, subject, auth_set, version_id, issued_at, expires_at) SELECT 'copy-' || i, kind, subject, "
            "auth_set, version_id, issued_at, expires_at FROM issued_tokens, n",
            (number,),
        )


def test_a_verified_token_of_a_version_that_is_gone_is_refused(rotated: House) -> None:
    token = issue(rotated)
    rotated.lifecycle.disable(ADMIN, KEY, 2)
    with pytest.raises(TokenRefused):
        verify(rotated, token)


def test_after_a_restore_no_token_of_a_user_holds(house: House, clock: ManualClock) -> None:
    issue(with_keys(house))
    issue(house, USER)
    with house.database.writing() as connection:
        end_all_user_tokens(connection, clock.now)
    found = {row.kind: (row.revoked_at, row.revision) for row in rows(house)}
    assert found == {"device": (None, 0), "user": (clock.now, 1)}
