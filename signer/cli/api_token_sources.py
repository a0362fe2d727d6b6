"""Where ``artifact-signer api-tokens`` does its work: over the API, or on the database of an installation.

Both take and give the JSON documents of the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from signer.cli.connection import connected
from signer.cli.local_database import local_database

if TYPE_CHECKING:
    from signer.client import Client
    from signer.services.api_tokens import ApiTokenService

ROUTE = "/v1/api-tokens"


class ApiTokens(Protocol):
    """What the commands ask for."""

    def create(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a token; its text is the member ``api_token``."""

    def all(self) -> list[Mapping[str, Any]]:
        """All by name."""

    def revoke(self, name: str) -> bool:
        """Whether it was not revoked before."""

    def reinstate(self, name: str, reason: str) -> bool:
        """Whether it was suspended."""


class OverTheApi:
    """Asks a service."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a token."""
        return self._client.ask(ROUTE, document)

    def all(self) -> list[Mapping[str, Any]]:
        """All by name."""
        return list(self._client.read(ROUTE)["api_tokens"])

    def revoke(self, name: str) -> bool:
        """Whether it was not revoked before."""
        return bool(self._client.ask(f"{ROUTE}/{quote(name, safe='')}/revoke")["changed"])

    def reinstate(self, name: str, reason: str) -> bool:
        """Whether it was suspended."""
        return bool(self._client.ask(f"{ROUTE}/{quote(name, safe='')}/reinstate", {"reason": reason})["changed"])


class OnTheDatabase:
    """Works on the database itself; whoever can open it may."""

    def __init__(self, service: ApiTokenService, *, actor: str) -> None:
        self._service = service
        self._actor = actor

    def create(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a token."""
        from signer.domain.api_tokens import NewApiToken, scope_of
        from signer.errors import InvalidRequest

        expires_at, seconds = document.get("expires_at"), document.get("expires_in")
        try:
            scope = scope_of(document.get("keys"), document.get("actions"))
        except ValueError as error:
            raise InvalidRequest(problems=(f"--key: {error}",)) from None
        new = NewApiToken(
            name=document["name"],
            role=document.get("role"),
            person=document.get("person"),
            scope=scope,
            expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        )
        lifetime = None if seconds is None else timedelta(seconds=seconds)
        issued = self._service.create(new, lifetime=lifetime, actor=self._actor)
        return {**issued.token.document, "api_token": issued.text}

    def all(self) -> list[Mapping[str, Any]]:
        """All by name."""
        return [token.document for token in self._service.all_tokens()]

    def revoke(self, name: str) -> bool:
        """Whether it was not revoked before."""
        return self._service.revoke(name, actor=self._actor)

    def reinstate(self, name: str, reason: str) -> bool:
        """Whether it was suspended."""
        return self._service.reinstate(name, reason=reason, actor=self._actor)


@contextmanager
def opened(config: Path | None, command: str) -> Iterator[ApiTokens]:
    """The database of the installation, or the service where no configuration is given."""
    if config is None:
        with connected() as client:
            yield OverTheApi(client)
        return
    from signer.api_token_bootstrap import api_token_service
    from signer.approval_bootstrap import approval_parts
    from signer.bootstrap import utc_now
    from signer.storage.api_token_store import SqlApiTokenStore

    with local_database(config) as (settings, database):
        store = SqlApiTokenStore(database=database, clock=utc_now)
        actor = f"artifact-signer api-tokens {command}"
        guard = approval_parts(database, utc_now, settings.approvals).guard
        yield OnTheDatabase(api_token_service(store, utc_now, guard), actor=actor)
