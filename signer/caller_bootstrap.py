"""Puts together how callers prove who they are: every method, and which of them reads what."""

from __future__ import annotations

import time

from signer.auth import api_tokens, user_tokens
from signer.auth import client_certificates as certificate_method
from signer.auth.api_tokens import ApiTokenAuthenticator
from signer.auth.ci import sessions
from signer.auth.ci.sessions import CiSessionAuthenticator
from signer.auth.client_certificates import ClientCertificateAuthenticator
from signer.auth.methods import Methods
from signer.auth.user_tokens import UserTokenAuthenticator
from signer.config import Settings
from signer.domain.api_tokens import KIND
from signer.domain.client_certificates import ClientCa
from signer.domain.users import KIND as USER_KIND
from signer.services.ports import Clock
from signer.storage.database import Database
from signer.storage.people_store import SqlPeopleStore
from signer.storage.revoked_certificate_store import SqlRevokedCertificates

# A revoked API token is refused after at most this long.
CREDENTIAL_CACHE_SECONDS = 5.0


def client_certificates(
    settings: Settings, cas: tuple[ClientCa, ...], database: Database, clock: Clock
) -> ClientCertificateAuthenticator:
    """What proves identities by clients' certificates."""
    return ClientCertificateAuthenticator(
        cas=cas,
        header=settings.server.certificate_header,
        revoked=SqlRevokedCertificates(database=database, clock=clock),
        directory=SqlPeopleStore(database=database, clock=clock),
        clock=clock,
        monotonic=time.monotonic,
        cache_seconds=CREDENTIAL_CACHE_SECONDS,
    )


def all_methods(
    tokens: ApiTokenAuthenticator,
    ci: CiSessionAuthenticator,
    certificates: ClientCertificateAuthenticator,
    users: UserTokenAuthenticator,
) -> Methods:
    """The one method over all of them."""
    return Methods(
        bearer={api_tokens.PREFIX: tokens, f"{sessions.PREFIX}_": ci, user_tokens.PREFIX: users},
        certificates=certificates,
        kinds={KIND: tokens, sessions.KIND: ci, certificate_method.KIND: certificates, USER_KIND: users},
    )
