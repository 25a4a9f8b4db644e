"""Assets of a status by date, the gallery's order; ids are random: every new row touched another page of the index."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.drop_index("ix_asset_status", "asset")
    op.create_index("ix_asset_status", "asset", ["status", "created_at"])
