"""What the services need of whoever keeps policies, people, groups, floors and recalls; ``storage`` provides it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from signer.domain.access.futility import Present
from signer.domain.api_tokens import ApiToken, NewApiToken
from signer.domain.ci import IDENTITY_KIND as CI
from signer.domain.ci import CiSession
from signer.domain.client_certificates import IDENTITY_KIND as MTLS
from signer.domain.credentials import Peer
from signer.domain.events import Event
from signer.domain.floors import Floor, FloorPlace, FloorSetting
from signer.domain.identity import Identity
from signer.domain.people import Group, Membership, Person
from signer.domain.recalls import NewRecall, Recall, SignedManifest
from signer.services.approval_ports import Permit


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """A policy as it was applied. ``sha256``: of the text in UTF-8, lowercase hex; compared when it was read."""

    revision: int
    text: str
    sha256: str
    applied_at: datetime
    actor: str
    reason: str
    break_glass: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPolicy:
    """A policy to be applied in the place of revision ``expected``."""

    text: str
    sha256: str
    expected: int
    actor: str
    reason: str
    break_glass: bool


class PolicyStore(Protocol):
    """Policies by their revisions; the newest one is in force. Raises what databases raise."""

    def current(self) -> StoredPolicy:
        """The newest; raises ``PolicyMissing`` or ``PolicyTampered``."""

    def revision(self, number: int) -> StoredPolicy:
        """One that was applied; raises ``PolicyRevisionNotFound``, ``PolicyMissing`` or ``PolicyTampered``."""

    def revisions(self) -> tuple[StoredPolicy, ...]:
        """All, oldest first."""

    def apply(self, policy: NewPolicy, event: Event, *, permit: Permit | None = None) -> StoredPolicy:
        """Put it in force, durable when the call returns; raises ``PolicyChanged`` or ``AccessMovedError``."""


class PeopleStore(Protocol):
    """People, their identities, and groups. Every write is one transaction, with the event that tells of it."""

    def people(self) -> tuple[Person, ...]:
        """All by name, disabled ones too."""

    def person(self, name: str) -> Person:
        """One; raises ``PersonNotFound``."""

    def add_person(self, *, name: str, display: str, email: str | None, event: Event) -> Person:
        """Record a person; raises ``PersonNameTaken``."""

    def disable(self, name: str, event: Event) -> bool:
        """End what the person's identities prove, at once; False where it was ended. Raises ``PersonNotFound``."""

    def enable(self, name: str, event: Event, *, permit: Permit | None = None) -> bool:
        """Let them prove again; False where they do. Raises ``PersonNotFound`` or ``AccessMovedError``."""

    def assign(self, identity: str, person: str, event: Event, *, permit: Permit | None = None) -> None:
        """Give an identity to a person.

        Raises ``PersonNotFound``, ``PersonDisabled``, ``IdentityAssigned`` or ``AccessMovedError``.
        """

    def unassign(self, identity: str, event: Event) -> None:
        """Take it back; raises ``IdentityNotAssigned``."""

    def assigned(self) -> dict[str, str]:
        """The person of each identity that has one, by the identity's name."""

    def groups(self) -> tuple[Group, ...]:
        """All by name."""

    def group(self, name: str) -> Group:
        """One; raises ``GroupNotFound``."""

    def add_group(self, name: str, event: Event) -> Group:
        """Record a group; raises ``GroupNameTaken``."""

    def add_member(self, group: str, member: str, event: Event, *, permit: Permit | None = None) -> bool:
        """Let a principal be a member; False where it is.

        Raises ``GroupNotFound``, ``PersonNotFound`` or ``AccessMovedError``.
        """

    def remove_member(self, group: str, member: str, event: Event) -> bool:
        """Let it be none; False where it is none. Raises ``GroupNotFound``."""


class FloorStore(Protocol):
    """Floors of versions, as the newest leaves about them say."""

    def floors(self, key: str | None) -> tuple[tuple[FloorPlace, Floor], ...]:
        """All, or those of a key, by their places."""

    def set(self, setting: FloorSetting, *, actor: str, reason: str, permit: Permit | None = None) -> Floor:
        """Set one, higher or lower.

        Raises ``KeyNotFound``, ``AccessMovedError``, or ``FloorInvalid`` for what fits into no leaf.
        """


