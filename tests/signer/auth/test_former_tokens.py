"""Tokens of the server that was there before: one row for each way in which one can be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from hsm.algorithms import Algorithm
from signer.auth.former_tokens import GO_ZERO, FormerTokens
from signer.auth.issued_tokens import IssuedTokenVerifier
from signer.domain.keys import Purpose, VersionState
from signer.domain.token_claims import FormerTerms, TokenKind
from signer.errors import TokenRefusal, TokenRefused
from tests.support.clock import ManualClock
from tests.support.issued_tokens import NOW

from .token_pairs import ISSUERS, LEEWAY, Pair, made, pair, seconds

AUTH_SET, DEVICE, USER = "5e700000-0000-4000-8000-000000000001", "0d1e" * 6, "05e70000-0000-4000-8000-000000000001"
JTI = "7e510000-0000-4000-8000-000000000001"
UNTIL = NOW + timedelta(days=2)
RSA, OLDER = (pair("device-token", Purpose.DEVICE_TOKEN, Algorithm.RSA_2048, state=state) for state in
              (VersionState.ACTIVE, VersionState.PREVIOUS))  # fmt: skip
ED = pair("device-ed", Purpose.DEVICE_TOKEN, Algorithm.ED25519)
RETIRED = pair("device-token", Purpose.DEVICE_TOKEN, Algorithm.RSA_2048, state=VersionState.RETIRED)
USERS = pair("user-token", Purpose.USER_TOKEN, Algorithm.RSA_2048)
KEYS = tuple(each.key for each in (RSA, OLDER, ED, RETIRED, USERS))
RS256 = b'{"alg":"RS256","typ":"JWT"}'
EDDSA = b'{"alg":"EdDSA","typ":"JWT"}'
OF_USERS = b'{"alg":"RS256","kid":0,"typ":"JWT"}'
R = TokenRefusal


def _verifier(
    clock: ManualClock | None = None, *, former: bool = True, keys: tuple[Any, ...] = KEYS
) -> IssuedTokenVerifier:
    terms = FormerTerms(issuers=ISSUERS, until=UNTIL)
    made = IssuedTokenVerifier(
        read=lambda: (keys, 1),
        revision=lambda: 1,
        revision_on_loop=lambda: asyncio.sleep(0, 1),
        issuers=ISSUERS,
        clock=clock or (lambda: NOW),
        leeway=LEEWAY,
        monotonic=lambda: 0.0,
        max_age=0.0,
        former=FormerTokens(terms=terms, leeway=LEEWAY) if former else None,
    )
    made.take_over()
    return made


VERIFIER = _verifier()


def _device(**changes: Any) -> dict[str, Any]:
    claims = {
        "jti": AUTH_SET, "sub": DEVICE, "iss": "Mender", "exp": seconds(days=1), "iat": seconds(days=-6),
        "nbf": GO_ZERO, "mender.device": True, "mender.plan": "enterprise", "mender.trial": False,
        "mender.addons": [{"name": "configure", "enabled": True}], **changes,
    }  # fmt: skip
    return {name: value for name, value in claims.items() if value is not ...}


def _user(**changes: Any) -> dict[str, Any]:
    claims = {
        "jti": JTI, "sub": USER, "exp": seconds(days=1), "iat": seconds(days=-6), "mender.user": True,
        "iss": "mender.useradm", "scp": "mender.*", "nbf": seconds(days=-6), **changes,
    }  # fmt: skip
    return {name: value for name, value in claims.items() if value is not ...}


TAKEN = {
    "RSA, as most servers have it": made(_device(), RSA, head=RS256),
    "a key that signed before": made(_device(), OLDER, head=RS256),
    "Ed25519": made(_device(), ED, head=EDDSA),
    "of a tenant": made(_device(**{"mender.tenant": "5abcb6de7a673a0001287c71"}), RSA, head=RS256),
    "without nbf": made(_device(nbf=...), RSA, head=RS256),
}


@pytest.mark.parametrize("sentence", TAKEN)
def test_a_device_s_token_verifies(sentence: str) -> None:
    token = VERIFIER.verify(TAKEN[sentence], TokenKind.DEVICE)
    assert (token.subject, token.auth_set, token.jti, token.former) == (DEVICE, AUTH_SET, AUTH_SET, True)
    assert token.expires_at.timestamp() == seconds(days=1)


@pytest.mark.parametrize("head", [RS256, OF_USERS, b'{"alg":"RS256","kid":4294967295,"typ":"JWT"}'])
def test_a_user_s_token_verifies_whatever_its_number(head: bytes) -> None:
    token = VERIFIER.verify(made(_user(), USERS, head=head), TokenKind.USER)
    assert (token.subject, token.auth_set, token.jti, token.former) == (USER, None, JTI, True)


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """A token, and why it proves nothing."""

    claims: Mapping[str, Any]
    reason: TokenRefusal
    signer: Pair = RSA
    head: bytes = RS256
    kind: TokenKind = TokenKind.DEVICE


REFUSED = {
    "it has ended": No(claims=_device(exp=seconds(days=-1)), reason=R.EXPIRED),
    "it ends now": No(claims=_device(exp=seconds()), reason=R.EXPIRED),
    "it never ends": No(claims=_device(exp=...), reason=R.CLAIM_MISSING),
    "its end is a text": No(claims=_device(exp="never"), reason=R.CLAIM_TYPE),
    "it was issued later": No(claims=_device(iat=seconds(seconds=6)), reason=R.NOT_YET_VALID),
    "it holds later": No(claims=_device(nbf=seconds(seconds=6)), reason=R.NOT_YET_VALID),
    "it begins at another time before all times": No(claims=_device(nbf=GO_ZERO + 1), reason=R.CLAIM_TYPE),
    "it does not say when it was issued": No(claims=_device(iat=...), reason=R.CLAIM_MISSING),
    "of another issuer": No(claims=_device(iss="mender.useradm"), reason=R.ISSUER_REFUSED),
    "of no issuer": No(claims=_device(iss=...), reason=R.CLAIM_MISSING),
    "of no kind": No(claims=_device(**{"mender.device": ...}), reason=R.KIND_REFUSED),
    "of both kinds": No(claims=_device(**{"mender.user": True}), reason=R.KIND_REFUSED),
    "of a user, signed by the key of devices": No(
        claims=_user(), reason=R.SIGNATURE_INVALID, head=OF_USERS, kind=TokenKind.USER
    ),
    "of a device, at the door of users": No(
        claims=_device(), reason=R.KIND_REFUSED, signer=USERS, kind=TokenKind.USER
    ),
    "of another scope": No(
        claims=_user(scp="mender.read"), reason=R.SCOPE_REFUSED, signer=USERS, kind=TokenKind.USER, head=OF_USERS
    ),
    "without a subject": No(claims=_device(sub=...), reason=R.CLAIM_MISSING),
    "with a subject that is none": No(claims=_device(sub="a\nb"), reason=R.CLAIM_TYPE),
    "without its set": No(claims=_device(jti=...), reason=R.CLAIM_MISSING),
    "signed by a key that is retired": No(claims=_device(), reason=R.SIGNATURE_INVALID, signer=RETIRED),
    "signed by another algorithm than it says": No(claims=_device(), reason=R.SIGNATURE_INVALID, signer=ED),
    "a device's with a number for a key": No(claims=_device(), reason=R.HEADER_REFUSED, head=OF_USERS),
    "with members in another order": No(
        claims=_device(), reason=R.HEADER_REFUSED, head=b'{"typ":"JWT","alg":"RS256"}'
    ),
    "with a blank": No(claims=_device(), reason=R.HEADER_REFUSED, head=b'{"alg": "RS256","typ":"JWT"}'),
    "with no algorithm": No(claims=_device(), reason=R.HEADER_REFUSED, head=b'{"alg":"none","typ":"JWT"}'),
    "by a secret": No(claims=_device(), reason=R.HEADER_REFUSED, head=b'{"alg":"HS256","typ":"JWT"}'),
    "by an algorithm that no Mender server has": No(
        claims=_device(), reason=R.HEADER_REFUSED, head=b'{"alg":"ES256","typ":"JWT"}'
    ),
    "with a key of its own": No(
        claims=_device(), reason=R.HEADER_REFUSED, head=b'{"alg":"RS256","jwk":{},"typ":"JWT"}'
    ),
    "with a number that is too long": No(
        claims=_user(), reason=R.HEADER_REFUSED, signer=USERS, kind=TokenKind.USER,
        head=b'{"alg":"RS256","kid":12345678901,"typ":"JWT"}',
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_token_proves_nothing(sentence: str) -> None:
    row = REFUSED[sentence]
    with pytest.raises(TokenRefused) as refused:
        VERIFIER.verify(made(row.claims, row.signer, head=row.head), row.kind)
    assert refused.value.reason is row.reason


def test_none_holds_beyond_the_moment_that_is_set() -> None:
    token = made(_device(exp=seconds(days=300)), RSA, head=RS256)
    assert VERIFIER.verify(token, TokenKind.DEVICE).expires_at > UNTIL
    later = _verifier(ManualClock(UNTIL))
    with pytest.raises(TokenRefused) as refused:
        later.verify(token, TokenKind.DEVICE)
    assert refused.value.reason is R.EXPIRED


def test_none_is_taken_where_nothing_is_set() -> None:
    with pytest.raises(TokenRefused) as refused:
        _verifier(former=False).verify(made(_device(), RSA, head=RS256), TokenKind.DEVICE)
    assert refused.value.reason is R.HEADER_REFUSED


def test_none_is_taken_where_there_is_no_key_of_its_algorithm() -> None:
    with pytest.raises(TokenRefused) as refused:
        _verifier(keys=(ED.key,)).verify(made(_device(), RSA, head=RS256), TokenKind.DEVICE)
    assert refused.value.reason is R.KEY_UNKNOWN
