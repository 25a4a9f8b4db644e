"""The object store: one protocol, a local folder and S3/MinIO behind it."""

from __future__ import annotations

from pathlib import Path

from storage.places import place_of
from storage.store import Entry, Store, copy_to_file, is_whole, read_bytes

__all__ = [
    "Entry",
    "Store",
    "copy_to_file",
    "is_whole",
    "open_store",
    "read_bytes",
]


def open_store(
    url: str,
    *,
    endpoint: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    region: str | None = None,
    session_token: str | None = None,
) -> Store:
    """The store of ``file:///folder``, a plain path, or ``s3://bucket/prefix``. Raises ``ValueError``."""
    place = place_of(url)
    if isinstance(place, Path):
        from storage.folder import FolderStore

        return FolderStore(place)
    from storage.s3 import open_s3

    if not endpoint:
        raise ValueError("An s3:// store needs MESHMILL_S3_ENDPOINT, for example http://127.0.0.1:9000.")
    return open_s3(place.name, place.prefix, endpoint, access_key, secret_key, region, session_token)
