"""Who may do what, as rows: revisions of the policy, people, groups, and the floors of versions.

Today's roles become the policy's first revision with the upgrade (``signer.storage.first_policy``), in the same
transaction: its leaf takes the newest form of all tables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, and the triggers that keep applied policies as they are."""
    _make_policy_revisions()
    _make_people()
    _make_groups()
    _make_floors()
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER policy_revisions_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON policy_revisions "
            "FOR EACH STATEMENT EXECUTE FUNCTION artifact_signer_keep()"
        )
        return
    for step in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER policy_revisions_keep_{step.lower()} BEFORE {step} ON policy_revisions "
            "BEGIN SELECT RAISE(ABORT, 'records are never changed'); END"
        )


def _make_policy_revisions() -> None:
    op.create_table(
        "policy_revisions",
        sa.Column("revision", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("applied_at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("break_glass", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_policy_revisions"),
        sa.CheckConstraint("revision > 0", name="counted_from_one"),
    )


def _make_people() -> None:
    op.create_table(
        "people",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("display", sa.String(200), nullable=False),
        sa.Column("email", sa.String(254), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_people"),
    )
    op.create_table(
        "identity_people",
        sa.Column("identity", sa.String(200), nullable=False),
        sa.Column("person", sa.String(63), nullable=False),
        sa.PrimaryKeyConstraint("identity", name="pk_identity_people"),
        sa.ForeignKeyConstraint(["person"], ["people.name"], name="fk_identity_people_person"),
    )
    op.create_index("ix_identity_people_person", "identity_people", ["person"])


def _make_groups() -> None:
    op.create_table(
        "groups",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_groups"),
    )
    op.create_table(
        "group_members",
        sa.Column("group_name", sa.String(63), nullable=False),
        sa.Column("member", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("group_name", "member", name="pk_group_members"),
        sa.ForeignKeyConstraint(["group_name"], ["groups.name"], name="fk_group_members_group_name"),
    )
    op.create_index("ix_group_members_member", "group_members", ["member"])


def _make_floors() -> None:
    op.create_table(
        "version_floors",
        sa.Column("key", sa.String(63), nullable=False),
        sa.Column("device_type", sa.String(255), nullable=False),
        sa.Column("payload_type", sa.String(255), nullable=False),
        sa.Column("order", sa.String(20), nullable=False),
        sa.Column("version", sa.String(255), nullable=False),
        sa.Column("set_by_leaf", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", "device_type", "payload_type", name="pk_version_floors"),
    )
