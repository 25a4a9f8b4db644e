"""Products of one shape in several colours, as the manifest's `variant_of`, or a person, joins them."""

from __future__ import annotations

from sqlalchemy import Engine, select
from sqlalchemy.orm import aliased

from db.engine import reading
from db.mends import mended
from db.tables import Asset, Product, Publication


def published_family(engine: Engine, asset_id: str) -> list[tuple[str, str | None]]:
    """SKU and published asset of the product that lends the shape, then of its variants by SKU, for an asset of any of
    them; one that has none published has None."""
    with reading(engine) as session:
        own = session.execute(
            select(Product.catalogue_id, Product.sku)
            .join(Asset, Asset.product_id == Product.id)
            .where(Asset.id == asset_id)
        ).one()
        variant_of = mended(Product.variant_of)
        varied = select(Product.sku, variant_of).where(
            Product.catalogue_id == own.catalogue_id, ~Product.removed, variant_of.is_not(None)
        )
        bases = {sku: base for sku, base in session.execute(varied).tuples() if base is not None}
        root = _root(own.sku, bases)
        skus = [root, *sorted(sku for sku in bases if sku != root and _root(sku, bases) == root)]
        named = aliased(Product)
        published = select(named.sku, Publication.asset_id).join(named, named.id == Publication.product_id)
        query = published.where(named.catalogue_id == own.catalogue_id, named.sku.in_(skus))
        found = dict(session.execute(query).tuples().all())
    return [(sku, found.get(sku)) for sku in skus]


def _root(sku: str, bases: dict[str, str]) -> str:
    passed = {sku}
    while (base := bases.get(sku)) is not None and base not in passed:
        passed.add(base)
        sku = base
    return sku


def shows(engine: Engine, asset_id: str, sku: str) -> bool:
    """Whether the catalogue of an asset shows another product of that SKU."""
    of_asset = select(Product.catalogue_id, Product.id).join(Asset, Asset.product_id == Product.id)
    with reading(engine) as session:
        catalogue, product = session.execute(of_asset.where(Asset.id == asset_id)).one()
        other = select(Product.id).where(Product.catalogue_id == catalogue, Product.sku == sku, ~Product.removed)
        return session.scalar(other.where(Product.id != product)) is not None
