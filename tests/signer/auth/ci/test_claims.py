"""What a verified token has to say of its issuer, its audience and its time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signer.auth.ci.claims import LEEWAY, Demands, VerifiedClaims, verified_claims
from signer.auth.ci.refusals import Reason, TokenRefused
from tests.support.ci_tokens import AUDIENCE, github_claims

ISSUER = "https://issuer.example"
NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
SECOND = int(NOW.timestamp())
LEEWAY_SECONDS = int(LEEWAY.total_seconds())
DEMANDS = Demands(issuer=ISSUER, audience=AUDIENCE, max_lifetime=timedelta(seconds=900))


def checked(**changes: Any) -> VerifiedClaims:
    payload = json.dumps(github_claims(ISSUER, now=SECOND, **changes)).encode()
    return verified_claims(payload, DEMANDS, now=NOW)


TAKEN: dict[str, dict[str, Any]] = {
    "as GitHub makes it": {},
    "nbf long ago": {"nbf": SECOND - 600},
    "no nbf": {"nbf": ...},
    "issued at the edge of the leeway": {"iat": SECOND + LEEWAY_SECONDS, "nbf": SECOND},
    "expired within the leeway": {"iat": SECOND - 400, "exp": SECOND - LEEWAY_SECONDS + 1},
    "the longest life": {"iat": SECOND - 100, "exp": SECOND + 800},
}


@pytest.mark.parametrize("changes", TAKEN.values(), ids=TAKEN)
def test_it_is_taken(changes: dict[str, Any]) -> None:
    claims = checked(**changes)
    assert claims.issuer == ISSUER
    assert claims.expires_at > claims.issued_at
    assert claims.values["repository_id"] == "456789"


REFUSED: dict[str, tuple[dict[str, Any], Reason]] = {
    "another issuer": ({"iss": "https://evil.example"}, Reason.ISSUER_UNKNOWN),
    "the issuer with a slash": ({"iss": f"{ISSUER}/"}, Reason.ISSUER_UNKNOWN),
    "the issuer in capitals": ({"iss": ISSUER.upper()}, Reason.ISSUER_UNKNOWN),
    "no issuer": ({"iss": ...}, Reason.CLAIM_MISSING),
    "no audience": ({"aud": ...}, Reason.CLAIM_MISSING),
    "the owner's audience": ({"aud": "https://github.com/octo-org"}, Reason.AUDIENCE_REFUSED),
    "a list with our audience": ({"aud": [AUDIENCE]}, Reason.AUDIENCE_REFUSED),
    "a list of ours and another": ({"aud": [AUDIENCE, "https://other.example"]}, Reason.AUDIENCE_REFUSED),
    "our audience with a slash": ({"aud": f"{AUDIENCE}/"}, Reason.AUDIENCE_REFUSED),
    "our audience within another": ({"aud": f"{AUDIENCE}.evil.example"}, Reason.AUDIENCE_REFUSED),
    "an audience that is a number": ({"aud": 1}, Reason.AUDIENCE_REFUSED),
    "no exp": ({"exp": ...}, Reason.CLAIM_MISSING),
    "no iat": ({"iat": ...}, Reason.CLAIM_MISSING),
    "an exp that is null": ({"exp": None}, Reason.CLAIM_MISSING),
    "an exp that is text": ({"exp": str(SECOND + 300)}, Reason.CLAIM_TYPE),
    "an exp that is true": ({"exp": True}, Reason.CLAIM_TYPE),
    "an exp that is a fraction": ({"exp": SECOND + 300.0}, Reason.CLAIM_TYPE),
    "an exp without end": ({"exp": 10**30}, Reason.CLAIM_TYPE),
    "an exp before 1970": ({"exp": -1}, Reason.CLAIM_TYPE),
    "an iat that is text": ({"iat": str(SECOND)}, Reason.CLAIM_TYPE),
    "an iat that is true": ({"iat": True}, Reason.CLAIM_TYPE),
    "an iat that is a list": ({"iat": [SECOND]}, Reason.CLAIM_TYPE),
    "an nbf that is text": ({"nbf": str(SECOND)}, Reason.CLAIM_TYPE),
    "an nbf that is null": ({"nbf": None}, Reason.CLAIM_MISSING),
    "expired beyond the leeway": ({"iat": SECOND - 400, "exp": SECOND - LEEWAY_SECONDS}, Reason.EXPIRED),
    "expired before it was issued": ({"iat": SECOND, "exp": SECOND - 1}, Reason.EXPIRED),
    "expired years ago": ({"iat": 0, "exp": 300}, Reason.EXPIRED),
    "issued beyond the leeway": ({"iat": SECOND + LEEWAY_SECONDS + 1}, Reason.NOT_YET_VALID),
    "nbf beyond the leeway": ({"nbf": SECOND + LEEWAY_SECONDS + 1}, Reason.NOT_YET_VALID),
    "a life of a second too many": ({"iat": SECOND - 100, "exp": SECOND + 801}, Reason.LIFETIME_TOO_LONG),
    "a life of thousands of years": ({"exp": 253_402_300_799}, Reason.LIFETIME_TOO_LONG),
    "the last second of the calendar": (
        {"iat": 253_402_300_798, "nbf": 0, "exp": 253_402_300_799}, Reason.NOT_YET_VALID),
    "no jti": ({"jti": ...}, Reason.CLAIM_MISSING),
    "an empty jti": ({"jti": ""}, Reason.CLAIM_TYPE),
    "a jti that is a number": ({"jti": 1}, Reason.CLAIM_TYPE),
    "a jti of 257 characters": ({"jti": "j" * 257}, Reason.CLAIM_TYPE),
    "a jti that no database holds": ({"jti": "\ud800"}, Reason.CLAIM_TYPE),
    "a jti with a NUL": ({"jti": "a\0b"}, Reason.CLAIM_TYPE),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(changes: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(TokenRefused) as refused:
        checked(**changes)
    assert refused.value.reason is reason


def test_a_claim_that_comes_twice_refuses_the_token() -> None:
    payload = json.dumps(github_claims(ISSUER, now=SECOND))
    twice = payload.replace('"aud"', '"aud": "https://other.example", "aud"')
    with pytest.raises(TokenRefused, match="malformed"):
        verified_claims(twice.encode(), DEMANDS, now=NOW)


def test_what_is_read_shows_nothing_by_itself() -> None:
    assert "octo" not in repr(checked())
