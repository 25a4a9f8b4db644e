"""A local folder as the store: temporary name, fsync, verify, rename."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from core.errors import ObjectMissing, StoreDown
from storage.places import file_uri
from storage.store import CHUNK, Entry, check_key

TEMPORARY = ".tmp"


class FolderStore:
    """Objects are files below ``root``; half-written ones live in ``root/.tmp`` and are never listed."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def path(self, key: str) -> Path:
        """Where the object lies, or would."""
        return self._path(key)

    def put(self, source: Path | bytes, key: str, sha256: str, media_type: str) -> None:
        final = self._path(key)
        partial = self.root / TEMPORARY / uuid.uuid4().hex
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("xb") as out:
                digest = _copy(source, out)
                out.flush()
                os.fsync(out.fileno())
            if digest != sha256:
                raise StoreDown(f"The object {key} changed while it was being stored.")
            final.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(final)
            _sync_folder(final.parent)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        try:
            stream = self._path(key).open("rb")
        except FileNotFoundError as error:
            raise ObjectMissing(f"There is no object {key} in {self.root}.") from error
        except OSError as error:
            raise self._unreadable(error) from error
        with stream:
            yield stream

    def size(self, key: str) -> int | None:
        try:
            return self._path(key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unreadable(error) from error

    def _unwritable(self, error: OSError) -> StoreDown:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "its disk is full: free some space there" if full else error.strerror or str(error)
        return StoreDown(f"The store folder {self.root} cannot be written: {why}.")

    def delete(self, key: str) -> None:
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def list(self, prefix: str = "") -> Iterator[Entry]:
        start = self.root / prefix if prefix.endswith("/") else self.root
        for folder, names, files in os.walk(start, onerror=self._not_listed):
            names[:] = sorted(name for name in names if name != TEMPORARY)
            for name in sorted(files):
                path = Path(folder) / name
                if path.relative_to(self.root).as_posix().startswith(prefix):
                    with suppress(FileNotFoundError):  # deleted just now
                        yield self._entry(path)

    def _not_listed(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> StoreDown:
        return StoreDown(f"The store folder {self.root} cannot be read: {error.strerror or error}.")

    def unfinished(self) -> Iterator[Entry]:
        for path in sorted((self.root / TEMPORARY).glob("*")):
            with suppress(FileNotFoundError):  # finished just now
                yield self._entry(path)

    def _entry(self, path: Path) -> Entry:
        stat = path.stat()
        key = path.relative_to(self.root).as_posix()
        return Entry(key, stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}", stat.st_mtime)

    def uri(self, key: str) -> str:
        return file_uri(self._path(key))

    def link(self, key: str, seconds: int = 3600) -> str:
        return self.uri(key)


def _copy(source: Path | bytes, out: BinaryIO) -> str:
    """Write the source and return its sha256."""
    digest = hashlib.sha256()
    if isinstance(source, bytes):
        digest.update(source)
        out.write(source)
        return digest.hexdigest()
    with source.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
