"""The object store: one protocol, a local folder and S3/MinIO behind it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from storage.store import Entry, ObjectDamaged, ObjectMissing, Store, StoreDown, copy_to_file, read_bytes

__all__ = ["Entry", "ObjectDamaged", "ObjectMissing", "Store", "StoreDown", "copy_to_file", "open_store", "read_bytes"]


def open_store(
    url: str,
    *,
    endpoint: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    region: str | None = None,
) -> Store:
    """The store of ``file:///folder``, a plain path, or ``s3://bucket/prefix``. Raises ``ValueError``."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        from storage.folder import FolderStore

        return FolderStore(Path(unquote(parts.path) if parts.scheme else url))
    if parts.scheme == "s3":
        from storage.s3 import open_s3

        if not endpoint:
            raise ValueError("An s3:// store needs MESHMILL_S3_ENDPOINT, for example http://127.0.0.1:9000.")
        return open_s3(parts.netloc, parts.path, endpoint, access_key, secret_key, region)
    raise ValueError(f"The store URL {url!r} is neither file:// nor s3://.")
