"""What the services need of the outside; ``storage``, ``auth`` and ``token`` provide it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hsm import KeyMaterial, PinnedKey, SignRequest, TokenDescription, TokenError, TokenHealth, TokenKey
from hsm.algorithms import Algorithm
from signer.domain.ci import IssuerKeys
from signer.domain.credentials import Credentials
from signer.domain.events import Event, RecordedEvent
from signer.domain.identity import Identity
from signer.domain.keys import Key, Origin, Purpose, Validity, VersionState
from signer.domain.records import Outcome
from signer.domain.refusals import RefusedCall
from signer.domain.token_records import Entry
from signer.domain.workers import Worker, WorkerReport
from signer.errors import SignerError
from signer.services.approval_ports import Permit
from verifier.log import Frontier

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key to be recorded."""

    name: str
    purpose: Purpose
    algorithm: Algorithm
    tokens: tuple[str, ...]
    created_by: str
    blind_sign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version to be recorded as pending, before its pair exists or is looked at.

    ``home``: the tokens that it has to live in; None: those that the key was made for.
    """

    origin: Origin
    cka_id: bytes
    tokens: tuple[str, ...]
    validity: Validity
    home: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChange:
    """Move a version from one state to another, and set fields with it (column names of a version)."""

    version_id: int
    expected: VersionState
    state: VersionState
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate of a version: ``pem`` the leaf, ``chain_pem`` the issuers above it, leaf's issuer first."""

    pem: str
    chain_pem: str
    self_signed: bool
    not_after: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """The log as its one row of state has it.

    Attributes:
        frontier: its perfect subtrees, and with them its size.
        root: as the row has it; whoever relies on it compares it with the frontier's.
        newest: when the newest leaf was recorded, aware UTC; None for an empty log.
        access_sha256: digest of the rows that give power, as the newest leaf that changed them says.
    """

    frontier: Frontier
    root: bytes
    newest: datetime | None
    access_sha256: str

    @property
    def size(self) -> int:
        """How many leaves the log has."""
        return self.frontier.size


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafQuery:
    """Which leaves are wanted: those of an index of at least ``first`` that have all of the members given.

    ``types``: any of these. ``since``, ``until``: recorded not before, and before, aware UTC.
    """

    first: int
    limit: int
    types: tuple[str, ...] = ()
    key: str | None = None
    artifact: str | None = None
    actor: str | None = None
    manifest_sha256: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """A leaf with its place in the log."""

    index: int
    leaf: bytes


class LogReader(Protocol):
    """Reads the log. What stands beside a leaf was compared with its bytes. Raises ``LogDamaged`` and what databases
    raise.
    """

    def head(self) -> LogHead:
        """The present head, not locked."""

    def leaves(self, first: int, end: int) -> list[bytes]:
        """The leaves ``[first, end)``; raises ``LogDamaged`` where one is missing."""

    def stored_hashes(self, level: int, first: int, end: int) -> list[bytes]:
        """Hashes ``[first, end)`` of a level of tiles (C2SP tlog-tiles): hash ``i`` of level ``L`` is that over the
        leaves ``[i·256^L, (i+1)·256^L)``. Raises ``LogDamaged`` where one is missing.
        """

    def find(self, query: LeafQuery) -> list[LogEntry]:
        """The leaves that are wanted, in order, at most as many as the query says."""

    def checkpoint(self) -> bytes | None:
        """The newest checkpoint that was written into the database, a signed note; None where there is none."""


