"""Tokens of the server that was there before, on every database: whose they are, and what ends them for ever."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from signer.domain.events import EventType
from signer.domain.token_claims import TokenKind, VerifiedToken
from signer.domain.user_events import user_event
from signer.errors import DeviceTokenNotFound, TokenRefusal
from signer.storage.database import Database
from signer.storage.device_tables import FORMER
from signer.storage.issued_tokens import end_all_user_tokens
from signer.storage.token_state_store import SqlTokenStateStore
from signer.storage.user_store import SqlUserStore
from signer.storage.user_tables import users
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener, certify
from tests.support.device_office import Office, revision, told
from tests.support.foreign_lists import device_of, foreign_id, imported, importing_into, listed, written

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
