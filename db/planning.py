"""What must be built: products with their photo in pages, and asset rows for what is new."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Engine,
    String,
    case,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from core.errors import InvalidRecipe
from core.recipes import Recipe, of_record
from db.candidates import CANDIDATE, Candidate, among, complete, joined
from db.engine import advisory_lock, reading, writing
from db.mends import built_from
from db.tables import Asset, Mend, Photo, Product, RecipeRow, now

PAGE = 1000
"""Products a transaction: memory stays flat and other writers get their turn, however large the catalogue."""

SETTLED = ("finished", "review", "failed", "quarantined")
"""Statuses that a new run leaves alone while nothing that went into them has changed."""

STALE = ("queued", "failed", "quarantined")
"""What another photo, recipe or checkpoint makes pointless; what is published stays until the new one is finished."""


class Wanted(NamedTuple):
    """The asset that a candidate should have."""

    candidate: Candidate
    asset_id: str
    plan_key: str


ShouldRebuild = Callable[[str, str | None, int], bool]
"""Whether a settled asset of this status, error class and number of failed nights is to be built again."""


class _Found(NamedTuple):
    """What a page looks up of an asset."""

    asset_id: str
    product_id: int
    status: str
    error_class: str | None
    photo_id: int
    failed_nights: int


_FOUND: tuple[Any, ...] = (
    Asset.id,
    Asset.product_id,
    Asset.status,
    Asset.error_class,
    Asset.photo_id,
    Asset.failed_nights,
)
"""The columns of :class:`_Found`, in its order."""


def candidates(engine: Engine, catalogue_id: int, after: str = "", limit: int = PAGE) -> list[Candidate]:
    """A page of present products with their chosen photo, by SKU, those behind ``after``."""
    return present(engine, Product.catalogue_id == catalogue_id, Product.sku > after, limit=limit)


def present(engine: Engine, *wanted: ColumnElement[bool], limit: int | None = None) -> list[Candidate]:
    """Products that their sources show, with their photos, by SKU."""
    query = (
        select(*CANDIDATE)
        .outerjoin(Mend, Mend.product_id == Product.id)
        .join(Photo, (Photo.product_id == Product.id) & built_from())
        .where(~Product.removed, *wanted)
        .order_by(Product.sku)
        .limit(limit)
    )
    with reading(engine) as session:
        return complete(session, [Candidate(*row) for row in session.execute(query)])


DEFAULT_PRIORITY = 100
"""Where the catalogue says nothing; lower is earlier."""


def in_order(engine: Engine, catalogue_id: int, first: Sequence[str] = ()) -> array[int] | None:
    """Ids of present products as a night goes through them: those that are named, then by priority, then by SKU. None
    where that is the order of their SKUs. Eight bytes a product."""
    present = (Product.catalogue_id == catalogue_id, ~Product.removed)
    any_priority = select(Product.id).where(*present, Product.priority.is_not(None)).limit(1)
    with reading(engine) as session:
        if not first and session.scalar(any_priority) is None:
            return None
        order: list[Any] = [func.coalesce(Product.priority, DEFAULT_PRIORITY), Product.sku]
        if first:
            order.insert(0, case({sku: at for at, sku in enumerate(first)}, value=Product.sku, else_=len(first)))
        query = select(Product.id).where(*present).order_by(*order).execution_options(yield_per=PAGE)
        return array("q", session.scalars(query))


def candidates_by_id(engine: Engine, product_ids: Sequence[int]) -> list[Candidate]:
    """Products with their chosen photo, in the order in which they are asked for."""
    found = {candidate.product_id: candidate for candidate in present(engine, Product.id.in_(product_ids))}
    return [found[id_] for id_ in product_ids if id_ in found]


def unknown_skus(engine: Engine, catalogue_id: int, skus: Sequence[str]) -> list[str]:
    """Those that the catalogue does not show."""
    query = select(Product.sku).where(Product.catalogue_id == catalogue_id, ~Product.removed, Product.sku.in_(skus))
    with reading(engine) as session:
        found = set(session.scalars(query))
    return [sku for sku in skus if sku not in found]


def ensure_recipe(engine: Engine, recipe_hash: str, name: str, parameters: dict[str, Any]) -> None:
    """Keep the recipe's parameters, which every asset refers to by their hash."""
    with writing(engine) as session:
        advisory_lock(session, recipe_hash)
        if session.get(RecipeRow, recipe_hash) is None:
            session.add(RecipeRow(hash=recipe_hash, name=name, parameters=parameters))


def recipes(engine: Engine) -> list[Recipe]:
    """All recipes that assets were made by, the newest first, but those that only an older version could read."""
    with reading(engine) as session:
        known = session.scalars(select(RecipeRow.parameters).order_by(RecipeRow.created_at.desc())).all()
    found: list[Recipe] = []
    for parameters in known:
        with suppress(InvalidRecipe):
            found.append(of_record(parameters))
    return found


