"""What other teams' programs ask over HTTP: assets page by page, a product's published files by catalogue and SKU."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, Select, and_, func, or_, select
from sqlalchemy.orm import aliased

from db.engine import reading
from db.globs import matches
from db.tables import Artifact, Asset, Catalogue, Product, Publication

Place = tuple[datetime, str]
"""Where a page of assets ends: when the last one settled (or was planned), and its id."""


@dataclass(frozen=True)
class Wanted:
    """Which assets; None: all. ``catalogue`` and ``sku`` are globs (:mod:`db.globs`)."""

    status: str | None = None
    catalogue: str | None = None
    sku: str | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class PublishedFile:
    """A file that readers get of a product."""

    asset_id: str
    catalogue: str
    sku: str
    name: str
    """The product's, for people."""
    kind: str
    key: str
    sha256: str
    bytes: int
    media_type: str


def assets_after(engine: Engine, wanted: Wanted, after: Place | None, limit: int) -> list[Place]:
    """The next assets in the order in which they settled, the oldest first: whoever asks again from where the last page
    ended misses nothing that settled since."""
    moment = func.coalesce(Asset.finished_at, Asset.created_at)
    query = (
        select(moment, Asset.id)
        .join(Product, Product.id == Asset.product_id)
        .join(Catalogue, Catalogue.id == Product.catalogue_id)
        .order_by(moment, Asset.id)
        .limit(limit)
    )
    if wanted.status is not None:
        query = query.where(Asset.status == wanted.status)
    if wanted.catalogue is not None:
        query = query.where(matches(Catalogue.name, wanted.catalogue))
    if wanted.sku is not None:
        query = query.where(matches(Product.sku, wanted.sku))
    if wanted.since is not None:
        query = query.where(moment >= wanted.since)
    if after is not None:
        query = query.where(or_(moment > after[0], and_(moment == after[0], Asset.id > after[1])))
    with reading(engine) as session:
        return [(at, asset_id) for at, asset_id in session.execute(query)]


def newest_asset(engine: Engine, catalogue: str, sku: str) -> str | None:
    """The product's published asset, else the newest one."""
    query = (
        select(Asset.id)
        .join(Product, Product.id == Asset.product_id)
        .join(Catalogue, Catalogue.id == Product.catalogue_id)
        .outerjoin(Publication, Publication.asset_id == Asset.id)
        .where(Catalogue.name == catalogue, Product.sku == sku)
        .order_by(Publication.asset_id.is_(None), Asset.status == "superseded", Asset.created_at.desc(), Asset.id)
        .limit(1)
    )
    with reading(engine) as session:
        return session.scalar(query)


def _files() -> Select[tuple[str, str, str, str, str, str, str, int, str]]:
    glb = aliased(Artifact)
    return (
        select(
            Publication.asset_id, Catalogue.name, Product.sku, Product.name, Artifact.kind, Artifact.key,
            Artifact.sha256, Artifact.bytes, Artifact.media_type,
        )
        .join(Product, Product.id == Publication.product_id)
        .join(Catalogue, Catalogue.id == Product.catalogue_id)
        .join(glb, glb.id == Publication.glb_id)
        .join(Artifact, or_(Artifact.id == glb.id, Artifact.made_by == glb.made_by))
        .where(Artifact.collected_at.is_(None))
    )  # fmt: skip


def published_files(engine: Engine, catalogue: str, sku: str) -> dict[str, PublishedFile]:
    """Every file of a product as it is published, by kind."""
    query = _files().where(Catalogue.name == catalogue, Product.sku == sku).order_by(Artifact.id)
    with reading(engine) as session:
        return {row[4]: PublishedFile(*row) for row in session.execute(query)}
