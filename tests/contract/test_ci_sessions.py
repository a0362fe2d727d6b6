"""Sessions of CI jobs on every database: one use of a token, one session, and a log that tells of both."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, insert, select, update

from signer.domain.ci import CiSession, TokenOutcome
from signer.domain.leaves import LeafDraft, LogEvent
from signer.errors import AccessTampered
from signer.storage import ci_session_store
from signer.storage.access import access_digest, access_revision
from signer.storage.ci_session_store import PURGED_AT_ONCE, SqlCiSessionStore, end_all_sessions
from signer.storage.ci_tables import ci_sessions, used_ci_tokens
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_transaction import logged
from tests.support import rivals
from tests.support.clock import START, ManualClock
from tests.support.crowd import PROCESSES, Crowd
from tests.support.databases import Opener
from tests.support.rivals import ci_session, token_use

THREADS = 8


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> SqlCiSessionStore:
    return SqlCiSessionStore(database=database, clock=clock)


def begin(store: SqlCiSessionStore, number: int = 1, **changes: object) -> CiSession:
    session = replace(ci_session(number, START), **changes)  # type: ignore[arg-type]
    assert store.begin(token_use(number, START), session, "j" * 64) is TokenOutcome.USED
    return session


def digest(database: Database) -> str:
    with database.reading() as connection:
        return access_digest(connection)


def revision(database: Database) -> int:
    with database.reading() as connection:
        return access_revision(connection)


def test_a_session_is_found_as_it_began(store: SqlCiSessionStore) -> None:
    session = begin(store)
    assert store.find(session.id) == session
    assert store.all_sessions() == (session,)


def test_a_token_is_used_once_and_nothing_else_happens(store: SqlCiSessionStore, database: Database) -> None:
    begin(store)
    before = digest(database)
    outcome = store.begin(token_use(1, START), ci_session(2, START), "j" * 64)
    assert outcome is TokenOutcome.USED_BEFORE
    assert store.find(ci_session(2, START).id) is None
    assert digest(database) == before


def test_what_became_of_a_token_is_found(store: SqlCiSessionStore) -> None:
    assert store.used(token_use(1, START).token_id) is None
    session, use = begin(store), token_use(1, START)
    used = store.used(use.token_id)
    assert used is not None
    assert (used.session, used.used_at) == (session, START)
    assert (used.use.nonce_sha256, used.use.salt) == (use.nonce_sha256, use.salt)


def test_no_salt_is_kept_where_no_nonce_came(store: SqlCiSessionStore) -> None:
    use = replace(token_use(1, START), nonce_sha256=None)
    store.begin(use, ci_session(1, START), "j" * 64)
    used = store.used(use.token_id)
    assert used is not None
    assert used.use.salt == b""


def test_beginning_moves_no_revision_and_ending_does(store: SqlCiSessionStore, database: Database) -> None:
    before = revision(database)
    session = begin(store)
    assert revision(database) == before
    assert store.revoke("tests", "tests", session=session.id)
    assert revision(database) == before + 1
    assert store.find(session.id) is None


ENDED = {
    "one that nobody knows": "0" * 16,
    "something else": "asx",
    "nothing": "",
}


@pytest.mark.parametrize("session_id", ENDED.values(), ids=ENDED)
def test_what_is_none_cannot_be_revoked(store: SqlCiSessionStore, database: Database, session_id: str) -> None:
    begin(store)
    before = revision(database)
    assert not store.revoke("tests", "tests", session=session_id)
    assert revision(database) == before


def test_a_session_is_revoked_once_and_not_after_its_end(store: SqlCiSessionStore, clock: ManualClock) -> None:
    first, second = begin(store), begin(store, 2)
    assert [store.revoke("tests", "tests", session=first.id) for _ in range(2)] == [1, 0]
    clock.advance(minutes=16)
    assert not store.revoke("tests", "tests", session=second.id)
    assert store.all_sessions() == ()


def test_all_of_an_identity_end_and_no_others(store: SqlCiSessionStore, database: Database) -> None:
    mine, other = [begin(store, number) for number in (1, 2)], begin(store, 3, subject="1")
    before = revision(database)
    assert store.revoke("tests", "tests", identity=mine[0].identity) == 2
    assert [store.find(session.id) for session in (*mine, other)] == [None, None, other]
    assert revision(database) == before + 1
    assert store.revoke("tests", "tests", identity="ci:github/2") == 0


def test_all_end_at_once(store: SqlCiSessionStore, database: Database) -> None:
    sessions = [begin(store, number) for number in range(3)]
    with database.writing() as connection:
        end_all_sessions(connection, START)
    assert [store.find(session.id) for session in sessions] == [None] * 3


PLANTED = {
    "a session that was planted": lambda: insert(ci_sessions).values(
        {column.name: getattr(ci_session(9, START), column.name) for column in ci_sessions.columns}
    ),
    "an end that was moved": lambda: update(ci_sessions).values(expires_at=START + timedelta(days=1)),
    "a secret that was exchanged": lambda: update(ci_sessions).values(secret_sha256=b"x" * 32),
    "an identity that was exchanged": lambda: update(ci_sessions).values(subject="2"),
    "a revocation that was taken back": lambda: update(ci_sessions).values(revoked_at=None),
}


@pytest.mark.parametrize("statement", PLANTED.values(), ids=PLANTED)
def test_nobody_who_writes_the_database_makes_a_session(
    store: SqlCiSessionStore, database: Database, statement: object
) -> None:
    begin(store)
    revoked = begin(store, 2)
    store.revoke("tests", "tests", session=revoked.id)
    with database.writing() as connection:
        connection.execute(statement())  # type: ignore[operator]
    with pytest.raises(AccessTampered):
        begin(store, 3)


def test_a_token_from_before_a_correction_of_the_clock_is_not_used(
    store: SqlCiSessionStore, database: Database, clock: ManualClock
) -> None:
    keys = SqlKeyStore(database=database, clock=clock)
    clock.advance(hours=1)
    begin(store)
    clock.advance(hours=-1)
    keys.correct_clock(actor="tests", reason="tests")
    early = replace(token_use(2, START), issued_at=START - timedelta(microseconds=1))
    assert store.begin(early, ci_session(2, START), "j" * 64) is TokenOutcome.BEFORE_CORRECTION
    assert store.used(early.token_id) is None
    assert store.begin(token_use(2, START), ci_session(2, START), "j" * 64) is TokenOutcome.USED


def test_an_identity_has_so_many_sessions_at_once_and_others_are_not_held_up(
    store: SqlCiSessionStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ci_session_store, "MAX_SESSIONS", 3)
    first, *_ = [begin(store, number) for number in range(3)]
    fourth = token_use(4, START), ci_session(4, START), "j" * 64
    assert store.begin(*fourth) is TokenOutcome.TOO_MANY_SESSIONS
    assert store.used(fourth[0].token_id) is None
    begin(store, 5, subject="1")
    store.revoke("tests", "tests", session=first.id)
    assert store.begin(*fourth) is TokenOutcome.USED


def test_a_token_from_before_a_backup_was_put_back_is_not_used(store: SqlCiSessionStore, database: Database) -> None:
    with logged(database, lambda: START) as log:
        log.tell_leaf(LeafDraft(type=LogEvent.LOG_CONTINUED, actor="tests", members={"origin": "log.example"}))
    early = replace(token_use(1, START), issued_at=START - timedelta(seconds=1))
    assert store.begin(early, ci_session(1, START), "j" * 64) is TokenOutcome.BEFORE_CORRECTION
    assert store.begin(token_use(1, START), ci_session(1, START), "j" * 64) is TokenOutcome.USED


def test_what_is_over_is_deleted_a_little_at_a_time(
    store: SqlCiSessionStore, database: Database, clock: ManualClock
) -> None:
    many = PURGED_AT_ONCE + 5
    for number in range(many):
        begin(store, number)
    clock.advance(hours=2)
    for number in (1000, 1001):
        later = replace(ci_session(number, clock.now), created_at=clock.now)
        assert store.begin(token_use(number, clock.now), later, "j" * 64) is TokenOutcome.USED
        with database.reading() as connection:
            left = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (
                ci_sessions, used_ci_tokens)]  # fmt: skip
        assert left == ([6, 6] if number == 1000 else [2, 2])


def test_a_used_token_that_somebody_forgot_shows_in_the_log(store: SqlCiSessionStore, database: Database) -> None:
    begin(store)
    with database.writing() as connection:
        connection.execute(delete(used_ci_tokens))
    begin(store, 1, id="1" * 16)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(ci_sessions)).scalar_one() == 2


def test_of_all_workers_and_machines_one_uses_a_token(
    database_url: str, crowd: Crowd, store: SqlCiSessionStore
) -> None:
    outcomes = [name for part in crowd.everywhere(rivals.use_ci_tokens, database_url, 5, THREADS) for name in part]
    assert outcomes.count("USED") == 5
    assert outcomes.count("USED_BEFORE") == 5 * (PROCESSES * THREADS - 1)
    assert len(store.all_sessions()) == 5
