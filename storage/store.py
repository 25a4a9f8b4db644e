"""The object store's protocol: whole objects by key, written once, verified, streamed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from core.errors import ObjectDamaged
from core.whole_file import whole_file

CHUNK = 1 << 20
"""Bytes moved at a time: no object is held whole in memory unless a caller asks for its bytes."""


@dataclass(frozen=True)
class Entry:
    """One listed object."""

    key: str
    bytes: int
    tag: str
    """Changes whenever the object does: the ETag, or size and modification time."""
    modified: float
    """Seconds since the epoch."""


class Store(Protocol):
    """What the factory needs of a store. Tags, metadata, conditional writes and listing as state are not in it:
    minimal S3 servers lack or break them."""

    def put(self, source: Path | bytes, key: str, sha256: str, media_type: str) -> None:
        """Store an object; it becomes readable under ``key`` only whole and verified. Raises :class:`StoreDown`."""

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Stream an object. Raises :class:`ObjectMissing`, :class:`StoreDown`."""

    def size(self, key: str) -> int | None:
        """Bytes of the object, None where there is none."""

    def delete(self, key: str) -> None:
        """Remove an object; no error where there is none."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Every object below a prefix, in no promised order."""

    def unfinished(self) -> Iterator[Entry]:
        """Uploads that were never finished, under keys that :meth:`delete` takes; an S3 server keeps its own to
        itself."""

    def uri(self, key: str) -> str:
        """Where other programs find the object."""

    def link(self, key: str, seconds: int = 3600) -> str:
        """A link that a browser can open for a while."""


def read_bytes(store: Store, key: str, sha256: str) -> bytes:
    """A whole object, verified. Raises :class:`ObjectMissing`, :class:`ObjectDamaged`, :class:`StoreDown`."""
    with store.open(key) as stream:
        data = stream.read()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ObjectDamaged(f"The object {key} is damaged: its checksum is not the recorded one.")
    return data


def is_whole(store: Store, key: str, sha256: str) -> bool:
    """Whether an object's bytes are those that were recorded; streamed. Raises :class:`ObjectMissing`,
    :class:`StoreDown`."""
    digest = hashlib.sha256()
    with store.open(key) as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == sha256


def copy_to_file(store: Store, key: str, sha256: str, path: Path) -> None:
    """Stream an object into a file that appears only whole and verified."""
    digest = hashlib.sha256()
    with whole_file(path) as partial:
        with store.open(key) as stream, partial.open("xb") as out:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                out.write(chunk)
        if digest.hexdigest() != sha256:
            raise ObjectDamaged(f"The object {key} is damaged: its checksum is not the recorded one.")


def check_key(key: str) -> str:
    """Keys are relative, without ``..``, backslashes or control characters. Raises ``ValueError``."""
    parts = key.split("/")
    if not key or any(p in ("", ".", "..") for p in parts) or "\\" in key or not key.isprintable() or len(key) > 900:
        raise ValueError(f"{key!r} is not a safe object key.")
    return key
