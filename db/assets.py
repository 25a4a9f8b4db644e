"""Assets: planned, built, asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Engine, Select, func, select, update
from sqlalchemy.orm import Session

from core.errors import NotFound
from db.candidates import CANDIDATE, Candidate, complete
from db.engine import reading, writing
from db.globs import matches
from db.publications import publish
from db.shots import NOTE, PHOTOS
from db.sizes import SIZE_KNOWN, VARIANT_OF, size_is_known
from db.stage_runs import Stored, stored_of
from db.tables import (
    Artifact,
    Asset,
    AssetStage,
    Catalogue,
    Photo,
    Product,
    Publication,
    RecipeRow,
    now,
)

PAGE = 1000


@dataclass(frozen=True)
class Job:
    """Everything that building one asset needs to know."""

    asset_id: str
    candidate: Candidate
    recipe_hash: str
    parameters: dict[str, Any]
    recipe_name: str
    status: str


def job(engine: Engine, asset_id: str) -> Job:
    """Raises :class:`NotFound` where there is no such asset."""
    query = (
        select(*CANDIDATE, Asset.recipe_hash, RecipeRow.parameters, RecipeRow.name, Asset.status)
        .select_from(Asset)
        .join(Product, Product.id == Asset.product_id)
        .join(Photo, Photo.id == Asset.photo_id)
        .join(RecipeRow, RecipeRow.hash == Asset.recipe_hash)
        .where(Asset.id == asset_id)
    )
    with reading(engine) as session:
        row = session.execute(query).first()
        if row is None:
            raise NotFound(f"There is no asset {asset_id}.")
        values: tuple[Any, ...] = tuple(row)
        (candidate,) = complete(session, [Candidate(*values[: len(CANDIDATE)])])
    return Job(asset_id, candidate, *values[len(CANDIDATE) :])


def set_status(engine: Engine, asset_id: str, status: str, /, **values: Any) -> None:
    """Move an asset; a newly finished one is published, its product's other finished or reviewed ones superseded."""
    with writing(engine) as session:
        move(session, asset_id, status, values)


def begin(engine: Engine, asset_id: str) -> None:
    """Somebody builds the asset now. What another worker has finished meanwhile stays so for readers."""
    still_open = Asset.status.not_in(("finished", "review"))
    with writing(engine) as session:
        session.execute(update(Asset).where(Asset.id == asset_id, still_open).values(status="running"))


def move(session: Session, asset_id: str, status: str, values: dict[str, Any]) -> None:
    """What :func:`set_status` does, within a transaction."""
    if status in ("finished", "review", "failed", "quarantined"):
        values.setdefault("finished_at", now())
    session.execute(update(Asset).where(Asset.id == asset_id).values(status=status, **values))
    if status == "finished":
        publish(session, asset_id)
        product = select(Asset.product_id).where(Asset.id == asset_id).scalar_subquery()
        session.execute(
            update(Asset)
            .where(Asset.product_id == product, Asset.id != asset_id, Asset.status.in_(("finished", "review")))
            .values(status="superseded")
        )


def record_failure(
    engine: Engine,
    asset_id: str,
    status: str,
    *,
    reason: dict[str, Any],
    error_class: str,
    last_night: int | None,
    last_reason: dict[str, Any],
) -> tuple[str, str | None]:
    """An asset ends with an error; the status and sentence that stand. Where the error may pass (``last_night`` is
    given) nights are counted, and after so many in a row it is ``last_reason``. What another worker has finished
    meanwhile stays as it is: the error says something of this one's surroundings."""
    with writing(engine) as session:
        asset = session.get(Asset, asset_id, with_for_update=True)
        if asset is None:
            raise NotFound(f"There is no asset {asset_id}.")
        if asset.status in ("finished", "review"):
            return asset.status, asset.reason
        if last_night is None:
            asset.failed_nights = 0
        elif asset.status != "failed":  # else asked a second time after a lost answer
            asset.failed_nights += 1
        if last_night is not None and asset.failed_nights >= last_night:
            reason = last_reason
        asset.status, asset.reason, asset.reasons = status, reason["message"], [reason]
        asset.error_class, asset.finished_at = error_class, now()
    return status, str(reason["message"])


Retryable = Literal["failed", "quarantined", "review", "queued", "running", "finished"]
"""Statuses of assets that may be built again."""


def of_status(
    engine: Engine, statuses: Sequence[str], products: Sequence[int], catalogues: Sequence[int] = ()
) -> list[str]:
    """Ids of the assets of these statuses: of these products, of these catalogues, or of all."""
    with reading(engine) as session:
        return list(session.scalars(_of_status(statuses, products, catalogues)))


def _of_status(statuses: Sequence[str], products: Sequence[int], catalogues: Sequence[int]) -> Select[Any]:
    query = select(Asset.id).where(Asset.status.in_(statuses)).order_by(Asset.id)
    if catalogues:
        query = query.join(Product, Product.id == Asset.product_id).where(Product.catalogue_id.in_(catalogues))
    return query.where(Asset.product_id.in_(products)) if products else query


def requeue(
    engine: Engine, statuses: Sequence[str], products: Sequence[int], catalogues: Sequence[int] = ()
) -> list[str]:
    """Put settled assets back into the queue: of these products, of these catalogues, or all; their ids."""
    with writing(engine) as session:
        ids = list(session.scalars(_of_status(statuses, products, catalogues)))
        for start in range(0, len(ids), PAGE):
            session.execute(
                update(Asset)
                .where(Asset.id.in_(ids[start : start + PAGE]))
                .values(status="queued", reason=None, reasons=None, error_class=None, verdict=None, failed_nights=0)
            )
        return ids


