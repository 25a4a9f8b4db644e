"""Catalogues, products and photos: what is new, changed, unchanged or gone since last time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine, insert, select, update

from db.engine import reading, writing
from db.tables import Catalogue, Photo, Product

PAGE = 1000
"""Rows a transaction: long enough to be fast, short enough to let others write."""


@dataclass(frozen=True)
class FoundPhoto:
    """A photo as the source shows it, not read yet."""

    source_uri: str
    fingerprint: str
    bytes: int
    licence: str | None = None


@dataclass(frozen=True)
class FoundProduct:
    """A product as the source shows it; the first photo is the one to build from."""

    sku: str
    name: str
    photos: tuple[FoundPhoto, ...]
    height_cm: float | None = None
    elevation: float | None = None
    licence: str | None = None


@dataclass
class Changes:
    """What ingestion found, as SKUs."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """Still being uploaded: next time."""
    unreadable: dict[str, str] = field(default_factory=dict)


def ensure_catalogue(engine: Engine, name: str, source_uri: str) -> int:
    """The catalogue of a source, made where it is new."""
    with writing(engine) as session:
        row = session.scalars(select(Catalogue).where(Catalogue.source_uri == source_uri)).first()
        if row is None:
            row = Catalogue(name=name, source_uri=source_uri)
            session.add(row)
            session.flush()
        return row.id


def sync_products(
    engine: Engine,
    catalogue_id: int,
    found: Iterable[FoundProduct],
    read_hash: Callable[[FoundPhoto], str | None],
    *,
    complete: bool = True,
) -> Changes:
    """Bring products and photos in line with the source.

    ``read_hash`` gives a photo's sha256, or None while it is still being written; it is asked only where the
    fingerprint moved. ``complete`` False (a limited listing) removes nothing.
    """
    changes = Changes()
    seen: set[str] = set()
    for page in _pages(found):
        seen.update(product.sku for product in page)
        _sync_page(engine, catalogue_id, page, read_hash, changes)
    if complete:
        with writing(engine) as session:
            known = session.execute(
                select(Product.id, Product.sku).where(Product.catalogue_id == catalogue_id, ~Product.removed)
            ).all()
            gone = [(id_, sku) for id_, sku in known if sku not in seen]
            for start in range(0, len(gone), PAGE):
                ids = [id_ for id_, _ in gone[start : start + PAGE]]
                session.execute(update(Product).where(Product.id.in_(ids)).values(removed=True))
            changes.removed = [sku for _, sku in gone]
    return changes


def _sync_page(
    engine: Engine,
    catalogue_id: int,
    page: Sequence[FoundProduct],
    read_hash: Callable[[FoundPhoto], str | None],
    changes: Changes,
) -> None:
    skus = [product.sku for product in page]
    with reading(engine) as session:
        products = {
            row.sku: row
            for row in session.scalars(
                select(Product).where(Product.catalogue_id == catalogue_id, Product.sku.in_(skus))
            )
        }
        ids = [row.id for row in products.values()]
        photos: dict[tuple[int, str], Photo] = {
            (row.product_id, row.source_uri): row
            for row in session.scalars(select(Photo).where(Photo.product_id.in_(ids), Photo.current))
        }
    # Files are read outside any transaction: hashing gigabytes must not hold the database.
    hashes: dict[str, str | None] = {}
    for product in page:
        row = products.get(product.sku)
        for photo in product.photos:
            known = photos.get((row.id, photo.source_uri)) if row else None
            if known is None or known.fingerprint != photo.fingerprint:
                hashes[photo.source_uri] = read_hash(photo)
    with writing(engine) as session:
        for product in page:
            row = products.get(product.sku)
            ready = [p for p in product.photos if hashes.get(p.source_uri, "") is not None]
            if not ready:
                changes.waiting.append(product.sku)
                continue
            values = {
                "name": product.name,
                "height_cm": product.height_cm,
                "elevation": product.elevation,
                "licence": product.licence,
                "removed": False,
            }
            if row is None:
                product_id = session.execute(
                    insert(Product).values(catalogue_id=catalogue_id, sku=product.sku, **values).returning(Product.id)
                ).scalar_one()
            else:
                product_id = row.id
                if any(getattr(row, name) != value for name, value in values.items()):
                    session.execute(update(Product).where(Product.id == product_id).values(**values))
            touched = False
            for photo in ready:
                known = photos.get((product_id, photo.source_uri))
                sha256 = hashes.get(photo.source_uri)
                if known is not None and (sha256 is None or sha256 == known.sha256):
                    if known.fingerprint != photo.fingerprint:
                        session.execute(update(Photo).where(Photo.id == known.id).values(fingerprint=photo.fingerprint))
                    continue
                touched = True
                if known is not None:
                    session.execute(update(Photo).where(Photo.id == known.id).values(current=False, chosen=False))
                session.execute(
                    insert(Photo).values(
                        product_id=product_id,
                        sha256=sha256,
                        bytes=photo.bytes,
                        source_uri=photo.source_uri,
                        fingerprint=photo.fingerprint,
                        licence=photo.licence,
                        current=True,
                        chosen=False,
                    )
                )
            gone = [
                known.id
                for (owner, uri), known in photos.items()
                if owner == product_id and uri not in {p.source_uri for p in product.photos}
            ]
            if gone:
                touched = True
                session.execute(update(Photo).where(Photo.id.in_(gone)).values(current=False, chosen=False))
            if touched:
                session.execute(
                    update(Photo)
                    .where(Photo.product_id == product_id, Photo.current)
                    .values(chosen=Photo.source_uri == ready[0].source_uri)
                )
            if row is None or row.removed:
                changes.new.append(product.sku)
            elif touched:
                changes.changed.append(product.sku)
            else:
                changes.unchanged += 1


def _pages(found: Iterable[FoundProduct]) -> Iterator[list[FoundProduct]]:
    page: list[FoundProduct] = []
    for product in found:
        page.append(product)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
