"""The check of the keys of tokens: what is missing is named where somebody needs tokens, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert

from signer.config import Settings
from signer.doctor.report import Severity
from signer.doctor.token_keys import token_keys
from signer.domain.keys import Purpose, VersionState
from signer.storage.device_tables import devices
from signer.storage.user_tables import users
from tests.support.clock import ManualClock
from tests.support.house import House, open_house, settings
from tests.support.issued_tokens import DEVICE, NOW, USER
from tests.support.memory_tokens import MemoryTokens
from tests.support.records import event, swap


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An installation, and what the check says of it."""

    house: House
    settings: Settings
    clock: ManualClock

    def put_user(self) -> None:
        row = {"id": USER.user_id, "email": "ada@example.com", "roles": [], "password_hash": "x"}
        self._put(users, {**row, "created_at": NOW, "updated_at": NOW})

    def put_device(self) -> None:
        row = {"id": DEVICE.device_id, "identity_sha256": "1" * 64, "identity": "{}", "status": "pending"}
        self._put(devices, {**row, "decommissioning": False, "created_at": NOW, "updated_at": NOW})

    def _put(self, table: Any, row: dict[str, Any]) -> None:
        with self.house.database.writing() as connection:
            connection.execute(insert(table).values(row))

    def found(self) -> list[tuple[Severity, str]]:
        examination: Any = SimpleNamespace(
            usable_database=lambda: self.house.database,
            surroundings=SimpleNamespace(clock=self.clock),
            settings=self.settings,
        )
        return [(each.severity, each.sentence) for each in token_keys(examination)]


@pytest.fixture
def place(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[Place]:
    tokens = MemoryTokens("one")
    with open_house(sqlite_url, tmp_path, tokens, clock) as house:
        yield Place(house=house, settings=settings(sqlite_url, tmp_path, tokens.names), clock=clock)


def test_where_nobody_is_nothing_is_missed(place: Place) -> None:
    assert [severity for severity, _ in place.found()] == [Severity.OK]


def test_missing_keys_are_named_with_the_command_that_makes_them(place: Place) -> None:
    place.put_user()
    place.put_device()
    assert place.found() == [
        (Severity.FAILED, "there are devices, and no key device-token that signs their tokens"),
        (Severity.FAILED, "there are users, and no key user-token that signs their tokens"),
    ]


def test_a_key_of_another_purpose_is_none(place: Place) -> None:
    place.house.create("user-token", purpose=Purpose.DEVICE_TOKEN)
    place.put_user()
    ((severity, sentence),) = place.found()
    assert (severity, "cannot sign the tokens of users" in sentence) == (Severity.FAILED, True)


def test_a_key_without_a_version_that_signs_is_none(place: Place) -> None:
    key = place.house.create("user-token", purpose=Purpose.USER_TOKEN)
    place.house.store.change(key, [swap(key.versions[0], VersionState.DISABLED)], [event(key=key.name)])
    place.put_user()
    ((severity, sentence),) = place.found()
    assert (severity, "no version of the key user-token signs" in sentence) == (Severity.FAILED, True)


def test_keys_that_sign_are_told_so(place: Place) -> None:
    place.house.create("user-token", purpose=Purpose.USER_TOKEN)
    place.put_user()
    assert place.found() == [(Severity.OK, "the keys of the tokens of users sign")]
