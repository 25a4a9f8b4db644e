"""A store knows its database; what may be collected is marked first and goes in a later run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("token", sa.String(length=40), nullable=True),
        sa.Column("next_token", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "collection_mark",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("marked", sa.Float(), nullable=False),
        sa.Column("deleting_until", sa.Float(), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
