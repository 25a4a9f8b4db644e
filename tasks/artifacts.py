"""Artifacts into the store and out of it: content addresses, media types, rows."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from core.errors import ObjectMissing, StoreDown
from db.housekeeping import ObjectsCollected, spare
from db.stage_runs import NewArtifact, Stored, photo_artifact
from storage import is_whole, read_bytes
from tasks.factory import Factory
from tasks.ownership import register

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


def store_file(factory: Factory, name: str, data: bytes, alive: Callable[[], None] = lambda: None) -> NewArtifact:
    """Put one made file into the store, waiting out an outage; its row comes with the stage run's end."""
    suffix = Path(name).suffix.lower()
    sha256 = hashlib.sha256(data).hexdigest()
    key = content_key(sha256, suffix)
    media_type = MEDIA_TYPES.get(suffix, "application/octet-stream")
    put(factory, data, key, sha256, media_type, alive)
    return NewArtifact(kind_of(name), key, factory.store.uri(key), sha256, len(data), media_type)


def store_photo(factory: Factory, source: Path | bytes | None, sha256: str, size: int) -> Stored:
    """Keep a photo's own bytes, which reproduction starts from; ``source`` None: the store has them already. The type
    is not guessed from its name: photos are served as downloads only. Raises ``ObjectMissing`` where it went since."""
    key = content_key(sha256, "")
    media_type = "application/octet-stream"
    for _ in range(TRIES):
        if source is not None:
            put(factory, source, key, sha256, media_type)
        else:
            _spare(factory, key)
            if factory.retry_store(lambda: factory.store.size(key)) is None:
                raise ObjectMissing(f"There is no object {key} any more.")
        with suppress(ObjectsCollected):
            return factory.retry_database(
                photo_artifact, NewArtifact("photo", key, factory.store.uri(key), sha256, size, media_type)
            )
    raise StoreDown(f"The object {key} was collected again and again while it was being recorded.")


TRIES = 5
"""Garbage collection can be in the way of storing a file once, not again and again."""


def put(
    factory: Factory,
    source: Path | bytes,
    key: str,
    sha256: str,
    media_type: str,
    alive: Callable[[], None] = lambda: None,
) -> None:
    """An object that stands when this returns. Equal bytes are stored once; what a server that died in mid-upload, or
    a disk that forgets, made of them is replaced."""
    register(factory)
    _spare(factory, key, alive)
    size = len(source) if isinstance(source, bytes) else source.stat().st_size

    def work() -> None:
        if factory.store.size(key) != size or not holds(factory, key, sha256):
            factory.store.put(source, key, sha256, media_type)

    factory.retry_store(work, alive)


def _spare(factory: Factory, key: str, alive: Callable[[], None] = lambda: None) -> None:
    """No garbage collection that is under way takes the object; one that is just deleting it is waited for."""
    while not factory.retry_database(spare, key):
        alive()
        if factory.stopping.wait(PAUSE):
            raise StoreDown(f"The object {key} is being deleted.")


PAUSE = 0.2


def holds(factory: Factory, key: str, sha256: str) -> bool:
    """Whether the store has these bytes under this key; streamed. Bytes on a bad sector are none."""
    try:
        return is_whole(factory.store, key, sha256)
    except ObjectMissing:
        return False
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return False


def load(factory: Factory, artifact: Stored) -> bytes:
    """Raises ObjectMissing, ObjectDamaged, StoreDown."""
    return factory.retry_store(lambda: read_bytes(factory.store, artifact.key, artifact.sha256))


def whole(factory: Factory, artifact: Stored) -> bool:
    """Whether the object stands in the store, byte for byte. Its size is asked first: most damage shows there."""

    def look() -> bool:
        return factory.store.size(artifact.key) == artifact.bytes and holds(factory, artifact.key, artifact.sha256)

    return factory.retry_store(look)
