"""The photos of a product as its source shows them, and what the reading of the source said of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.tables import Asset, AssetStage, Photo

PHOTOS: Any = (
    select(func.count())
    .where(AssetStage.asset_id == Asset.id, AssetStage.stage.like("segment%"))
    .correlate(Asset)
    .scalar_subquery()
)
"""Of each photo that an asset is made from it has the segment stage."""


def shots_of(session: Session, product_id: int) -> list[dict[str, Any]]:
    """Every photo that its source shows of the product, the one that it is built from first."""
    query = (
        select(Photo)
        .where(Photo.product_id == product_id, Photo.current)
        .order_by(Photo.chosen.desc(), Photo.shot_index.is_(None), Photo.shot_index, Photo.source_uri)
    )
    return [
        {
            "uri": photo.source_uri,
            "sha256": photo.sha256,
            "width": photo.width,
            "height": photo.height,
            "role": photo.role,
            "azimuth": photo.azimuth,
            "elevation": photo.elevation,
            "index": photo.shot_index,
            "use": photo.used_for,
        }
        for photo in session.scalars(query)
    ]


def note_of(warning: str) -> dict[str, Any]:
    """What the reading of its source said of a product, as a reason beside those of its asset."""
    return {
        "code": "photos_beside",
        "severity": "note",
        "message": warning,
        "action": "",
        "detail": None,
        "place": None,
    }
