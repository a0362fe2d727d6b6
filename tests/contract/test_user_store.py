"""Users on every database: what is kept of them, who may log in, and what ends with a change."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import insert, select, update

from signer.domain.events import Event, EventType
from signer.domain.users import User
from signer.errors import AccessTampered, IdentityAssigned, PersonDisabled, PersonNotFound
from signer.errors.users import (
    LoginRefusal,
    LoginRefused,
    SecondFactorRejected,
    UserChanged,
    UserEmailTaken,
    UserNotFound,
)
from signer.services.user_ports import Completion
from signer.storage.access import access_revision
from signer.storage.database import Database
from signer.storage.device_state import device_revision
from signer.storage.login_store import MAX_ORIGINS, MAX_SESSIONS, ORIGIN_LIFETIME
from signer.storage.people_store import SqlPeopleStore
from signer.storage.user_rows import holds_user
from signer.storage.user_store import SqlUserStore
from signer.storage.user_tables import users
from signer.storage.user_token_store import SqlUserTokenStore
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.users import EMAIL, add_token, add_user, event, holding, new_user

ORIGIN = b"o" * 32


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> SqlUserStore:
    return SqlUserStore(database=database, clock=clock)


@pytest.fixture
def people(database: Database, clock: ManualClock) -> SqlPeopleStore:
    made = SqlPeopleStore(database=database, clock=clock)
    made.add_person(name="ada", display="Ada", email=None, event=_person(EventType.PERSON_CREATED))
    return made


@pytest.fixture
def tokens(database: Database, clock: ManualClock) -> SqlUserTokenStore:
    return SqlUserTokenStore(database=database, clock=clock)


def _person(kind: EventType) -> Event:
    return Event(type=kind, actor="tests", key=None, version=None, before={}, after={"name": "ada"})


def _revisions(database: Database) -> tuple[int, int]:
    with database.reading() as connection:
        return access_revision(connection), device_revision(connection)


def test_a_user_is_found_as_recorded(store: SqlUserStore) -> None:
    user = add_user(store)
    assert (store.users(), store.user(user.id), store.named(EMAIL)) == ((user,), user, user)
    assert (user.email, user.roles, user.person, user.second_factor) == (EMAIL, ("device-manager",), None, False)
    secrets = store.login_secrets(EMAIL)
    assert secrets is not None
    assert secrets.password_hash == "$argon2id$first"
    assert "argon2id" not in repr(secrets)


def test_an_address_has_one_user(store: SqlUserStore) -> None:
    add_user(store)
    with pytest.raises(UserEmailTaken):
        store.add(new_user(), event())


MISSING: dict[str, Callable[[SqlUserStore], object]] = {
    "is not found": lambda store: store.user("x"),
    "is not found by address": lambda store: store.named("x@y"),
    "is not disabled": lambda store: store.disable("x", event()),
    "is not enabled": lambda store: store.enable("x", event()),
    "is not deleted": lambda store: store.delete("x", event()),
    "has no roles": lambda store: store.set_roles("x", (), event()),
    "has no password": lambda store: store.set_password("x", "h", event()),
    "has no seed": lambda store: store.set_seed("x", b"s", event()),
    "confirms none": lambda store: store.confirm_seed("x", b"s", 1, event()),
}


@pytest.mark.parametrize("sentence", MISSING)
def test_who_is_not_there(store: SqlUserStore, sentence: str) -> None:
    with pytest.raises(UserNotFound):
        MISSING[sentence](store)


ENDS_ALL: dict[str, Callable[[SqlUserStore, User], object]] = {
    "disabled": lambda store, user: store.disable(user.id, event()),
    "deleted": lambda store, user: store.delete(user.id, event()),
}


@pytest.mark.parametrize("sentence", ENDS_ALL)
def test_all_tokens_end_with_the_user(
    store: SqlUserStore, database: Database, clock: ManualClock, tokens: SqlUserTokenStore, sentence: str
) -> None:
    user, other = add_user(store), add_user(store, "other@example.com")
    mine = [add_token(database, clock, user, name=name) for name in (None, "ci")]
    theirs = add_token(database, clock, other)
    before = _revisions(database)
    ENDS_ALL[sentence](store, user)
    assert (holding(database, user), holding(database, other)) == (set(), {theirs})
    assert [tokens.holder(jti, user.id) for jti in mine] == [None, None]
    assert tokens.holder(theirs, other.id) is not None
    late = add_token(database, clock, user)  # recorded all the same
    assert tokens.holder(late, user.id) is None
    assert all(new > old for new, old in zip(_revisions(database), before, strict=True))
    assert store.login_secrets(EMAIL) is None


def test_who_is_enabled_again_logs_in_again_and_old_tokens_stay_ended(
    store: SqlUserStore, database: Database, clock: ManualClock
) -> None:
    user = add_user(store)
    add_token(database, clock, user)
    assert (store.disable(user.id, event()), store.disable(user.id, event())) == (True, False)
    assert (store.enable(user.id, event()), store.enable(user.id, event())) == (True, False)
    assert store.login_secrets(EMAIL) is not None
    assert holding(database, user) == set()


@pytest.mark.parametrize("assigned", [False, True], ids=["by the user's row", "by an assigned identity"])
def test_all_tokens_of_a_person_end_with_the_person(
    store: SqlUserStore, people: SqlPeopleStore, database: Database, clock: ManualClock, assigned: bool
) -> None:
    user = add_user(store, person=None if assigned else "ada")
    other = add_user(store, "other@example.com")
    if assigned:
        people.assign(user.identity_name, "ada", _person(EventType.PERSON_CHANGED))
    add_token(database, clock, user)
    theirs = add_token(database, clock, other)
    assert people.person("ada").identities == (user.identity_name,)
    people.disable("ada", _person(EventType.PERSON_DISABLED))
    assert (holding(database, user), holding(database, other)) == (set(), {theirs})
    assert store.login_secrets(EMAIL) is None
    with database.reading() as connection:
        assert [holds_user(connection, each.id) for each in (user, other)] == [False, True]
    people.enable("ada", _person(EventType.PERSON_ENABLED))
    assert store.login_secrets(EMAIL) is not None


def test_a_user_is_no_disabled_persons_nor_an_unknown_ones(store: SqlUserStore, people: SqlPeopleStore) -> None:
    with pytest.raises(PersonNotFound):
        add_user(store, person="eve")
    people.disable("ada", _person(EventType.PERSON_DISABLED))
    with pytest.raises(PersonDisabled):
        add_user(store, person="ada")


def test_an_identity_that_is_somebodys_is_no_other_persons_user(store: SqlUserStore, people: SqlPeopleStore) -> None:
    people.add_person(name="bob", display="Bob", email=None, event=_person(EventType.PERSON_CREATED))
    people.assign(f"user:{EMAIL}", "bob", _person(EventType.PERSON_CHANGED))
    with pytest.raises(IdentityAssigned):
        add_user(store, person="ada")
    add_user(store, person="bob")


def test_an_identity_of_a_user_with_a_person_is_assigned_to_nobody_else(
    store: SqlUserStore, people: SqlPeopleStore
) -> None:
    user = add_user(store, person="ada")
    with pytest.raises(IdentityAssigned):
        people.assign(user.identity_name, "ada", _person(EventType.PERSON_CHANGED))
    assert people.membership(user.identity_name).person == "ada"


def test_another_password_ends_all_sessions_but_the_one_that_asked(
    store: SqlUserStore, database: Database, clock: ManualClock
) -> None:
    user = add_user(store)
    own, personal = add_token(database, clock, user), add_token(database, clock, user, name="ci")
    add_token(database, clock, user)
    store.set_password(user.id, "$argon2id$second", event(), kept="$argon2id$first", spared=own)
    assert holding(database, user) == {own, personal}
    with pytest.raises(UserChanged):
        store.set_password(user.id, "$argon2id$third", event(), kept="$argon2id$first")
    assert store.secrets(user.id).password_hash == "$argon2id$second"


def test_other_roles_move_the_revision_of_access_and_the_same_do_not(store: SqlUserStore, database: Database) -> None:
    user = add_user(store)
    before = _revisions(database)
    assert store.set_roles(user.id, ("device-manager",), event()) is False
    assert _revisions(database) == before
    assert store.set_roles(user.id, ("auditor",), event()) is True
    assert _revisions(database)[0] > before[0]


def test_a_seed_counts_once_it_is_confirmed(store: SqlUserStore) -> None:
    user = add_user(store)
    store.set_seed(user.id, b"seed", event())
    assert store.user(user.id).second_factor is False
    with pytest.raises(UserChanged):
        store.confirm_seed(user.id, b"another", 7, event())
    store.confirm_seed(user.id, b"seed", 7, event())
    assert store.user(user.id).second_factor is True
    with pytest.raises(UserChanged):
        store.confirm_seed(user.id, b"seed", 8, event())
    for used in (7, 6):
        with pytest.raises(SecondFactorRejected):
            store.use_step(user.id, used)
    store.use_step(user.id, 8)
    store.set_seed(user.id, None, event())
    assert store.secrets(user.id).sealed_seed is None


def _complete(store: SqlUserStore, jti: str, *, step: int | None = None, renewed: str | None = None) -> None:
    secrets = store.login_secrets(EMAIL)
    assert secrets is not None
    store.complete(Completion(secrets=secrets, jti=jti, step=step, renewed_hash=renewed, origin=ORIGIN))


def test_a_login_that_counts_is_noted_and_makes_its_address_known(
    store: SqlUserStore, database: Database, clock: ManualClock
) -> None:
    user = add_user(store)
    assert store.known_origin(EMAIL, ORIGIN) is False
    _complete(store, add_token(database, clock, user), renewed="$argon2id$renewed")
    assert store.user(user.id).last_login_at == clock()
    assert store.secrets(user.id).password_hash == "$argon2id$renewed"
    assert (store.known_origin(EMAIL, ORIGIN), store.known_origin("other@example.com", ORIGIN)) == (True, False)
    clock.advance(seconds=ORIGIN_LIFETIME.total_seconds())
    assert store.known_origin(EMAIL, ORIGIN) is False


def test_a_bounded_number_of_addresses_is_known(store: SqlUserStore, database: Database, clock: ManualClock) -> None:
    user = add_user(store)
    secrets = store.secrets(user.id)
    for number in range(MAX_ORIGINS + 1):
        clock.advance(seconds=1)
        jti, origin = add_token(database, clock, user), bytes([number]) * 32
        store.complete(Completion(secrets=secrets, jti=jti, step=None, renewed_hash=None, origin=origin))
    known = [store.known_origin(EMAIL, bytes([number]) * 32) for number in range(MAX_ORIGINS + 1)]
    assert known == [False] + [True] * MAX_ORIGINS


def test_the_oldest_sessions_end_beyond_what_one_may_have(
    store: SqlUserStore, database: Database, clock: ManualClock
) -> None:
    user = add_user(store)
    personal = add_token(database, clock, user, name="ci")
    sessions = []
    for _ in range(MAX_SESSIONS + 2):
        clock.advance(seconds=1)
        sessions.append(add_token(database, clock, user))
    _complete(store, sessions[-1])
    assert holding(database, user) == {personal, *sessions[2:]}


def test_a_login_never_ends_its_own_session_however_many_there_are_of_its_second(
    store: SqlUserStore, database: Database, clock: ManualClock
) -> None:
    user = add_user(store)
    for _ in range(MAX_SESSIONS):
        add_token(database, clock, user)
    for _ in range(5):
        own = add_token(database, clock, user)
        _complete(store, own)
        held = holding(database, user)
        assert own in held
        assert len(held) == MAX_SESSIONS


CHANGED: dict[str, Callable[[SqlUserStore, User], object]] = {
    "disabled": lambda store, user: store.disable(user.id, event()),
    "deleted": lambda store, user: store.delete(user.id, event()),
    "given another password": lambda store, user: store.set_password(user.id, "$argon2id$second", event()),
    "asked for a code from now on": lambda store, user: (
        store.set_seed(user.id, b"seed", event()),
        store.confirm_seed(user.id, b"seed", 1, event()),
    ),
}


@pytest.mark.parametrize("sentence", CHANGED)
def test_a_login_does_not_count_where_the_user_was_meanwhile(
    store: SqlUserStore, database: Database, clock: ManualClock, sentence: str
) -> None:
    user = add_user(store)
    secrets, jti = store.secrets(user.id), add_token(database, clock, user)
    CHANGED[sentence](store, user)
    with pytest.raises(LoginRefused) as refused:
        store.complete(Completion(secrets=secrets, jti=jti, step=None, renewed_hash=None, origin=None))
    assert refused.value.reason is LoginRefusal.USER_CHANGED
    assert holding(database, user) == set()


def test_a_code_is_used_by_one_login(store: SqlUserStore, database: Database, clock: ManualClock) -> None:
    user = add_user(store)
    store.set_seed(user.id, b"seed", event())
    store.confirm_seed(user.id, b"seed", 1, event())
    first, second = add_token(database, clock, user), add_token(database, clock, user)
    _complete(store, first, step=5)
    with pytest.raises(LoginRefused):
        _complete(store, second, step=5)
    assert holding(database, user) == {first}


def test_a_planted_user_stops_what_comes_next(store: SqlUserStore, database: Database, clock: ManualClock) -> None:
    user = add_user(store)
    with database.writing() as connection:
        connection.execute(update(users).values(last_login_at=clock(), totp_last_step=9, revision=9))
    store.set_roles(user.id, (), event())  # none of those gives power
    with database.writing() as connection:
        row = dict(connection.execute(select(users)).one()._mapping)
        connection.execute(insert(users).values({**row, "id": "planted", "email": "planted@example.com"}))
    with pytest.raises(AccessTampered):
        store.disable(user.id, event())


TAMPERED = {
    "another hash": {"password_hash": "x"},
    "other roles": {"roles": ["administrator"]},
    "a seed": {"totp_sealed": b"x"},
}


@pytest.mark.parametrize("sentence", TAMPERED)
def test_a_user_that_was_changed_in_the_database_stops_what_comes_next(
    store: SqlUserStore, database: Database, sentence: str
) -> None:
    user = add_user(store)
    with database.writing() as connection:
        connection.execute(update(users).values(TAMPERED[sentence]))
    with pytest.raises(AccessTampered):
        store.disable(user.id, event())


def test_tokens_are_whose_they_are(
    tokens: SqlUserTokenStore, store: SqlUserStore, database: Database, clock: ManualClock
) -> None:
    user, other = add_user(store), add_user(store, "other@example.com")
    session, personal = add_token(database, clock, user), add_token(database, clock, user, name="ci")
    device = add_token(database, clock, user, kind="device")
    found = tokens.holder(session, user.id)
    assert found is not None
    assert (found.user, found.name) == (user, None)
    named = tokens.holder(personal, user.id)
    assert named is not None
    assert named.name == "ci"
    refused = {"another's": (session, other.id), "a device's": (device, user.id), "nobody's": ("x", user.id)}
    assert {name: tokens.holder(*place) for name, place in refused.items()} == dict.fromkeys(refused)


def test_personal_tokens_are_listed_with_their_last_use_while_they_hold(
    tokens: SqlUserTokenStore, store: SqlUserStore, database: Database, clock: ManualClock
) -> None:
    user = add_user(store)
    add_token(database, clock, user)
    jti = add_token(database, clock, user, name="ci")
    used = clock()
    tokens.note_uses([jti, "gone"], used)
    clock.advance(seconds=10)
    tokens.note_uses([jti], clock())  # too soon to be written
    (listed,) = tokens.personal_tokens(user.id)
    assert (listed.jti, listed.name, listed.last_used_at) == (jti, "ci", used)
    clock.advance(seconds=7 * 86400)
    assert tokens.personal_tokens(user.id) == ()


ENDED_BY_ID: dict[str, tuple[str | None, bool, bool]] = {
    "a session by logging out": (None, False, True),
    "a personal token by deleting it": ("ci", True, True),
    "no session by deleting personal tokens": (None, True, False),
}


@pytest.mark.parametrize("sentence", ENDED_BY_ID)
def test_one_token_ends(
    tokens: SqlUserTokenStore, store: SqlUserStore, database: Database, clock: ManualClock, sentence: str
) -> None:
    name, personal, expected = ENDED_BY_ID[sentence]
    user = add_user(store)
    jti, other = add_token(database, clock, user, name=name), add_token(database, clock, user, name=name)
    before = _revisions(database)
    ended = event(EventType.USER_TOKEN_ENDED)
    assert tokens.end(jti, "another", ended, personal=personal) is False
    assert tokens.end(jti, user.id, ended, personal=personal) is expected
    assert tokens.end(jti, user.id, ended, personal=personal) is False
    assert holding(database, user) == ({other} if expected else {jti, other})
    assert (_revisions(database) > before) is expected
