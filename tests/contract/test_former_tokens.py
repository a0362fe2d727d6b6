"""Tokens of the server that was there before, on every database: whose they are, and what ends them for ever."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from signer.domain.events import EventType
from signer.domain.keys import Purpose
from signer.domain.token_claims import TokenKind, VerifiedToken
from signer.domain.user_events import user_event
from signer.errors import DeviceTokenNotFound, TokenRefusal
from signer.storage.database import Database
from signer.storage.device_tables import FORMER
from signer.storage.former_endings import SqlFormerTokenEndings
from signer.storage.issued_tokens import end_all_user_tokens, remove_expired
from signer.storage.key_store import SqlKeyStore
from signer.storage.token_state_store import SqlTokenStateStore
from signer.storage.user_store import SqlUserStore
from signer.storage.user_tables import users
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener, certify
from tests.support.device_office import Office, revision, told
from tests.support.foreign_lists import device_of, foreign_id, imported, importing_into, listed, written
from tests.support.records import event, new_key, new_version

SERIAL = "SN-0042"
SET, USER, EMAIL = foreign_id(f"{SERIAL}/key"), foreign_id("user"), "ops@example.com"
R = TokenRefusal


def _token(kind: TokenKind = TokenKind.DEVICE, subject: str = foreign_id(SERIAL), jti: str = SET) -> VerifiedToken:
    return VerifiedToken(
        kind=kind, jti=jti, subject=subject, auth_set=jti if kind is TokenKind.DEVICE else None,
        issued_at=START, expires_at=START + timedelta(days=1), key="t", version=1, former=True,
    )  # fmt: skip


OF_USER = _token(TokenKind.USER, USER, foreign_id("jti"))


@pytest.fixture
def office(open_database: Opener, clock: ManualClock, tmp_path: Path) -> Office:
    """With one imported device, and one that asked here."""
    made = Office(database=open_database(), clock=clock)
    imported(importing_into(made), written(tmp_path / "l", [listed()]))
    made.accepted("another")
    return made


def _refusal(office: Office, token: VerifiedToken) -> TokenRefusal | None:
    return SqlTokenStateStore(database=office.database).standing(token).refusal


def test_it_holds_for_the_device_that_was_imported(office: Office) -> None:
    standing = SqlTokenStateStore(database=office.database).standing(_token())
    assert (standing.refusal, standing.key_sha256) == (None, device_of().public_key.sha256)


NOBODY = foreign_id("nobody")
STRANGERS = {
    "a device that is not on record": (_token(subject=NOBODY, jti=NOBODY), R.NOT_ON_RECORD),
    "a set that is not on record": (_token(jti=NOBODY), R.NOT_ON_RECORD),
    "another device under this set": (_token(subject=NOBODY), R.DEVICE_GONE),
    "a user who is not on record": (OF_USER, R.NOT_ON_RECORD),
}


@pytest.mark.parametrize("sentence", STRANGERS)
def test_it_means_nobody_else(sentence: str, office: Office) -> None:
    token, refusal = STRANGERS[sentence]
    assert _refusal(office, token) is refusal


def test_it_means_no_device_that_became_known_here(office: Office) -> None:
    (another,) = [each for each in office.events() if each.type is EventType.DEVICE_ACCEPTED]
    facts = another.after
    token = _token(subject=str(facts["device"]), jti=str(facts["auth_set"]))
    assert _refusal(office, token) is R.REVOKED


def _accept_again(office: Office) -> None:
    office.decide(device_of(), "rejected")
    office.decide(device_of(), "accepted")


ENDS: Mapping[str, tuple[Callable[[Office], object], TokenRefusal]] = {
    "its key is rejected": (lambda office: office.decide(device_of(), "rejected"), R.REVOKED),
    "its key is rejected and accepted again": (_accept_again, R.REVOKED),
    "its device is decommissioned": (
        lambda office: office.administration.decommission(foreign_id(SERIAL), actor="tests"),
        R.REVOKED,
    ),
    "its key is dismissed": (
        lambda office: office.administration.dismiss(foreign_id(SERIAL), SET, actor="tests"),
        R.REVOKED,
    ),
    "it is revoked": (lambda office: office.administration.revoke_token(SET, actor="tests"), R.REVOKED),
}


@pytest.mark.parametrize("sentence", ENDS)
def test_it_ends_for_ever_when(sentence: str, office: Office) -> None:
    end, refusal = ENDS[sentence]
    before = revision(office)
    end(office)
    assert _refusal(office, _token()) is refusal
    assert revision(office) > before


def test_to_revoke_it_takes_nothing_else(office: Office) -> None:
    office.administration.revoke_token(SET, actor="tests")
    assert told(office)[-1] == "device-token-revoked"
    assert office.outcome(device_of()) == "token"
    with pytest.raises(DeviceTokenNotFound):
        office.administration.revoke_token(SET, actor="tests")


def test_asking_for_a_token_of_ours_leaves_it(office: Office) -> None:
    assert office.outcome(device_of()) == "token"
    assert _refusal(office, _token()) is None


def test_it_proves_nothing_where_a_device_changes_its_key(office: Office) -> None:
    assert not office.store.holds(SET, SET)


@pytest.fixture
def database(office: Office) -> Database:
    """With an imported user."""
    row = {
        "id": USER, "email": EMAIL, "roles": [], "password_hash": "x", "created_at": START, "updated_at": START,
        "revision": FORMER,
    }  # fmt: skip
    with office.database.writing() as connection:
        connection.execute(insert(users).values(row))
    certify(office.database)
    return office.database


def _store(database: Database, office: Office) -> SqlUserStore:
    return SqlUserStore(database=database, clock=office.clock)


USER_ENDS: Mapping[str, Callable[[SqlUserStore], object]] = {
    "another password": lambda store: store.set_password(
        USER, "y", user_event(EventType.USER_PASSWORD_CHANGED, store.user(USER), actor="tests")
    ),
    "the user is disabled": lambda store: store.disable(
        USER, user_event(EventType.USER_DISABLED, store.user(USER), actor="tests")
    ),
    "the user is deleted": lambda store: store.delete(
        USER, user_event(EventType.USER_DELETED, store.user(USER), actor="tests")
    ),
}


@pytest.mark.parametrize("sentence", USER_ENDS)
def test_a_user_s_ends_for_ever_with(sentence: str, database: Database, office: Office) -> None:
    assert _refusal(office, OF_USER) is None
    store = _store(database, office)
    USER_ENDS[sentence](store)
    assert _refusal(office, OF_USER) in (R.REVOKED, R.NOT_ON_RECORD)
    if sentence == "the user is disabled":
        store.enable(USER, user_event(EventType.USER_ENABLED, store.user(USER), actor="tests"))
        assert _refusal(office, OF_USER) is R.REVOKED


def test_a_user_s_ends_with_all_others_after_a_backup_was_put_back(database: Database, office: Office) -> None:
    with database.writing() as connection:
        end_all_user_tokens(connection, START)
    assert _refusal(office, OF_USER) is R.REVOKED


def test_a_user_who_was_made_here_has_none(database: Database, office: Office) -> None:
    with database.writing() as connection:
        connection.execute(update(users).values(revision=0))
    assert _refusal(office, OF_USER) is R.NOT_ON_RECORD
    with database.reading() as connection:
        assert connection.execute(select(users.c.revision)).scalar_one() == 0


def test_one_that_is_not_former_is_looked_up_as_ever(office: Office) -> None:
    assert _refusal(office, replace(_token(), former=False)) is R.NOT_ON_RECORD


@pytest.fixture
def endings(database: Database, office: Office) -> SqlFormerTokenEndings:
    """Of users, over two at most; the key is on record."""
    keys = SqlKeyStore(database=database, clock=office.clock)
    keys.add_key(new_key("t", purpose=Purpose.USER_TOKEN), new_version(), event())
    return SqlFormerTokenEndings(database=database, clock=office.clock, most=2)


def _session(number: int, subject: str = USER) -> VerifiedToken:
    return replace(_token(TokenKind.USER, subject, foreign_id(f"session {number}")), jti=f"{number:064}")


def _because(office: Office) -> list[object]:
    found = SqlKeyStore(database=office.database, clock=office.clock).events(after=0, limit=1000, key=None)
    return [each.event.after["because"] for each in found if each.event.type is EventType.USER_TOKEN_ENDED]


def test_logging_out_ends_it_and_no_other(endings: SqlFormerTokenEndings, office: Office) -> None:
    before = revision(office)
    assert (endings.end(_session(1)), endings.end(_session(1))) == (True, False)
    assert [_refusal(office, _session(number)) for number in (1, 2)] == [R.REVOKED, None]
    assert _because(office) == ["logged-out"]
    assert SqlTokenStateStore(database=office.database).changes(before).subjects == {USER}


def test_logging_out_too_often_ends_all(endings: SqlFormerTokenEndings, office: Office) -> None:
    assert [endings.end(_session(number)) for number in (1, 2, 3)] == [True, True, True]
    assert [_refusal(office, _session(number)) for number in (1, 3, 4)] == [R.REVOKED] * 3
    assert not endings.end(_session(5))
    assert _because(office) == ["logged-out", "logged-out", "too-many"]


def test_it_stays_ended_until_it_would_have_ended(endings: SqlFormerTokenEndings, office: Office) -> None:
    endings.end(_session(1))
    end = _session(1).expires_at
    for before, expected in ((end, 0), (end + timedelta(seconds=1), 1)):
        with office.database.writing() as connection:
            assert remove_expired(connection, before=before) == expected


NOT_THEIRS: Mapping[str, Callable[[SqlUserStore], object]] = {
    "of a user who is not on record": USER_ENDS["the user is deleted"],
    "of a user who is disabled": USER_ENDS["the user is disabled"],
    "that another password ended": USER_ENDS["another password"],
}


@pytest.mark.parametrize("sentence", NOT_THEIRS)
def test_there_is_nothing_to_log_out_of_with_one(
    sentence: str, endings: SqlFormerTokenEndings, office: Office, database: Database
) -> None:
    NOT_THEIRS[sentence](_store(database, office))
    assert not endings.end(_session(1))
    assert _because(office) == []
