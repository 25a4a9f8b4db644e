"""What may go: objects that no row refers to, and what only superseded assets were made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, exists, or_, select, update

from db.engine import reading, writing
from db.tables import Artifact, Asset, AssetStage, Photo, StageRun, now

PAGE = 500


def _outlived(before: datetime) -> Any:
    """Artifacts older than ``before`` that only superseded assets have a use for: their own stages' results, and photos
    that are neither in the catalogue any more nor under an asset that counts."""
    uses = exists().where(AssetStage.stage_run_id == Artifact.made_by)
    lives = exists().where(
        AssetStage.stage_run_id == Artifact.made_by, Asset.id == AssetStage.asset_id, Asset.status != "superseded"
    )
    replaced = exists().where(StageRun.id == Artifact.made_by, StageRun.state == "replaced")
    shown = exists().where(Photo.sha256 == Artifact.sha256, Photo.current)
    built = exists().where(Photo.sha256 == Artifact.sha256, Asset.photo_id == Photo.id, Asset.status != "superseded")
    made = and_(Artifact.made_by.is_not(None), or_(uses, replaced), ~lives)
    photo = and_(Artifact.made_by.is_(None), ~shown, ~built)
    return and_(Artifact.created_at < before, or_(made, photo))


def referenced(engine: Engine, keys: Sequence[str], before: datetime | None = None) -> set[str]:
    """Which of these object keys some artifact's row has a use for; with ``before``, as if all that superseded assets
    made until then had been collected."""
    found: set[str] = set()
    used: ColumnElement[bool] = Artifact.collected_at.is_(None)
    if before is not None:
        used = and_(used, ~_outlived(before))
    with reading(engine) as session:
        for start in range(0, len(keys), PAGE):
            page = keys[start : start + PAGE]
            found.update(session.scalars(select(Artifact.key).where(Artifact.key.in_(page), used)))
    return found


def forget_superseded(engine: Engine, before: datetime) -> int:
    """Mark what superseded assets made until ``before`` as collected; how many artifacts.

    The rows stay, with their hashes: the record still says how the asset was made. Its stage runs are reused no more.
    """
    with writing(engine) as session:
        doomed = select(Artifact.made_by).where(Artifact.collected_at.is_(None), _outlived(before))
        session.execute(
            update(StageRun)
            .where(StageRun.id.in_(doomed), StageRun.state == "finished")
            .values(state="replaced")
            .execution_options(synchronize_session=False)
        )
        marked = session.execute(
            update(Artifact)
            .where(Artifact.collected_at.is_(None), _outlived(before))
            .values(collected_at=now())
            .execution_options(synchronize_session=False)
        )
        return int(marked.rowcount)  # type: ignore[attr-defined]