@dataclass(frozen=True)
class AssetReport:
    """What programs are told of an asset: `run --json` and webhooks say the same."""

    catalogue: str
    sku: str
    asset_id: str
    status: str
    reason: str | None
    """What weighs most, in one sentence."""
    reasons: list[Mapping[str, Any]]
    """Everything to know, as :class:`core.quality.reasons.Reason` was stored; what weighs most first."""
    glb: str | None
    photos: int
    """How many photos it was made from."""
    faces: int | None
    bytes: int | None
    seconds: float | None
    size_known: bool
    """Whether the catalogue gave a real size."""
    score: float | None
    metrics: Mapping[str, float]
    run_id: str | None


@dataclass(frozen=True)
class AssetRow:
    """An asset as lists and pages see it."""

    catalogue: str
    sku: str
    asset_id: str
    status: str
    reason: str | None
    reasons: list[Mapping[str, Any]]
    verdict: str | None
    glb: str | None
    photos: int
    faces: int | None
    bytes: int | None
    seconds: float | None
    cost: float | None
    size_known: bool
    score: float | None
    metrics: Mapping[str, float]
    name: str
    recipe: str
    recipe_hash: str
    model: str
    licence: str | None
    photo: str
    created_at: str
    finished_at: str | None
    run_id: str | None
    error_class: str | None

    def reported(self) -> AssetReport:
        return AssetReport(**{field.name: getattr(self, field.name) for field in fields(AssetReport)})


def list_assets(
    engine: Engine,
    *,
    status: str | None = None,
    sku: str | None = None,
    since: datetime | None = None,
    catalogue: str | None = None,
    ids: Sequence[str] | None = None,
    limit: int | None = None,
) -> list[AssetRow]:
    """Assets, newest last. ``sku`` and ``catalogue`` are globs (:mod:`db.globs`)."""
    query = (
        select(
            Asset,
            Product,
            Catalogue.name,
            RecipeRow.name,
            Artifact.uri,
            Photo.source_uri,
            PHOTOS,
            SIZE_KNOWN,
            VARIANT_OF,
        )
        .join(Product, Product.id == Asset.product_id)
        .join(Catalogue, Catalogue.id == Product.catalogue_id)
        .join(RecipeRow, RecipeRow.hash == Asset.recipe_hash)
        .join(Photo, Photo.id == Asset.photo_id)
        .outerjoin(Artifact, Artifact.id == Asset.glb_id)
        .order_by(Asset.created_at, Product.sku)
    )
    if status:
        query = query.where(Asset.status == status)
    if sku:
        query = query.where(matches(Product.sku, sku))
    if since:
        query = query.where(func.coalesce(Asset.finished_at, Asset.created_at) >= since)
    if catalogue:
        query = query.where(matches(Catalogue.name, catalogue))
    if limit:
        query = query.limit(limit)
    with reading(engine) as session:
        if ids is None:
            return [_row(*row) for row in session.execute(query)]
        rows: list[AssetRow] = []
        for start in range(0, len(ids), PAGE):
            part = query.where(Asset.id.in_(ids[start : start + PAGE]))
            rows += [_row(*row) for row in session.execute(part)]
        return rows


def _row(
    asset: Asset,
    product: Product,
    catalogue: str,
    recipe: str,
    glb: str | None,
    photo: str,
    photos: int,
    size_known: bool,
    variant_of: str | None,
) -> AssetRow:
    return AssetRow(
        catalogue=catalogue,
        sku=product.sku,
        asset_id=asset.id,
        status=asset.status,
        reason=asset.reason,
        reasons=[*(asset.reasons or []), *({**NOTE, "message": warning} for warning in product.warnings or [])],
        verdict=asset.verdict,
        glb=glb,
        photos=max(1, photos),
        faces=asset.faces,
        bytes=asset.bytes,
        seconds=asset.seconds,
        cost=asset.cost,
        size_known=size_is_known(asset, variant_of, size_known),
        score=asset.score,
        metrics=asset.metrics or {},
        name=product.name,
        recipe=recipe,
        recipe_hash=asset.recipe_hash,
        model=asset.model,
        licence=asset.licence,
        photo=photo,
        created_at=asset.created_at.isoformat(),
        finished_at=asset.finished_at.isoformat() if asset.finished_at else None,
        run_id=asset.run_id,
        error_class=asset.error_class,
    )


def artifact(engine: Engine, asset_id: str, kind: str = "glb", *, published: bool = False) -> Stored | None:
    """The asset's artifact of a kind. ``published``: where the asset is published, the
    one that readers get, whatever has been made for it since."""
    query = select(Artifact).where(Artifact.kind == kind).order_by(Artifact.id.desc())
    made = select(AssetStage.stage_run_id).where(
        AssetStage.asset_id == asset_id,
        ~AssetStage.stage.like("segment %"),  # those of further photos: the main one's stand for the asset
    )
    glb = select(Artifact.made_by).join(Publication, Publication.glb_id == Artifact.id)
    with reading(engine) as session:
        row = session.scalars(query.where(Artifact.made_by.in_(made))).first()
        if published:
            row = (
                session.scalars(query.where(Artifact.made_by.in_(glb.where(Publication.asset_id == asset_id)))).first()
                or row
            )
        return None if row is None else stored_of(row)
