"""The views for other teams: `finished_assets` in full, `finished_files`, and catalogues by unlike names."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

# Frozen here: a later change of a view is a later migration. Everything follows from the GLB that is published: while a
# successor is being built, its stages already belong to the asset and its files do not count yet.
FINISHED_ASSETS = """
CREATE VIEW finished_assets AS
SELECT catalogue.name AS catalogue,
       product.sku AS sku,
       product.name AS name,
       glb.uri AS glb_uri,
       usdz.uri AS usdz_uri,
       poster.uri AS poster_uri,
       small.uri AS small_uri,
       glb.sha256 AS sha256,
       asset.faces AS faces,
       asset.bytes AS bytes,
       asset.quality AS score,
       asset.quality AS quality,
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
       asset.finished_at AS published_at,
       asset.finished_at AS finished_at,
       asset.recipe_hash AS recipe_hash,
       asset.id AS asset_id,
       asset.seconds AS seconds
FROM asset
JOIN product ON product.id = asset.product_id
JOIN catalogue ON catalogue.id = product.catalogue_id
JOIN recipe ON recipe.hash = asset.recipe_hash
JOIN artifact glb ON glb.id = asset.glb_id
LEFT JOIN stage_run finish ON finish.id = glb.made_by
LEFT JOIN artifact usdz ON usdz.made_by = glb.made_by AND usdz.kind = 'model.usdz'
LEFT JOIN artifact poster ON poster.made_by = glb.made_by AND poster.kind = 'hero.png'
LEFT JOIN artifact small ON small.made_by = glb.made_by AND small.kind = 'small.glb'
WHERE asset.status = 'finished'
"""

FINISHED_FILES = """
CREATE VIEW finished_files AS
SELECT catalogue.name AS catalogue,
       product.sku AS sku,
       artifact.kind AS kind,
       artifact.uri AS uri,
       artifact.sha256 AS sha256,
       artifact.bytes AS bytes,
       artifact.media_type AS media_type
FROM asset
JOIN product ON product.id = asset.product_id
JOIN catalogue ON catalogue.id = product.catalogue_id
JOIN artifact glb ON glb.id = asset.glb_id
JOIN artifact ON artifact.made_by = glb.made_by
WHERE asset.status = 'finished' AND artifact.collected_at IS NULL
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


def upgrade() -> None:
    _unlike_names(op.get_bind())
    op.execute("DROP VIEW finished_assets")
    op.execute(FINISHED_ASSETS.format(**FIGURES[op.get_context().dialect.name]))
    op.execute(FINISHED_FILES)


def _unlike_names(connection: sa.Connection) -> None:
    """Sources of one name get numbers, the first keeps it."""
    rows = connection.execute(sa.text("SELECT id, name FROM catalogue ORDER BY id")).all()
    taken = {name for _, name in rows}
    seen: Counter[str] = Counter()
    for id_, name in rows:
        seen[name] += 1
        if seen[name] == 1:
            continue
        number = 2
        while (new := f"{name}-{number}") in taken:
            number += 1
        taken.add(new)
        connection.execute(sa.text("UPDATE catalogue SET name = :new WHERE id = :id"), {"new": new, "id": id_})
