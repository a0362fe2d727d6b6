"""Identities of CI jobs as data: what kinds of issuers tell, what is pinned of it, and the session that a job gets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto
from types import MappingProxyType

from signer.domain.access.patterns import Pattern

IDENTITY_KIND = "ci"
EC_CURVES: Mapping[str, str] = MappingProxyType({"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"})
RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
ALGORITHMS = RSA_ALGORITHMS | frozenset(EC_CURVES)
COMMON_CLAIMS = ("sub", "ref", "ref_type", "sha", "environment")


class Kind(StrEnum):
    """Whose tokens an issuer makes, and so which claims tell what."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The claims of a kind of issuer. None: it has none of this meaning.

    Attributes:
        id_claim: the number of the repository or project.
        owner_claim: that of its owner.
        event_claim: what caused the run; ``events``: what may, unless an identity says otherwise.
        runs_in_claim: the number of where the job runs; where a token has it, it has to be that of ``id_claim``.
        kept: claims that are kept with a session beside the pinned ones.
    """

    id_claim: str
    owner_claim: str | None = None
    event_claim: str | None = None
    events: frozenset[str] = frozenset()
    runs_in_claim: str | None = None
    kept: tuple[str, ...] = COMMON_CLAIMS


PROFILES: Mapping[Kind, Profile] = MappingProxyType(
    {
        Kind.GITHUB: Profile(
            id_claim="repository_id",
            owner_claim="repository_owner_id",
            event_claim="event_name",
            events=frozenset({"push", "workflow_dispatch", "release", "schedule"}),
            kept=(
                *COMMON_CLAIMS,
                "repository",
                "workflow_ref",
                "job_workflow_ref",
                "run_id",
                "run_attempt",
                "actor_id",
            ),
        ),
        Kind.GITLAB: Profile(
            id_claim="project_id",
            owner_claim="namespace_id",
            event_claim="pipeline_source",
            events=frozenset({"push", "web", "schedule"}),
            # Another project only for merge requests of forks, which run in the project that they want to change.
            runs_in_claim="job_project_id",
            kept=(*COMMON_CLAIMS, "ref_path", "project_path", "ci_config_ref_uri", "pipeline_id", "job_id", "user_id"),
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedIdentity:
    """An identity of the settings.

    Attributes:
        issuer: the configured name of its issuer.
        id, owner_id: the numbers that are pinned, as text.
        events: what may cause a run; None where the issuer's tokens do not tell.
        claims: patterns by claim; one of each has to fit.
        role: a name that rules may use.
    """

    issuer: str
    id: str
    owner_id: str | None
    events: frozenset[str] | None
    claims: Mapping[str, tuple[Pattern, ...]]
    role: str | None

    @property
    def name(self) -> str:
        """What rules, logs and leaves call it."""
        return identity_name(self.issuer, self.id)

    @property
    def digest(self) -> str:
        """SHA-256, in hex, over all that is pinned: a session holds as long as this stands in the settings."""
        document = {
            "issuer": self.issuer,
            "id": self.id,
            "owner_id": self.owner_id,
            "events": None if self.events is None else sorted(self.events),
            "claims": {name: [pattern.text for pattern in patterns] for name, patterns in self.claims.items()},
            "role": self.role,
        }
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class CiSession:
    """What a job got for its token: it proves one identity, for minutes.

    Attributes:
        id: the public part of its text; ``secret_sha256``: SHA-256 of the whole text.
        issuer, subject: the configured name of the issuer, and the number of the repository or project.
        pinned_sha256: ``PinnedIdentity.digest`` of the identity as it was in the settings.
        claims: what is kept of the token's.
        created_at, expires_at, revoked_at: aware UTC.
    """

    id: str
    issuer: str
    subject: str
    pinned_sha256: str
    claims: Mapping[str, str]
    secret_sha256: bytes
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    @property
    def identity(self) -> str:
        """The name of the identity that it proves."""
        return identity_name(self.issuer, self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUse:
    """A CI token that is used for a session, without what is secret of it.

    Attributes:
        token_id: SHA-256 over issuer and ``jti``: the same token has the same, whatever the issuer is called here.
        issued_at: when the issuer made it; ``keep_until``: from then on nobody takes it anyway.
        nonce_sha256: of what the client chose; None where it chose nothing.
        salt: random; with it and the token, whoever knows the nonce is given the same session once more.
    """

    token_id: bytes
    issued_at: datetime
    keep_until: datetime
    nonce_sha256: bytes | None
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedToken:
    """A token that was used: when, and for which session as far as that can be given out again."""

    use: TokenUse
    used_at: datetime
    session: CiSession | None


class TokenOutcome(Enum):
    """What became of a token that was to be used."""

    USED = auto()
    USED_BEFORE = auto()
    TOO_MANY_SESSIONS = auto()  # of its identity, that still hold
    BEFORE_CORRECTION = auto()  # issued before the time on record was corrected, or a backup put back


def identity_name(issuer: str, subject: str) -> str:
    """What rules, logs and leaves call an identity of CI jobs."""
    return f"{IDENTITY_KIND}:{issuer}/{subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerKeys:
    """What a process knows of an issuer's keys: how old they are, in seconds, and how many fetches have failed."""

    issuer: str
    age: float | None
    failures: int
