"""The tables of certificates that were issued for devices, and of lists of those that are revoked.

They give no power: a certificate is what it is by its CA's signature, and that it is revoked stands elsewhere.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from signer.storage.schema import UtcDateTime, metadata

device_certificates = Table(
    "device_certificates",
    metadata,
    Column("ca", String(63), primary_key=True),
    Column("serial", String(64), primary_key=True),
    Column("identity_sha256", String(64), nullable=False),
    Column("key_sha256", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("renews", String(64)),
    Column("certificate", LargeBinary, nullable=False),
)
Index(
    "ix_device_certificates_identity",
    device_certificates.c.ca,
    device_certificates.c.identity_sha256,
    device_certificates.c.not_after,
)
Index("ix_device_certificates_serial", device_certificates.c.serial)

device_revocation_lists = Table(
    "device_revocation_lists",
    metadata,
    Column("ca", String(63), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("this_update", UtcDateTime, nullable=False),
    Column("next_update", UtcDateTime, nullable=False),
    Column("revoked", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
