"""Photos in a folder: which products it shows, and the bytes of each."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import cast

from core.errors import TransientError, UnreadablePhoto
from core.photos.files import open_regular
from core.photos.litter import Kind, Litter, is_system_folder, kind_of
from core.photos.names import safe_key
from core.photos.shot import VIEWERS_SIDES, Sides
from core.photos.size import photo_size
from db.catalogue import MISSING, FoundPhoto
from storage import StoreRefused
from storage.places import file_uri, uri_path
from tasks.artifacts import content_key
from tasks.house import House
from tasks.shots import AS_NAMED, Reading, Scan, found_products


def scan_folder(folder: Path, reading: Reading = AS_NAMED, *, root: str = "") -> Scan:
    """Products of a folder and of the folders below it, as :func:`core.photos.grouping.group_shots` has them.

    ``root``: the catalogue's name, where the folder has another one. Hidden files, links, pipes, devices, system
    folders and files that are no pictures by name are passed over.
    """
    photos: dict[str, FoundPhoto] = {}
    litter = Litter()
    for path, inside in _files(folder):
        kind = kind_of(inside)
        if kind is not Kind.PHOTO:
            litter.add(kind, inside)
        elif (photo := _regular(path)) is not None:
            photos[inside] = photo
    return Scan(found_products(photos, root=root or folder.name, reading=reading), litter.notes())


def sku_of(name: str) -> str:
    """The SKU that earlier versions made of a name; people may still ask with it."""
    plain = re.sub(r"\s+", "-", name.strip())
    return plain if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", plain) and ".." not in plain else safe_key(name)


def scan_photo(path: Path, *, sides: Sides = VIEWERS_SIDES) -> Scan:
    """One photo as a catalogue of one product. Raises ``OSError``."""
    return Scan(found_products({path.name: found_photo(path)}, reading=Reading(group=False, sides=sides)))


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file below a folder, and its path inside it with ``/`` between the parts."""
    for root, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not is_system_folder(name))
        inside = Path(root).relative_to(folder).parts
        for name in sorted(names):
            yield Path(root, name), "/".join((*inside, name))


def _regular(path: Path) -> FoundPhoto | None:
    """None for a link, a pipe, a device, or a file that has gone meanwhile."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return _found(path, status) if stat.S_ISREG(status.st_mode) else None


def found_photo(path: Path, licence: str | None = None) -> FoundPhoto:
    """Raises ``OSError`` where there is no such file."""
    return _found(path, path.lstat(), licence)


def _found(path: Path, status: os.stat_result, licence: str | None = None) -> FoundPhoto:
    # The change time is the server's own; a modification time may be a camera's, years ahead or behind.
    return FoundPhoto(file_uri(path), _fingerprint(status), status.st_size, licence, modified=status.st_ctime)


def missing_photo(path: Path, licence: str | None = None) -> FoundPhoto:
    """A photo that a manifest names and nobody delivered: its asset will say so."""
    return FoundPhoto(file_uri(path), MISSING, 0, licence)


def _fingerprint(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def hash_file(photo: FoundPhoto) -> str | None:
    """sha256 of a photo's bytes; None while it is still being written. An unreadable file hashes as its sentence, so
    that it becomes a product, and then a quarantined asset, like any other bad photo."""
    path = uri_path(photo.source_uri)
    try:
        with open_regular(path) as stream:
            digest = hashlib.file_digest(cast(BufferedReader, stream), "sha256").hexdigest()
            after = os.fstat(stream.fileno())
    except UnreadablePhoto as error:
        return hashlib.sha256(f"unreadable: {error}".encode()).hexdigest()
    return digest if _fingerprint(after) == photo.fingerprint else None


def size_of_file(photo: FoundPhoto) -> tuple[int, int] | None:
    """Width and height by the file's header."""
    try:
        with open_regular(uri_path(photo.source_uri)) as stream:
            return photo_size(stream)
    except UnreadablePhoto:
        return None


@dataclass(frozen=True)
class SourcePhoto:
    """A photo's bytes, or the file that holds them."""

    source: Path | bytes | None
    """None: the store has it already."""
    bytes: int


def read_source(house: House, uri: str, sha256: str) -> SourcePhoto:
    """The photo from where it lies, while it is still the one that was planned. Raises :class:`UnreadablePhoto`,
    :class:`TransientError` when it has changed since."""
    key = content_key(sha256, "")
    size = house.keep(lambda: house.store.size(key))
    if size is not None:  # a retry or a reproduction: the store has it, the folder may be long gone
        return SourcePhoto(None, size)
    if uri.startswith("s3://"):
        from tasks.remote import open_source

        remote, name = open_source(house, uri)

        def read() -> bytes:
            with remote.open(name) as stream:
                return stream.read()

        try:
            data = house.fetch(read)
        except StoreRefused as error:  # of this one object of somebody's bucket: our own store is another matter
            raise TransientError(str(error)) from error
    else:
        with open_regular(uri_path(uri)) as stream:
            data = stream.read()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise TransientError("The photo changed while the run was under way; the next run takes the new one.")
    return SourcePhoto(data, len(data))
