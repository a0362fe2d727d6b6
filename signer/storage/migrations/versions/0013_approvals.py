"""What waits for approvals: proposals, votes, and the beginnings of the artifacts that they are about."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables; nothing waited before."""
    op.create_table(
        "proposals",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("lookup", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("key", sa.String(63), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(63), nullable=False),
        sa.Column("rule_sha256", sa.String(64), nullable=False),
        sa.Column("demands", sa.JSON(), nullable=False),
        sa.Column("requester", sa.String(200), nullable=False),
        sa.Column("person", sa.String(63), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("document_sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_proposals"),
        sa.UniqueConstraint("lookup", name="uq_proposals_lookup"),
    )
    op.create_table(
        "votes",
        sa.Column("proposal", sa.String(32), nullable=False),
        sa.Column("person", sa.String(63), nullable=False),
        sa.Column("identity", sa.String(200), nullable=False),
        sa.Column("ballot", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("proposal", "person", name="pk_votes"),
        sa.ForeignKeyConstraint(["proposal"], ["proposals.id"], name="fk_votes_proposal"),
    )
    op.create_table(
        "artifact_heads",
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("key", sa.String(63), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("manifest_sha256", "key", name="pk_artifact_heads"),
    )
    op.create_index("ix_artifact_heads_key", "artifact_heads", ["key"])
