"""Puts together what tokens of users and devices need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from signer.auth.former_tokens import FormerTokens
from signer.auth.issued_tokens import MAX_LEEWAY, IssuedTokenVerifier
from signer.config import Settings
from signer.domain.keys import Key
from signer.domain.token_claims import TokenKind, TokenTerms
from signer.services.clock import SteadyClock
from signer.services.known_records import KnownRecords
from signer.services.ports import AsyncTokenSigner, Clock, Recorder, SignaturesOnRecord
from signer.services.quarantine import Quarantine
from signer.services.signing import AsyncMessageSigner
from signer.services.stages import Stages
from signer.services.token_issuing import TokenIssuing
from signer.services.token_ports import CountingTokenIssuer, TokenVerifier
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore

# For how long a look at the revision of access stands where a server has to be asked for it. A look at a file costs
# so little that each verification has its own.
SERVER_LOOK_SECONDS = 0.5


def token_terms(settings: Settings) -> Mapping[TokenKind, TokenTerms]:
    """What the installation says of the tokens of each kind."""
    return {TokenKind.USER: settings.user_tokens.terms, TokenKind.DEVICE: settings.device_tokens.terms}


def token_issuer(
    settings: Settings,
    *,
    records: KnownRecords,
    tokens: AsyncTokenSigner,
    recorder: Recorder,
    quarantine: Quarantine,
    clock: SteadyClock,
    observe: Callable[[BaseException], None],
    stages: Stages,
) -> CountingTokenIssuer:
    """What issues them."""
    return TokenIssuing(
        terms=token_terms(settings),
        records=records,
        signer=AsyncMessageSigner(tokens=tokens),
        recorder=recorder,
        quarantine=quarantine,
        clock=clock,
        clock_tolerance=timedelta(seconds=settings.signing.clock_tolerance),
        timeout=settings.signing.timeout,
        observe=observe,
        stages=stages,
    )


def token_verifier(
    settings: Settings,
    *,
    database: Database,
    on_record: SignaturesOnRecord,
    clock: Clock,
    monotonic: Callable[[], float],
) -> TokenVerifier:
    """What verifies them."""
    store = SqlKeyStore(database=database, clock=clock)
    leeway = timedelta(seconds=settings.signing.clock_tolerance)
    terms = settings.former_server.terms

    def read() -> tuple[tuple[Key, ...], int]:
        revision = store.access_revision()
        return store.all_keys(), revision

    return IssuedTokenVerifier(
        read=read,
        revision=store.access_revision,
        revision_on_loop=on_record.access_revision,
        issuers={kind: terms.issuer for kind, terms in token_terms(settings).items()},
        clock=clock,
        leeway=leeway,
        monotonic=monotonic,
        max_age=0.0 if database.sqlite_file is not None else SERVER_LOOK_SECONDS,
        former=None if terms is None else FormerTokens(terms=terms, leeway=min(leeway, MAX_LEEWAY)),
    )
