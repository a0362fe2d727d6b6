"""The log: leaves that nothing may change, their head, tiles and checkpoints. What was recorded before waits for it."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
KEPT = ("signatures", "log_leaves", "log_tiles", "log_checkpoints")
PARTIAL_INDEXES = (
    ("uq_log_leaves_checked", ["signature_id", "checked"], "type = 'signature'", True),
    ("uq_log_leaves_actor", ["signature_id", "actor"], "type = 'signature-repeated'", True),
    ("ix_log_leaves_type", ["type"], "type NOT IN ('signature', 'signature-repeated')", False),
    ("ix_log_leaves_artifact", ["artifact"], "artifact IS NOT NULL", False),
)


def upgrade() -> None:
    """Put aside what was recorded, make the tables, the head, and the triggers that keep the log as it is."""
    _put_aside()
    _make_signatures()
    _make_leaves()
    _make_tiles_and_checkpoints()
    _make_head()
    dialect = op.get_bind().dialect.name
    for table in KEPT:
        if dialect == "postgresql":
            _keep_on_postgresql(table)
        else:
            _keep_on_sqlite(table)


def _put_aside() -> None:
    """The beginning of the log takes these in, one transaction for all of them."""
    dialect = op.get_bind().dialect.name
    for table in ("signatures", "signature_records"):
        triggers = [f"{table}_keep"] if dialect == "postgresql" else [f"{table}_keep_update", f"{table}_keep_delete"]
        for trigger in triggers:
            op.execute(f"DROP TRIGGER {trigger}" + (f" ON {table}" if dialect == "postgresql" else ""))
    _make_tables_of_before()
    op.execute(
        "INSERT INTO records_before_log (id, at, type, document, version_id, manifest_sha256, signature) "
        "SELECT r.id, r.at, r.type, r.document, s.version_id, s.manifest_sha256, s.signature "
        "FROM signature_records r JOIN signatures s ON s.id = r.signature_id"
    )
    op.execute(
        "INSERT INTO events_before_log (id, at, type, actor, key, version, before, after) "
        "SELECT id, at, type, actor, key, version, before, after FROM events"
    )
    for table in ("signature_records", "signatures", "record_head", "events"):
        op.drop_table(table)


def _make_tables_of_before() -> None:
    op.create_table(
        "records_before_log",
        sa.Column("id", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("version_id", ROW_ID, nullable=False),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_records_before_log"),
    )
    op.create_table(
        "events_before_log",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("key", sa.String(63)),
        sa.Column("version", sa.Integer()),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events_before_log"),
    )
    op.create_index("ix_events_before_log_key", "events_before_log", ["key"])


def _make_signatures() -> None:
    op.create_table(
        "signatures",
        sa.Column("id", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("version_id", ROW_ID, nullable=False),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signatures"),
        sa.ForeignKeyConstraint(["version_id"], ["key_versions.id"], name="fk_signatures_version_id"),
        sa.UniqueConstraint("manifest_sha256", "version_id", name="uq_signatures_manifest_sha256"),
    )


def _make_leaves() -> None:
    op.create_table(
        "log_leaves",
        sa.Column("id", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("leaf_id", sa.LargeBinary(16), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("key", sa.String(63), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=True),
        sa.Column("artifact", sa.Text(), nullable=True),
        sa.Column("manifest_sha256", sa.String(64), nullable=True),
        sa.Column("checked", sa.String(20), nullable=True),
        sa.Column("signature_id", ROW_ID, nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_leaves"),
        sa.UniqueConstraint("leaf_id", name="uq_log_leaves_leaf_id"),
        sa.ForeignKeyConstraint(["signature_id"], ["signatures.id"], name="fk_log_leaves_signature_id"),
    )
    for name, columns, condition, unique in PARTIAL_INDEXES:
        where = sa.text(condition)
        op.create_index(name, "log_leaves", columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _make_tiles_and_checkpoints() -> None:
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("number", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name="pk_log_tiles"),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_log_checkpoints"),
    )
    op.create_table(
        "log_machines",
        sa.Column("machine", sa.String(255), nullable=False),
        sa.Column("timeline", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("machine", name="pk_log_machines"),
    )


def _make_head() -> None:
    head = op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("at", MOMENT, nullable=True),
        sa.Column("access_sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_head"),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    empty = hashlib.sha256(b"").digest()
    op.bulk_insert(head, [{"id": 1, "size": 0, "root": empty, "frontier": b"", "at": None, "access_sha256": ""}])


def _keep_on_sqlite(table: str) -> None:
    for step in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_keep_{step.lower()} BEFORE {step} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'records are never changed'); END"
        )


def _keep_on_postgresql(table: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION artifact_signer_keep()"
    )
