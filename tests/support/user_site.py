"""The routes over a service in this process that issues tokens: keys in memory, users, and a clock of the test's."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from signer.auth.passwords import Argon2Cost, Argon2Passwords, Hasher
from signer.bootstrap import sql_parts
from signer.domain.identity import Role
from signer.domain.keys import Purpose
from signer.services.policy_administration import PolicyProposal
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.database import Database
from signer.user_settings import UserSettings
from signer.web.app import create_app
from signer.web.front.application import Front
from signer.web.front.bridge import Bridge
from signer.web.front.metrics import Metrics
from signer.web.front.rooms import Rooms
from tests.support.api_tokens import issue_api_token
from tests.support.asking import Reply, ask
from tests.support.clock import ManualClock
from tests.support.house import House, settings
from tests.support.memory_tokens import MemoryTokens

USERADM = "/api/management/v1/useradm"
EMAIL, PASSWORD = "ops@example.com", "correct horse battery"
CHEAP = Argon2Cost(memory=64, passes=1, lanes=1)
TIMEOUT = 60.0


def basic(email: str, password: str) -> dict[str, str]:
    """The header of somebody who logs in."""
    return {"Authorization": "Basic " + base64.b64encode(f"{email}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    """The header of somebody who has a token."""
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSite:
    """The front. ``admin``: the header of an administrator's API token."""

    front: Front
    house: House
    clock: ManualClock
    admin: Mapping[str, str]

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        *,
        address: str = "127.0.0.1",
    ) -> Reply:
        """One request; ``body`` is bytes, or a JSON document."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return ask(self.front, method, path, headers=headers, body=raw, said={"client": (address, 1)})

    def create(self, email: str = EMAIL, password: str = PASSWORD, **facts: Any) -> None:
        """Somebody new."""
        made = self.ask("POST", "/v1/users", self.admin, {"email": email, "password": password, **facts})
        assert made.status_code == 201, made.data

    def login(
        self, email: str = EMAIL, password: str = PASSWORD, *, code: str | None = None, address: str = "127.0.0.1"
    ) -> Reply:
        """An attempt to log in."""
        body = None if code is None else {"token2fa": code}
        return self.ask("POST", f"{USERADM}/auth/login", basic(email, password), body, address=address)

    def session(self, email: str = EMAIL, password: str = PASSWORD, *, code: str | None = None) -> dict[str, str]:
        """The header of somebody who has logged in."""
        reply = self.login(email, password, code=code)
        assert reply.status_code == 200, reply.data
        return bearer(reply.data.decode())

    def apply(self, text: str) -> None:
        """Another policy, beside what administrators may."""
        rule = '[[rules]]\nname = "admin"\neffect = "allow"\nprincipals = ["role:administrator"]\n'
        actions = 'actions = ["administer", "manage-users", "manage-devices", "read-log", "read"]\nkeys = ["*"]\n'
        proposal = PolicyProposal(text=f"version = 1\n{rule}{actions}{text}", reason="a test")
        self.house.parts.administration.policies.apply(proposal, actor="tests")


@contextmanager
def user_site(
    url: str, directory: Path, clock: ManualClock, *, hasher: Hasher | None = None, waiting: int = 16
) -> Iterator[UserSite]:
    """A service with a key for users' tokens, and a seal."""
    tokens = MemoryTokens("one")
    seal = directory / "users.seal"
    seal.write_bytes(bytes(range(32)))
    chosen = settings(url, directory, tokens.names)
    chosen = chosen.model_copy(update={"users": UserSettings(seal_key_file=seal)})  # type: ignore[call-arg]
    database = Database(chosen.database)
    parts = sql_parts(chosen, database=database, tokens=tokens, clock=clock, monotonic=lambda: clock().timestamp())
    parts.users.passwords.close()
    cheap = Argon2Passwords(CHEAP, threads=1, waiting=waiting, hasher=hasher)
    parts = replace(parts, users=replace(parts.users, passwords=cheap))
    house = House.of(chosen, parts, database)
    rooms = Rooms(threads=2, timeout=TIMEOUT)
    try:
        house.create("user-token", purpose=Purpose.USER_TOKEN)
        services = house.application
        bridge, metrics = Bridge(create_app(services)), Metrics(parts.stages)
        api_tokens = SqlApiTokenStore(database=database, clock=clock)
        text = issue_api_token(api_tokens, name="admin", role=Role.ADMINISTRATOR)
        front = Front(services, timeout=TIMEOUT, rooms=rooms, bridge=bridge, metrics=metrics)
        yield UserSite(front=front, house=house, clock=clock, admin=bearer(text))
    finally:
        rooms.close()
        cheap.close()
        house.close()
        database.close()
