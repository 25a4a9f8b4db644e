"""Where photos come from: which products a folder shows, under which SKUs, and their hashes."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePath
from typing import cast

from core.errors import TransientError, UnreadablePhoto
from core.photos.files import PHOTO_EXTENSIONS, REFUSED_EXTENSIONS, open_regular
from core.photos.names import display_name, safe_key
from core.photos.size import photo_size
from db.catalogue import FoundPhoto, FoundProduct
from storage.places import file_uri, uri_path
from tasks.artifacts import content_key
from tasks.house import House

FRONT = re.compile(r"(?:^|[^a-z])(?:front|main|hero|cover|01|1)(?:[^a-z0-9]|$)")
"""File names that photographers give the best view."""


def scan_folder(folder: Path) -> list[FoundProduct]:
    """Products of a folder: each photo directly in it is one, each sub-folder with photos is one. By SKU.

    Hidden files, links, pipes, devices and files that are no pictures by name are passed over.
    """
    groups: dict[tuple[str, ...], list[_File]] = {}
    start = len(folder.parts)
    for path, status in _photo_files(folder):
        inside = path.parts[start:]
        groups.setdefault(inside[:-1] or inside, []).append((path, status))
    stems = Counter(
        sku_of(Path(group[-1]).stem).casefold() for group, files in groups.items() if _single(group, files, folder)
    )
    products: dict[str, FoundProduct] = {}
    for group, files in sorted(groups.items()):
        if _single(group, files, folder):
            name = Path(group[0]).stem
            sku = sku_of(name)
            if stems[sku.casefold()] > 1:  # teapot.png and teapot.jpg are two products
                sku = sku_of(group[0].replace(".", "-"))
        else:
            name = "/".join(group)
            sku = sku_of("-".join(group))
        if sku in products:
            sku = safe_key("/".join(group))
        best_first = sorted(files, key=lambda file: front_first(file[0].name, file[1].st_size))
        photos = tuple(_found(path, status) for path, status in best_first)
        products[sku] = FoundProduct(sku, display_name(name), photos)
    return [products[sku] for sku in sorted(products)]


_File = tuple[Path, os.stat_result]


def _single(group: tuple[str, ...], files: list[_File], folder: Path) -> bool:
    return len(group) == 1 and files[0][0].parent == folder


def sku_of(name: str) -> str:
    """The name itself where it is plain; else a safe key, unlike for unlike names."""
    plain = re.sub(r"\s+", "-", name.strip())
    return plain if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", plain) and ".." not in plain else safe_key(name)


def front_first(name: str, size: int) -> tuple[bool, int, str]:
    """Sorts photos of one product: the front view by its name, else the largest; the first is built, all recorded."""
    return FRONT.search(PurePath(name).stem.lower()) is None, -size, name


def _photo_files(folder: Path) -> Iterator[_File]:
    for root, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root, name)
            if name.startswith(".") or path.suffix.lower() not in PHOTO_EXTENSIONS | REFUSED_EXTENSIONS:
                continue
            try:
                status = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield path, status


def found_photo(path: Path, licence: str | None = None) -> FoundPhoto:
    """Raises ``OSError`` where there is no such file."""
    return _found(path, path.lstat(), licence)


def _found(path: Path, status: os.stat_result, licence: str | None = None) -> FoundPhoto:
    # The change time is the server's own; a modification time may be a camera's, years ahead or behind.
    return FoundPhoto(file_uri(path), _fingerprint(status), status.st_size, licence, modified=status.st_ctime)


def missing_photo(path: Path, licence: str | None = None) -> FoundPhoto:
    """A photo that a manifest names and nobody delivered: its asset will say so."""
    return FoundPhoto(file_uri(path), "missing", 0, licence)


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

    source: Path | bytes
    bytes: int


def read_source(house: House, uri: str, sha256: str) -> SourcePhoto:
    """The photo from where it lies, while it is still the one that was planned. Raises :class:`UnreadablePhoto`,
    :class:`TransientError` when it has changed since."""
    key = content_key(sha256, "")
    size = house.keep(lambda: house.store.size(key))
    if size is not None:  # a retry or a reproduction: the store has it, the folder may be long gone
        return SourcePhoto(b"", size)
    if uri.startswith("s3://"):
        from tasks.remote import open_source

        remote, name = open_source(house, uri)

        def read() -> bytes:
            with remote.open(name) as stream:
                return stream.read()

        data = house.fetch(read)
    else:
        with open_regular(uri_path(uri)) as stream:
            data = stream.read()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise TransientError("The photo changed while the run was under way; the next run takes the new one.")
    return SourcePhoto(data, len(data))
