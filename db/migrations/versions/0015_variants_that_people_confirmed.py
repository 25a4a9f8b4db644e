"""A person may say of which product another one is a colour variant."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("mend", sa.Column("variant_of", sa.String(200), nullable=True))
