"""Catalogues, products and photos: what is new, changed, unchanged or gone since last time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, TypeVar

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.orm import Session

from db.engine import advisory_lock, reading, writing
from db.found import FoundPhoto, FoundProduct, NotNow, ReadHash
from db.known import Known, Read, columns_of, load, look, settled
from db.tables import Catalogue, Photo, Product

PAGE = 1000
"""Rows a transaction: long enough to be fast, short enough to let others write."""


Patience = Callable[[Callable[[], Any]], Any]
"""Calls a transaction, again while the database is being restarted."""


@dataclass
class Changes:
    """What ingestion found, as SKUs."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """Still being uploaded, or not to be read now: next time."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a SKU waits."""
    photos: int = 0
    grouped: list[str] = field(default_factory=list)
    """What the first products with several photos show, a line each."""
    notes: list[str] = field(default_factory=list)
    """What else lay in the source, a sentence each."""

    def waits(self, sku: str, sentence: str) -> None:
        self.waiting.append(sku)
        self.reasons[sku] = sentence


class ProductsLost(Exception):
    """A source that shows far fewer products than it did."""

    def __init__(self, lost: int, stood: int) -> None:
        super().__init__(f"{lost:,} of {stood:,} products are gone")
        self.lost, self.stood = lost, stood


def ensure_catalogue(engine: Engine, name: str, source_uri: str) -> int:
    """The catalogue of a source, made where it is new."""
    with writing(engine) as session:
        advisory_lock(session, source_uri)
        row = session.scalars(select(Catalogue).where(Catalogue.source_uri == source_uri)).first()
        if row is None:
            row = Catalogue(name=_free_name(session, name), source_uri=source_uri)
            session.add(row)
            session.flush()
        return row.id


def is_known(engine: Engine, source_uri: str) -> bool:
    """Whether a source has been taken in before."""
    with reading(engine) as session:
        return session.scalar(select(Catalogue.id).where(Catalogue.source_uri == source_uri)) is not None


def _free_name(session: Session, name: str) -> str:
    """The name, or with a number where another source has it: people ask for `catalogue/SKU`."""
    advisory_lock(session, "catalogue names")
    taken = set(session.scalars(select(Catalogue.name)))
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(free for free in names if free not in taken)


def known_skus(engine: Engine, source_uri: str) -> frozenset[str]:
    """SKUs that a source showed when it was last taken in."""
    query = select(Product.sku).join(Catalogue).where(Catalogue.source_uri == source_uri, ~Product.removed)
    with reading(engine) as session:
        return frozenset(session.scalars(query))


def sync_products(
    engine: Engine,
    catalogue_id: int,
    found: Iterable[FoundProduct],
    read_hash: ReadHash,
    read_size: Callable[[FoundPhoto], tuple[int, int] | None] = lambda _: None,
    *,
    unread: str | None = None,
    allow_removal: bool = False,
    patience: Patience = lambda transaction: transaction(),
) -> Changes:
    """Bring products and photos in line with the source.

    ``read_hash`` gives a photo's sha256, or :class:`NotNow`; it is asked only where the file stamp moved.
    ``read_size`` gives its width and height, None where its header does not tell; asked right after.
    A product with a photo that cannot be read now waits whole, as it stood before. ``unread`` says which part of the
    source could not be looked at: then what is not seen waits too, and nothing is removed. Raises
    :class:`ProductsLost` and removes nothing where more than a fifth of the products is gone, unless
    ``allow_removal``. Where a connection breaks after the commit, ``patience`` asks again, and what was new then
    counts as unchanged.
    """
    changes = Changes()
    gone = patience(lambda: _present(engine, catalogue_id))
    stood = len(gone)
    for page in _pages(found):
        for product in page:
            gone.pop(product.sku, None)
        _sync_page(engine, catalogue_id, page, read_hash, read_size, changes, patience)
    if len(gone) * 5 > stood and not allow_removal:
        raise ProductsLost(len(gone), stood)
    if unread is not None:
        for sku in sorted(gone):
            changes.waits(sku, unread)
        return changes
    patience(lambda: _remove(engine, list(gone.values())))
    changes.removed = sorted(gone)
    return changes


def _present(engine: Engine, catalogue_id: int) -> dict[str, int]:
    """SKU to id of the products that the catalogue showed last time."""
    query = select(Product.sku, Product.id).where(Product.catalogue_id == catalogue_id, ~Product.removed)
    with reading(engine) as session:
        return dict(session.execute(query).tuples().all())


def _remove(engine: Engine, ids: Sequence[int]) -> None:
    with writing(engine) as session:
        for start in range(0, len(ids), PAGE):
            session.execute(update(Product).where(Product.id.in_(ids[start : start + PAGE])).values(removed=True))


