"""A CI token before its signature was looked at: its form, its header, and who says to have issued it.

1. At most 8 KiB, three segments of canonical base64url without padding.
2. The header is an object with each member once. It chooses a key by ``kid`` and nothing else: whatever names or holds
   a key (``jwk``, ``jku``, ``x5c``, ``x5u``), and whatever changes what is signed (``crit``, ``b64``), is refused.
3. ``typ`` is ``JWT`` where it is given: access tokens and logout tokens of the same issuer are no identity.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from signer.auth.ci.refusals import Reason, TokenRefused
from signer.domain.strict_json import NotStrictJson, strict_object

MAX_TOKEN_BYTES = 8 * 1024
MAX_KEY_ID_CHARACTERS = 256
SEGMENTS = 3
REFUSED_MEMBERS = ("crit", "b64", "jwk", "jku", "x5c", "x5u")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class UnverifiedToken:
    """A token of the right form. Nothing in it is proved.

    Attributes:
        text: as it came; it is a credential.
        algorithm: ``alg`` of the header.
        key_id: ``kid`` of the header.
        unverified_issuer: ``iss`` of the payload.
    """

    text: str
    algorithm: str
    key_id: str
    unverified_issuer: str

    @classmethod
    def parse(cls, text: str) -> UnverifiedToken:
        """Read the text; raises ``TokenRefused``."""
        if len(text) > MAX_TOKEN_BYTES:
            raise TokenRefused(Reason.TOO_LARGE)
        header, payload, _ = _segments(text)
        members = _object(header)
        _require_plain(members)
        issuer = _object(payload).get("iss")
        if not isinstance(issuer, str):
            raise TokenRefused(Reason.CLAIM_MISSING if issuer is None else Reason.CLAIM_TYPE, "iss")
        return cls(
            text=text,
            algorithm=_text(members, "alg", Reason.ALGORITHM_REFUSED),
            key_id=_key_id(members),
            unverified_issuer=issuer,
        )


def decoded_segment(segment: str) -> bytes:
    """The bytes of a segment; raises ``TokenRefused`` unless it is their one spelling."""
    try:
        raw = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise TokenRefused(Reason.MALFORMED) from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != segment.encode("ascii"):
        raise TokenRefused(Reason.MALFORMED)
    return raw


def _segments(text: str) -> tuple[bytes, bytes, bytes]:
    parts = text.split(".")
    if len(parts) != SEGMENTS or not text.isascii():
        raise TokenRefused(Reason.MALFORMED)
    header, payload, signature = map(decoded_segment, parts)
    return header, payload, signature


def _object(raw: bytes) -> dict[str, Any]:
    try:
        return strict_object(raw)
    except NotStrictJson:
        raise TokenRefused(Reason.MALFORMED) from None


def _require_plain(header: dict[str, Any]) -> None:
    for name in REFUSED_MEMBERS:
        if name in header:
            raise TokenRefused(Reason.HEADER_REFUSED, name)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise TokenRefused(Reason.HEADER_REFUSED, "typ")


def _key_id(header: dict[str, Any]) -> str:
    key_id = _text(header, "kid", Reason.HEADER_REFUSED)
    if not key_id or len(key_id) > MAX_KEY_ID_CHARACTERS:
        raise TokenRefused(Reason.HEADER_REFUSED, "kid")
    return key_id


def _text(header: dict[str, Any], name: str, reason: Reason) -> str:
    value = header.get(name)
    if not isinstance(value, str):
        raise TokenRefused(reason, name)
    return value
