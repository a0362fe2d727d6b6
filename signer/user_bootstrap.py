"""Puts together what users need: for the service, and for commands on the machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from signer.approval_bootstrap import approval_parts
from signer.approval_settings import ApprovalSettings
from signer.auth.last_uses import LastUses
from signer.auth.passwords import Argon2Cost, Argon2Passwords
from signer.auth.seals import SeedSeal
from signer.auth.user_tokens import UserTokenAuthenticator
from signer.config import Settings
from signer.domain.login_limits import LoginRates
from signer.services.access import Access
from signer.services.change_guard import ChangeGuard
from signer.services.former_sessions import FormerSessions
from signer.services.login import Login
from signer.services.own_user import OwnUser
from signer.services.personal_tokens import PersonalTokens
from signer.services.policies import Policies
from signer.services.ports import Clock
from signer.services.token_ports import TokenIssuer, TokenVerifier
from signer.services.user_import import UserImport
from signer.services.user_ports import LoginLimits, Passwords, UserStore, UserTokenStore
from signer.services.user_services import UserServices
from signer.services.users import Giving, UserAdministration
from signer.storage.database import Database
from signer.storage.former_endings import SqlFormerTokenEndings
from signer.storage.login_store import SqlLoginLimits
from signer.storage.people_store import SqlPeopleStore
from signer.storage.user_import_store import SqlUserImport
from signer.storage.user_store import SqlUserStore
from signer.storage.user_token_store import SqlUserTokenStore
from signer.user_settings import UserSettings

# What apps call a service without a name of its own.
ISSUER = "artifact-signer"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserParts:
    """Everything about users that has an outside; ``last_uses`` has to be started, ``passwords`` closed."""

    store: UserStore
    tokens: UserTokenStore
    limits: LoginLimits
    people: SqlPeopleStore
    passwords: Argon2Passwords
    authenticator: UserTokenAuthenticator
    former_sessions: FormerSessions
    last_uses: LastUses
    approvals: ChangeGuard
    clock: Clock


def user_parts(
    settings: UserSettings, *, database: Database, clock: Clock, verifier: TokenVerifier, approvals: ChangeGuard
) -> UserParts:
    """Over this database."""
    tokens, people = SqlUserTokenStore(database=database, clock=clock), SqlPeopleStore(database=database, clock=clock)
    last_uses = LastUses(store=tokens, clock=clock)
    return UserParts(
        store=SqlUserStore(database=database, clock=clock),
        tokens=tokens,
        limits=SqlLoginLimits(database=database),
        people=people,
        passwords=argon2_passwords(settings),
        authenticator=UserTokenAuthenticator(
            verifier=verifier, holders=tokens, directory=people, clock=clock, used=last_uses.note
        ),
        former_sessions=FormerSessions(
            verifier=verifier, endings=SqlFormerTokenEndings(database=database, clock=clock)
        ),
        last_uses=last_uses,
        approvals=approvals,
        clock=clock,
    )


def user_services(
    settings: Settings, parts: UserParts, *, issuer: TokenIssuer, access: Access, policies: Policies
) -> UserServices:
    """The services."""
    rates = LoginRates(most=settings.users.login_attempts, period=timedelta(seconds=settings.users.login_period))
    seal = SeedSeal(settings.users.seal_key_file)
    return UserServices(
        administration=UserAdministration(
            store=parts.store, standings=parts.people, passwords=parts.passwords, approvals=parts.approvals
        ),
        giving=Giving(access=access, policies=policies),
        login=Login(
            store=parts.store,
            passwords=parts.passwords,
            seal=seal,
            limits=parts.limits,
            rates=rates,
            issuer=issuer,
            clock=parts.clock,
        ),
        own=OwnUser(
            store=parts.store,
            tokens=parts.tokens,
            passwords=parts.passwords,
            seal=seal,
            limits=parts.limits,
            rates=rates,
            clock=parts.clock,
            issuer=ISSUER,
        ),
        former_sessions=parts.former_sessions,
        personal_tokens=PersonalTokens(store=parts.store, tokens=parts.tokens, issuer=issuer),
    )


def user_administration(
    database: Database, clock: Clock, passwords: Passwords, approvals: ApprovalSettings
) -> UserAdministration:
    """What a command on the machine needs."""
    return UserAdministration(
        store=SqlUserStore(database=database, clock=clock),
        standings=SqlPeopleStore(database=database, clock=clock),
        passwords=passwords,
        approvals=approval_parts(database, clock, approvals).guard,
    )


@contextmanager
def user_import(
    settings: UserSettings, database: Database, clock: Clock, *, roles: tuple[str, ...]
) -> Iterator[UserImport]:
    """What takes over users of another server."""
    with closing(argon2_passwords(settings)) as passwords:
        records = SqlUserImport(database=database, clock=clock)
        yield UserImport(records=records, passwords=passwords, roles=roles)


def argon2_passwords(settings: UserSettings) -> Argon2Passwords:
    """What looks at passwords; close it."""
    cost = Argon2Cost(memory=settings.argon2_memory, passes=settings.argon2_passes, lanes=settings.argon2_lanes)
    return Argon2Passwords(cost, threads=settings.hashing_threads, waiting=settings.hashing_waiting)
