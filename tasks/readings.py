"""What ingestion reads of each photo: hash and size, or why neither can be had now. No photo stops the others."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field

from core.errors import PhotoUnavailable, StoreDown, StoreRefused, TransientError
from core.photos.files import unavailable
from db.found import MISSING, FoundPhoto, NotNow
from tasks.factory import Factory
from tasks.remote import hash_object, size_of_object
from tasks.sources import BEING_WRITTEN, hash_file, size_of_file

DOWN = 2
"""Objects in a row that a store did not give in all its patience: then it is down, and the night ends."""


@dataclass
class Readings:
    """Reads the photos of one source. Photos younger than ``settle_seconds`` may still be uploading and wait."""

    factory: Factory
    settle_seconds: float = 0.0
    began: float = field(default_factory=lambda: time.time())
    down: int = 0

    def sha256(self, photo: FoundPhoto) -> str | NotNow:
        """The hash of a photo's bytes. Raises :class:`TransientError` where its store does not answer any more."""
        if photo.file_stamp == MISSING:
            return hashlib.sha256(f"missing: {photo.source_uri}".encode()).hexdigest()
        if self._is_young(photo):
            return BEING_WRITTEN
        try:
            found = hash_object(self.factory, photo) if _remote(photo) else hash_file(photo)
        except StoreRefused as error:  # of this one object: the listing was allowed
            return NotNow(str(error))
        except StoreDown as error:
            self.down += 1
            if self.down >= DOWN:
                raise TransientError(f"The store of the photos does not answer: {error}") from error
            return NotNow(str(error))
        except PhotoUnavailable as error:
            return NotNow(str(error))
        except OSError as error:
            return NotNow(str(unavailable(error)))
        except MemoryError:
            return NotNow("There was not enough memory to read the photo.")
        self.down = 0
        return found

    def _is_young(self, photo: FoundPhoto) -> bool:
        # A time in the future is a wrong clock, here or in the camera: waiting for it could take years.
        return photo.modified is not None and 0 <= self.began - photo.modified < self.settle_seconds

    def size(self, photo: FoundPhoto) -> tuple[int, int] | None:
        """Width and height by the photo's header, None where it does not tell or cannot be read."""
        if photo.file_stamp == MISSING:
            return None
        try:
            return size_of_object(self.factory, photo) if _remote(photo) else size_of_file(photo)
        except (PhotoUnavailable, StoreDown, OSError, MemoryError):
            return None


def _remote(photo: FoundPhoto) -> bool:
    return photo.source_uri.startswith("s3://")
