"""Puts together what turns CI tokens into sessions, and sessions into identities."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from signer.auth.ci.claims import Demands
from signer.auth.ci.exchange import CiExchange, Issuer
from signer.auth.ci.key_cache import KeyCache, Keys
from signer.auth.ci.key_source import Published, file_keys, published_keys
from signer.auth.ci.sessions import CiSessionAuthenticator
from signer.ci_settings import CiIssuerSettings
from signer.config import Settings
from signer.domain.ci import PinnedIdentity
from signer.services.ports import Clock
from signer.storage.ci_session_store import SqlCiSessionStore
from signer.storage.database import Database
from signer.storage.people_store import SqlPeopleStore


def ci_exchange(settings: Settings, now: Callable[[], datetime], *, database: Database, clock: Clock) -> CiExchange:
    """What gives sessions for the tokens of the issuers in the settings. ``now``: not believed where it leapt."""
    return CiExchange(
        issuers=[_issuer(each, settings) for each in settings.ci_issuer],
        store=SqlCiSessionStore(database=database, clock=clock),
        directory=SqlPeopleStore(database=database, clock=clock),
        now=now,
    )


def ci_authenticator(
    settings: Settings, *, database: Database, clock: Clock, cache_seconds: float
) -> CiSessionAuthenticator:
    """What proves identities by sessions."""
    return CiSessionAuthenticator(
        source=SqlCiSessionStore(database=database, clock=clock),
        directory=SqlPeopleStore(database=database, clock=clock),
        pinned=[identity for issuer in settings.ci_issuer for identity in _pinned(issuer, settings)],
        clock=clock,
        monotonic=time.monotonic,
        cache_seconds=cache_seconds,
    )


def issuer_keys(issuer: CiIssuerSettings) -> Callable[[], Keys]:
    """What gets an issuer's keys, from it or from a file; raises ``KeysUnavailable`` or ``KeySetRefused``."""
    if issuer.key_set_file is not None:
        return file_keys(issuer.key_set_file, issuer.algorithms)
    return published_keys(
        Published(
            issuer=issuer.issuer,
            algorithms=issuer.algorithms,
            key_host=issuer.key_set_host,
            ca_file=issuer.ca_file,
        )
    )


def _issuer(issuer: CiIssuerSettings, settings: Settings) -> Issuer:
    audience = issuer.audience or settings.server.url
    if audience is None:
        raise LookupError("settings without an audience")  # refused when they were read
    return Issuer(
        name=issuer.name,
        algorithms=frozenset(issuer.algorithms),
        demands=Demands(issuer=issuer.issuer, audience=audience, max_lifetime=timedelta(seconds=issuer.max_lifetime)),
        profile=issuer.profile,
        identities=_pinned(issuer, settings),
        keys=KeyCache(issuer=issuer.name, fetch=issuer_keys(issuer), monotonic=time.monotonic),
    )


def _pinned(issuer: CiIssuerSettings, settings: Settings) -> tuple[PinnedIdentity, ...]:
    return tuple(each.pinned(issuer.profile) for each in settings.ci_identity if each.issuer == issuer.name)
