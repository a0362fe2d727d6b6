"""Tokens as parts of the frames between workers and the recorder. What is malformed raises.

Everything is bounded as the database has it: one entry that a column refuses would end the whole batch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from signer.domain.records import RECORD_ID_BYTES
from signer.domain.token_claims import TOKEN_ID, TokenKind
from signer.domain.token_records import TokenEntry

_ID = re.compile(rf"[0-9a-f]{{{2 * RECORD_ID_BYTES}}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SUBJECT = re.compile(r"[A-Za-z0-9._-]{1,64}")
_AUTH_SET = re.compile(r"[A-Za-z0-9._-]{0,64}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{0,200}")
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_BIGINT = 1 << 63
_INTEGER = 1 << 31

# In the order in which they stand.
_TEXTS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "request_id": _TEXT,
        "actor": _TEXT,
        "subject": _SUBJECT,
        "auth_set": _AUTH_SET,
        "name": _TEXT,
        "jti": TOKEN_ID,
        "key": _KEY,
        "fingerprint": _DIGEST,
        "signed_sha256": _DIGEST,
        "signature_sha256": _DIGEST,
    }
)
_NUMBERS: Mapping[str, int] = MappingProxyType({"version_id": _BIGINT, "version": _INTEGER})
_TIMES = ("issued_at", "expires_at")


def packed_token(entry: TokenEntry, deadline: float) -> list[Any]:
    """An entry, and until when its sender waits; raises ``ValueError`` for one that would not be understood."""
    # Before it is in a frame with others, which it would spoil.
    _require_texts({name: getattr(entry, name) for name in _TEXTS})
    plain = [getattr(entry, name) for name in (*_TEXTS, *_NUMBERS)]
    times = [getattr(entry, name).isoformat() for name in _TIMES]
    return [entry.record_id.hex(), entry.kind.value, *plain, *times, deadline]


def parsed_token(unverified: Any) -> tuple[TokenEntry, float]:
    """The same; raises ``ValueError`` or ``TypeError``."""
    record_id, kind, *plain, issued_at, expires_at, deadline = unverified
    members = dict(zip((*_TEXTS, *_NUMBERS), plain, strict=True))
    _require_texts(members)
    if _ID.fullmatch(record_id) is None:
        raise ValueError("record_id")
    for name, bound in _NUMBERS.items():
        if type(members[name]) is not int or not 0 < members[name] < bound:
            raise ValueError(name)
    entry = TokenEntry(
        record_id=bytes.fromhex(record_id),
        kind=TokenKind(kind),
        issued_at=_moment(issued_at),
        expires_at=_moment(expires_at),
        **members,
    )
    if (entry.kind is TokenKind.DEVICE) != bool(entry.auth_set):
        raise ValueError("auth_set")
    return entry, float(deadline)


def _require_texts(members: Mapping[str, Any]) -> None:
    for name, form in _TEXTS.items():
        if form.fullmatch(members[name]) is None:
            raise ValueError(name)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment.astimezone(UTC)
