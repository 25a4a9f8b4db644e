"""Photos: whom to credit, and the fingerprint that finds the same picture under another name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("photo", sa.Column("attribution", sa.Text(), nullable=True))
    op.add_column("photo", sa.Column("picture_hash", sa.String(length=200), nullable=True))
