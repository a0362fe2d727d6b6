"""Which tokens of users and devices verify: one row for each way in which one can be wrong."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.auth.issued_tokens import MAX_TOKEN_BYTES
from signer.domain.token_claims import TokenHeader, TokenKind, signing_input, token_text
from signer.errors import TokenRefusal, TokenRefused
from tests.support.clock import ManualClock
from tests.support.issued_tokens import DEVICE_CLAIMS, NOW, USER_CLAIMS
from tests.support.memory_tokens import raw_signature

from .token_pairs import (
    ARTIFACTS,
    DEVICES,
    ED,
    JWS,
    OTHERS,
    PREVIOUS,
    RSA,
    STRANGER,
    USERS,
    VERIFIER,
    Pair,
    device,
    header,
    made,
    seconds,
    segment,
    user,
    verifier,
)


@pytest.mark.parametrize("signer", [DEVICES, PREVIOUS, RSA, ED], ids=["P-256", "a previous version", "RSA", "Ed25519"])
def test_a_token_verifies_with_active_and_previous_keys_of_each_type(signer: Pair) -> None:
    algorithm = JWS[signer.key.algorithm]
    signed = signing_input(TokenHeader(algorithm=algorithm, kid=signer.kid), DEVICE_CLAIMS)
    token = VERIFIER.verify(token_text(signed, raw_signature(signer.private, signed)), TokenKind.DEVICE)
    assert (token.key, token.version, token.jti) == (signer.key.name, 1, DEVICE_CLAIMS.jti)
    assert (token.subject, token.auth_set) == (DEVICE_CLAIMS.subject.device_id, DEVICE_CLAIMS.subject.auth_set_id)
    assert token.expires_at == DEVICE_CLAIMS.times.expires_at


def test_a_user_s_token_verifies() -> None:
    token = VERIFIER.verify(made(user(), USERS), TokenKind.USER)
    assert (token.kind, token.subject, token.auth_set) == (TokenKind.USER, USER_CLAIMS.subject.user_id, None)


@pytest.mark.parametrize("ahead", [0, 4, 5])
def test_a_clock_may_be_behind_by_the_leeway(ahead: int) -> None:
    clock = ManualClock(NOW.replace(microsecond=0) - timedelta(seconds=ahead))
    assert verifier(clock).verify(made(device()), TokenKind.DEVICE).jti == DEVICE_CLAIMS.jti


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """A token, and why it proves nothing."""

    token: str
    reason: TokenRefusal
    kind: TokenKind = TokenKind.DEVICE
    member: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


R = TokenRefusal
GOOD = made(device())
HEAD, BODY, SIGNATURE = GOOD.split(".")


def hmac_with_the_public_key() -> str:
    """Key confusion: the published key as the secret of an HMAC."""
    public = DEVICES.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = segment(header(DEVICES, alg="HS256")) + b"." + segment(device())
    return token_text(signed, hmac.digest(public, signed, "sha256"))


def der(signer: Pair = DEVICES) -> str:
    signed = segment(header(signer)) + b"." + segment(device())
    assert isinstance(signer.private, ec.EllipticCurvePrivateKey)
    return token_text(signed, signer.private.sign(signed, ec.ECDSA(hashes.SHA256())))


FORMS = {
    "nothing": No(token="", reason=R.MALFORMED),
    "two segments": No(token=f"{HEAD}.{BODY}", reason=R.MALFORMED),
    "four segments": No(token=f"{GOOD}.", reason=R.MALFORMED),
    "a newline at the end": No(token=f"{GOOD}\n", reason=R.MALFORMED),
    "padding": No(token=f"{HEAD}.{BODY}.{SIGNATURE}==", reason=R.MALFORMED),
    "another alphabet of base64": No(token=GOOD[:-4] + "+/+/", reason=R.MALFORMED),
    "letters that are none of ASCII": No(token=GOOD + "ä", reason=R.MALFORMED),
    "more than any token has": No(token=f"{HEAD}.{'A' * MAX_TOKEN_BYTES}.{SIGNATURE}", reason=R.TOO_LARGE),
    "a header that is no JSON": No(token=f"{segment(b'no').decode()}.{BODY}.{SIGNATURE}", reason=R.MALFORMED),
    "a header that is a list": No(token=made(device(), head=[]), reason=R.MALFORMED),
    "a header with a member twice": No(
        token=made(device(), head=b'{"alg":"none","alg":"ES256","kid":"%s","typ":"JWT"}' % DEVICES.kid.encode()),
        reason=R.MALFORMED,
    ),
    "claims that are no JSON": No(token=made(b"no"), reason=R.MALFORMED),
    "claims that are a list": No(token=made([1]), reason=R.MALFORMED),
    "claims with a member twice": No(token=made(b'{"sub":"a","sub":"b"}'), reason=R.MALFORMED),
    "claims with NaN": No(token=made(b'{"exp":NaN}'), reason=R.MALFORMED),
    "claims of many levels": No(token=made(b"[" * 5000), reason=R.MALFORMED),
}
HEADERS = {
    "no algorithm": No(token=made(device(), head=header(DEVICES, alg=...)), reason=R.HEADER_REFUSED, member="alg"),
    "alg none": No(token=made(device(), head=header(DEVICES, alg="none")), reason=R.ALGORITHM_REFUSED),
    "alg none without a signature": No(
        token=f"{segment(header(DEVICES, alg='none')).decode()}.{BODY}.", reason=R.ALGORITHM_REFUSED
    ),
    "alg HS256 with the public key as secret": No(token=hmac_with_the_public_key(), reason=R.ALGORITHM_REFUSED),
    "alg in other letters": No(token=made(device(), head=header(DEVICES, alg="es256")), reason=R.ALGORITHM_REFUSED),
    "alg of another type of key": No(token=made(device(), head=header(DEVICES, alg="RS256")), reason=R.KEY_UNKNOWN),
    "RSA with PSS": No(token=made(device(), RSA, head=header(RSA, alg="PS256")), reason=R.ALGORITHM_REFUSED),
    "alg that is a number": No(token=made(device(), head=header(DEVICES, alg=1)), reason=R.HEADER_REFUSED),
    "no kid": No(token=made(device(), head=header(DEVICES, kid=...)), reason=R.HEADER_REFUSED, member="kid"),
    "a kid that is a number": No(token=made(device(), head=header(DEVICES, kid=0)), reason=R.HEADER_REFUSED),
    "a kid that is unknown": No(token=made(device(), head=header(DEVICES, kid="0" * 16)), reason=R.KEY_UNKNOWN),
    "the kid of another key": No(
        token=made(device(), head=header(DEVICES, kid=PREVIOUS.kid)), reason=R.SIGNATURE_INVALID
    ),
    "the kid of a key of artifacts": No(token=made(device(), ARTIFACTS), reason=R.KEY_UNKNOWN),
    "the kid of users' key at devices' door": No(token=made(device(), USERS), reason=R.KEY_UNKNOWN),
    "the kid of devices' key at users' door": No(
        token=made(user(), DEVICES), reason=R.KEY_UNKNOWN, kind=TokenKind.USER
    ),
    "a stranger's key": No(token=made(device(), STRANGER), reason=R.KEY_UNKNOWN),
    "no typ": No(token=made(device(), head=header(DEVICES, typ=...)), reason=R.HEADER_REFUSED, member="typ"),
    "another typ": No(token=made(device(), head=header(DEVICES, typ="at+jwt")), reason=R.HEADER_REFUSED, member="typ"),
    "typ in other letters": No(token=made(device(), head=header(DEVICES, typ="jwt")), reason=R.HEADER_REFUSED),
    "a key in the header": No(
        token=made(device(), head=header(DEVICES, jwk={})), reason=R.HEADER_REFUSED, member="jwk"
    ),
    "an address of keys": No(
        token=made(device(), head=header(DEVICES, jku="x")), reason=R.HEADER_REFUSED, member="jku"
    ),
    "a critical extension": No(token=made(device(), head=header(DEVICES, crit=["b64"])), reason=R.HEADER_REFUSED),
    "an unencoded payload": No(token=made(device(), head=header(DEVICES, b64=False)), reason=R.HEADER_REFUSED),
    "the same header in another order": No(
        token=made(device(), head={"typ": "JWT", "kid": DEVICES.kid, "alg": "ES256"}), reason=R.KEY_UNKNOWN
    ),
    "a header with one member more": No(token=made(device(), head=header(DEVICES, cty="JWT")), reason=R.KEY_UNKNOWN),
    **{
        f"a version that is {state}": No(token=made(device(), one), reason=R.KEY_UNKNOWN)
        for state, one in OTHERS.items()
    },
}
SIGNATURES = {
    "no signature": No(token=f"{HEAD}.{BODY}.", reason=R.SIGNATURE_INVALID),
    "another signature": No(token=f"{HEAD}.{BODY}.{'A' * 86}", reason=R.SIGNATURE_INVALID),
    "a signature in DER": No(token=der(), reason=R.SIGNATURE_INVALID),
    "a signature of other claims": No(
        token=f"{HEAD}.{segment(device(sub='other')).decode()}.{SIGNATURE}", reason=R.SIGNATURE_INVALID
    ),
    "a signature by another key of the same type": No(
        token=made(device(), STRANGER, head=header(DEVICES)), reason=R.SIGNATURE_INVALID
    ),
    "a signature of a device's key under users' header": No(
        token=made(user(), DEVICES, head=header(USERS)), reason=R.SIGNATURE_INVALID, kind=TokenKind.USER
    ),
}
CLAIMS = {
    **{f"no {name}": No(token=made(device(**{name: ...})), reason=R.CLAIM_MISSING, member=name)
       for name in ("jti", "sub", "iss", "exp", "iat", "nbf", "mender.auth_set")},
    **{f"{name} that is null": No(token=made(device(**{name: None})), reason=R.CLAIM_MISSING, member=name)
       for name in ("jti", "sub", "exp")},
    **{f"{name} that is a number": No(token=made(device(**{name: 1})), reason=R.CLAIM_TYPE, member=name)
       for name in ("jti", "sub", "iss", "mender.auth_set")},
    **{f"{name} that is a text": No(token=made(device(**{name: "1"})), reason=R.CLAIM_TYPE, member=name)
       for name in ("exp", "iat", "nbf")},
    **{f"{name} that is no whole number": No(token=made(device(**{name: 1.0})), reason=R.CLAIM_TYPE, member=name)
       for name in ("exp", "iat", "nbf")},
    **{f"{name} that is true": No(token=made(device(**{name: True})), reason=R.CLAIM_TYPE, member=name)
       for name in ("exp", "iat", "nbf")},
    "Go's time of nothing as nbf": No(token=made(device(nbf=-62135596800)), reason=R.CLAIM_TYPE, member="nbf"),
    "an end after all calendars": No(token=made(device(exp=10**18)), reason=R.CLAIM_TYPE, member="exp"),
    "another issuer": No(token=made(device(iss="mender.useradm")), reason=R.ISSUER_REFUSED),
    "an issuer in other letters": No(token=made(device(iss="mender")), reason=R.ISSUER_REFUSED),
    "a list of issuers": No(token=made(device(iss=["Mender"])), reason=R.CLAIM_TYPE),
    "no kind": No(token=made(device(**{"mender.device": ...})), reason=R.KIND_REFUSED, member="mender.device"),
    "a kind that is false": No(token=made(device(**{"mender.device": False})), reason=R.KIND_REFUSED),
    "a kind that is 1": No(token=made(device(**{"mender.device": 1})), reason=R.KIND_REFUSED),
    "a kind that is a text": No(token=made(device(**{"mender.device": "true"})), reason=R.KIND_REFUSED),
    "both kinds": No(token=made(device(**{"mender.user": True})), reason=R.KIND_REFUSED, member="mender.user"),
    "a user's claims by devices' key": No(token=made(user()), reason=R.KIND_REFUSED),
    "a user without scope": No(token=made(user(scp=...), USERS), reason=R.CLAIM_MISSING, kind=TokenKind.USER),
    "a user of another scope": No(token=made(user(scp="mender.x"), USERS), reason=R.SCOPE_REFUSED, kind=TokenKind.USER),
    "a jti that is none of ours": No(token=made(device(jti="1")), reason=R.CLAIM_TYPE, member="jti"),
    "an empty subject": No(token=made(device(sub="")), reason=R.CLAIM_TYPE, member="sub"),
    "a long subject": No(token=made(device(sub="a" * 65)), reason=R.CLAIM_TYPE, member="sub"),
    "a subject with a line break": No(token=made(device(sub="a\nb")), reason=R.CLAIM_TYPE, member="sub"),
}  # fmt: skip
TIMES = {
    "it has just ended": No(token=made(device(exp=seconds(seconds=-1))), reason=R.EXPIRED),
    "it ends this second": No(token=made(device(exp=seconds())), reason=R.EXPIRED),
    "it ended long ago": No(token=made(device(exp=0)), reason=R.EXPIRED),
    "nbf is ahead by more than the leeway": No(
        token=made(device(nbf=seconds(seconds=6))), reason=R.NOT_YET_VALID, member="nbf"
    ),
    "iat is ahead by more than the leeway": No(
        token=made(device(iat=seconds(seconds=6))), reason=R.NOT_YET_VALID, member="iat"
    ),
}
TABLE = {**FORMS, **HEADERS, **SIGNATURES, **CLAIMS, **TIMES}


@pytest.mark.parametrize("sentence", TABLE)
def test_a_token_is_refused(sentence: str) -> None:
    row = TABLE[sentence]
    with pytest.raises(TokenRefused) as refused:
        VERIFIER.verify(row.token, row.kind)
    assert refused.value.reason is row.reason
    assert row.member in (None, refused.value.member)


@pytest.mark.parametrize("place", range(0, len(GOOD), 29))
def test_one_letter_that_is_another_refuses_it(place: int) -> None:
    other = "A" if GOOD[place] != "A" else "B"
    with pytest.raises(TokenRefused):
        VERIFIER.verify(GOOD[:place] + other + GOOD[place + 1 :], TokenKind.DEVICE)


def test_a_refusal_tells_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TokenRefused) as refused:
        VERIFIER.verify(made(device(sub="a" * 65)), TokenKind.DEVICE)
    assert "aaaa" not in f"{refused.value} {refused.value!r}"
    assert capsys.readouterr() == ("", "")
