"""Photos in an S3 prefix: the same products that a folder of that shape would show."""

from __future__ import annotations

import hashlib
import io
from pathlib import PurePosixPath

from core.errors import InputError
from core.photos.files import PHOTO_EXTENSIONS, REFUSED_EXTENSIONS
from core.photos.names import display_name
from core.photos.size import photo_size
from db.catalogue import FoundPhoto, FoundProduct
from storage import Store
from storage.places import bucket_of
from storage.store import CHUNK
from tasks.house import House, open_place
from tasks.sources import front_first, sku_of


def open_source(house: House, uri: str) -> tuple[Store, str]:
    """The store of an ``s3://bucket/…`` URI, with the settings' endpoint and keys, and the key in its bucket."""
    bucket = bucket_of(uri)
    if bucket is None:
        raise InputError(f"{uri} is no s3://bucket/prefix.")
    return open_place(house.settings, f"s3://{bucket.name}"), bucket.prefix


def scan_prefix(house: House, uri: str) -> list[FoundProduct]:
    """Products below a prefix: an object directly in it is one, a "folder" below it is one. By SKU."""
    store, prefix = open_source(house, uri)
    base = uri[: len(uri) - len(prefix)].rstrip("/") + "/"
    prefix = prefix.rstrip("/") + "/" if prefix.strip("/") else ""
    groups: dict[str, list[FoundPhoto]] = {}
    for entry in house.fetch(lambda: list(store.list(prefix))):
        inside = PurePosixPath(entry.key.removeprefix(prefix))
        if inside.suffix.lower() not in PHOTO_EXTENSIONS | REFUSED_EXTENSIONS or inside.name.startswith("."):
            continue
        name = str(inside.parent) if len(inside.parts) > 1 else inside.name
        groups.setdefault(name, []).append(
            FoundPhoto(base + entry.key, entry.tag, entry.bytes, modified=entry.modified)
        )
    stems = [sku_of(PurePosixPath(name).stem).casefold() for name in groups if "." in name]
    products: dict[str, FoundProduct] = {}
    for name, photos in sorted(groups.items()):
        stem = PurePosixPath(name).stem if len(photos) == 1 and photos[0].source_uri.endswith(f"/{name}") else name
        sku = sku_of(stem.replace("/", "-"))
        if sku in products or stems.count(sku.casefold()) > 1:
            sku = sku_of(name.replace(".", "-").replace("/", "-"))
        photos.sort(key=lambda p: front_first(PurePosixPath(p.source_uri).name, p.bytes))
        products[sku] = FoundProduct(sku, display_name(stem), tuple(photos))
    return [products[sku] for sku in sorted(products)]


def hash_object(house: House, photo: FoundPhoto) -> str:
    """sha256 of an object's bytes, streamed. One object is never half uploaded, though its product's others may be."""
    store, key = open_source(house, photo.source_uri)

    def read() -> str:
        digest = hashlib.sha256()
        with store.open(key) as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    return house.fetch(read)


def size_of_object(house: House, photo: FoundPhoto) -> tuple[int, int] | None:
    """Width and height by the object's first bytes, where the header stands in nearly every format."""
    store, key = open_source(house, photo.source_uri)

    def read() -> bytes:
        with store.open(key) as stream:
            return stream.read(CHUNK)

    return photo_size(io.BytesIO(house.fetch(read)))
