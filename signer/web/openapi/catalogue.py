"""All that is said of routes, by family: one table each, beside the others."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.web.openapi import (
    access,
    api_tokens,
    approvals,
    certificates,
    ci,
    device_certificates,
    devices,
    dialects,
    gateway,
    keys,
    log,
    mender_users,
    operations,
    server_certificates,
    signing,
    users,
)
from signer.web.openapi.operation import Operation

FAMILIES: Mapping[str, Mapping[str, Operation]] = MappingProxyType(
    {
        "signing": signing.OPERATIONS,
        "digests, as clients of Vault and SignServer ask": dialects.OPERATIONS,
        "keys": keys.OPERATIONS,
        "certificates": certificates.OPERATIONS,
        "certificates of servers": server_certificates.OPERATIONS,
        "log": log.OPERATIONS,
        "access": access.OPERATIONS,
        "approvals": approvals.OPERATIONS,
        "API tokens": api_tokens.OPERATIONS,
        "CI jobs": ci.OPERATIONS,
        "users": users.OPERATIONS,
        "users, as Mender's clients ask": mender_users.OPERATIONS,
        "devices, as Mender's clients ask": devices.OPERATIONS,
        "certificates of devices": device_certificates.OPERATIONS,
        "gateways": gateway.OPERATIONS,
        "operations": operations.OPERATIONS,
    }
)
OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {name: operation for family in FAMILIES.values() for name, operation in family.items()}
)
"""By the names of routes."""
