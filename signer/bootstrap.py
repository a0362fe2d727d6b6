"""The one place that names concrete classes: settings in, a running service out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hsm import TokenPool
from signer.auth.api_tokens import ApiTokenAuthenticator
from signer.config import Settings
from signer.services.certificates import CertificateService
from signer.services.lifecycle import LifecycleService
from signer.services.mending import MendingService, Steps
from signer.services.pairs import PairMaker
from signer.services.ports import Authenticator, Clock, KeyStore, SignatureLedger, TokenAccess
from signer.services.publication import PublicationService
from signer.services.readiness import ReadinessService
from signer.services.signing import SigningService
from signer.spool import Spool
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.signature_ledger import SqlSignatureLedger
from signer.token import open_tokens
from verifier import Limits

# A revoked API token is refused after at most this long.
CREDENTIAL_CACHE_SECONDS = 5.0


def utc_now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that has an outside; tests replace single parts."""

    store: KeyStore
    ledger: SignatureLedger
    tokens: TokenAccess
    authenticator: Authenticator
    clock: Clock


def storage_parts(settings: Settings, database: Database, clock: Clock) -> tuple[SqlKeyStore, SqlSignatureLedger]:
    """The key store and the signature ledger on one database."""
    ledger = SqlSignatureLedger(
        database=database,
        clock=clock,
        clock_tolerance=timedelta(seconds=settings.signing.clock_tolerance),
    )
    return SqlKeyStore(database=database, clock=clock), ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The services over their parts."""

    signing: SigningService
    lifecycle: LifecycleService
    certificates: CertificateService
    publication: PublicationService
    readiness: ReadinessService
    parts: Parts
    spool: Spool
    limits: Limits


def build_service(settings: Settings, parts: Parts) -> Service:
    """Wire the services. Nothing is started."""
    signing = SigningService(
        store=parts.store,
        ledger=parts.ledger,
        tokens=parts.tokens,
        clock=parts.clock,
        timeout=settings.signing.timeout,
    )
    certificates = CertificateService(
        store=parts.store,
        tokens=parts.tokens,
        clock=parts.clock,
        clock_tolerance=timedelta(seconds=settings.signing.clock_tolerance),
        timeout=settings.signing.timeout,
        quarantine=signing.quarantine,
    )
    lifecycle = LifecycleService(
        store=parts.store,
        tokens=parts.tokens,
        token_names=tuple(token.name for token in settings.tokens),
        clock=parts.clock,
        clock_tolerance=timedelta(seconds=settings.signing.clock_tolerance),
        strict_adoption=settings.signing.strict_adoption,
        timeout=settings.signing.timeout,
        certify=certificates.issue_first,
    )
    readiness = ReadinessService(
        store=parts.store,
        tokens=parts.tokens,
        clock=parts.clock,
        interval=settings.readiness.interval,
        timeout=settings.signing.timeout,
        quarantine=signing.quarantine,
    )
    return Service(
        signing=signing,
        lifecycle=lifecycle,
        certificates=certificates,
        publication=PublicationService(store=parts.store),
        readiness=readiness,
        parts=parts,
        spool=Spool(settings.spool.directory),
        limits=Limits(artifact_bytes=settings.limits.artifact_bytes),
    )


def build_mending(settings: Settings, service: Service, *, token_names: tuple[str, ...]) -> MendingService:
    """What finds and ends the remains of crashes, among the tokens ``token_names``, which are open."""
    parts = service.parts
    return MendingService(
        store=parts.store,
        tokens=parts.tokens,
        token_names=token_names,
        steps=Steps(
            pairs=PairMaker(
                store=parts.store,
                tokens=parts.tokens,
                strict_adoption=settings.signing.strict_adoption,
                timeout=settings.signing.timeout,
            ),
            finish_destruction=service.lifecycle.finish_destruction,
            quarantine=service.signing.quarantine,
            certify=service.certificates.issue_first,
        ),
        clock=parts.clock,
        timeout=settings.signing.timeout,
    )


class Runtime:
    """A service with its database and tokens open, in one process. Close it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._database = Database(settings.database)
        self._pool: TokenPool = open_tokens(settings)
        store, ledger = storage_parts(settings, self._database, utc_now)
        authenticator = ApiTokenAuthenticator(
            store=SqlApiTokenStore(database=self._database, clock=utc_now),
            monotonic=time.monotonic,
            cache_seconds=CREDENTIAL_CACHE_SECONDS,
        )
        parts = Parts(store=store, ledger=ledger, tokens=self._pool, authenticator=authenticator, clock=utc_now)
        self.service = build_service(settings, parts)

    def start(self) -> None:
        """Start the token processes and the readiness proof."""
        self._pool.start()
        self.service.readiness.start()

    def close(self) -> None:
        """Stop the proof, the token processes and the database connections."""
        self.service.readiness.close()
        self._pool.close()
        self._database.close()
