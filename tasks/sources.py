"""Photos in a folder: which products it shows, and the bytes of each."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core.errors import PhotoUnavailable, UnreadablePhoto
from core.photos.files import open_regular, unavailable
from core.photos.limits import PhotoLimits
from core.photos.litter import Kind, Litter, is_system_folder, kind_of
from core.photos.names import display_name, safe_key
from core.photos.shot import VIEWERS_SIDES, Sides
from core.photos.size import photo_size
from db.found import MISSING, FoundPhoto, NotNow
from storage.places import file_uri, uri_path
from storage.store import CHUNK
from tasks.shots import AS_NAMED, Reading, Scan, found_products


def scan_folder(folder: Path, reading: Reading = AS_NAMED, *, root: str = "") -> Scan:
    """Products of a folder and of the folders below it, as :func:`core.photos.grouping.group_shots` has them.

    ``root``: the catalogue's name, where the folder has another one. Hidden files, links, pipes, devices, system
    folders and files that are no pictures by name are passed over.
    """
    photos: dict[str, FoundPhoto] = {}
    litter = Litter()
    unread: list[OSError] = []
    for path, inside in _files(folder, unread.append):
        kind = kind_of(inside)
        if kind is not Kind.PHOTO:
            litter.add(kind, inside)
        elif (photo := _regular(path, unread.append)) is not None:
            photos[inside] = photo
    products = found_products(photos, root=root or folder.name, reading=reading)
    return Scan(products, litter.notes(), not_looked_at(unread[0]) if unread else None)


def not_looked_at(error: OSError) -> str:
    """A sentence about a folder or a file that nobody could look at."""
    name = display_name(os.fspath(error.filename or "a part of it"))
    return f"{name} cannot be read now ({error.strerror or type(error).__name__}): check its mount and permissions."


def sku_of(name: str) -> str:
    """The SKU that earlier versions made of a name; people may still ask with it."""
    plain = re.sub(r"\s+", "-", name.strip())
    return plain if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", plain) and ".." not in plain else safe_key(name)


def scan_photo(path: Path, *, sides: Sides = VIEWERS_SIDES) -> Scan:
    """One photo as a catalogue of one product. Raises ``OSError``."""
    return Scan(found_products({path.name: found_photo(path)}, reading=Reading(group=False, sides=sides)))


def _files(folder: Path, unread: Callable[[OSError], None]) -> Iterator[tuple[Path, str]]:
    """Every file below a folder, and its path inside it with ``/`` between the parts."""
    for root, folders, names in os.walk(folder, onerror=unread, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not is_system_folder(name))
        inside = Path(root).relative_to(folder).parts
        for name in sorted(names):
            yield Path(root, name), "/".join((*inside, name))


def _regular(path: Path, unread: Callable[[OSError], None]) -> FoundPhoto | None:
    """None for a link, a pipe, a device, or a file that has gone meanwhile."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        unread(error)
        return None
    return _found(path, status) if stat.S_ISREG(status.st_mode) else None


def found_photo(path: Path, licence: str | None = None) -> FoundPhoto:
    """Raises ``OSError`` where there is no such file."""
    return _found(path, path.lstat(), licence)


def _found(path: Path, status: os.stat_result, licence: str | None = None) -> FoundPhoto:
    # The change time is the server's own; a modification time may be a camera's, years ahead or behind.
    return FoundPhoto(file_uri(path), file_stamp(status), status.st_size, licence, modified=status.st_ctime)


def missing_photo(path: Path, licence: str | None = None) -> FoundPhoto:
    """A photo that a manifest names and nobody delivered: its asset will say so."""
    return FoundPhoto(file_uri(path), MISSING, 0, licence)


def file_stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def hash_file(photo: FoundPhoto) -> str | NotNow:
    """sha256 of a photo's bytes. What is no photo whatever the day (a link, a name that nothing can have, a file of
    gigabytes) hashes as its sentence, so that it becomes a product, and then a quarantined asset, like any other bad
    photo; what the surroundings keep from being read waits."""
    digest = hashlib.sha256()
    try:
        check_size(photo.bytes)
        with opened(uri_path(photo.source_uri)) as stream:
            left = photo.bytes
            while left >= 0 and (chunk := stream.read(CHUNK)):
                digest.update(chunk)
                left -= len(chunk)
            after = os.fstat(stream.fileno())
    except UnreadablePhoto as error:
        return as_content(error, photo)
    except PhotoUnavailable as error:
        return NotNow(str(error))
    return digest.hexdigest() if file_stamp(after) == photo.file_stamp else BEING_WRITTEN


BEING_WRITTEN = NotNow("It is still being written.")


def as_content(error: UnreadablePhoto, photo: FoundPhoto) -> str:
    """What stands for the sha256 of a photo that will never be read, until it is another file."""
    return hashlib.sha256(f"unreadable: {error} {photo.file_stamp}".encode()).hexdigest()


def check_size(size: int) -> None:
    """Raises :class:`UnreadablePhoto` for a file that is larger than any photo, before a byte of it is read."""
    most = PhotoLimits().max_bytes
    if size > most:
        raise UnreadablePhoto(
            f"The file has {size / 2**20:,.0f} MiB; at most {most // 2**20} are read: save the photo smaller."
        )


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A photo's file, with every error of the surroundings as :class:`PhotoUnavailable`."""
    with open_regular(path) as stream:
        try:
            yield stream
        except OSError as error:
            raise unavailable(error) from error


def size_of_file(photo: FoundPhoto) -> tuple[int, int] | None:
    """Width and height by the file's header; None where it cannot be read."""
    try:
        check_size(photo.bytes)
        with opened(uri_path(photo.source_uri)) as stream:
            return photo_size(stream)
    except (UnreadablePhoto, PhotoUnavailable):
        return None
