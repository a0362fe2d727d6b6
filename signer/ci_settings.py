"""``[[ci_issuer]]`` and ``[[ci_identity]]``: whose tokens CI jobs show, and which jobs are an identity.

An identity without a pinned number is refused when the settings are read: names can be registered anew by others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from signer.addresses import Address
from signer.domain.access.patterns import Pattern
from signer.domain.ci import ALGORITHMS, PROFILES, Kind, PinnedIdentity, Profile
from signer.settings_section import Section

NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
MAX_ISSUER_CHARACTERS = 255
CLAIM = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
NUMBER = re.compile(r"[1-9][0-9]{0,18}")
# Decided elsewhere, or by nobody: ``sub`` is composed of what the repository's owner likes.
UNPINNED = frozenset({"iss", "sub", "aud", "exp", "iat", "nbf", "jti"})


class CiIssuerSettings(Section):
    """One ``[[ci_issuer]]`` table: who makes the tokens of CI jobs."""

    name: Annotated[str, Field(pattern=NAME, description="what rules call it, in ci:NAME/ID")]
    issuer: str = Field(description="its URL, exactly as tokens have it")
    kind: Kind = Field(description="which claims tell what")
    audience: str | None = Field(None, min_length=1, max_length=255, description="what tokens for this service name")
    algorithms: tuple[str, ...] = Field(("RS256",), min_length=1, description="what may sign its tokens")
    id_claim: str | None = Field(None, min_length=1, max_length=64, description="of a generic issuer: the claim of ids")
    max_lifetime: float = Field(3600.0, ge=60, le=86400, description="longest time from iat to exp, seconds")
    key_set_host: str | None = Field(None, description="HOST[:PORT] of its keys where that is not the issuer's own")
    key_set_file: Path | None = Field(None, description="its keys as a file; then nothing is fetched")
    ca_file: Path | None = Field(None, description="PEM certificates that its own is issued by")

    @field_validator("issuer")
    @classmethod
    def _issuer_is_a_url(cls, issuer: str) -> str:
        if len(issuer) > MAX_ISSUER_CHARACTERS:
            raise ValueError(f"has more than {MAX_ISSUER_CHARACTERS} characters")
        Address.parse(issuer)
        return issuer

    @field_validator("algorithms")
    @classmethod
    def _algorithms_have_public_keys(cls, algorithms: tuple[str, ...]) -> tuple[str, ...]:
        if not set(algorithms) <= ALGORITHMS:
            raise ValueError(f"must be among {', '.join(sorted(ALGORITHMS))}")
        return algorithms

    @model_validator(mode="after")
    def _ids_are_where_the_kind_has_them(self) -> Self:
        if self.kind is Kind.GENERIC and (self.id_claim is None or self.id_claim in UNPINNED):
            raise ValueError("a generic issuer needs id_claim, a claim of numbers or ids that nobody can take over")
        if self.kind is not Kind.GENERIC and self.id_claim is not None:
            raise ValueError(f"id_claim is for generic issuers; {self.kind} has its own")
        return self

    @property
    def profile(self) -> Profile:
        """Which claims tell what."""
        return PROFILES[self.kind] if self.id_claim is None else Profile(id_claim=self.id_claim)

    def below(self, base: Path) -> Self:
        """With relative paths beginning at ``base``."""
        paths = {"key_set_file": self.key_set_file, "ca_file": self.ca_file}
        return self.model_copy(update={name: path and base / path for name, path in paths.items()})


class CiIdentitySettings(Section):
    """One ``[[ci_identity]]`` table: CI jobs that are an identity."""

    issuer: str = Field(description="name of its issuer")
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$", description="number of its repository or project")]
    owner_id: str | None = Field(None, description="number of the owner or namespace of that")
    role: Annotated[str | None, Field(pattern=NAME, description="a name that rules may use")] = None
    events: tuple[str, ...] | None = Field(None, min_length=1, description="what may have caused the run")
    claims: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="patterns by claim")

    @field_validator("claims", mode="before")
    @classmethod
    def _one_pattern_needs_no_list(cls, claims: Any) -> Any:
        if not isinstance(claims, dict):
            return claims
        return {name: [value] if isinstance(value, str) else value for name, value in claims.items()}

    @field_validator("claims")
    @classmethod
    def _patterns_are_patterns(cls, claims: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, texts in claims.items():
            if not CLAIM.fullmatch(name):
                raise ValueError("a claim has a name of 1 to 64 of a-z, A-Z, 0-9 and ._:/-")
            if name in UNPINNED:
                raise ValueError(f"{name} cannot be pinned")
            if not texts:
                raise ValueError(f"{name} has no pattern, so that nothing would fit")
            for text in texts:
                try:
                    Pattern(text)
                except ValueError as error:
                    raise ValueError(f"a pattern of {name} {error}") from None
        return claims

    def pinned(self, profile: Profile) -> PinnedIdentity:
        """The identity as data."""
        return PinnedIdentity(
            issuer=self.issuer,
            id=self.id,
            owner_id=self.owner_id,
            events=(frozenset(self.events) if self.events else profile.events) if profile.event_claim else None,
            claims={name: tuple(Pattern(text) for text in texts) for name, texts in self.claims.items()},
            role=self.role,
        )


def check_ci(issuers: Sequence[CiIssuerSettings], identities: Sequence[CiIdentitySettings], *, url: str | None) -> None:
    """Raises ``ValueError`` where the tables do not belong together, or an identity lacks a number.

    ``url``: what the service calls itself, the audience where an issuer has none.
    """
    for issuer in issuers:
        if issuer.audience is None and url is None:
            raise ValueError(f"ci_issuer {issuer.name}: needs an audience, or server.url")
    for values in ({each.name for each in issuers}, {each.issuer for each in issuers}):
        if len(values) != len(issuers):
            raise ValueError("two tables ci_issuer have the same name or issuer")
    profiles = {each.name: each.profile for each in issuers}
    for identity in identities:
        if identity.issuer not in profiles:
            raise ValueError(f"ci_identity {identity.id}: there is no ci_issuer named {identity.issuer!r}")
        _check_numbers(identity, profiles[identity.issuer])


def _check_numbers(identity: CiIdentitySettings, profile: Profile) -> None:
    place = f"ci_identity {identity.id}"
    if profile.owner_claim is None:
        if identity.owner_id is not None or identity.events is not None:
            raise ValueError(f"{place}: a generic issuer has neither owner_id nor events, pin claims")
        return
    for name, value, claim in (
        ("id", identity.id, profile.id_claim),
        ("owner_id", identity.owner_id, profile.owner_claim),
    ):
        if value is None or not NUMBER.fullmatch(value):
            raise ValueError(f"{place}: {name} has to be the number in the claim {claim}: names can be taken over")
