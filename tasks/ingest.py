"""Take in a catalogue from wherever it lies: a folder, a ZIP file, an S3 prefix, a manifest, one photo."""

from __future__ import annotations

import errno
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from core.errors import InputError
from core.photos.litter import is_picture
from core.photos.names import display_name
from db.catalogue import Changes, ProductsLost, ensure_catalogue, is_known, known_skus, sync_products
from db.found import FoundProduct
from storage.places import bucket_of, file_uri
from tasks.archives import unpack
from tasks.factory import Factory
from tasks.manifests import scan_manifest
from tasks.readings import Readings
from tasks.remote import scan_prefix
from tasks.shots import Reading, Scan
from tasks.sources import not_looked_at, scan_folder, scan_photo

SHOWN = 20
"""Products whose grouping is shown."""

LONGEST_NAME = 180
"""Characters of a catalogue's name; a number may be added."""


def ingest_source(
    factory: Factory, source: str, settle_seconds: float = 0.0, *, group: bool = True, allow_removal: bool = False
) -> tuple[int, Changes]:
    """The catalogue's id and what changed in it.

    Files that changed within ``settle_seconds`` may still be uploading and wait, and with them their product. A
    database or an S3 server that is being restarted is waited for. ``group`` False: every photo directly in a folder
    is a product of its own. Raises :class:`InputError` with a sentence, and removes nothing, for a source that is not
    there, shows nothing or has lost more than a fifth of its products, unless ``allow_removal``.
    """
    scan, name, uri = scan_source(factory, source, group=group)
    products = iter(scan.products)
    first = next(products, None)
    if first is None and not (allow_removal and scan.unread is None and factory.retry_database(is_known, uri)):
        raise InputError(nothing_found(source, scan.notes, scan.unread))
    shown = products if first is None else chain([first], products)
    seen, readings = _Seen(), Readings(factory, settle_seconds)
    catalogue_id = factory.retry_database(ensure_catalogue, display_name(name)[:LONGEST_NAME], uri)
    try:
        changes = sync_products(
            factory.engine,
            catalogue_id,
            seen.count(shown),
            readings.sha256,
            readings.size,
            unread=scan.unread,
            allow_removal=allow_removal,
            patience=lambda transaction: factory.retry_database(lambda _: transaction()),
        )
    except ProductsLost as error:
        raise InputError(
            f"{display_name(source)} has lost {error.lost:,} of {error.stood:,} products, more than a fifth: nothing "
            f"was removed. {scan.unread or 'Check that it is mounted and complete.'} If they are meant to go, say "
            "--allow-removal."
        ) from error
    changes.photos, changes.grouped, changes.notes = seen.photos, seen.lines(), list(scan.notes)
    factory.listener.ingested(changes)
    return catalogue_id, changes


def scan_source(factory: Factory, source: str, *, group: bool = True) -> tuple[Scan, str, str]:
    """What a source shows, its name and its URI. Raises :class:`InputError` where it is not there."""
    bucket = bucket_of(source)
    if bucket is not None:
        plain = f"s3://{bucket.name}/{bucket.prefix}".rstrip("/")  # however its scheme was written
        return scan_prefix(factory, plain, _reading(factory, plain, group)), plain.rsplit("/", 1)[-1], plain
    path = _local(source)
    uri = file_uri(path)
    if path.is_dir():
        scan = scan_folder(path, _reading(factory, uri, group))
    elif path.suffix.lower() == ".zip":
        unpacked, root = unpack(factory.settings.home_path, path)
        scan = scan_folder(unpacked, _reading(factory, uri, group), root=root)
    elif is_picture(path.name):
        scan = scan_photo(path, sides=factory.settings.sides)
    else:
        scan = scan_manifest(path, sides=factory.settings.sides)
    return scan, path.name or "photos", uri


def _reading(factory: Factory, uri: str, group: bool) -> Reading:
    """How the names of a source are read: as the settings and the products that it showed before say."""
    known = factory.retry_database(known_skus, uri) if group else frozenset()
    return Reading(group, factory.settings.sides, known)


def nothing_found(source: str, notes: Iterable[str], unread: str | None = None) -> str:
    """A sentence for a source without a photo, with what lies there instead."""
    return " ".join([f"There are no photos in {display_name(source)}.", *([unread] if unread else []), *notes])


class _Seen:
    """Counts products on their way into the database, and remembers the grouping of the first ones."""

    def __init__(self) -> None:
        self.photos = self.products = self.several = 0
        self._shown: list[str] = []

    def count(self, products: Iterable[FoundProduct]) -> Iterator[FoundProduct]:
        for product in products:
            self.products += 1
            self.photos += len(product.photos)
            if len(product.photos) > 1:
                self.several += 1
                if len(self._shown) < SHOWN:
                    self._shown.append(_shots(product))
            yield product

    def lines(self) -> list[str]:
        if not self.several:
            return []
        products = "1 product" if self.products == 1 else f"{self.products} products"
        head = f"{self.photos} photos show {products}, {self.several} with several photos:"
        more = self.several - len(self._shown)
        return [head, *self._shown, *([f"  and {more} more"] if more > 0 else [])]


def _shots(product: FoundProduct) -> str:
    roles = Counter(
        photo.role if photo.used_for in ("main", "geometry") else f"{photo.role}, {NOT_USED[photo.used_for]}"
        for photo in product.photos
    )
    said = "; ".join(f"{count} {role}" if count > 1 else role for role, count in roles.items())
    main = display_name(product.photos[0].source_uri.rsplit("/", 1)[-1])
    return f"  {product.sku}: {len(product.photos)} photos ({said}), built from {main}"


NOT_USED = {"record": "kept", "copy": "a copy", "unreadable": "unreadable"}
"""How people are told what a photo is not used for."""


def _local(source: str) -> Path:
    """The folder or manifest of that name. Raises :class:`InputError` where there is none."""
    try:
        path = Path(source).expanduser().resolve()
        if stat.S_ISDIR(mode := path.stat().st_mode) or stat.S_ISREG(mode):
            return path
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP):
            raise InputError(not_looked_at(error)) from error
    except (RuntimeError, ValueError):  # a loop of links, an unknown user's home, a NUL character
        pass
    raise InputError(f"There is no folder or manifest {display_name(source)}.")