def _sync_page(
    engine: Engine,
    catalogue_id: int,
    page: Sequence[FoundProduct],
    read_hash: ReadHash,
    read_size: Callable[[FoundPhoto], tuple[int, int] | None],
    changes: Changes,
    patience: Patience,
) -> None:
    known = patience(lambda: look(engine, catalogue_id, page))
    # Files are read outside any transaction: hashing gigabytes must not hold the database.
    read: dict[tuple[str, str], Read] = {}
    ready = []
    for product in page:
        moved = [photo for photo in product.photos if known.moved(product.sku, photo)]
        if gone := known.gone(product):
            changes.waits(product.sku, gone)
            continue
        hashes = [read_hash(photo) for photo in moved]
        if why := next((found for found in hashes if isinstance(found, NotNow)), None):
            changes.waits(product.sku, why.sentence)
            continue
        ready.append(product)
        for photo, sha256 in zip(moved, hashes, strict=True):
            width, height = read_size(photo) or (None, None)
            read[product.sku, photo.source_uri] = Read(str(sha256), width, height)
    found = patience(lambda: _write(engine, catalogue_id, page, ready, read))
    changes.new += found.new
    changes.changed += found.changed
    changes.unchanged += found.unchanged


def _write(
    engine: Engine,
    catalogue_id: int,
    page: Sequence[FoundProduct],
    ready: Sequence[FoundProduct],
    read: dict[tuple[str, str], Read],
) -> Changes:
    changes = Changes()
    with writing(engine) as session:
        advisory_lock(session, f"catalogue {catalogue_id}")
        known = load(session, catalogue_id, page)  # another run may have taken the same folder in meanwhile
        ready = [settled(product, known, read) for product in ready]
        ids = _write_products(session, catalogue_id, ready, known)
        _write_photos(session, ready, ids, known, read, changes)
    return changes


SHOT = ("role", "azimuth", "elevation", "shot_index", "used_for")
"""What a photo shows; columns of :class:`Photo`, fields of :class:`FoundPhoto`."""


def _write_products(session: Session, catalogue_id: int, page: Sequence[FoundProduct], known: Known) -> dict[str, int]:
    """Insert and update products; SKU to id."""
    ids = {sku: row.id for sku, row in known.products.items()}
    new = [{"catalogue_id": catalogue_id, "sku": p.sku, **vars(columns_of(p))} for p in page if p.sku not in ids]
    if new:
        made = session.execute(insert(Product).returning(Product.id, Product.sku), new).all()
        ids |= {sku: id_ for id_, sku in made}
    moved = [
        {"id": row.id, **vars(columns_of(product))}
        for product in page
        if (row := known.products.get(product.sku))
        and any(getattr(row, name) != value for name, value in vars(columns_of(product)).items())
    ]
    if moved:
        session.execute(update(Product), moved)
    return ids


def _write_photos(
    session: Session,
    page: Sequence[FoundProduct],
    ids: dict[str, int],
    known: Known,
    read: dict[tuple[str, str], Read],
    changes: Changes,
) -> None:
    """New bytes make a new row, what is gone or replaced stops being current, the first photo is the chosen one."""
    inserts: list[dict[str, object]] = []
    updates: list[dict[str, object]] = []
    for product in page:
        product_id, first = ids[product.sku], product.photos[0].source_uri
        shown = {photo.source_uri for photo in product.photos}
        touched = False
        for stood in known.by_product.get(product_id, []):
            if stood.source_uri not in shown:
                updates.append({"id": stood.id, "current": False, "chosen": False})
                touched = True
        for photo in product.photos:
            row = known.photo(product.sku, photo.source_uri)
            seen = read.get((product.sku, photo.source_uri))
            chosen = photo.source_uri == first
            if row is not None and (seen is None or seen.sha256 == row.sha256):
                # A licence can change while the picture stays: the manifest's word of today counts.
                values = {name: getattr(photo, name) for name in ("file_stamp", "licence", "attribution", *SHOT)}
                values["chosen"] = chosen
                moved = {name for name, value in values.items() if getattr(row, name) != value}
                if moved:
                    updates.append({"id": row.id, **values})
                    touched |= bool(moved - {"file_stamp", *SHOT})
                continue
            if seen is None:
                continue  # it stood when we looked; whoever changed it since has seen more than we have
            touched = True
            if row is not None:
                updates.append({"id": row.id, "current": False, "chosen": False})
            inserts.append(
                {
                    "product_id": product_id,
                    "sha256": seen.sha256,
                    "width": seen.width,
                    "height": seen.height,
                    "bytes": photo.bytes,
                    "source_uri": photo.source_uri,
                    "file_stamp": photo.file_stamp,
                    "licence": photo.licence,
                    "attribution": photo.attribution,
                    **{name: getattr(photo, name) for name in SHOT},
                    "current": True,
                    "chosen": chosen,
                }
            )
        before = known.products.get(product.sku)
        if before is None or before.removed:
            changes.new.append(product.sku)
        elif touched:
            changes.changed.append(product.sku)
        else:
            changes.unchanged += 1
    for group in _by_columns(updates):
        session.execute(update(Photo), group)
    if inserts:
        session.execute(insert(Photo), inserts)


Row = TypeVar("Row", bound=Mapping[str, object])


def _by_columns(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows that set the same columns can go in one statement."""
    groups: dict[frozenset[str], list[Row]] = {}
    for row in rows:
        groups.setdefault(frozenset(row), []).append(row)
    return list(groups.values())


def _pages(found: Iterable[FoundProduct]) -> Iterator[list[FoundProduct]]:
    page: list[FoundProduct] = []
    for product in found:
        page.append(product)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
