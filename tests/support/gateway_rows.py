"""Rows of one accepted device, one user, and a token of each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, insert

from signer.domain.token_claims import TokenKind
from signer.storage.access_tables import people
from signer.storage.database import Database
from signer.storage.device_tables import auth_sets, devices
from signer.storage.tables import keys, versions
from signer.storage.token_tables import issued_tokens
from signer.storage.user_tables import users
from tests.support.clock import START
from tests.support.gateway_tokens import token_of

DEVICE, USER = "0d1e0000-0000-4000-8000-000000000001", "05e70000-0000-4000-8000-000000000001"
SET, OTHER_SET = "5e700000-0000-4000-8000-000000000001", "5e700000-0000-4000-8000-000000000002"
OF_DEVICE = token_of(DEVICE, jti="7e510000-0000-4000-8000-000000000001", auth_set=SET)
OF_USER = token_of(USER, jti="7e510000-0000-4000-8000-000000000002", kind=TokenKind.USER)
ROWS: tuple[tuple[Table, dict[str, Any]], ...] = (
    (
        keys,
        {
            "id": 1,
            "name": "t",
            "purpose": "device-token",
            "algorithm": "ecdsa-p256",
            "tokens": [],
            "created_at": START,
            "created_by": "tests",
        },
    ),
    (
        versions,
        {
            "id": 1,
            "key_id": 1,
            "number": 1,
            "state": "pending",
            "origin": "generated",
            "cka_id": b"1",
            "tokens": [],
            "created_at": START,
        },
    ),
    (
        devices,
        {
            "id": DEVICE,
            "identity_sha256": "d",
            "identity": "{}",
            "status": "accepted",
            "decommissioning": False,
            "created_at": START,
            "updated_at": START,
        },
    ),
    (
        auth_sets,
        {
            "id": SET,
            "device_id": DEVICE,
            "pubkey_sha256": "a",
            "pubkey": b"1",
            "status": "accepted",
            "created_at": START,
        },
    ),
    (people, {"name": "ada", "display": "Ada", "created_at": START}),
    (
        users,
        {
            "id": USER,
            "email": "ada@example.com",
            "person": "ada",
            "roles": ["device-manager"],
            "password_hash": "x",
            "created_at": START,
            "updated_at": START,
        },
    ),
    *(
        (
            issued_tokens,
            {
                "jti": token.jti,
                "kind": token.kind.value,
                "subject": token.subject,
                "auth_set": token.auth_set,
                "version_id": 1,
                "issued_at": token.issued_at,
                "expires_at": token.expires_at,
            },
        )
        for token in (OF_DEVICE, OF_USER)
    ),
)


def write_holders(database: Database) -> None:
    """Write them into a database that has none."""
    with database.writing() as connection:
        for table, row in ROWS:
            connection.execute(insert(table).values(**row))
