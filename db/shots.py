"""The photos of a product as its source shows them, and what the reading of the source said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
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


@dataclass(frozen=True)
class ShotRow:
    """One photo of a product."""

    uri: str
    sha256: str
    width: int | None
    height: int | None
    role: str | None
    azimuth: float | None
    elevation: float | None
    index: int | None
    use: str | None
    by_person: str | None
    """Which side a person says it shows."""
    id: int


def shots_of(session: Session, product_id: int) -> list[ShotRow]:
    """Every photo that its source shows of the product, the one that it is built from first."""
    query = (
        select(Photo)
        .where(Photo.product_id == product_id, Photo.current)
        .order_by(Photo.chosen.desc(), Photo.shot_index.is_(None), Photo.shot_index, Photo.source_uri)
    )
    return [shot_row(photo) for photo in session.scalars(query)]


def shot_row(photo: Photo) -> ShotRow:
    """A photo's row, to be handed around."""
    return ShotRow(
        photo.source_uri,
        photo.sha256,
        photo.width,
        photo.height,
        photo.role,
        photo.azimuth,
        photo.elevation,
        photo.shot_index,
        photo.used_for,
        photo.said,
        photo.id,
    )


NOTE: Mapping[str, Any] = MappingProxyType(
    {"code": "photos_beside", "severity": "note", "message": "", "action": "", "detail": None, "place": None}
)
"""What the reading of its source said of a product, as a reason beside those of its asset, without the ``message``."""
