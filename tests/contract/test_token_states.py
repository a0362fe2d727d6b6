"""States of tokens on every database: what holds, why not, and of whom something is newer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Table, update

from signer.domain.token_claims import TokenKind, VerifiedToken
from signer.errors import DatabaseUnavailable, TokenRefusal, TokenRefused, TokenStatesUnavailable
from signer.services.token_states import KnownTokenStates
from signer.storage.access_tables import people
from signer.storage.database import Database
from signer.storage.device_revision_watch import MAX_AGE_SECONDS, ServerRevisionWatch, revision_watch
from signer.storage.device_state import move_device_revision
from signer.storage.device_tables import auth_sets, devices
from signer.storage.token_state_store import SqlTokenStateStore
from signer.storage.token_tables import issued_tokens
from signer.storage.user_tables import users
from tests.support.clock import START
from tests.support.databases import Opener
from tests.support.gateway_rows import DEVICE, OF_DEVICE, OF_USER, OTHER_SET, SET, USER, write_holders
from tests.support.gateway_tokens import token_of


@pytest.fixture
def database(open_database: Opener) -> Database:
    made = open_database()
    write_holders(made)
    return made


@pytest.fixture
def store(database: Database) -> SqlTokenStateStore:
    return SqlTokenStateStore(database=database)


Change = Callable[[Connection, int], object]


def changed(table: Table, **values: Any) -> Change:
    """All rows of a table, with the new revision."""
    return lambda connection, revision: connection.execute(update(table).values(**values, revision=revision))


def without_revision(table: Table, **values: Any) -> Change:
    return lambda connection, _: connection.execute(update(table).values(**values))


def nothing(_connection: Connection, _revision: int) -> None:
    """Only the counter moves."""


def take(database: Database, *changes: Change) -> int:
    """In one transaction, which moves the counter."""
    with database.writing() as connection:
        revision = move_device_revision(connection)
        for change in changes:
            change(connection, revision)
    return revision


@pytest.mark.parametrize("token", [OF_DEVICE, OF_USER], ids=["device", "user"])
def test_a_token_holds(store: SqlTokenStateStore, token: VerifiedToken) -> None:
    assert store.standing(token).refusal is None


TAKEN: dict[str, tuple[VerifiedToken, Change, TokenRefusal]] = {
    "a token that was deleted": (OF_DEVICE, changed(issued_tokens, revoked_at=START), TokenRefusal.REVOKED),
    "a token whose user logged out": (OF_USER, changed(issued_tokens, revoked_at=START), TokenRefusal.REVOKED),
    "a key that was rejected": (OF_DEVICE, changed(auth_sets, status="rejected"), TokenRefusal.AUTH_SET_NOT_ACCEPTED),
    "a key that waits again": (OF_DEVICE, changed(auth_sets, status="pending"), TokenRefusal.AUTH_SET_NOT_ACCEPTED),
    "a key that is awaited": (
        OF_DEVICE,
        changed(auth_sets, status="preauthorized"),
        TokenRefusal.AUTH_SET_NOT_ACCEPTED,
    ),
    "a key that was dismissed": (OF_DEVICE, changed(auth_sets, status="dismissed"), TokenRefusal.AUTH_SET_NOT_ACCEPTED),
    "a status that nobody knows": (
        OF_DEVICE,
        changed(auth_sets, status="ACCEPTED"),
        TokenRefusal.AUTH_SET_NOT_ACCEPTED,
    ),
    "a device that is being decommissioned": (
        OF_DEVICE,
        changed(devices, decommissioning=True),
        TokenRefusal.DEVICE_GONE,
    ),
    "a user who is disabled": (OF_USER, changed(users, disabled_at=START), TokenRefusal.USER_DISABLED),
    "a person who is disabled": (OF_USER, without_revision(people, disabled_at=START), TokenRefusal.USER_DISABLED),
    "a token that is not on record": (
        token_of(DEVICE, jti="never issued", auth_set=SET),
        nothing,
        TokenRefusal.NOT_ON_RECORD,
    ),
    "a device's token that says to be a user's": (
        token_of(DEVICE, jti=OF_DEVICE.jti, kind=TokenKind.USER),
        nothing,
        TokenRefusal.NOT_ON_RECORD,
    ),
    "another device's token": (
        token_of("another", jti=OF_DEVICE.jti, auth_set=SET),
        nothing,
        TokenRefusal.NOT_ON_RECORD,
    ),
    "a token on record for another device than its key's": (
        token_of("another", jti=OF_DEVICE.jti, auth_set=SET),
        without_revision(issued_tokens, subject="another"),
        TokenRefusal.DEVICE_GONE,
    ),
    "another key of the device": (
        token_of(DEVICE, jti=OF_DEVICE.jti, auth_set=OTHER_SET),
        nothing,
        TokenRefusal.DEVICE_GONE,
    ),
}


@pytest.mark.parametrize("sentence", TAKEN)
def test_it_does_not_hold(database: Database, store: SqlTokenStateStore, sentence: str) -> None:
    token, change, refusal = TAKEN[sentence]
    take(database, change)
    assert store.standing(token).refusal is refusal


def test_of_whom_something_is_newer(database: Database, store: SqlTokenStateStore) -> None:
    assert store.changes(0).subjects == frozenset()
    first = take(database, changed(auth_sets, status="rejected"))
    second = take(database, changed(users, disabled_at=START))
    assert (store.changes(0).revision, store.changes(0).subjects) == (second, {DEVICE, USER})
    assert store.changes(first).subjects == {USER}
    assert store.changes(second).subjects == frozenset()
    third = take(database, changed(issued_tokens, revoked_at=START))
    assert (store.changes(second).revision, store.changes(second).subjects) == (third, {DEVICE, USER})
    take(database, changed(devices, decommissioning=True))
    assert store.changes(third).subjects == {DEVICE}


def test_too_many_are_not_named(database: Database) -> None:
    take(database, changed(issued_tokens, revoked_at=START))
    assert SqlTokenStateStore(database=database, max_subjects=1).changes(0).subjects is None
    assert SqlTokenStateStore(database=database, max_subjects=2).changes(0).subjects == {DEVICE, USER}


def test_what_is_taken_away_by_another_process_is_refused(database: Database, open_database: Opener) -> None:
    elsewhere = open_database()

    async def over_time() -> list[TokenRefusal | None]:
        watch = revision_watch(database)
        watch.start()
        states = KnownTokenStates(store=SqlTokenStateStore(database=database), watch=watch, monotonic=lambda: 0.0)
        seen: list[TokenRefusal | None] = [await refusal(states)]
        await asyncio.to_thread(take, elsewhere, changed(auth_sets, status="rejected"))
        if isinstance(watch, ServerRevisionWatch):
            await watch.look()
        seen.append(await refusal(states))
        await asyncio.to_thread(take, elsewhere, changed(auth_sets, status="accepted"))
        if isinstance(watch, ServerRevisionWatch):
            await watch.look()
        seen.append(await refusal(states))
        watch.close()
        return seen

    assert asyncio.run(over_time()) == [None, TokenRefusal.AUTH_SET_NOT_ACCEPTED, None]


async def refusal(states: KnownTokenStates) -> TokenRefusal | None:
    try:
        await states.check(OF_DEVICE)
    except TokenRefused as error:
        return error.reason
    return None


def test_a_server_is_asked_again_and_again(database: Database, open_database: Opener) -> None:
    if database.dialect == "sqlite":
        pytest.skip("a file is looked at each time")
    elsewhere = open_database()

    async def over_time() -> None:
        watch = ServerRevisionWatch(database, look_seconds=0.01)
        watch.start()
        before = await watch.revision()
        moved = await asyncio.to_thread(take, elsewhere)
        assert moved == before + 1
        async with asyncio.timeout(30):
            while await watch.revision() != moved:
                await asyncio.sleep(0.01)
        watch.close()

    asyncio.run(over_time())


class Unreachable(ServerRevisionWatch):
    """A server that answered once."""

    def __init__(self, database: Database, monotonic: Callable[[], float]) -> None:
        super().__init__(database, monotonic=monotonic)
        self.answers = True

    def _read(self) -> int:
        if not self.answers:
            raise DatabaseUnavailable
        return super()._read()


def test_what_was_not_seen_lately_is_not_known(database: Database) -> None:
    now = [0.0]
    watch = Unreachable(database, lambda: now[0])

    async def over_time() -> None:
        assert await watch.revision() == 0
        watch.answers = False
        now[0] = MAX_AGE_SECONDS
        assert await watch.revision() == 0
        now[0] = MAX_AGE_SECONDS + 0.01
        with pytest.raises(TokenStatesUnavailable):
            await watch.revision()
        watch.answers = True
        await watch.look()
        assert await watch.revision() == 0

    asyncio.run(over_time())
