"""Products: width and depth beside the height, and from where the photo looks at the product's front."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for name in ("width_cm", "depth_cm", "azimuth"):
        op.add_column("product", sa.Column(name, sa.Float(), nullable=True))
