"""Garbage: objects that no row refers to, left by workers that died between storing and recording; uploads and
checkpoints that were left half done; and, when asked, what only superseded assets were made of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from db.housekeeping import forget_superseded, referenced
from storage import Entry
from tasks.house import House

PAGE = 1000
YOUNG_SECONDS = 24 * 3600
"""Younger objects are left alone: a worker stores first and records afterwards."""

WRITTEN_SECONDS = 3600
"""Uploads and checkpoints that somebody touched within the last hour may still be written, whatever was asked."""


@dataclass(frozen=True)
class Garbage:
    """What was found, and whether it is gone."""

    orphans: tuple[Entry, ...]
    kept: int
    """Objects that something refers to, or that are too young to tell."""
    deleted: bool
    leftovers: tuple[Entry, ...] = ()
    """Uploads to a store folder that were never finished, and this host's checkpoints of stages that nobody took up
    again, under the home."""


def collect(
    house: House, *, delete: bool = False, superseded: bool = False, older_than: float = YOUNG_SECONDS
) -> Garbage:
    """Find garbage older than so many seconds, and with ``delete`` remove it.

    Never touches what a row that counts refers to: the rows are asked again for each object right before it goes.
    """
    limit = time.time() - older_than
    before = datetime.fromtimestamp(limit, UTC) if superseded else None
    if delete and before is not None:
        forget_superseded(house.engine, before)
    orphans: list[Entry] = []
    kept = 0
    page: list[Entry] = []

    def sift() -> None:
        nonlocal kept
        known = referenced(house.engine, [entry.key for entry in page], before)
        for entry in page:
            if entry.key in known or entry.modified > limit:
                kept += 1
            else:
                orphans.append(entry)
        page.clear()

    for entry in house.store.list("objects/"):
        page.append(entry)
        if len(page) == PAGE:
            sift()
    sift()
    old = min(limit, time.time() - WRITTEN_SECONDS)
    uploads = [entry for entry in house.store.unfinished() if entry.modified < old]
    checkpoints = [entry for entry in _checkpoints(house) if entry.modified < old]
    if delete:
        for entry in uploads:
            house.store.delete(entry.key)
        for entry in checkpoints:
            (house.settings.home_path / entry.key).unlink(missing_ok=True)
        for entry in orphans:
            if not referenced(house.engine, [entry.key]):
                house.store.delete(entry.key)
    return Garbage(tuple(orphans), kept, delete, (*uploads, *checkpoints))


def _checkpoints(house: House) -> Iterator[Entry]:
    for path in sorted(house.scratch.glob("*.checkpoint*")):
        with suppress(FileNotFoundError):  # its stage ended just now
            stat = path.stat()
            yield Entry(f"{house.scratch.name}/{path.name}", stat.st_size, str(stat.st_mtime_ns), stat.st_mtime)
