"""Garbage: objects that no row refers to, left by workers that died between storing and recording; uploads and
checkpoints that were left half done; and, when asked, what only superseded assets were made of."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from core.errors import InputError
from db import housekeeping, installation
from storage import Entry
from tasks.factory import Factory
from tasks.ownership import adopt, owners, register, renew, why_not_ours
from tasks.settings import Settings

PAGE = 1000
YOUNG_SECONDS = 24 * 3600
"""Younger objects are left alone: a worker stores first and records afterwards."""

WRITTEN_SECONDS = 3600
"""Uploads and checkpoints that somebody touched within the last hour may still be written, whatever was asked."""

OURS = re.compile(r"objects/([0-9a-f]{2})/\1[0-9a-f]{62}(\.[a-z0-9]+)?")
"""Keys that :func:`tasks.artifacts.content_key` makes: whatever else stands below this prefix, others put there."""


@dataclass(frozen=True)
class Garbage:
    """What was found, and what became of it."""

    orphans: tuple[Entry, ...]
    kept: int
    """Objects that something refers to, or that are too young to tell."""
    marked: int = 0
    """Orphans seen for the first time: a later collection deletes them."""
    deleted: tuple[Entry, ...] = ()
    leftovers: tuple[Entry, ...] = ()
    """Uploads to a store folder that were never finished, and this host's checkpoints of stages that nobody took up
    again, under the home."""


def grace(settings: Settings) -> float:
    """Seconds from an orphan's mark to its end: longer than a stage may take from storing a file to recording it."""
    return settings.stage_timeout + settings.lease_seconds + 2 * settings.patience_seconds


def collect(
    factory: Factory,
    *,
    delete: bool = False,
    superseded: bool = False,
    older_than: float = YOUNG_SECONDS,
    really: bool = False,
    take_over: bool = False,
) -> Garbage:
    """Find garbage older than so many seconds; with ``delete`` mark it, and remove what was marked a while ago.

    Never touches what a row that counts refers to: each object's rows are looked at again in the transaction right
    before it goes. Raises :class:`InputError` where the store may be another database's, where this one has no asset,
    and where more than a fifth of the objects would go, unless ``really``. ``take_over`` makes the store this
    database's alone first.
    """
    limit = time.time() - older_than
    before = datetime.fromtimestamp(limit, UTC) if superseded else None
    if take_over:
        adopt(factory)
    elif (why := why_not_ours(factory)) is not None:
        raise InputError(why)
    orphans, kept = _sift(factory, limit, before)
    _check_ours(factory, len(orphans) + kept, kept)
    if delete and not really and len(orphans) * 5 > len(orphans) + kept:
        raise InputError(
            f"{len(orphans):,} of {len(orphans) + kept:,} objects would go, more than a fifth: nothing was removed. "
            "Look at them with `meshmill gc`; if they may go, say `--really`."
        )
    old = min(limit, time.time() - WRITTEN_SECONDS)
    uploads = [entry for entry in factory.store.unfinished() if entry.modified < old]
    checkpoints = [entry for entry in _checkpoints(factory) if entry.modified < old]
    found = Garbage(orphans, kept, leftovers=(*uploads, *checkpoints))
    if not delete:
        return found
    renew(factory)
    if before is not None:
        factory.retry_database(housekeeping.forget_superseded, before)
    for entry in uploads:
        factory.store.delete(entry.key)
    for entry in checkpoints:
        (factory.settings.home_path / entry.key).unlink(missing_ok=True)
    marked = factory.retry_database(housekeeping.mark, [entry.key for entry in orphans])
    gone = tuple(entry for entry in orphans if _delete(factory, entry.key))
    factory.retry_database(housekeeping.tidy_marks)
    return Garbage(orphans, kept, marked, gone, found.leftovers)


def _sift(factory: Factory, limit: float, before: datetime | None) -> tuple[tuple[Entry, ...], int]:
    """Old objects that nothing refers to, and how many others there are."""
    orphans: list[Entry] = []
    kept = 0
    page: list[Entry] = []

    def sift() -> None:
        nonlocal kept
        known = factory.retry_database(housekeeping.referenced, [entry.key for entry in page], before)
        for entry in page:
            if entry.key in known or entry.modified > limit:
                kept += 1
            else:
                orphans.append(entry)
        page.clear()

    for entry in factory.store.list("objects/"):
        if OURS.fullmatch(entry.key):
            page.append(entry)
        if len(page) == PAGE:
            sift()
    sift()
    return tuple(orphans), kept


def _check_ours(factory: Factory, objects: int, kept: int) -> None:
    """A database that knows nothing of a store with objects in it is the wrong one; one that does may be upgraded from
    the time before stores knew their database."""
    if objects and not factory.retry_database(installation.has_assets):
        raise InputError(
            f"The store {factory.settings.store} holds {objects:,} objects and this database no asset: check "
            "MESHMILL_DATABASE_URL and MESHMILL_HOME. Nothing was removed."
        )
    if objects and not kept and owners(factory).ours is None:
        raise InputError(
            f"Of the {objects:,} objects in the store {factory.settings.store} this database knows none: check "
            "MESHMILL_DATABASE_URL and MESHMILL_STORE_URL. Nothing was removed."
        )
    if objects:
        register(factory)


def _delete(factory: Factory, key: str) -> bool:
    if not factory.retry_database(housekeeping.may_delete, key, grace(factory.settings)):
        return False
    factory.retry_store(lambda: factory.store.delete(key))
    factory.retry_database(housekeeping.deleted, key)
    return True


def _checkpoints(factory: Factory) -> Iterator[Entry]:
    for path in sorted(factory.scratch.glob("*.checkpoint*")):
        with suppress(FileNotFoundError):  # its stage ended just now
            stat = path.stat()
            yield Entry(f"{factory.scratch.name}/{path.name}", stat.st_size, str(stat.st_mtime_ns), stat.st_mtime)
