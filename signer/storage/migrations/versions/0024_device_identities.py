"""Devices by their identities, those that are no longer present too."""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_devices_identity_sha256", "devices", ["identity_sha256"])