class KeyStore(Protocol):
    """Key records and their events. Every write is one transaction, durable when the call returns."""

    def all_keys(self) -> tuple[Key, ...]:
        """All keys by name."""

    def key(self, name: str) -> Key:
        """One key; raises ``KeyNotFound``."""

    def key_at(self, name: str) -> tuple[Key, int]:
        """One key, and a revision of keys and access that it is no older than; raises ``KeyNotFound``."""

    def add_key(self, key: NewKey, version: NewVersion, event: Event, *, permit: Permit | None = None) -> Key:
        """Record a key with its first, pending version; raises ``KeyNameTaken`` or ``AccessMovedError``."""

    def add_version(self, key: Key, version: NewVersion, event: Event, *, permit: Permit | None = None) -> Key:
        """Record the following version as pending; raises ``NextVersionExists`` or ``AccessMovedError``."""

    def change(
        self, key: Key, changes: Sequence[VersionChange], events: Sequence[Event], *, permit: Permit | None = None
    ) -> Key:
        """Make all changes or none; raises ``StateChanged`` where a version is not in its expected state, or
        ``AccessMovedError``.
        """

    def set_blind_sign(self, key: Key, event: Event, *, allowed: bool, permit: Permit | None = None) -> Key:
        """Let the key sign digests, or no longer; raises ``StateChanged`` or ``AccessMovedError``."""

    def add_certificate(self, key: Key, version_number: int, certificate: Certificate, event: Event) -> None:
        """Record a certificate; the newest one counts."""

    def certificate(self, key: Key, version_number: int) -> Certificate:
        """The newest certificate of the version; raises ``CertificateNotFound``."""

    def record(self, event: Event) -> None:
        """Record an event that changes no version."""

    def events(self, *, after: int, limit: int, key: str | None) -> tuple[RecordedEvent, ...]:
        """Events with an id greater than ``after``, oldest first."""

    def newest_timestamp(self) -> datetime | None:
        """The newest time on record, of an event or a signature; after a correction of the clock, since then."""

    def correct_clock(self, *, actor: str, reason: str) -> datetime | None:
        """Let the record go on from the present time where it is ahead; returns the newest time that was on record."""

    def check(self) -> None:
        """Raises ``DatabaseUnavailable`` or ``DatabaseRevisionMismatch``."""


class Identities(Protocol):
    """Looks at identities again that were proved before."""

    def confirm(self, identity: Identity) -> None:
        """Raises ``CredentialsRejected`` where its credential is no longer what it was."""

    def proved(self, identity: Identity) -> bool:
        """Whether it was proved since the last ``forget``; does not wait."""

    def forget(self) -> None:
        """Remember no credential: access has changed."""


class Recorder(Protocol):
    """Records signatures and tokens, so that nothing leaves before its record is durable."""

    async def record_many(self, entries: Sequence[Entry], *, deadline: float) -> list[Outcome | SignerError]:
        """What became of each entry, in order, at the latest at ``deadline`` (seconds of the monotonic clock).

        An error says that it is not known: ``RecorderUnavailable``, ``DatabaseUnavailable``, ``DatabaseFull``,
        ``DatabaseReadOnly``, ``DatabaseFileLost`` or ``DatabaseDamaged``.
        """

    def refuse(self, call: RefusedCall) -> None:
        """Have a refusal by policy put on record, without waiting for it; it is lost where nobody records."""

    def close(self) -> None:
        """Ask nothing more; who still waits gets ``RecorderUnavailable``."""


class SignaturesOnRecord(Protocol):
    """Looks up what is on record, and under which revision of access."""

    async def find(self, places: Collection[tuple[int, str]]) -> tuple[int, Mapping[tuple[int, str], bytes]]:
        """The present revision, and the signatures on record: bytes of manifest.sig.

        ``places``: version id and lowercase hex SHA-256 of the manifest.
        """

    async def access_revision(self) -> int:
        """The present revision of keys and access."""

    def close(self) -> None:
        """Let what it holds of the database go."""


class Authenticator(Protocol):
    """Turns credentials into an identity, by the one method that they are for."""

    def remembered(self, credentials: Credentials) -> Identity | None:
        """The identity, where it is known without asking anybody; None says nothing about the credentials."""

    def authenticate(self, credentials: Credentials) -> Identity:
        """Raises ``CredentialsMissing``, ``CredentialsAmbiguous`` or ``CredentialsRejected``."""


class PresentedToken(Protocol):
    """A CI token of the right form, of an issuer that is configured."""

    @property
    def waiting(self) -> Future[None] | None:
        """Done when it is known whether its key can be had; None where nobody has to wait."""


