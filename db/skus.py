"""Names that people ask with: an asset's id, a SKU, or a catalogue and a SKU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Engine, func, or_, select

from core.errors import AmbiguousName, NotFound
from db.engine import reading
from db.tables import Asset, Catalogue, Product, Publication


class Place(NamedTuple):
    """A product that has assets, and where it stands."""

    product_id: int
    sku: str
    catalogue: str
    source_uri: str


def places(engine: Engine, name: str, catalogue: Sequence[str] = ()) -> list[Place]:
    """Products whose SKU is exactly ``name``, else those that ``catalogue/sku`` names; by catalogue.

    A SKU may hold slashes itself, a catalogue's name holds none. ``catalogue``: names or source URIs that count.
    """
    before, _, after = name.partition("/")
    query = (
        select(Product.id, Product.sku, Catalogue.name, Catalogue.source_uri)
        .join(Catalogue, Catalogue.id == Product.catalogue_id)
        .where(select(Asset.id).where(Asset.product_id == Product.id).exists())
        .order_by(Catalogue.name, Catalogue.source_uri)
    )
    if catalogue:
        query = query.where(or_(Catalogue.name.in_(catalogue), Catalogue.source_uri.in_(catalogue)))
    with reading(engine) as session:
        found = session.execute(query.where(Product.sku == name)).all()
        if not found and after:
            found = session.execute(query.where(Product.sku == after, Catalogue.name == before)).all()
    return [Place._make(row) for row in found]


def skus_like(engine: Engine, name: str, limit: int = 20_000) -> list[str]:
    """SKUs that have assets and are about as long: among them is what somebody misspelled."""
    length = func.length(Product.sku)
    query = select(Product.sku).where(
        length.between(len(name) - 2, len(name) + 2), Product.id.in_(select(Asset.product_id))
    )
    with reading(engine) as session:
        return list(session.scalars(query.distinct().limit(limit)))


def find_catalogues(engine: Engine, said: str, names: Sequence[str]) -> list[int]:
    """Catalogues of these names or source URIs. Raises :class:`NotFound`, which names what was ``said``."""
    query = select(Catalogue.id).where(or_(Catalogue.name.in_(names), Catalogue.source_uri.in_(names)))
    with reading(engine) as session:
        found = list(session.scalars(query.order_by(Catalogue.id)))
    if not found:
        raise NotFound(f"There is no catalogue '{said}': `meshmill assets` lists them.")
    return found


def find_product(engine: Engine, name: str, catalogue: Sequence[str] = ()) -> int:
    """The one product of a SKU. Raises :class:`NotFound`, :class:`AmbiguousName`."""
    found = places(engine, name, catalogue)
    if not found:
        raise NotFound(f"There is no asset or SKU '{name}': `meshmill assets` lists them.")
    if len(found) > 1:
        where = ", ".join(f"{place.catalogue} ({place.source_uri})" for place in found)
        one = found[0]
        raise AmbiguousName(
            f"The SKU '{one.sku}' stands in {len(found)} catalogues: {where}. Say which: "
            f"'{one.catalogue}/{one.sku}', or --catalogue {one.catalogue}."
        )
    return found[0].product_id


def find_asset(engine: Engine, name: str, catalogue: Sequence[str] = (), *, published: bool = False) -> str:
    """The id of an asset by its id, or by its SKU: the newest one that was not superseded, else the newest;
    ``published``: the published one, where there is one.

    Raises :class:`NotFound`, :class:`AmbiguousName`.
    """
    with reading(engine) as session:
        if session.get(Asset, name) is not None:
            return name
    product_id = find_product(engine, name, catalogue)
    newest = select(Asset.id).where(Asset.product_id == product_id)
    if published:
        newest = newest.order_by(Asset.id.in_(select(Publication.asset_id)).desc())
    newest = newest.order_by(Asset.status == "superseded", Asset.created_at.desc(), Asset.id).limit(1)
    with reading(engine) as session:
        return str(session.scalars(newest).one())
