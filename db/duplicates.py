"""The same picture under two SKUs: what is remembered of each photo, and what it is compared with."""

from __future__ import annotations

from sqlalchemy import Engine, or_, select, update

from db.engine import reading, writing
from db.tables import Photo, Product


def record_picture_hash(engine: Engine, photo_id: int, picture_hash: str) -> None:
    """Remember a decoded photo's perceptual hash."""
    changed = or_(Photo.picture_hash.is_(None), Photo.picture_hash != picture_hash)
    with writing(engine) as session:
        session.execute(update(Photo).where(Photo.id == photo_id, changed).values(picture_hash=picture_hash))


def other_pictures(engine: Engine, product_id: int) -> list[tuple[str, str, str]]:
    """``(SKU, sha256, perceptual hash)`` of the photos that other present products of the same catalogue are built
    from, as far as their hashes are known; by SKU."""
    catalogue = select(Product.catalogue_id).where(Product.id == product_id).scalar_subquery()
    query = (
        select(Product.sku, Photo.sha256, Photo.picture_hash)
        .join(Photo, (Photo.product_id == Product.id) & Photo.current & Photo.chosen)
        .where(Product.catalogue_id == catalogue, Product.id != product_id, ~Product.removed)
        .where(Photo.picture_hash.is_not(None))
        .order_by(Product.sku)
    )
    with reading(engine) as session:
        return [(sku, sha256, str(picture)) for sku, sha256, picture in session.execute(query)]