class CiSessionText(Protocol):
    """A session for a CI job."""

    @property
    def text(self) -> str:
        """The bearer token: the only copy."""

    @property
    def identity(self) -> str:
        """The name of who it proves."""

    @property
    def expires_at(self) -> datetime:
        """Its end, aware UTC."""


class CiExchange(Protocol):
    """Gives sessions for CI tokens."""

    def start(self) -> None:
        """Make ready for the first token; does not wait."""

    def keys(self) -> tuple[IssuerKeys, ...]:
        """What this process knows of the keys of each issuer."""

    def begin(self, text: str, request_id: str) -> PresentedToken:
        """Look at a token without waiting for anybody; raises ``CredentialsRejected``."""

    def finish(self, presented: Any, nonce: str | None, request_id: str) -> CiSessionText:
        """The session for what ``begin`` gave; raises ``CredentialsRejected`` or ``CiKeysUnavailable``, and what clock
        and database raise.
        """


class WorkerReports(Protocol):
    """What the workers of one service tell each other. ``worker`` is this process."""

    @property
    def worker(self) -> Worker:
        """This process."""

    def write(self, report: WorkerReport) -> None:
        """Put the report in the place of this worker's last one, durable when the call returns."""

    def remove(self) -> None:
        """Forget this worker."""

    def others(self) -> tuple[WorkerReport, ...]:
        """The reports of all other workers of this service that are alive."""


class AsyncTokenSigner(Protocol):
    """Signatures for an event loop, as ``hsm.AsyncSigner`` makes them."""

    async def sign_each(self, requests: Sequence[SignRequest], *, timeout: float) -> list[bytes | TokenError]:
        """A verified signature for each request, or why there is none; ``timeout``: seconds in all."""

    def ask_each(
        self,
        requests: Sequence[SignRequest],
        *,
        timeout: float,
        wanted: Callable[[int], bool],
        settled: Callable[[int, bytes | Exception], None],
    ) -> None:
        """As ``sign_each``, without waiting: ``settled`` is told each outcome as soon as there is one."""


class TokenAccess(Protocol):
    """The verbs of the tokens, as ``hsm.TokenPool`` has them. Each raises ``hsm.errors.TokenError``."""

    def generate(
        self, algorithm: Algorithm, *, key_id: bytes, label: str, token: str, timeout: float | None = None
    ) -> bytes:
        """Make a pair; returns its DER SubjectPublicKeyInfo."""

    def import_pair(self, pair: KeyMaterial, *, key_id: bytes, label: str, token: str, timeout: float) -> None:
        """Take a pair that was outside into the token."""

    def sign(
        self,
        key: PinnedKey,
        message: bytes,
        *,
        tokens: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """A verified signature over ``message``."""

    def sign_digest(
        self, key: PinnedKey, digest: bytes, *, tokens: Sequence[str] | None = None, timeout: float | None = None
    ) -> bytes:
        """The same over what has this SHA-256 digest; not for Ed25519."""

    def find_key(
        self,
        token: str,
        *,
        key_id: bytes | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> TokenKey:
        """Exactly one pair by CKA_ID or label."""

    def find_keys(self, token: str, *, timeout: float | None = None) -> tuple[TokenKey, ...]:
        """All pairs of a token."""

    def certificates(self, token: str, key_id: bytes, *, timeout: float | None = None) -> tuple[bytes, ...]:
        """The certificates that the token holds under a CKA_ID, DER, as they are."""

    def has_key(self, token: str, key: PinnedKey, *, timeout: float | None = None) -> bool | None:
        """Whether the token holds this very pair; None where it cannot be asked now.

        Raises ``hsm.errors.KeyMismatch`` where it holds another pair under this CKA_ID.
        """

    def destroy(self, token: str, key_id: bytes, *, timeout: float | None = None) -> None:
        """Remove both halves from the token."""

    def describe(self, token: str, *, timeout: float | None = None) -> TokenDescription:
        """What the token says of itself, without login."""

    def health(self) -> tuple[TokenHealth, ...]:
        """The state of each configured token as last seen."""