class CiSessionRecords(Protocol):
    """Sessions of CI jobs."""

    def all_sessions(self) -> tuple[CiSession, ...]:
        """All that are not over, the oldest first, revoked ones too."""

    def revoke(self, actor: str, reason: str, *, session: str | None = None, identity: str | None = None) -> int:
        """Let one session, or all of an identity, prove nothing any more; how many did until now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredIdentities:
    """What the settings let prove identities whose credentials are on no record.

    ``cas``: names of the CAs whose certificates name callers; ``pipelines``: the role of each identity of a pipeline.
    """

    cas: frozenset[str] = frozenset()
    pipelines: Mapping[str, str | None] = field(default_factory=dict)

    def may_be_proved(self, identity: str) -> bool:
        """Whether anything is taken for a proof of this identity, of a certificate or a pipeline."""
        kind, _, rest = identity.partition(":")
        return identity in self.pipelines if kind == CI else kind == MTLS and rest.partition(":")[0] in self.cas


class KnownIdentities(Protocol):
    """The identities that somebody may prove: by a credential on record, or as a person by what is configured."""

    def valid(self, at: datetime) -> tuple[Identity, ...]:
        """Those whose credentials prove something at this moment, with person and groups."""

    def present(self, at: datetime) -> Present:
        """Which keys there are, and who may be proved to be somebody."""


class Directory(Protocol):
    """Tells authenticators whose an identity is."""

    def membership(self, identity: str, *, person: str | None = None) -> Membership:
        """Person and groups of an identity; ``person``: whose its credential says that it is.

        Raises ``CredentialsRejected`` where the person is disabled.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeApiToken:
    """The text of a new API token, the only copy of it, and what is kept: its public part and a hash."""

    id: str
    text: str = field(repr=False)
    secret_sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredApiToken:
    """A token on record, and what its secret is compared with."""

    token: ApiToken
    secret_sha256: bytes = field(repr=False)


class Attempts(Protocol):
    """Bounds how often wrong credentials are tried."""

    def check(self, peer: Peer, named: str | None = None) -> None:
        """Raises ``TooManyAttempts`` where too many failed from there, or for the credential of this name."""

    def failed(self, peer: Peer, named: str | None = None) -> None:
        """Another one failed."""


class ApiTokenStore(Protocol):
    """API tokens by their public part; the secret part is kept as a hash."""

    def add(
        self, *, token_id: str, new: NewApiToken, secret_sha256: bytes, event: Event, permit: Permit | None = None
    ) -> None:
        """Record a token; raises ``ApiTokenNameTaken``, also where the token of that name is revoked,
        ``PersonNotFound``, ``PersonDisabled`` and ``AccessMovedError``.
        """

    def find(self, token_id: str) -> StoredApiToken | None:
        """The token; None where there is none, or it proves nothing now, its end apart."""

    def named(self, name: str) -> ApiToken | None:
        """The token of this name, revoked or not."""

    def all_tokens(self) -> tuple[ApiToken, ...]:
        """All by name, revoked ones too."""

    def note_uses(self, token_ids: Collection[str], at: datetime) -> None:
        """The tokens were used until now; written only where what is on record is about a minute old."""

    def revoke(self, name: str, event: Event) -> bool:
        """Let the token prove nothing any more; False where it did not before. Raises ``ApiTokenNotFound``."""

    def reinstate(self, name: str, event: Event) -> bool:
        """Let a suspended token prove again what it did; False where it is not. Raises ``ApiTokenNotFound``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedCertificate:
    """A client's certificate that proves nothing any more. ``serial``: lowercase hex; ``actor``: who revoked it."""

    ca: str
    serial: str
    revoked_at: datetime
    actor: str
    reason: str


class RevokedCertificates(Protocol):
    """Which clients' certificates prove nothing any more."""

    def is_revoked(self, ca: str, serial: str) -> bool:
        """Whether the certificate of this serial number (lowercase hex) of this CA is one."""

    def all_revoked(self) -> tuple[RevokedCertificate, ...]:
        """All of them, by CA and serial number."""

    def more_than(self, known: int) -> frozenset[tuple[str, str]] | None:
        """CA and serial number of each, where they are not ``known`` many; None where they are."""

    def revoke(self, ca: str, serial: str, *, reason: str, event: Event) -> bool:
        """Let it prove nothing any more, durable when the call returns; False where it did not before."""


class KeysMovedError(Exception):
    """Another key has signed the manifest since it was looked at who may recall it."""


class RecalledManifests(Protocol):
    """What every signature is compared with. Raises what databases raise."""

    def manifests(self) -> frozenset[str]:
        """All recalled manifests: SHA-256, lowercase hex."""


class RecallStore(RecalledManifests, Protocol):
    """Recalls, which only become more. Raises what databases raise."""

    def recalls(self) -> tuple[Recall, ...]:
        """All of them, oldest first."""

    def signed(self, manifest_sha256: str) -> SignedManifest:
        """What is on record of a manifest; no keys where nothing is."""

    def recall(self, new: NewRecall) -> tuple[Recall, bool]:
        """Recall it, durable when the call returns, and whether that changed anything.

        Raises ``LogMissing``, ``ManifestNotSigned``, ``RecallsExhausted`` or ``KeysMovedError``.
        """
