"""What the database holds of a page of products, and how what the source shows now is read against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.engine import reading
from db.found import MISSING, FoundPhoto, FoundProduct
from db.tables import Photo, Product


@dataclass
class Known:
    """What the database holds of a page's products."""

    products: dict[str, Product]
    photos: dict[tuple[int, str], Photo]
    by_product: dict[int, list[Photo]]

    def photo(self, sku: str, source_uri: str) -> Photo | None:
        row = self.products.get(sku)
        return self.photos.get((row.id, source_uri)) if row else None

    def had_photos(self, sku: str) -> bool:
        row = self.products.get(sku)
        photos = self.by_product.get(row.id, []) if row and not row.removed else []
        return any(photo.file_stamp != MISSING for photo in photos)

    def gone(self, product: FoundProduct) -> str | None:
        """Why a product waits whose photos have all gone; None where one is there, or none ever was."""
        if self.had_photos(product.sku) and all(photo.file_stamp == MISSING for photo in product.photos):
            return product.problem or "None of its photos is there any more."
        return None

    def moved(self, sku: str, photo: FoundPhoto) -> bool:
        row = self.photo(sku, photo.source_uri)
        return row is None or row.file_stamp != photo.file_stamp


@dataclass(frozen=True)
class Read:
    """What a photo's file said."""

    sha256: str
    width: int | None
    height: int | None


def look(engine: Engine, catalogue_id: int, page: Sequence[FoundProduct]) -> Known:
    """What the database holds of the page's products."""
    with reading(engine) as session:
        return load(session, catalogue_id, page)


def load(session: Session, catalogue_id: int, page: Sequence[FoundProduct]) -> Known:
    skus = [product.sku for product in page]
    products = session.scalars(select(Product).where(Product.catalogue_id == catalogue_id, Product.sku.in_(skus))).all()
    ids = [row.id for row in products]
    photos = session.scalars(select(Photo).where(Photo.product_id.in_(ids), Photo.current)).all()
    known = Known({row.sku: row for row in products}, {}, {})
    for row in photos:
        known.photos[row.product_id, row.source_uri] = row
        known.by_product.setdefault(row.product_id, []).append(row)
    session.expunge_all()  # they say what stood; what is written next must not change them
    return known


def settled(product: FoundProduct, known: Known, read: dict[tuple[str, str], Read]) -> FoundProduct:
    """The product with what its photos' bytes say: one without a picture's header does not stand before one that has
    it, and the same bytes are one photo."""
    facts = [fact_of(known, read, product.sku, photo) for photo in product.photos]
    broken = [_has_no_header(photo, fact) for photo, fact in zip(product.photos, facts, strict=True)]
    serving = [at for at, photo in enumerate(product.photos) if photo.used_for in ("main", "geometry")]
    main = next((at for at in serving if not broken[at]), 0)
    photos, warnings, seen = [], list(product.warnings), set()
    for at in sorted(range(len(facts)), key=lambda at: (at != main, at)):
        photo, fact, use = product.photos[at], facts[at], product.photos[at].used_for
        if at == main:
            use = "main"
        elif broken[at] and not broken[main] and use in ("main", "geometry"):
            use = "unreadable"
            warnings.append(f"{_file(photo)} cannot be read as a picture: save it again. Another photo is used.")
        elif use == "geometry" and fact is not None and fact.sha256 in seen:
            use = "copy"
        seen.add(fact.sha256 if fact is not None else "")
        photos.append(replace(photo, used_for=use))
    return replace(product, photos=tuple(photos), warnings=tuple(warnings))


def fact_of(known: Known, read: dict[tuple[str, str], Read], sku: str, photo: FoundPhoto) -> Read | None:
    """What the photo's bytes are, from today's reading or from the database's."""
    seen, row = read.get((sku, photo.source_uri)), known.photo(sku, photo.source_uri)
    return seen or (Read(row.sha256, row.width, row.height) if row else None)


def _has_no_header(photo: FoundPhoto, fact: Read | None) -> bool:
    """Of an object in a store only the beginning is read, and a TIFF may keep its header at its end."""
    header_behind = photo.source_uri.startswith("s3://") and photo.source_uri.lower().endswith((".tif", ".tiff"))
    return fact is not None and fact.width is None and not header_behind


def _file(photo: FoundPhoto) -> str:
    return unquote(photo.source_uri.rsplit("/", 1)[-1])


@dataclass(frozen=True)
class ProductColumns:
    """What the source says of a product, by the column that keeps it."""

    name: str
    height_cm: float | None
    width_cm: float | None
    depth_cm: float | None
    azimuth: float | None
    elevation: float | None
    licence: str | None
    problem: str | None
    warnings: list[str] | None
    priority: int | None
    variant_of: str | None
    removed: bool


def columns_of(product: FoundProduct) -> ProductColumns:
    """A product of the source as its row."""
    return ProductColumns(
        name=product.name,
        height_cm=product.height_cm,
        width_cm=product.width_cm,
        depth_cm=product.depth_cm,
        azimuth=product.azimuth,
        elevation=product.elevation,
        licence=product.licence,
        problem=product.problem,
        warnings=list(product.warnings) or None,
        priority=product.priority,
        variant_of=product.variant_of,
        removed=False,
    )
