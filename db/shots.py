"""The photos of a product as its source shows them, and what the reading of the source said of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.photos.told import SET_ASIDE, why_left_out
from db.candidates import ASIDE
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
            "by_person": photo.said,
            "id": photo.id,
        }
        for photo in session.scalars(query)
    ]


def told_shots(shots: list[dict[str, Any]], main_sha256: str, stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The shots with what became of each in one asset: ``used``, ``said`` (a sentence, empty where there is nothing to
    say), ``from`` (degrees to the right of the main photo's camera, of those that placing looked at)."""
    placed = {
        record["name"]: record
        for stage in stages
        if stage["stage"] == "align"
        for record in (stage["figures"] or {}).get("photos", [])
    }
    told = []
    for shot in shots:
        record = placed.get(shot["sha256"])
        if shot["sha256"] == main_sha256:
            became = {"used": True, "said": "", "from": 0.0}
        elif record is not None:
            said = record.get("note", "") if record["used"] else record["why"]
            became = {"used": record["used"], "said": said, "from": record.get("azimuth")}
        elif shot["by_person"] == ASIDE:
            became = {"used": False, "said": SET_ASIDE, "from": None}
        else:
            said = why_left_out(shot["role"], shot["use"], shot["azimuth"])
            became = {"used": False, "said": said, "from": None}
        told.append(shot | became)
    return told


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
