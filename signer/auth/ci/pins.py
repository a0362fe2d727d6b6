"""Which CI jobs are an identity: claims that are pinned, by numbers of the issuer that no name can take over.

1. A job is told by the number of its repository or project, and by that of its owner where the issuer has one: a name
   that was given up can be registered by somebody else, a number cannot.
2. What caused the run is one of a list. Runs that mix foreign changes into a trusted name (``pull_request_target``,
   merge requests of forks) are in none unless somebody writes them there.
3. Every pinned claim is there, is text in ASCII, and fits one of its patterns as a whole. ``sub`` decides nothing: what
   stands in it is the choice of whoever owns the repository.
4. The first identity of the settings that fits is the one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from signer.auth.ci.claims import VerifiedClaims
from signer.auth.ci.refusals import Reason, TokenRefused
from signer.domain.ci import PinnedIdentity, Profile

# What of a token is kept with its session, for leaves and people: short text and numbers, as far as a leaf has room.
MAX_KEPT_CHARACTERS = 256
MAX_KEPT_BYTES = 1400


def pinned_identity(claims: VerifiedClaims, profile: Profile, pinned: Iterable[PinnedIdentity]) -> PinnedIdentity:
    """The first identity that the claims fit; raises ``TokenRefused`` with what the nearest one lacks."""
    number = _text(claims.values, profile.id_claim)
    nearest = TokenRefused(Reason.IDENTITY_UNKNOWN, profile.id_claim)
    for identity in pinned:
        if identity.id != number:
            continue
        try:
            _require(claims.values, profile, identity)
        except TokenRefused as refused:
            nearest = refused
        else:
            return identity
    raise nearest


def kept_claims(claims: VerifiedClaims, profile: Profile, identity: PinnedIdentity) -> dict[str, str]:
    """What is kept of the claims, as text: short, printable, and about the run."""
    kept: dict[str, str] = {}
    for name in dict.fromkeys((*sorted(identity.claims), *profile.kept)):
        value = claims.values.get(name)
        if _is_short(value) and len(json.dumps({**kept, name: str(value)})) <= MAX_KEPT_BYTES:
            kept[name] = str(value)
    return kept


def _require(values: Mapping[str, Any], profile: Profile, identity: PinnedIdentity) -> None:
    if profile.owner_claim is not None and _text(values, profile.owner_claim) != identity.owner_id:
        raise TokenRefused(Reason.OWNER_REFUSED, profile.owner_claim)
    if profile.event_claim is not None and _text(values, profile.event_claim) not in (identity.events or ()):
        raise TokenRefused(Reason.EVENT_REFUSED, profile.event_claim)
    runs_in = profile.runs_in_claim
    if runs_in is not None and runs_in in values and _text(values, runs_in) != identity.id:
        raise TokenRefused(Reason.FORK_REFUSED, runs_in)
    for name, patterns in identity.claims.items():
        value = _text(values, name)
        if not value.isascii() or not any(pattern.fits(value) for pattern in patterns):
            raise TokenRefused(Reason.CLAIM_REFUSED, name)


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        raise TokenRefused(Reason.CLAIM_MISSING, name)
    if not isinstance(value, str):
        raise TokenRefused(Reason.CLAIM_TYPE, name)
    return value


def _is_short(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_KEPT_CHARACTERS and value.isprintable()
    return type(value) is int and abs(value) < 1 << 63
