"""What a person knows better than the catalogue of a product: its size, its front, the photo to build from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "mend",
        sa.Column("product_id", sa.BigInteger(), sa.ForeignKey("product.id"), primary_key=True, autoincrement=False),
        sa.Column("photo_id", sa.BigInteger(), sa.ForeignKey("photo.id"), nullable=True),
        sa.Column("instead_of", sa.String(64), nullable=True),
        sa.Column("height_cm", sa.Float(), nullable=True),
        sa.Column("width_cm", sa.Float(), nullable=True),
        sa.Column("depth_cm", sa.Float(), nullable=True),
        sa.Column("azimuth", sa.Float(), nullable=True),
        sa.Column("by", sa.String(200), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
