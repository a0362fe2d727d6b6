"""API tokens straight into the store."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from signer.domain.api_tokens import NewApiToken
from signer.domain.events import Event, EventType
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.database import Database


def _store(database: Database) -> SqlApiTokenStore:
    return SqlApiTokenStore(database=database, clock=lambda: datetime(2001, 1, 2, tzinfo=UTC))


def add_api_token(database: Database, name: str, role: str, **limits: Any) -> None:
    """A valid one, whose secret nobody has; ``limits``: as ``NewApiToken`` has them."""
    new = NewApiToken(name=name, role=role, **limits)
    event = Event(
        type=EventType.API_TOKEN_CREATED, actor="tests", key=None, version=None, before={}, after={"name": name}
    )
    _store(database).add(token_id=secrets.token_hex(8), new=new, secret_sha256=secrets.token_bytes(32), event=event)


def revoke_api_token(database: Database, name: str) -> None:
    """It proves nothing any more."""
    event = Event(
        type=EventType.API_TOKEN_REVOKED, actor="tests", key=None, version=None, before={}, after={"name": name}
    )
    _store(database).revoke(name, event)
