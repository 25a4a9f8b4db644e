"""Artifacts into the store and out of it: content addresses, media types, rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from db.stage_runs import NewArtifact, Stored, photo_artifact
from storage import read_bytes
from tasks.house import House

MEDIA_TYPES = {
    ".glb": "model/gltf-binary",
    ".usdz": "model/vnd.usdz+zip",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".json": "application/json",
    ".npz": "application/x-npz",
    ".ply": "model/ply",
    ".mp4": "video/mp4",
}


def content_key(sha256: str, suffix: str) -> str:
    """The object's key: equal bytes are one object, and no name from outside gets into it."""
    return f"objects/{sha256[:2]}/{sha256}{suffix}"


def kind_of(name: str) -> str:
    """``asset.glb`` is the ``glb``, ``report.json`` the ``report``, ``cutout.png`` the picture ``cutout.png``."""
    stem, _, suffix = name.rpartition(".")
    if name in ("asset.glb", "model.glb") or (suffix == "glb" and stem == ""):
        return "glb"
    return stem if suffix in ("npz", "json") else name


def store_file(house: House, name: str, data: bytes, alive: Callable[[], None] = lambda: None) -> NewArtifact:
    """Put one made file into the store, waiting out an outage; its row comes with the stage run's end."""
    suffix = Path(name).suffix.lower()
    sha256 = hashlib.sha256(data).hexdigest()
    key = content_key(sha256, suffix)
    media_type = MEDIA_TYPES.get(suffix, "application/octet-stream")
    house.keep(lambda: _put(house, data, key, sha256, len(data), media_type), alive)
    return NewArtifact(kind_of(name), key, house.store.uri(key), sha256, len(data), media_type)


def store_photo(house: House, source: Path | bytes, sha256: str, size: int) -> Stored:
    """Keep a photo's own bytes, which reproduction starts from. The type is not guessed from its name: photos are
    served as downloads only."""
    key = content_key(sha256, "")
    media_type = "application/octet-stream"
    house.keep(lambda: _put(house, source, key, sha256, size, media_type))
    return house.ask(photo_artifact, NewArtifact("photo", key, house.store.uri(key), sha256, size, media_type))


def _put(house: House, source: Path | bytes, key: str, sha256: str, size: int, media_type: str) -> None:
    """Equal bytes are stored once; an object of another length was left by a server that died in mid-upload."""
    if house.store.size(key) != size:
        house.store.put(source, key, sha256, media_type)


def load(house: House, artifact: Stored) -> bytes:
    """Raises ObjectMissing, ObjectDamaged, StoreDown."""
    return house.keep(lambda: read_bytes(house.store, artifact.key, artifact.sha256))


def exists(house: House, artifact: Stored) -> bool:
    return house.keep(lambda: house.store.size(artifact.key)) == artifact.bytes
