"""One name for one thing: the number is the score, the dictionary the metrics; reasons are a list, never one string."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # Both databases carry the views along: their columns keep their names.
    op.execute("ALTER TABLE asset RENAME COLUMN quality TO score")
    op.add_column("asset", sa.Column("reasons", sa.JSON(), nullable=True))
