"""Claims of a user and a device, for whoever signs them, and entries for whoever records them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signer.domain.token_claims import (
    DeviceClaims,
    DeviceSubject,
    TokenHeader,
    TokenKind,
    TokenTerms,
    TokenTimes,
    UserClaims,
    UserSubject,
)
from signer.domain.token_recording import Holder
from signer.domain.token_records import TokenEntry
from signer.storage import token_subjects

NOW = datetime(2026, 8, 1, 12, 0, 0, 250_000, tzinfo=UTC)
WEEK = timedelta(days=7)
USER_TERMS = TokenTerms(key="user-token", issuer="mender.useradm", lifetime=WEEK)
DEVICE_TERMS = TokenTerms(
    key="device-token",
    issuer="Mender",
    lifetime=WEEK,
    plan="enterprise",
    addons=("configure", "troubleshoot", "monitor"),
)
USER = UserSubject(user_id="6f5ad2a5-5a5e-4d2a-9a55-a8d2f1c7b001")
DEVICE = DeviceSubject(
    device_id="0c9ab8f3-4c69-4a30-8b0e-91f1a4f0d001", auth_set_id="51f7c1de-0d1e-4ef4-8c4b-0d6e7a2fd002"
)
HEADER = TokenHeader(algorithm="ES256", kid="0123456789abcdef")
TIMES = TokenTimes.beginning(NOW, WEEK)
USER_CLAIMS = UserClaims(jti="b7c1a1f2-7a5d-4a5c-8f38-6f8f9a7e0003", subject=USER, terms=USER_TERMS, times=TIMES)
DEVICE_CLAIMS = DeviceClaims(
    jti="f3bb3a34-5e58-4dd6-9a2d-0a8b0f5e0004", subject=DEVICE, terms=DEVICE_TERMS, times=TIMES
)


def token_entry(**changes: Any) -> TokenEntry:
    """An entry of a device's token that was signed under version 1 of a key; each has ids of its own."""
    members: dict[str, Any] = {
        "record_id": os.urandom(16),
        "request_id": "request-1",
        "actor": "device:0c9ab8f3-4c69-4a30-8b0e-91f1a4f0d001",
        "kind": TokenKind.DEVICE,
        "subject": DEVICE.device_id,
        "auth_set": DEVICE.auth_set_id,
        "name": "",
        "jti": str(uuid.uuid4()),
        "key": "device-token",
        "version_id": 1,
        "version": 1,
        "fingerprint": "f" * 64,
        "signed_sha256": "1" * 64,
        "signature_sha256": "2" * 64,
        "issued_at": TIMES.issued_at,
        "expires_at": TIMES.expires_at,
    }
    return TokenEntry(**{**members, **changes})


def user_entry(**changes: Any) -> TokenEntry:
    """The same of a user's."""
    members = {
        "actor": "user:ada@example.com",
        "kind": TokenKind.USER,
        "subject": USER.user_id,
        "auth_set": "",
        "key": "user-token",
    }
    return token_entry(**{**members, **changes})


class OpenDoor:
    """Everybody may have a token but those who were shut out; stands for the tables of devices and users."""

    def __init__(self) -> None:
        self.shut: set[str] = set()

    def __call__(self, _connection: object, _sql: object, entries: Collection[TokenEntry]) -> set[Holder]:
        """As ``storage.token_subjects`` answers."""
        return {(each.kind.value, each.subject, each.auth_set) for each in entries if each.subject not in self.shut}


def open_door(monkeypatch: pytest.MonkeyPatch) -> OpenDoor:
    """Let everybody have tokens, until the test ends."""
    door = OpenDoor()
    monkeypatch.setattr(token_subjects, "HOLDERS", dict.fromkeys(TokenKind, door))
    return door
