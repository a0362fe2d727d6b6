"""Who may have a token at the moment of recording, by the rows of devices and users, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import insert

from signer.domain.token_claims import TokenKind
from signer.domain.token_records import TokenEntry
from signer.storage.access_tables import people
from signer.storage.database import Database
from signer.storage.device_tables import auth_sets, devices
from signer.storage.record_statements import statements
from signer.storage.token_subjects import holders
from signer.storage.user_tables import users
from tests.support.databases import Opener
from tests.support.issued_tokens import DEVICE, NOW, USER, token_entry, user_entry

ROW = {"created_at": NOW, "updated_at": NOW}
ACCEPTED = ("device", DEVICE.device_id, DEVICE.auth_set_id)
ENABLED = ("user", USER.user_id, "")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    opener = Opener(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    yield opener()
    opener.close()


def put(database: Database, *, device: dict[str, Any], auth_set: dict[str, Any], user: dict[str, Any]) -> None:
    """A device with one auth set and a user with a person, as these changes have them."""
    with database.writing() as connection:
        base = {"id": DEVICE.device_id, "identity_sha256": "1" * 64, "identity": "{}", "status": "accepted", **ROW}
        connection.execute(insert(devices).values({**base, "decommissioning": False, **device}))
        own = {"id": DEVICE.auth_set_id, "device_id": DEVICE.device_id, "pubkey_sha256": "2" * 64, "pubkey": b"k"}
        connection.execute(insert(auth_sets).values({**own, "status": "accepted", "created_at": NOW, **auth_set}))
        gone = user.get("person_disabled_at")
        connection.execute(insert(people).values(name="ada", display="Ada", created_at=NOW, disabled_at=gone))
        named = {"id": USER.user_id, "email": "ada@example.com", "person": "ada", "roles": [], "password_hash": "x"}
        given = {name: value for name, value in user.items() if name != "person_disabled_at"}
        connection.execute(insert(users).values({**named, **ROW, **given}))


def found(database: Database, *entries: TokenEntry) -> set[tuple[str, str, str]]:
    with database.reading() as connection:
        return holders(connection, statements(database.dialect), entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is different from a device that is accepted and a user who may log in."""

    device: dict[str, Any] = field(default_factory=dict)
    auth_set: dict[str, Any] = field(default_factory=dict)
    user: dict[str, Any] = field(default_factory=dict)
    entry: dict[str, Any] = field(default_factory=dict)
    kind: TokenKind = TokenKind.DEVICE


REFUSED = {
    **{f"an auth set that is {status}": Row(auth_set={"status": status})
       for status in ("pending", "preauthorized", "rejected", "dismissed")},
    "a device that is being decommissioned": Row(device={"decommissioning": True}),
    "an auth set that is unknown": Row(entry={"auth_set": "00000000-0000-4000-8000-000000000000"}),
    "the auth set of another device": Row(entry={"subject": "00000000-0000-4000-8000-000000000000"}),
    "a user who is disabled": Row(user={"disabled_at": NOW}, kind=TokenKind.USER),
    "a user whose person is disabled": Row(user={"person_disabled_at": NOW}, kind=TokenKind.USER),
    "a user who is unknown": Row(entry={"subject": "nobody"}, kind=TokenKind.USER),
    "a user by the id of a device": Row(entry={"subject": DEVICE.device_id}, kind=TokenKind.USER),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_gets_no_token(database: Database, sentence: str) -> None:
    row = REFUSED[sentence]
    put(database, device=row.device, auth_set=row.auth_set, user=row.user)
    make = token_entry if row.kind is TokenKind.DEVICE else user_entry
    sent = make(**row.entry)
    assert (sent.kind.value, sent.subject, sent.auth_set) not in found(database, sent)


def test_an_accepted_device_and_a_user_who_may_log_in_get_theirs(database: Database) -> None:
    put(database, device={}, auth_set={}, user={})
    assert found(database, token_entry(), user_entry()) == {ACCEPTED, ENABLED}


def test_a_user_without_a_person_gets_one(database: Database) -> None:
    put(database, device={}, auth_set={}, user={"person": None})
    assert found(database, user_entry()) == {ENABLED}
