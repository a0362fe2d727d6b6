"""Puts together what API tokens need: for the service, and for commands on the machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from signer.auth.api_tokens import ApiTokenAuthenticator, made_api_token
from signer.auth.last_uses import LastUses
from signer.services.access_ports import ApiTokenStore
from signer.services.api_tokens import ApiTokenService
from signer.services.change_guard import ChangeGuard
from signer.services.ports import Clock
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.database import Database
from signer.storage.people_store import SqlPeopleStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiTokenParts:
    """What makes them, what proves identities by them, and what writes down when; that has to be started."""

    service: ApiTokenService
    authenticator: ApiTokenAuthenticator
    last_uses: LastUses


def api_token_parts(database: Database, clock: Clock, *, guard: ChangeGuard, cache_seconds: float) -> ApiTokenParts:
    """Over this database. A token that was found is remembered for ``cache_seconds``."""
    store = SqlApiTokenStore(database=database, clock=clock)
    last_uses = LastUses(store=store, clock=clock)
    return ApiTokenParts(
        service=api_token_service(store, clock, guard),
        authenticator=ApiTokenAuthenticator(
            store=store,
            directory=SqlPeopleStore(database=database, clock=clock),
            clock=clock,
            monotonic=time.monotonic,
            cache_seconds=cache_seconds,
            used=last_uses.note,
        ),
        last_uses=last_uses,
    )


def api_token_service(store: ApiTokenStore, clock: Clock, guard: ChangeGuard) -> ApiTokenService:
    """What makes and revokes API tokens."""
    return ApiTokenService(store=store, make=made_api_token, clock=clock, guard=guard)
