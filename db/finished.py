"""The view ``finished_assets``, as typed rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, DateTime, Engine, Float, Integer, Select, String, column, select, table
from sqlalchemy.sql.type_api import TypeEngine

from db.engine import reading
from db.globs import matches


@dataclass(frozen=True)
class FinishedAsset:
    """A product's published asset; what is not known is None."""

    catalogue: str
    sku: str
    name: str | None
    glb_uri: str
    usdz_uri: str | None
    poster_uri: str | None
    small_uri: str | None
    sha256: str
    faces: int
    bytes: int
    score: float
    width_m: float | None
    """Along the GLB's X, metres."""
    height_m: float | None
    """Along the GLB's Y, metres."""
    depth_m: float | None
    """Along the GLB's Z, metres."""
    size_known: bool
    """Whether the shop said how large the product is."""
    photos: int
    recipe: str
    model: str
    licence: str
    reviewer: str | None
    built_at: datetime
    published_at: datetime
    asset_id: str
    seconds: float | None


_SQL: dict[str, TypeEngine[Any]] = {
    "int": Integer(),
    "float": Float(),
    "bool": Boolean(),
    "datetime": DateTime(timezone=True),
    "str": String(),
}
_COLUMNS = [column(field.name, _SQL[str(field.type).removesuffix(" | None")]) for field in fields(FinishedAsset)]
_VIEW = table("finished_assets", *_COLUMNS)


def finished_assets(engine: Engine, *, catalogue: str | None = None, sku: str | None = None) -> Iterator[FinishedAsset]:
    """Published assets by catalogue and SKU, all or those of a catalogue's name and of SKUs that a glob matches.

    Streamed. Raises :class:`core.errors.DatabaseDown`.
    """
    query: Select[tuple[object, ...]] = select(*_VIEW.columns).order_by(_VIEW.c.catalogue, _VIEW.c.sku)
    if catalogue is not None:
        query = query.where(_VIEW.c.catalogue == catalogue)
    if sku is not None:
        query = query.where(matches(_VIEW.c.sku, sku))
    with reading(engine) as session:
        for row in session.execute(query.execution_options(yield_per=1000)):
            yield FinishedAsset(**row._mapping)
