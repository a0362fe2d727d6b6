"""What tokens say, byte for byte: Mender's services read them by names and types."""

from __future__ import annotations

import base64
import json
from typing import Any

from signer.domain.token_claims import IssuedToken, TokenKind, kid_of, signing_input, token_text
from tests.support.issued_tokens import DEVICE_CLAIMS, HEADER, NOW, TIMES, USER_CLAIMS

ISSUED = 1785585600


def members(segment: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4)))
    return decoded


def test_a_device_is_told_of_in_mender_s_order_and_by_its_auth_set() -> None:
    header, claims = signing_input(HEADER, DEVICE_CLAIMS).split(b".")
    assert members(header) == {"alg": "ES256", "kid": "0123456789abcdef", "typ": "JWT"}
    assert json.dumps(members(claims), separators=(",", ":")) == (
        '{"jti":"f3bb3a34-5e58-4dd6-9a2d-0a8b0f5e0004","sub":"0c9ab8f3-4c69-4a30-8b0e-91f1a4f0d001","iss":"Mender",'
        f'"exp":{ISSUED + 604800},"iat":{ISSUED},"nbf":{ISSUED},'
        '"mender.device":true,"mender.plan":"enterprise","mender.trial":false,'
        '"mender.addons":[{"name":"configure","enabled":true},{"name":"troubleshoot","enabled":true},'
        '{"name":"monitor","enabled":true}],"mender.auth_set":"51f7c1de-0d1e-4ef4-8c4b-0d6e7a2fd002"}'
    )


def test_a_user_is_told_of_as_useradm_does() -> None:
    assert members(signing_input(HEADER, USER_CLAIMS).split(b".")[1]) == {
        "jti": USER_CLAIMS.jti,
        "sub": USER_CLAIMS.subject.user_id,
        "exp": ISSUED + 604800,
        "iat": ISSUED,
        "nbf": ISSUED,
        "mender.user": True,
        "iss": "mender.useradm",
        "scp": "mender.*",
    }


def test_the_second_in_which_a_token_is_issued_is_no_later_than_the_moment() -> None:
    assert TIMES.issued_at <= NOW
    assert (TIMES.issued_at.microsecond, TIMES.expires_at.microsecond) == (0, 0)


def test_the_same_token_has_one_form_without_padding_or_newline() -> None:
    signed = signing_input(HEADER, USER_CLAIMS)
    text = token_text(signed, bytes(64))
    assert text.encode() == signed + b"." + b"A" * 86
    assert signing_input(HEADER, USER_CLAIMS) == signed


def test_what_is_printed_of_a_token_is_not_the_token() -> None:
    assert "secret" not in repr(IssuedToken(text="secret", jti="1", expires_at=NOW))


def test_a_key_is_named_by_a_text() -> None:
    assert kid_of("0123456789abcdef" + "0" * 48) == "0123456789abcdef"


def test_each_kind_has_keys_of_its_own() -> None:
    assert len({kind.purpose for kind in TokenKind}) == len(TokenKind)
