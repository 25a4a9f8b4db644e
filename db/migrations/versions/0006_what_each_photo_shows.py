"""Photos: role, pose, number and use; products: what is wrong with a line or a photo, priority, whose variant."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

PHOTO = (
    ("role", sa.String(20)),
    ("azimuth", sa.Float()),
    ("elevation", sa.Float()),
    ("shot_index", sa.Integer()),
    ("used_for", sa.String(20)),
)
PRODUCT = (
    ("problem", sa.Text()),
    ("warnings", sa.JSON()),
    ("priority", sa.Integer()),
    ("variant_of", sa.String(200)),
)


def upgrade() -> None:
    for table, columns in (("photo", PHOTO), ("product", PRODUCT)):
        for name, kind in columns:
            op.add_column(table, sa.Column(name, kind, nullable=True))
