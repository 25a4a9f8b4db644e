"""Take in a catalogue from wherever it lies: a folder, an S3 prefix, a manifest."""

from __future__ import annotations

import time
from pathlib import Path

from core.errors import InputError
from db.catalogue import Changes, FoundPhoto, ensure_catalogue, sync_products
from storage.places import file_uri
from tasks.house import House
from tasks.manifests import read_manifest
from tasks.remote import hash_object, scan_prefix, size_of_object
from tasks.sources import hash_file, scan_folder, size_of_file


def ingest_source(house: House, source: str, settle_seconds: float = 0.0) -> tuple[int, Changes]:
    """The catalogue's id and what changed in it.

    Files that changed within ``settle_seconds`` may still be uploading and wait, and with them their product. A
    database or an S3 server that is being restarted is waited for. Raises :class:`InputError` with a sentence for a
    source that is not there.
    """
    now = time.time()
    remote = source.startswith("s3://")

    def read_hash(photo: FoundPhoto) -> str | None:
        # A time in the future is a wrong clock, here or in the camera: waiting for it could take years.
        if settle_seconds and photo.modified is not None and 0 <= now - photo.modified < settle_seconds:
            return None
        return hash_object(house, photo) if remote else hash_file(photo)

    def read_size(photo: FoundPhoto) -> tuple[int, int] | None:
        return size_of_object(house, photo) if remote else size_of_file(photo)

    if remote:
        products, name, uri = scan_prefix(house, source), source.rstrip("/").rsplit("/", 1)[-1], source.rstrip("/")
    else:
        path = Path(source).expanduser().resolve()
        if path.is_dir():
            products = scan_folder(path)
        elif path.is_file():
            products = read_manifest(path)
        else:
            raise InputError(f"There is no folder or manifest {source}.")
        name, uri = path.name or "photos", file_uri(path)
    catalogue_id = house.ask(ensure_catalogue, name, uri)
    return catalogue_id, sync_products(
        house.engine,
        catalogue_id,
        products,
        read_hash,
        read_size,
        patience=lambda transaction: house.ask(lambda _: transaction()),
    )
