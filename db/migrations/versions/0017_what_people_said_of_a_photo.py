"""A person may say which side a photo shows, or set it aside."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("photo", sa.Column("said", sa.String(20), nullable=True))
