"""What a CI token has to look like before anybody asks for its issuer's keys."""

from __future__ import annotations

import json

import pytest

from signer.auth.ci.refusals import Reason, TokenRefused
from signer.auth.ci.token import MAX_TOKEN_BYTES, UnverifiedToken
from tests.support.ci_tokens import ec_pair, encoded, github_claims, rsa_pair, token

ISSUER = "https://issuer.example"
CLAIMS = github_claims(ISSUER)
GOOD = token(CLAIMS)
HEAD, BODY, SIGNATURE = GOOD.split(".")


def header(**members: object) -> str:
    return token(CLAIMS, header=members)


def raw_header(raw: bytes) -> str:
    return token(CLAIMS, header=raw)


TAKEN = {
    "a token of RSA": GOOD,
    "a token of P-256": token(CLAIMS, key=ec_pair()),
    "a type in small letters": header(typ="jwt"),
    "no type": raw_header(json.dumps({"alg": "RS256", "kid": "key-1"}).encode()),
    "a further member of the header": header(x5t="whatever"),
}


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN)
def test_it_is_read(text: str) -> None:
    read = UnverifiedToken.parse(text)
    assert read.unverified_issuer == ISSUER
    assert (read.algorithm, read.key_id) in {("RS256", rsa_pair().kid), ("ES256", ec_pair().kid)}
    assert text not in repr(read)


REFUSED: dict[str, tuple[str, Reason]] = {
    "one byte too many": (GOOD + "A" * (MAX_TOKEN_BYTES + 1 - len(GOOD)), Reason.TOO_LARGE),
    "nothing": ("", Reason.MALFORMED),
    "two segments": (f"{HEAD}.{BODY}", Reason.MALFORMED),
    "four segments": (f"{GOOD}.", Reason.MALFORMED),
    "an encrypted token": (f"{GOOD}.{BODY}.{BODY}", Reason.MALFORMED),
    "padding": (f"{HEAD}=.{BODY}.{SIGNATURE}", Reason.MALFORMED),
    "a space": (f"{HEAD} .{BODY}.{SIGNATURE}", Reason.MALFORMED),
    "a newline at the end": (f"{GOOD}\n", Reason.MALFORMED),
    "the alphabet with + and /": (f"{HEAD}.{BODY}.++//", Reason.MALFORMED),
    "a letter that is no ASCII": (f"{HEAD}.{BODY}.é", Reason.MALFORMED),
    "a segment of an impossible length": (f"{HEAD}.{BODY}.AAAAA", Reason.MALFORMED),
    "a second spelling of the same bytes": (f"{HEAD}.{BODY}.AB", Reason.MALFORMED),
    "a header that is a list": (raw_header(b"[]"), Reason.MALFORMED),
    "a header that is no JSON": (raw_header(b"{"), Reason.MALFORMED),
    "a header that is not UTF-8": (raw_header(b'{"alg":"\xff"}'), Reason.MALFORMED),
    "a member twice in the header": (raw_header(b'{"alg":"none","alg":"RS256","kid":"key-1"}'), Reason.MALFORMED),
    "a member twice, once escaped": (raw_header(b'{"alg":"RS256","kid":"a","k\\u0069d":"b"}'), Reason.MALFORMED),
    "a header without end of depth": (raw_header(b"[" * 3000), Reason.MALFORMED),
    "a payload that is no object": (token(b"null"), Reason.MALFORMED),
    "a payload with a claim twice": (token(b'{"iss":"https://a.example","iss":"https://b.example"}'), Reason.MALFORMED),
    "NaN in the payload": (token(b'{"iss":NaN}'), Reason.MALFORMED),
    "a number of thousands of digits": (token(b'{"exp":' + b"9" * 5000 + b"}"), Reason.MALFORMED),
    "crit": (header(crit=["b64"]), Reason.HEADER_REFUSED),
    "b64": (header(b64=False), Reason.HEADER_REFUSED),
    "b64 that says what is so anyway": (header(b64=True), Reason.HEADER_REFUSED),
    "a key of its own": (header(jwk=rsa_pair().jwk), Reason.HEADER_REFUSED),
    "a place of keys of its own": (header(jku="https://evil.example/keys"), Reason.HEADER_REFUSED),
    "a certificate of its own": (header(x5c=["AAAA"]), Reason.HEADER_REFUSED),
    "a place of certificates of its own": (header(x5u="https://evil.example/x"), Reason.HEADER_REFUSED),
    "an access token": (header(typ="at+jwt"), Reason.HEADER_REFUSED),
    "a logout token": (header(typ="logout+jwt"), Reason.HEADER_REFUSED),
    "a type that is null": (header(typ=None), Reason.HEADER_REFUSED),
    "no kid": (raw_header(b'{"alg":"RS256"}'), Reason.HEADER_REFUSED),
    "an empty kid": (header(kid=""), Reason.HEADER_REFUSED),
    "a kid that is a number": (header(kid=1), Reason.HEADER_REFUSED),
    "a kid that is a list": (header(kid=["key-1"]), Reason.HEADER_REFUSED),
    "a kid of 257 characters": (header(kid="k" * 257), Reason.HEADER_REFUSED),
    "no alg": (raw_header(b'{"kid":"key-1"}'), Reason.ALGORITHM_REFUSED),
    "an alg that is a list": (header(alg=["RS256"]), Reason.ALGORITHM_REFUSED),
    "no issuer": (token(github_claims(ISSUER, iss=...)), Reason.CLAIM_MISSING),
    "an issuer that is a list": (token(github_claims(ISSUER, iss=[ISSUER])), Reason.CLAIM_TYPE),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(text: str, reason: Reason) -> None:
    with pytest.raises(TokenRefused) as refused:
        UnverifiedToken.parse(text)
    assert refused.value.reason is reason
    assert len(str(refused.value)) < 80  # a reason and a member's name, and nothing that was sent


def test_a_kid_is_a_name_and_no_path_or_query() -> None:
    for kid in ("../../etc/passwd", "' OR 1=1 --", "key-1\x00"):
        assert UnverifiedToken.parse(header(kid=kid)).key_id == kid


def test_the_largest_token_is_read() -> None:
    claims = {**CLAIMS, "filler": ""}
    room = MAX_TOKEN_BYTES - len(token(claims))
    text = token({**claims, "filler": "x" * (room * 3 // 4 - 2)})
    assert MAX_TOKEN_BYTES - 8 < len(text) <= MAX_TOKEN_BYTES
    assert UnverifiedToken.parse(text).text == text


def test_refusing_what_is_huge_costs_nothing() -> None:
    with pytest.raises(TokenRefused, match="too-large"):
        UnverifiedToken.parse(encoded(b"x" * (1 << 22)))
