"""Where ``artifact-signer users`` does its work: over the API, or on the database of an installation.

Both take and give the JSON documents of the API.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from signer.cli.connection import connected
from signer.config import load_settings

if TYPE_CHECKING:
    from signer.client import Client
    from signer.services.users import UserAdministration

ROUTE = "/v1/users"
Document = Mapping[str, Any]


class Users(Protocol):
    """What the commands ask for."""

    def all(self) -> Document:
        """All of them."""

    def one(self, email: str) -> Document:
        """One."""

    def create(self, document: Mapping[str, Any]) -> Document:
        """Somebody new."""

    def set_disabled(self, email: str, reason: str, *, disabled: bool) -> bool:
        """Whether that changed anything."""

    def set_roles(self, email: str, roles: list[str]) -> bool:
        """Whether that changed anything."""

    def set_password(self, email: str, password: str) -> None:
        """Another one."""

    def reset_second_factor(self, email: str, reason: str) -> bool:
        """Whether that changed anything."""

    def delete(self, email: str) -> None:
        """Forget somebody."""


class OverTheApi:
    """Asks a service."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def all(self) -> Document:
        """All of them."""
        return self._client.read(ROUTE)

    def one(self, email: str) -> Document:
        """One."""
        return self._client.read(_path(email))

    def create(self, document: Mapping[str, Any]) -> Document:
        """Somebody new."""
        return self._client.ask(ROUTE, document)

    def set_disabled(self, email: str, reason: str, *, disabled: bool) -> bool:
        """Whether that changed anything."""
        return self._changed(email, "disable" if disabled else "enable", reason=reason)

    def set_roles(self, email: str, roles: list[str]) -> bool:
        """Whether that changed anything."""
        return self._changed(email, "roles", roles=roles)

    def set_password(self, email: str, password: str) -> None:
        """Another one."""
        self._client.ask(_path(email, "password"), {"password": password})

    def reset_second_factor(self, email: str, reason: str) -> bool:
        """Whether that changed anything."""
        return self._changed(email, "totp-reset", reason=reason)

    def delete(self, email: str) -> None:
        """Forget somebody."""
        self._changed(email, "delete")

    def _changed(self, email: str, step: str, **body: Any) -> bool:
        return bool(self._client.ask(_path(email, step), body)["changed"])


class OnTheDatabase:
    """Works on the database itself; whoever can open it may."""

    def __init__(self, users: UserAdministration, *, actor: str) -> None:
        from signer.services.user_documents import user_document
        from signer.services.users import unguarded

        self._document = user_document
        self._guard = unguarded
        self._users = users
        self._actor = actor

    def all(self) -> Document:
        """All of them."""
        return {"users": [self._document(each) for each in self._users.users()]}

    def one(self, email: str) -> Document:
        """One."""
        return self._document(self._users.named(email))

    def create(self, document: Mapping[str, Any]) -> Document:
        """Somebody new."""
        from signer.services.users import UserRequest

        wanted = UserRequest(
            unverified_email=document["email"],
            unverified_password=document["password"],
            unverified_roles=tuple(document["roles"]),
            person=document.get("person"),
        )
        return self._document(self._users.create(wanted, actor=self._actor, guard=self._guard))

    def set_disabled(self, email: str, reason: str, *, disabled: bool) -> bool:
        """Whether that changed anything."""
        user = self._users.named(email)
        if disabled:
            return self._users.disable(user, reason=reason, actor=self._actor)
        return self._users.enable(user, reason=reason, actor=self._actor, guard=self._guard)

    def set_roles(self, email: str, roles: list[str]) -> bool:
        """Whether that changed anything."""
        return self._users.set_roles(self._users.named(email), roles, actor=self._actor, guard=self._guard)

    def set_password(self, email: str, password: str) -> None:
        """Another one."""
        self._users.set_password(self._users.named(email), password, actor=self._actor, guard=self._guard)

    def reset_second_factor(self, email: str, reason: str) -> bool:
        """Whether that changed anything."""
        user = self._users.named(email)
        return self._users.reset_second_factor(user, reason=reason, actor=self._actor, guard=self._guard)

    def delete(self, email: str) -> None:
        """Forget somebody."""
        self._users.delete(self._users.named(email), actor=self._actor)


@contextmanager
def opened(config: Path | None, command: str) -> Iterator[Users]:
    """The database of the installation, or the service where no configuration is given."""
    if config is None:
        with connected() as client:
            yield OverTheApi(client)
        return
    from signer.bootstrap import utc_now
    from signer.storage.database import Database
    from signer.user_bootstrap import argon2_passwords, user_administration

    settings = load_settings(config, os.environ)
    database, passwords = Database(settings.database), argon2_passwords(settings.users)
    try:
        database.check_revision()
        users = user_administration(database, utc_now, passwords, settings.approvals)
        yield OnTheDatabase(users, actor=f"artifact-signer users {command}")
    finally:
        passwords.close()
        database.close()


def _path(email: str, step: str | None = None) -> str:
    return f"{ROUTE}/{quote(email, safe='')}" + (f"/{step}" if step else "")
