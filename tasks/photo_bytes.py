"""A photo's bytes, from wherever they lie: a folder, a bucket, or our own store."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from core.errors import TransientError
from core.photos.limits import PhotoLimits
from storage.places import uri_path
from tasks.artifacts import content_key, holds
from tasks.factory import Factory
from tasks.remote import read_object
from tasks.sources import check_size, opened


@dataclass(frozen=True)
class SourcePhoto:
    """A photo's bytes."""

    source: bytes | None
    """None: the store has it already."""
    bytes: int


def read_source(factory: Factory, uri: str, sha256: str) -> SourcePhoto:
    """The photo from where it lies, while it is still the one that was planned. Raises :class:`UnreadablePhoto`,
    :class:`PhotoUnavailable`, and :class:`TransientError` when it has changed since."""
    key = content_key(sha256, "")
    size = factory.retry_store(lambda: factory.store.size(key) if holds(factory, key, sha256) else None)
    if size is not None:  # a retry or a reproduction: the store has it, the folder may be long gone
        return SourcePhoto(None, size)
    data = fetch_source(factory, uri)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise TransientError("The photo changed while the run was under way; the next run takes the new one.")
    return SourcePhoto(data, len(data))


def fetch_source(factory: Factory, uri: str) -> bytes:
    """The bytes that lie there now, never more than a photo may have. Raises :class:`UnreadablePhoto`,
    :class:`PhotoUnavailable`."""
    if uri.startswith("s3://"):
        return read_object(factory, uri)
    with opened(uri_path(uri)) as stream:
        check_size(os.fstat(stream.fileno()).st_size)
        data = stream.read(PhotoLimits().max_bytes + 1)
    check_size(len(data))
    return data
