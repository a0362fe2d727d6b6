"""The tables of users. Rows of ``users`` give power, and are in the access digest; what is counted of logins is not."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, LargeBinary, String, Table

from signer.storage.schema import UtcDateTime, metadata

# ``revision``: the moment of ``device_state`` at which power was taken from the user last, or given back; 0: never;
# ``device_tables.FORMER``: never since the user was imported.
users = Table(
    "users",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("email", String(195), nullable=False, unique=True),
    Column("person", ForeignKey("people.name"), index=True),
    Column("roles", JSON, nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("totp_sealed", LargeBinary(255)),
    Column("totp_confirmed_at", UtcDateTime),
    Column("totp_last_step", BigInteger),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
    Column("last_login_at", UtcDateTime),
    Column("revision", BigInteger, nullable=False, server_default="0", index=True),
)

# From which addresses, as digests, users have logged in.
login_origins = Table(
    "login_origins",
    metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("origin", LargeBinary(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

# Attempts to log in, by places. A row that has run out says the same as none.
login_attempts = Table(
    "login_attempts",
    metadata,
    Column("place", LargeBinary(32), primary_key=True),
    Column("level", Float, nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
)

# When tokens of users were used last, for those whose use is told.
token_uses = Table(
    "token_uses",
    metadata,
    Column("jti", String(36), primary_key=True),
    Column("last_used_at", UtcDateTime, nullable=False, index=True),
)
