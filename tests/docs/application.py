"""The real routes over the real services, on a database of their own and with a token that nobody reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from flask import Flask

from signer.bootstrap import Parts, build_application, sql_parts
from signer.config import DatabaseSettings, PinSettings, Settings, SpoolSettings, TokenSettings
from signer.domain.events import Event, EventType
from signer.domain.identity import Role
from signer.domain.keys import UNBOUNDED, Origin, Purpose
from signer.services.ports import Clock, NewKey, NewVersion, TokenAccess
from signer.services.token_ports import TokenIssuer
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.database import Database
from signer.storage.first_policy import first_policy
from signer.storage.key_store import SqlKeyStore
from signer.token import open_tokens
from signer.web.app import create_app
from signer.web.front.application import Front
from signer.web.front.bridge import Bridge
from signer.web.front.metrics import Metrics
from signer.web.front.rooms import Rooms
from tests.support.api_tokens import issue_api_token
from tests.support.asking import Reply, ask
from tests.support.databases import place_empty

KEY = "documented"
TIMEOUT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The front, and Flask behind it; ``credentials`` has an ``Authorization`` header for each role."""

    front: Front
    app: Flask
    credentials: dict[Role, str]
    close: Callable[[], None]

    def ask(self, method: str, target: str, authorization: str | None = None, body: bytes = b"") -> Reply:
        """One request to the front."""
        headers = {} if authorization is None else {"Authorization": authorization}
        return self.front_ask(method, target, headers, body)

    def front_ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """One request to the front, with these header fields."""
        return ask(self.front, method, target, headers=headers, body=body)


def application(
    directory: Path,
    *,
    changed: Callable[[Parts, Database], Parts] = lambda parts, _: parts,
    settings: Settings | None = None,
    clock: Clock | None = None,
    issuer: TokenIssuer | None = None,
) -> Application:
    """One key, ``KEY``, is on record; its version 1 is pending. No token process is started.

    ``changed``: puts other parts in the place of some; ``issuer``: stands for what issues tokens.
    """
    settings, clock = settings or _settings(directory), clock or _now
    database = Database(settings.database)
    place_empty(Path(settings.database.url.removeprefix("sqlite:///")))
    with database.writing() as connection:
        first_policy(clock)(connection)
    store = SqlKeyStore(database=database, clock=clock)
    api_tokens = SqlApiTokenStore(database=database, clock=clock)
    tokens = cast("TokenAccess", open_tokens(settings))
    parts = changed(sql_parts(settings, database=database, tokens=tokens, clock=clock), database)
    _record_key(store)
    services = build_application(settings, parts)
    if issuer is not None:
        services = replace(services, token_issuer=issuer)
    app, rooms = create_app(services), Rooms(threads=1, timeout=TIMEOUT)
    return Application(
        front=Front(services, timeout=TIMEOUT, rooms=rooms, bridge=Bridge(app), metrics=Metrics(parts.stages)),
        app=app,
        credentials={
            role: f"Bearer {issue_api_token(api_tokens, name=role.value, role=role, actor='test')}" for role in Role
        },
        close=lambda: (rooms.close(), database.close())[1],
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _settings(directory: Path) -> Settings:
    pin = directory / "token.pin"
    return Settings(
        database=DatabaseSettings(url=f"sqlite:///{directory}/test.sqlite"),  # type: ignore[call-arg]
        spool=SpoolSettings(directory=directory),
        tokens=(
            TokenSettings(  # type: ignore[call-arg]
                name="unreached",
                uri="pkcs11:token=t?module-path=/nonexistent.so",
                pin=PinSettings(file=pin),  # type: ignore[call-arg]
            ),
        ),
    )


def _record_key(store: object) -> None:
    from hsm.algorithms import Algorithm

    key = NewKey(
        name=KEY, purpose=Purpose.ARTIFACT, algorithm=Algorithm.ECDSA_P256, tokens=("unreached",), created_by="test"
    )
    version = NewVersion(origin=Origin.GENERATED, cka_id=b"1", tokens=("unreached",), validity=UNBOUNDED)
    event = Event(type=EventType.CREATION_STARTED, actor="test", key=KEY, version=1, before={}, after={})
    cast("SqlKeyStore", store).add_key(key, version, event)
