"""Claims of a user and a device, for whoever signs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from signer.domain.token_claims import (
    DeviceClaims,
    DeviceSubject,
    TokenHeader,
    TokenTerms,
    TokenTimes,
    UserClaims,
    UserSubject,
)

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
