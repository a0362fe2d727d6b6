"""The one place that names concrete classes: settings in, a running service out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from signer.administration import configured_administration
from signer.api_token_bootstrap import ApiTokenParts, api_token_parts
from signer.application import Application
from signer.approval_bootstrap import ApprovalParts, approval_parts, approval_services
from signer.auth.attempts import Attempts, GuardedAuthenticator
from signer.auth.client_certificates import ClientCertificateAuthenticator
from signer.caller_bootstrap import CREDENTIAL_CACHE_SECONDS, all_methods, client_certificates
from signer.certificate_bootstrap import certificate_services
from signer.ci_bootstrap import ci_authenticator, ci_exchange
from signer.config import Settings
from signer.device_bootstrap import device_authentication, device_certificates, device_records
from signer.device_ca_bootstrap import DeviceCaParts, device_ca, device_ca_parts
from signer.dialect_bootstrap import digest_services
from signer.domain.client_certificates import ClientCa
from signer.gateway_bootstrap import GatewayParts, gateway_door, gateway_parts
from signer.key_bootstrap import message_signer, pair_maker
from signer.log_bootstrap import checkpoint_source, log_services
from signer.processes import is_alive, this_worker
from signer.readiness_bootstrap import readiness_plan
from signer.recorder.addresses import socket_path
from signer.recorder.client import RecorderClient
from signer.request_limits import request_limits
from signer.services.access import Access
from signer.services.access_ports import RecallStore
from signer.services.administration import Administration
from signer.services.admission import Admission
from signer.services.artifact_signing import ArtifactSigning
from signer.services.batch_signing import BatchSigning
from signer.services.certificates import CertificateService
from signer.services.clock import RecordedClock, SteadyClock
from signer.services.device_ports import DeviceRecords
from signer.services.key_imports import KeyImports
from signer.services.known_records import KnownRecords
from signer.services.last_fault import LastFault
from signer.services.lifecycle import LifecycleService
from signer.services.log_checkpoints import CheckpointSource
from signer.services.log_proofs import LogProofService
from signer.services.log_queries import LogQueryService
from signer.services.policies import Policies, PolicySource, RolesAlone
from signer.services.ports import (
    AsyncTokenSigner,
    Authenticator,
    CiExchange,
    Clock,
    Identities,
    KeyStore,
    LogReader,
    Recorder,
    SignaturesOnRecord,
    TokenAccess,
    WorkerReports,
)
from signer.services.publication import PublicationService
from signer.services.quarantine import Quarantine
from signer.services.queries import QueryService
from signer.services.readiness import ReadinessService
from signer.services.reconciliation import ReconciliationService, Steps
from signer.services.signature_approvals import SignatureApprovals
from signer.services.signing import AsyncMessageSigner, MessageSigner, NoSigner
from signer.services.stages import Stages
from signer.services.token_endings import TokenEndings
from signer.services.token_ports import CountingTokenIssuer, IssuedTokens, TokenVerifier
from signer.signing_bootstrap import artifact_signing
from signer.spool import Spool
from signer.storage.database import Database
from signer.storage.issued_tokens import SqlIssuedTokens
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_reader import SqlLogReader
from signer.storage.on_record import signatures_on_record
from signer.storage.policy_store import SqlPolicyStore
from signer.storage.recall_store import SqlRecalls
from signer.storage.worker_store import SqlWorkerStore
from signer.token_bootstrap import token_issuer, token_verifier
from signer.user_bootstrap import UserParts, user_parts, user_services


def utc_now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that has an outside; tests replace single parts."""

    store: KeyStore
    policies: PolicySource
    on_record: SignaturesOnRecord
    recalls: RecallStore
    recorder: Recorder
    tokens: TokenAccess
    token_signer: AsyncTokenSigner
    authenticator: Authenticator
    attempts: Attempts
    identities: Identities
    ci: Callable[[Callable[[], datetime]], CiExchange]
    client_certificates: ClientCertificateAuthenticator
    api_tokens: ApiTokenParts
    approvals: ApprovalParts
    clock: Clock
    monotonic: Callable[[], float]
    reports: WorkerReports
    log_reader: LogReader
    checkpoints: CheckpointSource
    administration: Administration
    devices: DeviceRecords
    device_cas: DeviceCaParts
    token_verifier: TokenVerifier
    gateway: GatewayParts
    users: UserParts
    issued_tokens: IssuedTokens
    stages: Stages = field(default_factory=Stages)
    probes: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    last_fault: LastFault = field(default_factory=LastFault)


