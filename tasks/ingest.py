"""Take in a catalogue from wherever it lies: a folder, an S3 prefix, a manifest."""

from __future__ import annotations

import time
from pathlib import Path

from core.errors import InputError
from db.catalogue import Changes, FoundPhoto, ensure_catalogue, sync_products
from tasks.house import House
from tasks.manifests import read_manifest
from tasks.remote import hash_object, scan_prefix
from tasks.sources import file_uri, hash_file, scan_folder, uri_path


def ingest_source(house: House, source: str, settle_seconds: float = 0.0) -> tuple[int, Changes]:
    """The catalogue's id and what changed in it. Files younger than ``settle_seconds`` may still be uploading and
    wait. Raises :class:`InputError` with a sentence for a source that is not there."""

    def settled(photo: FoundPhoto) -> str | None:
        if photo.source_uri.startswith("s3://"):
            return hash_object(house, photo)
        if settle_seconds and time.time() - uri_path(photo.source_uri).lstat().st_mtime < settle_seconds:
            return None
        return hash_file(photo)

    if source.startswith("s3://"):
        products, name, uri = scan_prefix(house, source), source.rstrip("/").rsplit("/", 1)[-1], source
    else:
        path = Path(source).expanduser().resolve()
        if path.is_dir():
            products = scan_folder(path)
        elif path.is_file():
            products = read_manifest(path)
        else:
            raise InputError(f"There is no folder or manifest {source}.")
        name, uri = path.name or "photos", file_uri(path)
    catalogue_id = ensure_catalogue(house.engine, name, uri)
    return catalogue_id, sync_products(house.engine, catalogue_id, products, settled)