def plan_page(
    engine: Engine,
    page: Sequence[Wanted],
    *,
    recipe_hash: str,
    run_id: str | None,
    model: str,
    should_rebuild: ShouldRebuild,
) -> dict[str, bool]:
    """Make sure that every wanted asset has its row; asset id to whether it must be built."""
    with writing(engine) as session:
        if engine.dialect.name == "postgresql":
            session.execute(_PAGE_SETTINGS)
        found = _assets_of(session, page)
        known = {asset.asset_id: asset for asset in found}
        new = [wanted for wanted in page if wanted.asset_id not in known]
        again = [w for w in page if w.asset_id in known and _is_open(known[w.asset_id], should_rebuild)]
        if new:
            _supersede(session, new, found)
            _insert(session, new, recipe_hash, run_id, model)
        if again:
            moved = [
                {"id": w.asset_id, "photo_id": w.candidate.photo_id}
                for w in again
                if w.candidate.photo_id != known[w.asset_id].photo_id
            ]
            if moved:  # the same bytes under another name: the row of the photo that now holds them
                session.execute(update(Asset), moved)
            values = {
                "run_id": run_id,
                "status": "queued",
                "reason": None,
                "reasons": None,
                "error_class": None,
                "verdict": None,
            }
            session.execute(update(Asset).where(Asset.id.in_([w.asset_id for w in again])).values(**values))
    build = {wanted.asset_id for wanted in (*new, *again)}
    return {wanted.asset_id: wanted.asset_id in build for wanted in page}


def _assets_of(session: Session, page: Sequence[Wanted]) -> list[_Found]:
    """What the page's products have that is wanted or counts still.

    One look by product costs less than one by id: a page's products stand side by side in the index, ids are hashes.
    """
    of_products = among(session, Asset.product_id, BigInteger, [w.candidate.product_id for w in page])
    wanted = among(session, Asset.id, String, [w.asset_id for w in page])
    query = select(*_FOUND).where(of_products, or_(Asset.status != "superseded", wanted))
    return [_Found._make(row) for row in session.execute(query)]


def _is_open(found: _Found, should_rebuild: ShouldRebuild) -> bool:
    return found.status not in SETTLED or should_rebuild(found.status, found.error_class, found.failed_nights)


def _supersede(session: Session, new: Sequence[Wanted], found: Sequence[_Found]) -> None:
    """Supersede what the products of new assets still had waiting or failed from other plans."""
    products = {wanted.candidate.product_id for wanted in new}
    stale = [asset.asset_id for asset in found if asset.product_id in products and asset.status in STALE]
    if stale:
        session.execute(
            update(Asset)
            .where(Asset.id.in_(stale), Asset.status.in_(STALE))
            .values(status="superseded")
            .execution_options(synchronize_session=False)
        )


def _insert(session: Session, new: Sequence[Wanted], recipe_hash: str, run_id: str | None, model: str) -> None:
    common: dict[str, Any] = {
        "recipe_hash": recipe_hash,
        "run_id": run_id,
        "model": model,
        "status": "queued",
        "created_at": now(),
    }
    own: list[tuple[Any, ...]] = [
        (w.asset_id, w.candidate.product_id, w.candidate.photo_id, w.plan_key, _licence(w.candidate)) for w in new
    ]
    if session.get_bind().dialect.name == "postgresql":
        # A row a statement costs several times as much as columns that the server takes apart.
        *columns, licences = zip(*own, strict=True)
        values = common | {name: joined(column) for name, column in zip(_OWN, columns, strict=False)}
        session.execute(_INSERT_COLUMNS, values | {"licence": list(licences)})
    else:
        rows = [common | dict(zip(_OWN, row, strict=True)) for row in own]
        session.execute(sqlite.insert(Asset).on_conflict_do_nothing(), rows)


def _licence(candidate: Candidate) -> str | None:
    return candidate.photo_licence or candidate.product_licence


_PAGE_SETTINGS = text("SELECT set_config('synchronous_commit', 'off', true), set_config('enable_seqscan', 'off', true)")
"""For one transaction. A page lost in a crash is planned again, and whatever is built on it is committed after it and
flushes it. And while a table grows PostgreSQL's statistics lag behind it: it then read the whole table for every page
(39 ms at 200,000 rows, .02 ms by the index)."""

_OWN = ("id", "product_id", "photo_id", "plan_key", "licence")
"""Columns in which new assets of a page differ."""

# Two planners of one catalogue agree on ids, so the second one's row is the first one's: no conflict to speak of.
_INSERT_COLUMNS = text(
    "INSERT INTO asset (id, product_id, photo_id, plan_key, licence, recipe_hash, run_id, model, status, created_at) "
    "SELECT own.*, :recipe_hash, :run_id, :model, :status, :created_at FROM unnest("
    "string_to_array(:id, ','), CAST(string_to_array(:product_id, ',') AS bigint[]), "
    "CAST(string_to_array(:photo_id, ',') AS bigint[]), string_to_array(:plan_key, ','), "
    "CAST(:licence AS text[])) AS own ON CONFLICT DO NOTHING"
)