def boot_seconds() -> float:
    """Seconds since the machine was started, asleep or not: a clock that nobody can set."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def sql_parts(
    settings: Settings,
    *,
    database: Database,
    tokens: TokenAccess,
    clock: Clock,
    monotonic: Callable[[], float] = boot_seconds,
    token_signer: AsyncTokenSigner | None = None,
    stages: Stages | None = None,
    client_cas: tuple[ClientCa, ...] = (),
) -> Parts:
    """The parts of a process that has this database and these tokens open, and the recorder beside it.

    Without a ``token_signer`` it signs no artifacts.
    """
    stages = stages or Stages()
    approvals = approval_parts(database, clock, settings.approvals)
    tokens_of_the_api = api_token_parts(database, clock, guard=approvals.guard, cache_seconds=CREDENTIAL_CACHE_SECONDS)
    certificates = client_certificates(settings, client_cas, database, clock)
    on_record = signatures_on_record(database)
    verifier = token_verifier(settings, database=database, on_record=on_record, clock=clock, monotonic=time.monotonic)
    users = user_parts(settings.users, database=database, clock=clock, verifier=verifier, approvals=approvals.guard)
    ci = ci_authenticator(settings, database=database, clock=clock, cache_seconds=CREDENTIAL_CACHE_SECONDS)
    methods = all_methods(tokens_of_the_api.authenticator, ci, certificates, users.authenticator)
    attempts = Attempts(per_address=settings.limits.failed_attempts, monotonic=time.monotonic)
    log_reader = SqlLogReader(database=database)
    return Parts(
        store=SqlKeyStore(database=database, clock=clock),
        policies=SqlPolicyStore(database=database, clock=clock),
        on_record=on_record,
        recalls=SqlRecalls(database=database, clock=clock),
        recorder=RecorderClient(socket_path(settings.spool.directory), working=stages.record),
        tokens=tokens,
        token_signer=token_signer or NoSigner(),
        authenticator=GuardedAuthenticator(methods, attempts),
        attempts=attempts,
        identities=methods,
        ci=partial(ci_exchange, settings, database=database, clock=clock),
        client_certificates=certificates,
        api_tokens=tokens_of_the_api,
        approvals=approvals,
        clock=clock,
        monotonic=monotonic,
        reports=SqlWorkerStore(database=database, worker=this_worker(), is_alive=is_alive, clock=clock),
        stages=stages,
        log_reader=log_reader,
        checkpoints=checkpoint_source(settings, log_reader),
        administration=configured_administration(settings, database, clock),
        devices=device_records(settings.devices, database, clock),
        device_cas=device_ca_parts(database, clock, certificates.proved_by_ca),
        token_verifier=verifier,
        issued_tokens=SqlIssuedTokens(database=database),
        gateway=gateway_parts(database, monotonic=time.monotonic),
        users=users,
    )


def local_parts(settings: Settings, *, database: Database, tokens: TokenAccess) -> Parts:
    """The parts of a command that works on the machine itself: it has the files, and no rule is asked about it."""
    return replace(sql_parts(settings, database=database, tokens=tokens, clock=utc_now), policies=RolesAlone())


def build_application(settings: Settings, parts: Parts) -> Application:
    """Wire the services. Nothing is started."""
    steady = SteadyClock(clock=parts.clock, monotonic=parts.monotonic)
    signer, clock = message_signer(settings, parts.tokens), _recorded_clock(settings, parts, steady)
    quarantine = Quarantine(store=parts.store)
    readiness = _readiness(settings, parts, signer, clock, quarantine)
    policies = Policies(store=parts.policies)
    access = Access(policies=policies, clock=parts.clock)
    records = _known_records(parts, policies)
    certificates, authority = certificate_services(parts.store, signer, clock, quarantine, access)
    log, proofs = _log(settings, parts, access)
    limits = request_limits(settings)
    approvals = approval_services(
        parts.approvals.store, policies=policies, clock=parts.clock, reader=parts.log_reader, limits=limits.verifier
    )
    device_bindings = device_certificates(
        settings.devices, parts.client_certificates, revoked=parts.device_cas.revoked, watch=parts.gateway.watch
    )
    issuing_ca, revocation_lists = device_ca(
        settings, parts.device_cas, keys=parts.store, devices=parts.devices, authority=authority
    )
    issuer = _token_issuer(settings, parts, records, steady, quarantine, readiness)
    endings = TokenEndings(issued=parts.issued_tokens, clock=parts.clock)
    signing = _artifact_signing(settings, parts, records, steady, quarantine, readiness)
    return Application(
        url=settings.server.url,
        authenticator=parts.authenticator,
        attempts=parts.attempts,
        ci=parts.ci(clock.now),
        access=access,
        admission=Admission(records=records, clock=parts.clock),
        artifact_signing=signing,
        batch_signing=BatchSigning(signing=signing, monotonic=parts.monotonic),
        token_issuer=issuer,
        token_verifier=parts.token_verifier,
        gateway_door=gateway_door(settings, parts.gateway, verifier=parts.token_verifier, certificates=device_bindings),
        users=user_services(settings, parts.users, issuer=issuer, access=access, policies=policies),
        api_tokens=parts.api_tokens.service,
        lifecycle=_lifecycle(settings, parts, signer, clock, certificates, access, endings),
        digests=digest_services(
            parts.approvals, records, signing, access, clock, store=parts.store, recorder=parts.recorder, limits=limits
        ),
        certificates=certificates,
        certificate_authority=authority,
        queries=QueryService(store=parts.store, access=access, endings=endings),
        publication=PublicationService(store=parts.store),
        readiness=readiness,
        quarantine=quarantine,
        log=log,
        log_proofs=proofs,
        administration=parts.administration,
        approvals=approvals.approvals,
        approval_contents=approvals.contents,
        device_authentication=device_authentication(settings.devices, parts.devices, parts.clock),
        device_certificates=device_bindings,
        device_ca=issuing_ca,
        device_revocation_lists=revocation_lists,
        spool=Spool(settings.spool.directory),
        limits=limits,
    )


def build_reconciliation(
    settings: Settings, parts: Parts, application: Application, *, token_names: tuple[str, ...]
) -> ReconciliationService:
    """What finds and ends what crashes left, among the tokens ``token_names``, which are open."""
    return ReconciliationService(
        store=parts.store,
        tokens=parts.tokens,
        token_names=token_names,
        steps=Steps(
            pairs=pair_maker(settings, parts.store, parts.tokens),
            signer=message_signer(settings, parts.tokens),
            finish_destruction=application.lifecycle.finish_destruction,
            quarantine=application.quarantine,
            certify=application.certificates.issue_first,
        ),
        clock=parts.clock,
        timeout=settings.signing.timeout,
    )


def build_key_imports(settings: Settings, parts: Parts, application: Application) -> KeyImports:
    """What takes keys from outside; a service has none, since a private key travels to no service."""
    steady = SteadyClock(clock=parts.clock, monotonic=parts.monotonic)
    return KeyImports(
        store=parts.store,
        tokens=parts.tokens,
        token_names=tuple(token.name for token in settings.tokens),
        pairs=pair_maker(settings, parts.store, parts.tokens),
        clock=_recorded_clock(settings, parts, steady),
        certify=application.certificates.issue_first,
        access=application.access,
        guard=parts.approvals.guard,
    )


def _lifecycle(
    settings: Settings,
    parts: Parts,
    signer: MessageSigner,
    clock: RecordedClock,
    certificates: CertificateService,
    access: Access,
    endings: TokenEndings,
) -> LifecycleService:
    return LifecycleService(
        store=parts.store,
        tokens=parts.tokens,
        token_names=tuple(token.name for token in settings.tokens),
        signer=signer,
        pairs=pair_maker(settings, parts.store, parts.tokens),
        clock=clock,
        timeout=settings.signing.timeout,
        certify=certificates.issue_first,
        access=access,
        guard=parts.approvals.guard,
        endings=endings,
    )


def _known_records(parts: Parts, policies: Policies) -> KnownRecords:
    return KnownRecords(
        store=parts.store,
        policies=policies,
        identities=parts.identities,
        on_record=parts.on_record,
        recalls=parts.recalls,
        monotonic=parts.monotonic,
    )


def _artifact_signing(
    settings: Settings,
    parts: Parts,
    records: KnownRecords,
    clock: SteadyClock,
    quarantine: Quarantine,
    readiness: ReadinessService,
) -> ArtifactSigning:
    return artifact_signing(
        records,
        approvals=SignatureApprovals(desk=parts.approvals.desk),
        signer=AsyncMessageSigner(tokens=parts.token_signer),
        recorder=parts.recorder,
        quarantine=quarantine,
        clock=clock,
        clock_tolerance=_clock_tolerance(settings),
        timeout=settings.signing.timeout,
        observe=readiness.observe,
        stages=parts.stages,
    )


def _token_issuer(
    settings: Settings,
    parts: Parts,
    records: KnownRecords,
    clock: SteadyClock,
    quarantine: Quarantine,
    readiness: ReadinessService,
) -> CountingTokenIssuer:
    return token_issuer(
        settings,
        records=records,
        tokens=parts.token_signer,
        recorder=parts.recorder,
        quarantine=quarantine,
        clock=clock,
        observe=readiness.observe,
        stages=parts.stages,
    )


def _log(settings: Settings, parts: Parts, access: Access) -> tuple[LogQueryService, LogProofService]:
    timeout = settings.signing.timeout
    return log_services(
        parts.log_reader, parts.checkpoints, parts.store, parts.recalls, parts.tokens, access=access, timeout=timeout
    )


def _readiness(
    settings: Settings, parts: Parts, signer: MessageSigner, clock: RecordedClock, quarantine: Quarantine
) -> ReadinessService:
    return ReadinessService(
        store=parts.store,
        reports=parts.reports,
        tokens=parts.tokens,
        signer=signer,
        clock=clock,
        monotonic=parts.monotonic,
        quarantine=quarantine,
        plan=readiness_plan(settings, parts.probes, parts.last_fault),
    )


def _recorded_clock(settings: Settings, parts: Parts, clock: SteadyClock) -> RecordedClock:
    return RecordedClock(clock=clock, store=parts.store, tolerance=_clock_tolerance(settings))


def _clock_tolerance(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.signing.clock_tolerance)
