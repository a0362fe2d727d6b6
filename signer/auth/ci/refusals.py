"""Why a CI token proves nothing: a closed set of reasons, for the service's own log.

Callers are told ``credentials-rejected`` and no more: which values are pinned is nobody's business who fails them.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Every reason; documented in docs/operations/ci.md."""

    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    HEADER_REFUSED = "header-refused"
    ALGORITHM_REFUSED = "algorithm-refused"
    ISSUER_UNKNOWN = "issuer-unknown"
    KEY_UNKNOWN = "key-unknown"
    SIGNATURE_INVALID = "signature-invalid"
    CLAIM_MISSING = "claim-missing"
    CLAIM_TYPE = "claim-type"
    AUDIENCE_REFUSED = "audience-refused"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    LIFETIME_TOO_LONG = "lifetime-too-long"
    BEFORE_CLOCK_CORRECTION = "before-clock-correction"
    IDENTITY_UNKNOWN = "identity-unknown"
    OWNER_REFUSED = "owner-refused"
    EVENT_REFUSED = "event-refused"
    FORK_REFUSED = "fork-refused"
    CLAIM_REFUSED = "claim-refused"
    PERSON_DISABLED = "person-disabled"
    USED_BEFORE = "used-before"


class TokenRefused(Exception):
    """A CI token proves nothing.

    Attributes:
        reason: which check it fails.
        member: the claim or header member that it fails by; None where none is concerned. Never a value.
    """

    def __init__(self, reason: Reason, member: str | None = None) -> None:
        super().__init__(reason, member)
        self.reason = reason
        self.member = member

    def __str__(self) -> str:
        return self.reason.value if self.member is None else f"{self.reason.value} ({self.member})"
