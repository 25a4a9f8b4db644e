"""Artifacts: when their object was given up, while the row stays as the record of how an asset was made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("artifact", sa.Column("collected_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_artifact_key", "artifact", ["key"])
