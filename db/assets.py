"""Assets: planned, built, asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from db.engine import reading, writing
from db.tables import (
    Artifact,
    ArtifactInput,
    Asset,
    AssetStage,
    Catalogue,
    Photo,
    Product,
    RecipeRow,
    Review,
    Run,
    StageRun,
    now,
)

PAGE = 1000
SETTLED = ("finished", "review", "failed", "quarantined")
"""Statuses that a new run leaves alone while nothing that went into them has changed."""

_CANDIDATE: tuple[Any, ...] = (
    Product.id,
    Product.sku,
    Product.name,
    Product.height_cm,
    Product.elevation,
    Product.licence,
    Photo.id,
    Photo.sha256,
    Photo.source_uri,
    Photo.licence,
)
"""The columns of :class:`Candidate`, in its order."""


@dataclass(frozen=True)
class Candidate:
    """A product with the photo to build it from."""

    product_id: int
    sku: str
    name: str
    height_cm: float | None
    elevation: float | None
    product_licence: str | None
    photo_id: int
    photo_sha256: str
    photo_uri: str
    photo_licence: str | None


@dataclass(frozen=True)
class Job:
    """Everything that building one asset needs to know."""

    asset_id: str
    candidate: Candidate
    recipe_hash: str
    parameters: dict[str, Any]
    recipe_name: str
    status: str


def candidates(engine: Engine, catalogue_id: int, limit: int | None = None) -> Iterator[list[Candidate]]:
    """Pages of present products with their chosen photo, by SKU."""
    after, left = "", limit
    while left is None or left > 0:
        page = PAGE if left is None else min(PAGE, left)
        query = (
            select(*_CANDIDATE)
            .join(Photo, (Photo.product_id == Product.id) & Photo.current & Photo.chosen)
            .where(Product.catalogue_id == catalogue_id, ~Product.removed, Product.sku > after)
            .order_by(Product.sku)
            .limit(page)
        )
        with reading(engine) as session:
            rows = [Candidate(*tuple[Any, ...](row)) for row in session.execute(query)]
        if not rows:
            return
        yield rows
        after = rows[-1].sku
        left = None if left is None else left - len(rows)


def ensure_recipe(engine: Engine, recipe_hash: str, name: str, parameters: dict[str, Any]) -> None:
    with writing(engine) as session:
        if session.get(RecipeRow, recipe_hash) is None:
            session.add(RecipeRow(hash=recipe_hash, name=name, parameters=parameters))


def start_run(engine: Engine, run_id: str, catalogue_id: int, recipe_hash: str) -> None:
    with writing(engine) as session:
        session.add(Run(id=run_id, catalogue_id=catalogue_id, recipe_hash=recipe_hash))


def end_run(engine: Engine, run_id: str, summary: dict[str, Any]) -> None:
    with writing(engine) as session:
        session.execute(update(Run).where(Run.id == run_id).values(finished_at=now(), summary=summary))


def plan_page(
    engine: Engine,
    page: Sequence[tuple[Candidate, str, str]],
    *,
    recipe_hash: str,
    run_id: str | None,
    model: str,
    redo: Callable[[Asset], bool],
) -> list[tuple[str, bool]]:
    """Make sure that each ``(candidate, plan key, asset id)`` has its asset row; ``(asset id, must be built)`` each."""
    keys = [key for _, key, _ in page]
    planned: list[tuple[str, bool]] = []
    with writing(engine) as session:
        known = {
            (row.product_id, row.plan_key): row
            for row in session.scalars(select(Asset).where(Asset.plan_key.in_(keys)))
        }
        for candidate, key, asset_id in page:
            row = known.get((candidate.product_id, key))
            if row is not None and row.status in SETTLED and not redo(row):
                planned.append((row.id, False))
                continue
            if row is None:
                row = Asset(
                    id=asset_id,
                    product_id=candidate.product_id,
                    photo_id=candidate.photo_id,
                    recipe_hash=recipe_hash,
                    plan_key=key,
                    model=model,
                    licence=candidate.photo_licence or candidate.product_licence,
                )
                session.add(row)
            row.photo_id, row.run_id, row.status = candidate.photo_id, run_id, "queued"
            row.reason = row.error_class = row.verdict = None
            planned.append((row.id, True))
    return planned


def job(engine: Engine, asset_id: str) -> Job:
    """Raises ``LookupError`` where there is no such asset."""
    query = (
        select(*_CANDIDATE, Asset.recipe_hash, RecipeRow.parameters, RecipeRow.name, Asset.status)
        .select_from(Asset)
        .join(Product, Product.id == Asset.product_id)
        .join(Photo, Photo.id == Asset.photo_id)
        .join(RecipeRow, RecipeRow.hash == Asset.recipe_hash)
        .where(Asset.id == asset_id)
    )
    with reading(engine) as session:
        row = session.execute(query).first()
    if row is None:
        raise LookupError(f"There is no asset {asset_id}.")
    values: tuple[Any, ...] = tuple(row)
    return Job(asset_id, Candidate(*values[:10]), *values[10:])


def set_status(engine: Engine, asset_id: str, status: str, **values: Any) -> None:
    """Move an asset; a newly finished one supersedes its product's earlier finished or reviewed ones."""
    with writing(engine) as session:
        if status in ("finished", "review", "failed", "quarantined"):
            values.setdefault("finished_at", now())
        session.execute(update(Asset).where(Asset.id == asset_id).values(status=status, **values))
        if status == "finished":
            product = select(Asset.product_id).where(Asset.id == asset_id).scalar_subquery()
            session.execute(
                update(Asset)
                .where(Asset.product_id == product, Asset.id != asset_id, Asset.status.in_(("finished", "review")))
                .values(status="superseded")
            )


