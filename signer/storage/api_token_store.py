"""API tokens in SQL: the public part, and a hash of the secret part."""

from __future__ import annotations

from sqlalchemy import insert, select

from signer.domain.events import Event
from signer.services.ports import Clock
from signer.storage.database import Database
from signer.storage.key_store import insert_event
from signer.storage.tables import api_tokens


class SqlApiTokenStore:
    """``services.ports.ApiTokenStore`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, *, token_id: str, name: str, role: str, secret_sha256: bytes, event: Event) -> None:
        """Record a token."""
        moment = self._clock()
        row = {
            "id": token_id,
            "name": name,
            "role": role,
            "secret_sha256": secret_sha256,
            "created_at": moment,
        }
        with self._database.writing() as connection:
            connection.execute(insert(api_tokens).values(row))
            insert_event(connection, event, moment)

    def find(self, token_id: str) -> tuple[str, str, bytes] | None:
        """Name, role and SHA-256 of the secret, or None."""
        query = select(api_tokens).where(api_tokens.c.id == token_id)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.name, row.role, row.secret_sha256)

    def name_taken(self, name: str) -> bool:
        """Whether a token of this name is on record."""
        query = select(api_tokens.c.id).where(api_tokens.c.name == name)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None
