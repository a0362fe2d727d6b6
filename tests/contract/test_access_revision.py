"""The revision of access moves, durably, with what changes a key or takes access away, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from signer.domain.api_tokens import NewApiToken
from signer.domain.events import EventType
from signer.domain.keys import Key, VersionState
from signer.errors import KeyNameTaken, StateChanged
from signer.services.ports import Certificate
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.key_store import SqlKeyStore
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener
from tests.support.records import add_pinned, event, new_key, new_version, swap


@dataclass(frozen=True, slots=True)
class Stores:
    """On one database, with one key and one API token."""

    keys: SqlKeyStore
    tokens: SqlApiTokenStore
    key: Key

    def add_token(self, name: str) -> None:
        """An API token."""
        self.tokens.add(
            token_id=name,
            new=NewApiToken(name=name, role="signer"),
            secret_sha256=b"s" * 32,
            event=event(EventType.API_TOKEN_CREATED),
        )

    def revoke(self, name: str) -> None:
        """Revoke it."""
        self.tokens.revoke(name, event(EventType.API_TOKEN_REVOKED))


@pytest.fixture
def stores(open_database: Opener, clock: ManualClock) -> Stores:
    database = open_database()
    keys, tokens = SqlKeyStore(database=database, clock=clock), SqlApiTokenStore(database=database, clock=clock)
    made = Stores(keys, tokens, add_pinned(keys))
    made.add_token("first")
    return made


def disable(stores: Stores) -> None:
    stores.keys.change(stores.key, [swap(stores.key.versions[0], VersionState.DISABLED)], [event()])


def certify(stores: Stores) -> None:
    certificate = Certificate(
        pem="p", chain_pem="", self_signed=True, not_after=START + timedelta(days=1), created_at=START
    )
    stores.keys.add_certificate(stores.key, 1, certificate, event(EventType.CERTIFICATE_ISSUED))


STEPS: dict[str, tuple[Callable[[Stores], object], int]] = {
    "a key is added": (lambda it: it.keys.add_key(new_key("other"), new_version(), event()), 1),
    "a version is added": (lambda it: it.keys.add_version(it.key, new_version(), event()), 1),
    "a version is disabled": (disable, 1),
    "an API token is revoked": (lambda it: it.revoke("first"), 1),
    "an API token is added": (lambda it: it.add_token("second"), 0),
    "a certificate is added": (certify, 0),
    "an event is recorded": (lambda it: it.keys.record(event()), 0),
}


@pytest.mark.parametrize("sentence", STEPS)
def test_steps(stores: Stores, sentence: str, open_database: Opener, clock: ManualClock) -> None:
    step, moves = STEPS[sentence]
    before = stores.keys.access_revision()
    step(stores)
    assert SqlKeyStore(database=open_database(), clock=clock).access_revision() == before + moves


def test_a_step_that_fails_does_not_move_it(stores: Stores) -> None:
    stores.revoke("first")
    disable(stores)
    before = stores.keys.access_revision()
    with pytest.raises(KeyNameTaken):
        stores.keys.add_key(new_key(stores.key.name), new_version(), event())
    with pytest.raises(StateChanged):
        disable(stores)
    stores.revoke("first")
    assert stores.keys.access_revision() == before


def test_a_key_is_no_older_than_the_revision_that_comes_with_it(stores: Stores) -> None:
    key, revision = stores.keys.key_at(stores.key.name)
    assert (key, revision) == (stores.key, stores.keys.access_revision())
