"""API tokens for tests: made as the service makes them, or looked up in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from signer.auth.api_tokens import made_api_token
from signer.domain.api_tokens import ApiToken, NewApiToken
from signer.domain.events import Event
from signer.domain.people import Membership
from signer.errors import CredentialsRejected, DatabaseUnavailable
from signer.services.access_ports import ApiTokenStore, StoredApiToken
from signer.services.api_tokens import ApiTokenService
from tests.support.guards import NOBODY_ASKED


def api_token_service(store: ApiTokenStore) -> ApiTokenService:
    """What makes and revokes them, by the real clock."""
    return ApiTokenService(store=store, make=made_api_token, clock=lambda: datetime.now(UTC), guard=NOBODY_ASKED)


def issue_api_token(store: ApiTokenStore, *, name: str, role: str | None, actor: str = "test") -> str:
    """The text of a new token."""
    new = NewApiToken(name=name, role=None if role is None else str(role))
    return api_token_service(store).create(new, actor=actor).text


@dataclass(slots=True)
class MemoryApiTokens:
    """``services.ports.ApiTokenStore`` in memory, and how often it was asked for whom."""

    rows: dict[str, StoredApiToken] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    uses: list[tuple[frozenset[str], datetime]] = field(default_factory=list)
    broken: bool = False
    at_find: Callable[[], object] = lambda: None

    def add(
        self, *, token_id: str, new: NewApiToken, secret_sha256: bytes, event: Event, permit: object = None
    ) -> None:
        token = ApiToken(
            id=token_id,
            name=new.name,
            role=new.role,
            person=new.person,
            scope=new.scope,
            expires_at=new.expires_at,
            created_at=datetime(2030, 1, 1, tzinfo=UTC),
        )
        self.rows[token_id] = StoredApiToken(token=token, secret_sha256=secret_sha256)
        self.events.append(event)

    def find(self, token_id: str) -> StoredApiToken | None:
        self.asked.append(token_id)
        if self.broken:
            raise DatabaseUnavailable
        row = self.rows.get(token_id)
        self.at_find()
        return row

    def named(self, name: str) -> ApiToken | None:
        return next((row.token for row in self.rows.values() if row.token.name == name), None)

    def all_tokens(self) -> tuple[ApiToken, ...]:
        return tuple(sorted((row.token for row in self.rows.values()), key=lambda token: token.name))

    def note_uses(self, token_ids: Collection[str], at: datetime) -> None:
        if self.broken:
            raise DatabaseUnavailable
        self.uses.append((frozenset(token_ids), at))

    def revoke(self, name: str, event: Event) -> bool:
        self.rows = {token_id: row for token_id, row in self.rows.items() if row.token.name != name}
        self.events.append(event)
        return True

    def reinstate(self, name: str, event: Event) -> bool:
        self.events.append(event)
        return False


@dataclass(slots=True)
class MemoryDirectory:
    """``services.access_ports.Directory`` in memory: groups by principal, and the people who are disabled."""

    groups: dict[str, frozenset[str]] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)

    def membership(self, identity: str, *, person: str | None = None) -> Membership:
        if person in self.disabled:
            raise CredentialsRejected
        principals = [identity, *([f"person:{person}"] if person else [])]
        found = frozenset[str]().union(*(self.groups.get(each, frozenset()) for each in principals))
        return Membership(person=person, groups=found)
