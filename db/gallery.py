"""What the gallery asks: pages of assets, filtered; the choices of the filters; an asset's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Text, cast, func, select

from db.engine import reading
from db.stage_runs import Stored, stored_of
from db.tables import UNDONE, Artifact, Asset, AssetStage, Catalogue, Photo, Product, Review, StageRun


@dataclass(frozen=True)
class Filters:
    """What the grid shows. Empty means everything."""

    status: str | None = None
    catalogue: str | None = None
    search: str | None = None
    """Part of a SKU or a name, any case."""
    lowest: float | None = None
    """Scores from."""
    highest: float | None = None
    since: datetime | None = None
    order: str = "newest"
    """``newest``, ``best``, ``worst`` or ``sku``."""
    reason: str | None = None
    """The code of a reason."""


ORDERS = ("newest", "best", "worst", "sku")


def _filtered(filters: Filters, query: Any) -> Any:
    query = query.join(Product, Product.id == Asset.product_id).join(Catalogue, Catalogue.id == Product.catalogue_id)
    query = query.where(Asset.status == filters.status if filters.status else Asset.status != "superseded")
    if filters.catalogue:
        query = query.where(Catalogue.name == filters.catalogue)
    if filters.search:
        part = filters.search.lower().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        pattern = f"%{part}%"
        query = query.where(
            func.lower(Product.sku).like(pattern, escape="\\") | func.lower(Product.name).like(pattern, escape="\\")
        )
    if filters.lowest is not None:
        query = query.where(Asset.score >= filters.lowest)
    if filters.highest is not None:
        query = query.where(Asset.score <= filters.highest)
    if filters.reason is not None:
        # The text of the JSON, which reads alike on both databases.
        query = query.where(cast(Asset.reasons, Text).contains(f'"code": "{filters.reason}"', autoescape=True))
    if filters.since is not None:
        query = query.where(func.coalesce(Asset.finished_at, Asset.created_at) >= filters.since)
    return query


@dataclass(frozen=True)
class GridRow:
    """An asset in the grid and in tables."""

    asset_id: str
    sku: str
    name: str
    catalogue: str
    status: str
    score: float | None
    reason: str | None
    created_at: datetime
    faces: int | None
    bytes: int | None
    reasons: list[Mapping[str, Any]] | None


@dataclass(frozen=True)
class Version:
    """One of a product's assets."""

    asset_id: str
    status: str
    score: float | None
    created_at: datetime


def page(engine: Engine, filters: Filters, number: int, size: int) -> tuple[list[GridRow], int]:
    """Page ``number`` (from 1) of the grid and how many assets there are in all."""
    columns = (Asset.id, Product.sku, Product.name, Catalogue.name, Asset.status, Asset.score, Asset.reason)
    more = (Asset.created_at, Asset.faces, Asset.bytes, Asset.reasons)
    query = _filtered(filters, select(*columns, *more).select_from(Asset))
    query = query.order_by(*_order(filters)).offset((number - 1) * size).limit(size)
    with reading(engine) as session:
        rows = [GridRow(*row) for row in session.execute(query)]
        total = session.scalar(_filtered(filters, select(func.count()).select_from(Asset))) or 0
    return rows, int(total)


def catalogues(engine: Engine) -> list[str]:
    """Names of all catalogues."""
    with reading(engine) as session:
        return list(session.scalars(select(Catalogue.name).distinct().order_by(Catalogue.name)))


def counts(engine: Engine) -> dict[str, int]:
    """Assets by status."""
    with reading(engine) as session:
        rows = session.execute(select(Asset.status, func.count()).group_by(Asset.status)).all()
    return {status: int(count) for status, count in rows}


def next_of(engine: Engine, filters: Filters, asset_id: str) -> str | None:
    """The asset after this one in the list's order, round and round; None where the list holds no other. The asset
    itself need not be on the list any more."""
    with reading(engine) as session:
        here = session.execute(
            select(Asset.created_at, Asset.score, Product.sku)
            .join(Product, Product.id == Asset.product_id)
            .where(Asset.id == asset_id)
        ).first()
        others = _filtered(filters, select(Asset.id).select_from(Asset)).where(Asset.id != asset_id)
        others = others.order_by(*_order(filters)).limit(1)
        behind = [] if here is None else [others.where(_behind(filters, asset_id, *here))]
        found = (session.scalar(query) for query in (*behind, others))
        return next((str(other) for other in found if other is not None), None)


