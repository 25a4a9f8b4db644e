"""How an asset was made: photo, recipe, every stage with its parameters, artifacts and inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.photos.left_out import LEFT_OUT_BY_PERSON, why_left_out
from core.records import INLINE
from db.assets import AssetRow, list_assets
from db.candidates import ASIDE
from db.engine import reading
from db.shots import ShotRow, shots_of
from db.tables import Artifact, ArtifactInput, Asset, AssetStage, Photo, RecipeRow, Review, StageRun


@dataclass(frozen=True)
class PhotoRecord:
    """The photo that an asset is built from."""

    sha256: str
    uri: str
    bytes: int | None
    licence: str | None


@dataclass(frozen=True)
class StageInput:
    """What a stage read."""

    role: str
    sha256: str
    uri: str
    key: str


@dataclass(frozen=True)
class StageArtifact:
    """What a stage made."""

    kind: str
    uri: str
    key: str
    sha256: str
    bytes: int
    type: str


@dataclass(frozen=True)
class StageRecord:
    """One stage of an asset."""

    stage: str
    part: str
    """The stage's name; of a further photo with its number behind."""
    key: str
    version: int
    state: str
    reused: bool
    attempt: int
    ladder: int
    """Steps down the memory ladder."""
    seconds: float | None
    device: str | None
    peak_memory: int | None
    cost: float | None
    parameters: Mapping[str, Any]
    """What the key hashes, as :func:`tasks.keys.stage_parameters` made it, by whatever version."""
    figures: Mapping[str, Any] | None
    """What the stage measured, by whatever version."""
    error_class: str | None
    sentence: str | None
    prefect_run_id: str | None
    inputs: list[StageInput]
    artifacts: list[StageArtifact]


@dataclass(frozen=True)
class ReviewRecord:
    """What a person decided."""

    decision: str
    note: str | None
    reviewer: str | None
    at: str
    """ISO 8601."""


@dataclass(frozen=True)
class ShotOutcome:
    """A photo of the product, and what became of it in one asset."""

    shot: ShotRow = field(metadata=INLINE)
    used: bool
    said: str
    """A sentence; empty where there is nothing to say."""
    from_: float | None
    """Degrees to the right of the main photo's camera, of those that placing looked at."""
    shapes: bool = True
    """Whether a photo that is used shapes the model, too; else it only colours it."""


@dataclass(frozen=True)
class Lineage:
    """Everything on record of an asset."""

    asset: AssetRow = field(metadata=INLINE)
    parameters: Mapping[str, Any]
    """The recipe's, as it was recorded."""
    photo: PhotoRecord
    shots: list[ShotOutcome]
    stages: list[StageRecord]
    reviews: list[ReviewRecord]


def lineage(engine: Engine, asset_id: str) -> Lineage:
    """Raises :class:`NotFound` where there is no such asset."""
    rows = list_assets(engine, ids=[asset_id])
    if not rows:
        raise NotFound(f"There is no asset {asset_id}.")
    with reading(engine) as session:
        recipe = session.get(RecipeRow, rows[0].recipe_hash)
        photo = session.scalars(select(Photo).join(Asset, Asset.photo_id == Photo.id).where(Asset.id == asset_id)).one()
        stages = session.execute(
            select(StageRun, AssetStage.reused, AssetStage.stage)
            .join(AssetStage, AssetStage.stage_run_id == StageRun.id)
            .where(AssetStage.asset_id == asset_id)
            .order_by(StageRun.id)
        ).all()
        records = [_stage(session, run, reused, part) for run, reused, part in stages]
        return Lineage(
            asset=rows[0],
            parameters=recipe.parameters if recipe else {},
            photo=PhotoRecord(photo.sha256, photo.source_uri, photo.bytes, photo.licence),
            shots=shot_outcomes(shots_of(session, photo.product_id), photo.sha256, records),
            stages=records,
            reviews=[
                ReviewRecord(r.decision, r.note, r.reviewer, r.created_at.isoformat())
                for r in session.scalars(select(Review).where(Review.asset_id == asset_id).order_by(Review.id))
            ],
        )


def shot_outcomes(shots: Sequence[ShotRow], main_sha256: str, stages: Sequence[StageRecord]) -> list[ShotOutcome]:
    """The shots with what became of each in one asset."""
    placed = {
        record["name"]: record
        for stage in stages
        if stage.stage == "align"
        for record in (stage.figures or {}).get("photos", [])
    }
    outcomes = []
    for shot in shots:
        record = placed.get(shot.sha256)
        if shot.sha256 == main_sha256:
            outcomes.append(ShotOutcome(shot, True, "", 0.0))
        elif record is not None:
            said = record.get("note", "") if record["used"] else record["why"]
            shapes = record.get("shapes", True)
            outcomes.append(ShotOutcome(shot, record["used"], said, record.get("azimuth"), shapes))
        elif shot.by_person == ASIDE:
            outcomes.append(ShotOutcome(shot, False, LEFT_OUT_BY_PERSON, None))
        else:
            outcomes.append(ShotOutcome(shot, False, why_left_out(shot.role, shot.use, shot.azimuth), None))
    return outcomes


def _stage(session: Session, run: StageRun, reused: bool, part: str) -> StageRecord:
    made = session.scalars(select(Artifact).where(Artifact.made_by == run.id).order_by(Artifact.id)).all()
    read = session.execute(
        select(ArtifactInput.role, Artifact.sha256, Artifact.uri, Artifact.key)
        .join(Artifact, Artifact.id == ArtifactInput.artifact_id)
        .where(ArtifactInput.stage_run_id == run.id)
        .order_by(ArtifactInput.role)
    ).all()
    return StageRecord(
        stage=run.stage,
        part=part,
        key=run.key,
        version=run.version,
        state=run.state,
        reused=reused,
        attempt=run.attempt,
        ladder=run.ladder,
        seconds=run.seconds,
        device=run.device,
        peak_memory=run.peak_memory,
        cost=run.cost,
        parameters=run.parameters,
        figures=run.figures,
        error_class=run.error_class,
        sentence=run.sentence,
        prefect_run_id=run.prefect_run_id,
        inputs=[StageInput(role, sha256, uri, key) for role, sha256, uri, key in read],
        artifacts=[StageArtifact(a.kind, a.uri, a.key, a.sha256, a.bytes, a.media_type) for a in made],
    )
