"""What a catalogue holds against what its source shows now, read only: the questions of a plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Engine, func, select

from db import known as held
from db.candidates import Candidate
from db.engine import reading
from db.found import FoundPhoto, FoundProduct, NotNow, ReadHash
from db.planning import present
from db.tables import Asset, AssetStage, Catalogue, Product, Run, StageRun

State = Literal["new", "changed", "unchanged", "waiting"]


@dataclass(frozen=True)
class Standing:
    """A product as the source shows it now, and how it stands to what was taken in last."""

    product: FoundProduct
    """Its photos in the order in which they would be taken in: the one to build from first."""
    state: State
    sizes: dict[str, tuple[int, int] | None]
    """Width and height by source URI, of photos that were looked at or are known."""
    moved: tuple[str, ...] = ()
    """Source URIs of photos that are new or have other bytes."""
    why: str | None = None
    """What it waits for."""


def catalogue_of(engine: Engine, source_uri: str) -> int | None:
    """The catalogue of a source that was taken in before."""
    with reading(engine) as session:
        return session.scalar(select(Catalogue.id).where(Catalogue.source_uri == source_uri))


def compare(
    engine: Engine,
    catalogue_id: int | None,
    page: Sequence[FoundProduct],
    read_hash: ReadHash,
    read_size: Callable[[FoundPhoto], tuple[int, int] | None],
) -> list[Standing]:
    """How each product of a page stands. Only photos of known products that moved are read whole; of new ones the
    header."""
    known = held.Known({}, {}, {}) if catalogue_id is None else held.look(engine, catalogue_id, page)
    return [_standing(product, known, read_hash, read_size) for product in page]


def _standing(
    product: FoundProduct,
    known: held.Known,
    read_hash: ReadHash,
    read_size: Callable[[FoundPhoto], tuple[int, int] | None],
) -> Standing:
    row = known.products.get(product.sku)
    read: dict[tuple[str, str], held.Read] = {}
    moved = []
    if gone := known.gone(product):
        return Standing(product, "waiting", {}, why=gone)
    for photo in product.photos:
        stood = known.photo(product.sku, photo.source_uri)
        if stood is not None and stood.file_stamp == photo.file_stamp:
            continue
        # Bytes that nobody has seen yet need no hash to be new.
        sha256 = read_hash(photo) if stood is not None else f"unseen {photo.source_uri}"
        if isinstance(sha256, NotNow):
            return Standing(product, "waiting", {}, why=sha256.sentence)
        if stood is None or stood.sha256 != sha256:
            moved.append(photo.source_uri)
        width, height = read_size(photo) or (None, None)
        read[product.sku, photo.source_uri] = held.Read(sha256, width, height)
    settled = held.settled(product, known, read)
    sizes = {photo.source_uri: _size(held.fact_of(known, read, product.sku, photo)) for photo in settled.photos}
    if row is None or row.removed:
        state: State = "new"
    else:
        shown = {photo.source_uri for photo in settled.photos}
        fewer = any(stood.source_uri not in shown for stood in known.by_product.get(row.id, []))
        facts = any(getattr(row, name) != value for name, value in vars(held.columns_of(settled)).items())
        state = "changed" if moved or fewer or facts or _other_main(settled, known, row.id) else "unchanged"
    return Standing(settled, state, sizes, tuple(moved))


def _size(fact: held.Read | None) -> tuple[int, int] | None:
    return None if fact is None or fact.width is None or fact.height is None else (fact.width, fact.height)


def _other_main(product: FoundProduct, known: held.Known, product_id: int) -> bool:
    chosen = [photo.source_uri for photo in known.by_product.get(product_id, []) if photo.chosen]
    return chosen != [product.photos[0].source_uri]


def candidates_of(engine: Engine, catalogue_id: int, skus: Collection[str]) -> dict[str, Candidate]:
    """Products with their chosen photo, as they were taken in, by SKU."""
    found = present(engine, Product.catalogue_id == catalogue_id, Product.sku.in_(skus))
    return {candidate.sku: candidate for candidate in found}


@dataclass(frozen=True)
class AssetState:
    """What became of an asset."""

    status: str
    error_class: str | None
    failed_nights: int
    reason: str | None


def assets_of(engine: Engine, asset_ids: Collection[str]) -> dict[str, AssetState]:
    """Assets that are there, by id."""
    query = select(Asset.id, Asset.status, Asset.error_class, Asset.failed_nights, Asset.reason)
    with reading(engine) as session:
        rows = session.execute(query.where(Asset.id.in_(asset_ids))).all()
    return {id_: AssetState(*state) for id_, *state in rows}


@dataclass(frozen=True)
class PastStage:
    """A finished run of a stage."""

    stage: str
    version: int
    parameters: dict[str, Any]
    seconds: float
    cost: float
    device: str


def made_of(engine: Engine, product_ids: Collection[int]) -> dict[int, dict[str, PastStage]]:
    """The stages of each product's newest asset that came to a verdict."""
    newest = (
        select(Asset.product_id, func.max(Asset.finished_at).label("at"))
        .where(Asset.product_id.in_(product_ids), Asset.glb_id.is_not(None))
        .group_by(Asset.product_id)
        .subquery()
    )
    query = (
        select(Asset.product_id, *_PAST)
        .join(newest, (newest.c.product_id == Asset.product_id) & (newest.c.at == Asset.finished_at))
        .join(AssetStage, AssetStage.asset_id == Asset.id)
        .join(StageRun, StageRun.id == AssetStage.stage_run_id)
        .where(StageRun.state == "finished")
    )
    found: dict[int, dict[str, PastStage]] = {}
    with reading(engine) as session:
        for product_id, *columns in session.execute(query):
            past = _past(columns)
            found.setdefault(product_id, {})[past.stage] = past
    return found


