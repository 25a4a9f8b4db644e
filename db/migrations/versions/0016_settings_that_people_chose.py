"""Settings that a person chose for a product hold for every later night."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("mend", sa.Column("settings", sa.Text(), nullable=True))
