"""The tables. Two partial unique indexes hold what no race may break: one active, one next version per key."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

import signer.storage.access_tables
import signer.storage.device_certificate_tables
import signer.storage.device_tables
import signer.storage.recall_tables
import signer.storage.token_tables
import signer.storage.user_tables  # noqa: F401  (the same)
from signer.storage.schema import RowId, UtcDateTime, metadata

keys = Table(
    "keys",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("purpose", String(20), nullable=False),
    Column("algorithm", String(20), nullable=False),
    Column("tokens", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(200), nullable=False),
    # Null: it does not. So rows of the time before say the same in digests as they did.
    Column("blind_sign", Boolean),
    # A row may be forgotten (a key that was never born); what is late and meant it must not reach its successor.
    sqlite_autoincrement=True,
)

versions = Table(
    "key_versions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("key_id", ForeignKey("keys.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("disabled_from", String(20)),
    Column("origin", String(20), nullable=False),
    Column("cka_id", LargeBinary(255), nullable=False),
    Column("spki", LargeBinary),
    Column("fingerprint", String(64)),
    Column("tokens", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime),
    Column("not_after", UtcDateTime),
    Column("signature_limit", BigInteger),
    Column("signature_count", BigInteger, nullable=False, server_default="0"),
    Column("last_signed_at", UtcDateTime),
    # The tokens that it has to live in; null: those of its key.
    Column("home", JSON(none_as_null=True)),
    UniqueConstraint("key_id", "number"),
    CheckConstraint("signature_limit IS NULL OR signature_count <= signature_limit", name="signature_limit"),
    # Nothing signs or is published whose public key is not pinned.
    CheckConstraint(
        "spki IS NOT NULL OR state IN ('pending', 'destroyed', 'destroying')", name="pinned_unless_pending"
    ),
    sqlite_autoincrement=True,
)
ACTIVE = text("state = 'active'")
NEXT = text("state IN ('pending', 'next')")
for _name, _condition in (("uq_key_versions_active", ACTIVE), ("uq_key_versions_next", NEXT)):
    Index(_name, versions.c.key_id, unique=True, sqlite_where=_condition, postgresql_where=_condition)
# The same pair under two names would let one purpose sign for another.
Index("uq_key_versions_fingerprint", versions.c.fingerprint, unique=True)

certificates = Table(
    "certificates",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("version_id", ForeignKey("key_versions.id"), nullable=False, index=True),
    Column("self_signed", Boolean, nullable=False),
    Column("pem", Text, nullable=False),
    Column("chain_pem", Text, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

# What happened before there was a log; its beginning takes them all in, as leaves.
events_before_log = Table(
    "events_before_log",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("type", String(40), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("key", String(63), index=True),
    Column("version", Integer),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
)
records_before_log = Table(
    "records_before_log",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("type", String(20), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("version_id", RowId, nullable=False),
    Column("manifest_sha256", String(64), nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("role", String(63)),
    Column("secret_sha256", LargeBinary(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    # After an older database was put back: it proves nothing until somebody takes it back.
    Column("suspended_at", UtcDateTime),
    Column("person", String(63)),
    # What it is limited to: patterns of keys and names of actions, both or neither.
    Column("scope_keys", JSON(none_as_null=True)),
    Column("scope_actions", JSON(none_as_null=True)),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
)

# The signature of a manifest under a version: there is one, for ever. ``id`` is the index of its first leaf.
signatures = Table(
    "signatures",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=False),
    Column("version_id", ForeignKey("key_versions.id"), nullable=False),
    Column("manifest_sha256", String(64), nullable=False),
    Column("signature", LargeBinary, nullable=False),
    UniqueConstraint("manifest_sha256", "version_id"),
)

# The log, which is only ever added to. ``id`` is a leaf's index: from 0, without gaps, given by the head. What stands
# beside ``leaf`` is for looking it up, and is compared with it before it is believed.
log_leaves = Table(
    "log_leaves",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=False),
    Column("leaf_id", LargeBinary(16), nullable=False, unique=True),
    Column("type", String(40), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("key", String(63)),
    Column("key_version", Integer),
    Column("artifact", Text),
    Column("manifest_sha256", String(64)),
    Column("checked", String(20)),
    Column("signature_id", ForeignKey("signatures.id")),
    Column("leaf", LargeBinary, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    # Of a signature: past its approvals.
    Column("emergency", Boolean, nullable=False, server_default=false()),
)
SEEN = text("type = 'signature'")
REPEATED = text("type = 'signature-repeated'")
RARE = text("type NOT IN ('signature', 'signature-repeated')")
NAMED = text("artifact IS NOT NULL")
for _name, _columns, _condition, _unique in (
    ("uq_log_leaves_checked", ("signature_id", "checked", "emergency"), SEEN, True),
    ("uq_log_leaves_actor", ("signature_id", "actor"), REPEATED, True),
    ("ix_log_leaves_type", ("type",), RARE, False),
    ("ix_log_leaves_artifact", ("artifact",), NAMED, False),
):
    Index(
        _name,
        *(log_leaves.c[_column] for _column in _columns),
        unique=_unique,
        sqlite_where=_condition,
        postgresql_where=_condition,
    )

# One row: what an appender needs. ``frontier``: the hashes of ``verifier.log.Frontier``, one after the other.
log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("at", UtcDateTime),
    Column("access_sha256", String(64), nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
# Full tiles of 256 hashes, each written once, and their roots, which are hashes of the level above.
log_tiles = Table(
    "log_tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", RowId, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
)
log_checkpoints = Table(
    "log_checkpoints",
    metadata,
    Column("size", RowId, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
)
# What each machine last saw of the log, and in which timeline of PostgreSQL.
log_machines = Table(
    "log_machines",
    metadata,
    Column("machine", String(255), primary_key=True),
    Column("timeline", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

# One row. ``revision`` moves with keys and with what takes access away.
access_state = Table(
    "access_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

workers = Table(
    "workers",
    metadata,
    Column("service", String(300), primary_key=True),
    Column("pid", Integer, primary_key=True, autoincrement=False),
    Column("started", BigInteger, primary_key=True, autoincrement=False),
    Column("machine", String(255), nullable=False),
    Column("proved", Float),
    Column("failed", Float),
    Column("seen", Float, nullable=False),
    Column("written_at", UtcDateTime, nullable=False),
    Column("checked_at", UtcDateTime),
    Column("conditions", JSON, nullable=False),
)
