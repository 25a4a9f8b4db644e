"""What is published stands in a table of its own: building an asset again takes nothing away from readers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

FINISHED_ASSETS = """
VIEW finished_assets AS
SELECT catalogue.name AS catalogue,
       product.sku AS sku,
       product.name AS name,
       glb.uri AS glb_uri,
       usdz.uri AS usdz_uri,
       poster.uri AS poster_uri,
       small.uri AS small_uri,
       glb.sha256 AS sha256,
       publication.faces AS faces,
       publication.bytes AS bytes,
       publication.score AS score,
       publication.score AS quality,
       {width} AS width_m,
       {height} AS height_m,
       {depth} AS depth_m,
       COALESCE({known}, product.height_cm IS NOT NULL OR product.width_cm IS NOT NULL OR product.depth_cm IS NOT NULL)
           AS size_known,
       COALESCE(NULLIF((SELECT count(DISTINCT photo.id) FROM asset_stage
           JOIN artifact_input ON artifact_input.stage_run_id = asset_stage.stage_run_id
           JOIN artifact photo ON photo.id = artifact_input.artifact_id
           WHERE asset_stage.asset_id = asset.id AND photo.made_by IS NULL AND photo.kind = 'photo'), 0), 1) AS photos,
       recipe.name AS recipe,
       asset.model AS model,
       asset.licence AS licence,
       (SELECT review.reviewer FROM review WHERE review.asset_id = asset.id AND review.decision = 'approve'
           ORDER BY review.id DESC LIMIT 1) AS reviewer,
       COALESCE(finish.finished_at, glb.created_at) AS built_at,
       publication.published_at AS published_at,
       publication.published_at AS finished_at,
       asset.recipe_hash AS recipe_hash,
       asset.id AS asset_id,
       asset.seconds AS seconds
FROM publication
JOIN asset ON asset.id = publication.asset_id
JOIN product ON product.id = publication.product_id
JOIN catalogue ON catalogue.id = product.catalogue_id
JOIN recipe ON recipe.hash = asset.recipe_hash
JOIN artifact glb ON glb.id = publication.glb_id
LEFT JOIN stage_run finish ON finish.id = glb.made_by
LEFT JOIN artifact usdz ON usdz.made_by = glb.made_by AND usdz.kind = 'model.usdz'
LEFT JOIN artifact poster ON poster.made_by = glb.made_by AND poster.kind = 'hero.png'
LEFT JOIN artifact small ON small.made_by = glb.made_by AND small.kind = 'small.glb'
"""

FINISHED_FILES = """
VIEW finished_files AS
SELECT catalogue.name AS catalogue,
       product.sku AS sku,
       artifact.kind AS kind,
       artifact.uri AS uri,
       artifact.sha256 AS sha256,
       artifact.bytes AS bytes,
       artifact.media_type AS media_type
FROM publication
JOIN product ON product.id = publication.product_id
JOIN catalogue ON catalogue.id = product.catalogue_id
JOIN artifact glb ON glb.id = publication.glb_id
JOIN artifact ON artifact.made_by = glb.made_by
WHERE artifact.collected_at IS NULL
"""

FIGURES = {
    "sqlite": {
        "width": "json_extract(finish.figures, '$.size_m[0]')",
        "height": "json_extract(finish.figures, '$.size_m[1]')",
        "depth": "json_extract(finish.figures, '$.size_m[2]')",
        "known": "json_extract(finish.figures, '$.size_known')",
    },
    "postgresql": {
        "width": "CAST(finish.figures -> 'size_m' ->> 0 AS double precision)",
        "height": "CAST(finish.figures -> 'size_m' ->> 1 AS double precision)",
        "depth": "CAST(finish.figures -> 'size_m' ->> 2 AS double precision)",
        "known": "CAST(finish.figures ->> 'size_known' AS boolean)",
    },
}
"""The finish stage's figures; the frame is the GLB's: X is the width, Y the height, Z the depth."""

FROM_TODAYS_ROWS = """
INSERT INTO publication (product_id, asset_id, glb_id, faces, bytes, score, published_at)
SELECT asset.product_id, asset.id, asset.glb_id, asset.faces, asset.bytes, asset.score,
       COALESCE(asset.finished_at, asset.created_at)
FROM asset
WHERE asset.status = 'finished' AND asset.glb_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM asset newer
    WHERE newer.product_id = asset.product_id AND newer.status = 'finished' AND newer.glb_id IS NOT NULL
      AND (COALESCE(newer.finished_at, newer.created_at), newer.id)
          > (COALESCE(asset.finished_at, asset.created_at), asset.id))
"""


def upgrade() -> None:
    op.create_table(
        "publication",
        sa.Column("product_id", sa.BigInteger(), sa.ForeignKey("product.id"), primary_key=True, autoincrement=False),
        sa.Column("asset_id", sa.String(40), sa.ForeignKey("asset.id"), nullable=False),
        sa.Column("glb_id", sa.BigInteger(), sa.ForeignKey("artifact.id"), nullable=False),
        sa.Column("faces", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_publication_asset_id", "publication", ["asset_id"])
    op.create_index("ix_publication_glb_id", "publication", ["glb_id"])
    op.execute(FROM_TODAYS_ROWS)
    dialect = op.get_context().dialect.name
    for name, view in (("finished_assets", FINISHED_ASSETS), ("finished_files", FINISHED_FILES)):
        if dialect == "postgresql":  # replaced in place, it keeps who may read it
            op.execute("CREATE OR REPLACE " + view.format(**FIGURES[dialect]).strip())
        else:
            op.execute(f"DROP VIEW {name}")
            op.execute("CREATE " + view.format(**FIGURES[dialect]).strip())