def requeue(engine: Engine, statuses: Sequence[str], skus: Sequence[str]) -> list[str]:
    """Put settled assets back into the queue; their ids."""
    query = select(Asset.id).join(Product, Product.id == Asset.product_id).where(Asset.status.in_(statuses))
    if skus:
        query = query.where(Product.sku.in_(skus))
    with writing(engine) as session:
        ids = list(session.scalars(query.order_by(Asset.id)))
        for start in range(0, len(ids), PAGE):
            session.execute(
                update(Asset)
                .where(Asset.id.in_(ids[start : start + PAGE]))
                .values(status="queued", reason=None, error_class=None, verdict=None)
            )
        return ids


def list_assets(
    engine: Engine,
    *,
    status: str | None = None,
    sku: str | None = None,
    since: datetime | None = None,
    catalogue: str | None = None,
    ids: Sequence[str] | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Assets as plain rows, newest last. ``sku`` is a glob with ``*`` and ``?``."""
    query = (
        select(Asset, Product.sku, Product.name, Catalogue.name, RecipeRow.name, Artifact.uri, Photo.source_uri)
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
        pattern = sku.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_").replace("*", "%").replace("?", "_")
        query = query.where(Product.sku.like(pattern, escape="\\"))
    if since:
        query = query.where(func.coalesce(Asset.finished_at, Asset.created_at) >= since)
    if catalogue:
        query = query.where(Catalogue.name == catalogue)
    if limit:
        query = query.limit(limit)
    with reading(engine) as session:
        if ids is None:
            return [_row(*row) for row in session.execute(query)]
        rows: list[dict[str, Any]] = []
        for start in range(0, len(ids), PAGE):
            part = query.where(Asset.id.in_(ids[start : start + PAGE]))
            rows += [_row(*row) for row in session.execute(part)]
        return rows


def _row(asset: Asset, sku: str, name: str, catalogue: str, recipe: str, glb: str | None, photo: str) -> dict[str, Any]:
    return {
        "sku": sku,
        "asset_id": asset.id,
        "status": asset.status,
        "reason": asset.reason,
        "verdict": asset.verdict,
        "glb": glb,
        "faces": asset.faces,
        "bytes": asset.bytes,
        "seconds": asset.seconds,
        "cost": asset.cost,
        "score": asset.quality,
        "quality": asset.metrics or {},
        "name": name,
        "catalogue": catalogue,
        "recipe": recipe,
        "recipe_hash": asset.recipe_hash,
        "model": asset.model,
        "licence": asset.licence,
        "photo": photo,
        "created_at": asset.created_at.isoformat(),
        "finished_at": asset.finished_at.isoformat() if asset.finished_at else None,
        "run_id": asset.run_id,
        "error_class": asset.error_class,
    }


def resolve(engine: Engine, name: str) -> str | None:
    """The asset id of an asset id or a SKU (its newest one that was not superseded, else its newest)."""
    with reading(engine) as session:
        if session.get(Asset, name) is not None:
            return name
        rows = session.execute(
            select(Asset.id, Asset.status)
            .join(Product, Product.id == Asset.product_id)
            .where(Product.sku == name)
            .order_by(Asset.created_at.desc())
        ).all()
    live = [id_ for id_, status in rows if status != "superseded"]
    return live[0] if live else (rows[0][0] if rows else None)


def lineage(engine: Engine, asset_id: str) -> dict[str, Any]:
    """How an asset was made: photo, recipe, every stage with its parameters, artifacts and inputs."""
    rows = list_assets(engine, ids=[asset_id])
    if not rows:
        raise LookupError(f"There is no asset {asset_id}.")
    with reading(engine) as session:
        recipe = session.get(RecipeRow, rows[0]["recipe_hash"])
        photo = session.scalars(select(Photo).join(Asset, Asset.photo_id == Photo.id).where(Asset.id == asset_id)).one()
        stages = session.execute(
            select(StageRun, AssetStage.reused)
            .join(AssetStage, AssetStage.stage_run_id == StageRun.id)
            .where(AssetStage.asset_id == asset_id)
            .order_by(StageRun.id)
        ).all()
        return rows[0] | {
            "parameters": recipe.parameters if recipe else {},
            "photo": {"sha256": photo.sha256, "uri": photo.source_uri, "bytes": photo.bytes, "licence": photo.licence},
            "stages": [_stage(session, run, reused) for run, reused in stages],
            "reviews": [
                {"decision": r.decision, "note": r.note, "reviewer": r.reviewer, "at": r.created_at.isoformat()}
                for r in session.scalars(select(Review).where(Review.asset_id == asset_id).order_by(Review.id))
            ],
        }


def _stage(session: Session, run: StageRun, reused: bool) -> dict[str, Any]:
    made = session.scalars(select(Artifact).where(Artifact.made_by == run.id).order_by(Artifact.id)).all()
    read = session.execute(
        select(ArtifactInput.role, Artifact.sha256, Artifact.uri)
        .join(Artifact, Artifact.id == ArtifactInput.artifact_id)
        .where(ArtifactInput.stage_run_id == run.id)
        .order_by(ArtifactInput.role)
    ).all()
    return {
        "stage": run.stage,
        "key": run.key,
        "version": run.version,
        "state": run.state,
        "reused": reused,
        "attempt": run.attempt,
        "ladder": run.ladder,
        "seconds": run.seconds,
        "device": run.device,
        "peak_memory": run.peak_memory,
        "cost": run.cost,
        "parameters": run.parameters,
        "figures": run.figures,
        "error_class": run.error_class,
        "sentence": run.sentence,
        "prefect_run_id": run.prefect_run_id,
        "inputs": [{"role": role, "sha256": sha256, "uri": uri} for role, sha256, uri in read],
        "artifacts": [
            {"kind": a.kind, "uri": a.uri, "key": a.key, "sha256": a.sha256, "bytes": a.bytes, "type": a.media_type}
            for a in made
        ],
    }


def artifact(engine: Engine, asset_id: str, kind: str = "glb") -> dict[str, Any] | None:
    """The asset's artifact of a kind: its key, sha256, bytes and URI."""
    with reading(engine) as session:
        row = session.scalars(
            select(Artifact)
            .join(AssetStage, AssetStage.stage_run_id == Artifact.made_by)
            .where(AssetStage.asset_id == asset_id, Artifact.kind == kind)
            .order_by(Artifact.id.desc())
        ).first()
        return None if row is None else {"key": row.key, "sha256": row.sha256, "bytes": row.bytes, "uri": row.uri}


def record_review(engine: Engine, asset_id: str, decision: str, note: str | None, reviewer: str | None) -> None:
    """A person's decision: ``approve`` publishes the asset, ``reject`` fails it."""
    if decision not in ("approve", "reject"):
        raise ValueError("The decision is approve or reject.")
    with writing(engine) as session:
        if session.get(Asset, asset_id) is None:
            raise LookupError(f"There is no asset {asset_id}.")
        session.add(Review(asset_id=asset_id, decision=decision, note=note, reviewer=reviewer))
    status = "finished" if decision == "approve" else "failed"
    set_status(engine, asset_id, status, reason=note or f"A person decided: {decision}.", error_class=None)
