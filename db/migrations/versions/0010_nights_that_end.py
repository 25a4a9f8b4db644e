"""Why a run was stopped, which failures it saw in a row, and for how many nights an asset has failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("run", sa.Column("stopped", sa.Text(), nullable=True))
    op.add_column("run", sa.Column("streak", sa.JSON(), nullable=True))
    op.add_column("asset", sa.Column("failed_nights", sa.Integer(), nullable=False, server_default="0"))
