"""Tokens on their way to the recorder: they come back as they were, and nothing else is understood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from signer.domain.records import Refusal, Refused
from signer.recorder.protocol import (
    MAX_ENTRIES,
    FrameError,
    FrameReader,
    Posted,
    frame,
    packed_answer,
    parsed_answers,
    parsed_message,
)
from signer.recorder.tokens import packed_token
from tests.support.issued_tokens import token_entry, user_entry

SENT = token_entry()
PACKED = packed_token(SENT, 12.5)
MEMBERS = (
    "record_id", "kind", "request_id", "actor", "subject", "auth_set", "name", "jti", "key", "fingerprint",
    "signed_sha256", "signature_sha256", "version_id", "version", "issued_at", "expires_at", "deadline",
)  # fmt: skip


def read(document: object) -> Any:
    (body,) = FrameReader().feed(frame(document))
    return parsed_message(body)


@pytest.mark.parametrize("make", [token_entry, user_entry])
def test_an_entry_comes_back_as_it_was(make: Callable[..., Any]) -> None:
    sent = make(name="" if make is token_entry else "ci ü")
    assert read({"tokens": [packed_token(sent, 12.5)]}) == [Posted(sent, 12.5)]


def test_a_refusal_tells_how_long_to_wait() -> None:
    refused = Refused(reason=Refusal.TOKENS_LIMITED, retry_after=59.5)
    (body,) = FrameReader().feed(frame({"outcomes": [packed_answer(SENT.record_id, refused)]}))
    assert parsed_answers(body) == [(SENT.record_id, refused)]


WRONG: dict[str, dict[str, Any]] = {
    "an id that is no hex": {"record_id": "x" * 32},
    "a short id": {"record_id": "00"},
    "a kind that there is not": {"kind": "admin"},
    "a user with an auth set": {"kind": "user"},
    "a device without one": {"auth_set": ""},
    "no subject": {"subject": ""},
    "a subject that is too long for its column": {"subject": "a" * 65},
    "a subject with a zero byte": {"subject": "a\x00"},
    "an actor that is too long for its column": {"actor": "a" * 201},
    "an actor with a line break": {"actor": "a\nb"},
    "a name that is a number": {"name": 7},
    "a jti that is none": {"jti": "1"},
    "a jti in capitals": {"jti": SENT.jti.upper() + "A"},
    "a key that can have no such name": {"key": "Key"},
    "a digest of another length": {"signed_sha256": "1" * 63},
    "a digest that is none": {"signature_sha256": None},
    "a fingerprint in capitals": {"fingerprint": "F" * 64},
    "a version that is true": {"version_id": True},
    "a version that no column holds": {"version_id": 1 << 63},
    "a version of another size": {"version": 1 << 31},
    "version 0": {"version": 0},
    "a time without a zone": {"issued_at": "2030-01-01T00:00:00"},
    "a time that is none": {"expires_at": "tomorrow"},
    "a time that is a number": {"expires_at": 7},
    "no deadline": {"deadline": None},
}


@pytest.mark.parametrize("sentence", WRONG)
def test_what_no_worker_says_is_not_understood(sentence: str) -> None:
    changed = [WRONG[sentence].get(name, value) for name, value in zip(MEMBERS, PACKED, strict=True)]
    with pytest.raises(FrameError):
        read({"tokens": [changed]})


@pytest.mark.parametrize("changes", [{"name": "\ud800"}, {"actor": "a\x00"}, {"subject": "a" * 65}])
def test_what_would_spoil_a_frame_is_refused_before_it_is_in_one(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        packed_token(token_entry(**changes), 1.0)


@pytest.mark.parametrize(
    "document",
    [{"tokens": [PACKED[:-1]]}, {"tokens": [[*PACKED, 1]]}, {"tokens": PACKED}, {"tokens": [PACKED], "more": 1},
     {"tokens": [{}]}, {"tokens": [None]}, {"tokens": [PACKED] * (MAX_ENTRIES + 1)}, {"record": [PACKED]}],
)  # fmt: skip
def test_what_has_another_form_is_not_understood(document: object) -> None:
    with pytest.raises(FrameError):
        read(document)
