"""A decision remembers what it changed, so that it can be taken back; people may comment without deciding."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("review", sa.Column("before", sa.JSON(), nullable=True))
    op.add_column("review", sa.Column("undone_by", sa.String(200), nullable=True))
    op.add_column("review", sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "comment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("asset_id", sa.String(40), sa.ForeignKey("asset.id"), nullable=False),
        sa.Column("author", sa.String(200), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_comment_asset_id", "comment", ["asset_id"])