_PAST = (StageRun.stage, StageRun.version, StageRun.parameters, StageRun.seconds, StageRun.cost, StageRun.device)


def _past(columns: Sequence[Any]) -> PastStage:
    stage, version, parameters, seconds, cost, device = columns
    return PastStage(stage, version, parameters, seconds or 0.0, cost or 0.0, device or "cpu")


def past_runs(engine: Engine, stage: str, most: int = 200) -> list[PastStage]:
    """The newest finished runs of a stage, those included that another one replaced since."""
    query = (
        select(*_PAST)
        .where(StageRun.stage == stage, StageRun.state.in_(("finished", "replaced")), StageRun.seconds.is_not(None))
        .order_by(StageRun.id.desc())
        .limit(most)
    )
    with reading(engine) as session:
        return [_past(columns) for columns in session.execute(query).tuples()]


@dataclass(frozen=True)
class PastNight:
    """A run that came to its end: its seconds from start to end, and what it computed."""

    seconds: float
    stages: tuple[dict[str, float], ...]
    """Seconds by stage of each asset that was not reused."""


def past_nights(engine: Engine, most: int = 5, largest: int = 500) -> list[PastNight]:
    """The newest runs that built something, of at most ``largest`` assets."""
    built = (
        select(Run.id, Run.summary, Run.started_at)
        .join(Asset, Asset.run_id == Run.id)
        .where(Run.finished_at.is_not(None), Asset.seconds.is_not(None))
        .group_by(Run.id)
        .having(func.count() <= largest)
        .order_by(Run.started_at.desc())
        .limit(most)
    )
    with reading(engine) as session:
        nights = []
        for run_id, summary, _ in session.execute(built).tuples():
            rows = session.execute(
                select(Asset.id, StageRun.stage, StageRun.seconds)
                .join(AssetStage, AssetStage.asset_id == Asset.id)
                .join(StageRun, StageRun.id == AssetStage.stage_run_id)
                .where(Asset.run_id == run_id, ~AssetStage.reused, StageRun.seconds.is_not(None))
                .order_by(Asset.id)
            )
            stages: dict[str, dict[str, float]] = {}
            for asset_id, stage, seconds in rows:
                stages.setdefault(asset_id, {})[stage] = seconds
            if stages and isinstance((summary or {}).get("seconds"), (int, float)):
                nights.append(PastNight(float((summary or {})["seconds"]), tuple(stages.values())))
    return nights
