"""The tables of the first line, and the view for other teams."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

# Frozen here: a later change of the view is a later migration.
FINISHED_ASSETS = """
CREATE VIEW finished_assets AS
SELECT product.sku AS sku,
       artifact.uri AS glb_uri,
       asset.faces AS faces,
       asset.bytes AS bytes,
       asset.quality AS quality,
       recipe.name AS recipe,
       asset.recipe_hash AS recipe_hash,
       asset.model AS model,
       asset.licence AS licence,
       asset.finished_at AS finished_at,
       asset.id AS asset_id,
       asset.seconds AS seconds
FROM asset
JOIN product ON product.id = asset.product_id
JOIN recipe ON recipe.hash = asset.recipe_hash
JOIN artifact ON artifact.id = asset.glb_id
WHERE asset.status = 'finished'
"""

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "catalogue",
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("source_uri", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source_uri"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=True),
        sa.Column("licence", sa.Text(), nullable=True),
        sa.Column("commercial", sa.Boolean(), nullable=True),
        sa.Column("attribution", sa.Text(), nullable=True),
        sa.Column("territory", sa.Text(), nullable=True),
        sa.Column("revenue_cap", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", "kind", "sha256"),
    )
    op.create_table(
        "lease",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "recipe",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "stage_run",
        sa.Column("id", BIG, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("ladder", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("device", sa.String(length=80), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("peak_memory", sa.BigInteger(), nullable=True),
        sa.Column("cost", sa.Float(), nullable=True),
        sa.Column("figures", sa.JSON(), nullable=True),
        sa.Column("error_class", sa.String(length=80), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=True),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.Column("prefect_run_id", sa.String(length=40), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("stage_run", schema=None) as batch_op:
        batch_op.create_index("ix_stage_run_key", ["key"], unique=False)
        batch_op.create_index(
            "ux_stage_run_finished",
            ["key"],
            unique=True,
            sqlite_where=sa.text("state = 'finished'"),
            postgresql_where=sa.text("state = 'finished'"),
        )

    op.create_table(
        "artifact",
        sa.Column("id", BIG, nullable=False),
        sa.Column("made_by", BIG, nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["made_by"],
            ["stage_run.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("artifact", schema=None) as batch_op:
        batch_op.create_index("ix_artifact_made_by", ["made_by"], unique=False)
        batch_op.create_index("ix_artifact_sha256", ["sha256"], unique=False)

    op.create_table(
        "product",
        sa.Column("id", BIG, nullable=False),
        sa.Column("catalogue_id", BIG, nullable=False),
        sa.Column("sku", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("height_cm", sa.Float(), nullable=True),
        sa.Column("elevation", sa.Float(), nullable=True),
        sa.Column("licence", sa.Text(), nullable=True),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["catalogue_id"],
            ["catalogue.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("catalogue_id", "sku"),
    )
    with op.batch_alter_table("product", schema=None) as batch_op:
        batch_op.create_index("ix_product_sku", ["sku"], unique=False)

    op.create_table(
        "run",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("catalogue_id", BIG, nullable=False),
        sa.Column("recipe_hash", sa.String(length=64), nullable=False),
        sa.Column("prefect_run_id", sa.String(length=40), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("summary", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["catalogue_id"],
            ["catalogue.id"],
        ),
        sa.ForeignKeyConstraint(
            ["recipe_hash"],
            ["recipe.hash"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "artifact_input",
        sa.Column("stage_run_id", BIG, nullable=False),
        sa.Column("artifact_id", BIG, nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact_id"],
            ["artifact.id"],
        ),
        sa.ForeignKeyConstraint(
            ["stage_run_id"],
            ["stage_run.id"],
        ),
        sa.PrimaryKeyConstraint("stage_run_id", "artifact_id", "role"),
    )
    op.create_table(
        "photo",
        sa.Column("id", BIG, nullable=False),
        sa.Column("product_id", BIG, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("source_uri", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(length=200), nullable=False),
        sa.Column("licence", sa.Text(), nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["product.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("photo", schema=None) as batch_op:
        batch_op.create_index("ix_photo_sha256", ["sha256"], unique=False)
        batch_op.create_index("ix_photo_source", ["product_id", "source_uri"], unique=False)

    op.create_table(
        "asset",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("product_id", BIG, nullable=False),
        sa.Column("photo_id", BIG, nullable=False),
        sa.Column("recipe_hash", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=True),
        sa.Column("plan_key", sa.String(length=64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("error_class", sa.String(length=80), nullable=True),
        sa.Column("quality", sa.Float(), nullable=True),
        sa.Column("metrics", sa.JSON(), nullable=True),
        sa.Column("faces", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("cost", sa.Float(), nullable=True),
        sa.Column("glb_id", BIG, nullable=True),
        sa.Column("licence", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["glb_id"], ["artifact.id"], name="fk_asset_glb", use_alter=True),
        sa.ForeignKeyConstraint(
            ["photo_id"],
            ["photo.id"],
        ),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["product.id"],
        ),
        sa.ForeignKeyConstraint(
            ["recipe_hash"],
            ["recipe.hash"],
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["run.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("product_id", "plan_key"),
    )
    with op.batch_alter_table("asset", schema=None) as batch_op:
        batch_op.create_index("ix_asset_photo", ["photo_id"], unique=False)
        batch_op.create_index("ix_asset_status", ["status", "id"], unique=False)

    op.create_table(
        "asset_stage",
        sa.Column("asset_id", sa.String(length=40), nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("stage_run_id", BIG, nullable=False),
        sa.Column("reused", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"],
            ["asset.id"],
        ),
        sa.ForeignKeyConstraint(
            ["stage_run_id"],
            ["stage_run.id"],
        ),
        sa.PrimaryKeyConstraint("asset_id", "stage"),
    )
    with op.batch_alter_table("asset_stage", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_asset_stage_stage_run_id"), ["stage_run_id"], unique=False)

    op.create_table(
        "review",
        sa.Column("id", BIG, nullable=False),
        sa.Column("asset_id", sa.String(length=40), nullable=False),
        sa.Column("decision", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("reviewer", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"],
            ["asset.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("review", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_review_asset_id"), ["asset_id"], unique=False)

    if op.get_bind().dialect.name != "sqlite":  # SQLite adds no constraint to a table that stands
        op.create_foreign_key("fk_asset_glb", "asset", "artifact", ["glb_id"], ["id"])
    op.execute(FINISHED_ASSETS)
