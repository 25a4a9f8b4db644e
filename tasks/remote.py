"""Photos in an S3 prefix: the same products that a folder of that shape would show."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable

from core.errors import InputError, ObjectMissing, PhotoUnavailable, StoreDown, UnreadablePhoto
from core.photos.limits import PhotoLimits
from core.photos.litter import Kind, Litter, kind_of
from core.photos.size import photo_size
from db.found import FoundPhoto
from storage import Store
from storage.places import bucket_of
from storage.store import CHUNK, Entry
from tasks.factory import Factory, open_place
from tasks.shots import AS_NAMED, Reading, Scan, found_products
from tasks.sources import as_content, check_size

NUL = "\u2400"
"""Unicode's symbol, in an object's URI, for the one character that no database keeps."""


def open_source(factory: Factory, uri: str) -> tuple[Store, str]:
    """The store of an ``s3://bucket/…`` URI, with the settings' endpoint and keys, and the key in its bucket.

    Raises :class:`UnreadablePhoto` for a key that no client can ask for, whatever the bucket holds.
    """
    bucket = bucket_of(uri)
    if bucket is None:
        raise InputError(f"{uri} is no s3://bucket/prefix.")
    if any(part in (".", "..") for part in bucket.prefix.split("/")):
        raise UnreadablePhoto("Its key has '.' or '..' between slashes, which nobody can ask for: rename the object.")
    if NUL in bucket.prefix:
        raise UnreadablePhoto("Its key holds a NUL character: rename the object.")
    return open_place(factory.settings.for_sources, f"s3://{bucket.name}"), bucket.prefix


def scan_prefix(factory: Factory, uri: str, reading: Reading = AS_NAMED) -> Scan:
    """Products below a prefix: the same that a folder of that shape would show."""
    store, prefix = open_source(factory, uri)
    base = uri[: len(uri) - len(prefix)].rstrip("/") + "/"
    prefix = prefix.rstrip("/") + "/" if prefix.strip("/") else ""
    try:
        entries = factory.retry_source(lambda: list(store.list(prefix)))
    except (ObjectMissing, StoreDown) as error:
        raise InputError(f"{uri} cannot be listed, so nothing was taken in or removed: {error}") from error
    name = (prefix or base).rstrip("/").rsplit("/", 1)[-1]
    return scan_listing(entries, base, prefix, name, reading)


def scan_listing(entries: Iterable[Entry], base: str, prefix: str, name: str, reading: Reading = AS_NAMED) -> Scan:
    """Products of a listing. ``base``: what a key's URI begins with; ``prefix``: what all the keys begin with."""
    photos: dict[str, FoundPhoto] = {}
    litter = Litter()
    for entry in entries:
        inside = entry.key.removeprefix(prefix)
        kind = kind_of(inside)
        if kind is Kind.PHOTO:
            photos[inside] = FoundPhoto(
                base + entry.key.replace("\0", NUL), entry.tag, entry.bytes, modified=entry.modified
            )
        else:
            litter.add(kind, inside)
    return Scan(found_products(photos, root=name, reading=reading), litter.notes())


def hash_object(factory: Factory, photo: FoundPhoto) -> str:
    """sha256 of an object's bytes, streamed. One object is never half uploaded, though its product's others may be."""
    try:
        check_size(photo.bytes)
        store, key = open_source(factory, photo.source_uri)
    except UnreadablePhoto as error:  # it becomes a product, and then a quarantined asset, like any other bad photo
        return as_content(error, photo)

    def read() -> str:
        digest = hashlib.sha256()
        with store.open(key) as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    try:
        return factory.retry_source(read)
    except ObjectMissing as error:
        raise PhotoUnavailable("The photo is not in its bucket any more.") from error


def read_object(factory: Factory, uri: str) -> bytes:
    """A photo's bytes, never more than a photo may have. Raises :class:`UnreadablePhoto`,
    :class:`PhotoUnavailable`."""
    store, key = open_source(factory, uri)
    most = PhotoLimits().max_bytes

    def read() -> bytes:
        check_size(store.size(key) or 0)
        with store.open(key) as stream:
            return stream.read(most + 1)

    try:
        data = factory.retry_source(read)
    except ObjectMissing as error:
        raise PhotoUnavailable("The photo is not in its bucket any more.") from error
    except StoreDown as error:  # somebody's bucket, or one object of it: our own store is another matter
        raise PhotoUnavailable(str(error)) from error
    check_size(len(data))
    return data


def size_of_object(factory: Factory, photo: FoundPhoto) -> tuple[int, int] | None:
    """Width and height by the object's first bytes, where the header stands in nearly every format."""
    try:
        check_size(photo.bytes)
        store, key = open_source(factory, photo.source_uri)
    except UnreadablePhoto:
        return None

    def read() -> bytes:
        with store.open(key) as stream:
            return stream.read(CHUNK)

    return photo_size(io.BytesIO(factory.retry_source(read)))