def _order(filters: Filters) -> tuple[Any, ...]:
    orders: dict[str, tuple[Any, ...]] = {
        "newest": (Asset.created_at.desc(), Asset.id),
        "best": (Asset.score.is_(None), Asset.score.desc(), Asset.id),
        "worst": (Asset.score.is_(None), Asset.score.asc(), Asset.id),
        "sku": (Product.sku, Asset.id),
    }
    return orders.get(filters.order, orders["newest"])


def _behind(filters: Filters, asset_id: str, created_at: datetime, score: float | None, sku: str) -> Any:
    """What comes after an asset in :func:`_order`."""
    later = Asset.id > asset_id
    if filters.order == "sku":
        return (Product.sku > sku) | ((Product.sku == sku) & later)
    if filters.order not in ("best", "worst"):
        return (Asset.created_at < created_at) | ((Asset.created_at == created_at) & later)
    if score is None:
        return Asset.score.is_(None) & later
    further = Asset.score < score if filters.order == "best" else Asset.score > score
    return further | ((Asset.score == score) & later) | Asset.score.is_(None)


def total(engine: Engine, filters: Filters) -> int:
    """How many assets a list holds."""
    with reading(engine) as session:
        return session.scalar(_filtered(filters, select(func.count()).select_from(Asset))) or 0


def reason_counts(engine: Engine, filters: Filters, most: int = 10) -> list[tuple[str, int]]:
    """What weighs most on the assets of a list: codes of their first reasons, the most frequent first."""
    code = Asset.reasons[0]["code"].as_string()
    query = _filtered(filters, select(code, func.count()).select_from(Asset)).where(code.is_not(None))
    with reading(engine) as session:
        rows = session.execute(query.group_by(code).order_by(func.count().desc(), code).limit(most)).all()
    return [(name, int(count)) for name, count in rows]


@dataclass(frozen=True)
class Built:
    """An asset of a run, for its contact sheet."""

    asset_id: str
    sku: str
    status: str


def of_run(engine: Engine, run_id: str, most: int) -> list[Built]:
    """Assets that a run built, the worst first."""
    query = (
        select(Asset.id, Product.sku, Asset.status)
        .join(Product, Product.id == Asset.product_id)
        .where(Asset.run_id == run_id)
        .order_by(Asset.score.is_(None), Asset.score, Asset.id)
        .limit(most)
    )
    with reading(engine) as session:
        return [Built(*row) for row in session.execute(query)]


def decisions(engine: Engine) -> list[tuple[bool, dict[str, float]]]:
    """People's last word on every asset, in the order it was said: approved or not, and what the gate had measured."""
    with reading(engine) as session:
        rows = session.execute(
            select(Review.asset_id, Review.decision, StageRun.figures)
            .join(AssetStage, (AssetStage.asset_id == Review.asset_id) & (AssetStage.stage == "assess"))
            .join(StageRun, StageRun.id == AssetStage.stage_run_id)
            .where(~Review.decision.endswith(UNDONE))
            .order_by(Review.id)
        ).all()
    last = {asset_id: (decision == "approve", (figures or {}).get("metrics")) for asset_id, decision, figures in rows}
    return [(approved, metrics) for approved, metrics in last.values() if metrics]


def versions(engine: Engine, asset_id: str) -> list[Version]:
    """All assets of the same product, newest first: what can be compared side by side."""
    with reading(engine) as session:
        product = session.scalar(select(Asset.product_id).where(Asset.id == asset_id))
        rows = session.execute(
            select(Asset.id, Asset.status, Asset.score, Asset.created_at)
            .where(Asset.product_id == product)
            .order_by(Asset.created_at.desc(), Asset.id)
        ).all()
    return [Version(*row) for row in rows]


def files(engine: Engine, asset_id: str) -> dict[str, Stored]:
    """The asset's stored files by kind, its photo as ``photo``."""
    with reading(engine) as session:
        made = session.scalars(
            select(Artifact)
            .join(AssetStage, AssetStage.stage_run_id == Artifact.made_by)
            .where(AssetStage.asset_id == asset_id, ~AssetStage.stage.like("segment %"))
            .order_by(Artifact.id)
        ).all()
        photo = session.scalars(
            select(Artifact)
            .join(Photo, Photo.sha256 == Artifact.sha256)
            .join(Asset, Asset.photo_id == Photo.id)
            .where(Asset.id == asset_id, Artifact.made_by.is_(None))
            .limit(1)
        ).first()
        kinds = {row.kind: stored_of(row) for row in made}
        return kinds if photo is None else kinds | {"photo": stored_of(photo)}
