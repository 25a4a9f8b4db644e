"""Whether every object that a row has a use for stands in the store, byte for byte; and, when asked, its repair."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from core.errors import InputError, ObjectMissing, StoreDown, StoreRefused
from db import installation, objects
from db.housekeeping import referenced
from db.objects import User, Window
from db.stage_runs import Stored
from storage import is_whole
from tasks.factory import Factory
from tasks.ownership import owners
from tasks.remake import NotRepairable, Remaker

DOWN = 5
"""Objects in a row that the store does not give: then it is the store that is down, not the objects."""

READERS = 8
"""Objects read at once: most of the time goes by waiting for the store."""

DAY = 86_400


@dataclass
class Faulty:
    """An object that is not as its row says."""

    key: str
    kind: str
    state: str
    """``missing``, ``damaged``, or ``unknown`` where the store could not say."""
    sentence: str | None
    """Why it is unknown, or could not be made again."""
    assets: list[User]
    repaired: bool = False


@dataclass(frozen=True)
class StoreReport:
    """The document of `fsck --json`."""

    checked: int
    missing: int
    damaged: int
    unknown: int
    repaired: int
    unrepairable: int
    """0 where nothing was to be repaired."""
    unpublished: int
    """Published assets that are harmed."""
    objects: list[Faulty]


@dataclass(frozen=True)
class NotChecked:
    """The store did not answer."""

    sentence: str
    checked: int = 0


@dataclass
class Checked:
    """What a check found, and what became of it."""

    checked: int = 0
    faulty: list[Faulty] = field(default_factory=list)

    def count(self, state: str) -> int:
        return sum(found.state == state for found in self.faulty)

    @property
    def left(self) -> list[Faulty]:
        """What is not as it should be now."""
        return [found for found in self.faulty if not found.repaired]

    def report(self, repair: bool) -> StoreReport:
        harmed = {user.asset_id for found in self.left for user in found.assets if user.published}
        return StoreReport(
            checked=self.checked,
            missing=self.count("missing"),
            damaged=self.count("damaged"),
            unknown=self.count("unknown"),
            repaired=sum(found.repaired for found in self.faulty),
            unrepairable=len([f for f in self.left if f.state != "unknown"]) if repair else 0,
            unpublished=len(harmed),
            objects=list(self.faulty),
        )


def window_of_the_night(share: float, seconds: float | None = None) -> Window:
    """The part of all objects whose turn it is: so many nights, one after the other, see them all once."""
    night = int((time.time() if seconds is None else seconds) // DAY)
    return Window((night * share) % 1, share)


def fsck(factory: Factory, *, repair: bool = False, window: Window = Window(), really: bool = False) -> Checked:  # noqa: B008
    """Read every object of the window that a row has a use for; with ``repair`` make again what is gone or damaged.

    Raises :class:`InputError`, and repairs nothing, where the store itself seems to be gone (its marker, or all of
    several objects), unless ``really``; what a store that is down or refuses raises.
    """
    found = Checked()
    with ThreadPoolExecutor(READERS, "fsck") as readers:
        try:
            bad = list(_faulty(factory, objects.wanted(factory.engine, window), readers, found))
        except BaseException:
            readers.shutdown(wait=False, cancel_futures=True)
            raise
    needed = factory.retry_database(referenced, [stored.key for stored, _ in bad])
    bad = [(stored, faulty) for stored, faulty in bad if stored.key in needed]  # the others were collected meanwhile
    for stored, faulty in bad:
        faulty.assets = factory.retry_database(objects.users, stored.key)
        found.faulty.append(faulty)
    if repair and bad:
        if not really:
            _check_there(factory, found)
        remaker = Remaker(factory)
        for stored, faulty in bad:
            if faulty.state == "unknown":
                continue
            try:
                remaker.remake(stored)
                faulty.repaired = True
            except NotRepairable as error:
                faulty.sentence = str(error)
    return found


def _faulty(
    factory: Factory, pages: Iterable[list[Stored]], readers: ThreadPoolExecutor, found: Checked
) -> Iterator[tuple[Stored, Faulty]]:
    """What is not whole; counts what was read. Raises ``StoreDown`` after :data:`DOWN` in a row that are not given."""
    down = 0
    for page in pages:
        for stored, (state, why) in zip(page, readers.map(lambda stored: _state(factory, stored), page), strict=True):
            found.checked += 1
            down = down + 1 if state == "unknown" else 0
            if down >= DOWN:
                raise StoreDown(why or "The store does not answer.")
            if state != "whole":
                yield stored, Faulty(stored.key, stored.kind, state, why, [])


NAMED = 20
"""Objects that a night's summary names."""


def checked_tonight(factory: Factory) -> StoreReport | NotChecked | None:
    """What the part of the store whose turn it is looks like, for a night's summary; None where nobody wants to know.
    A store that does not answer is a sentence there: the night itself has ended well."""
    share = factory.settings.check_share
    if not share:
        return None
    try:
        found = fsck(factory, window=window_of_the_night(share)).report(repair=False)
    except StoreDown as error:
        return NotChecked(str(error))
    return replace(found, objects=found.objects[:NAMED])


def _state(factory: Factory, stored: Stored) -> tuple[str, str | None]:
    try:
        if factory.store.size(stored.key) is None:
            return "missing", None
        return ("whole" if is_whole(factory.store, stored.key, stored.sha256) else "damaged"), None
    except ObjectMissing:
        return "missing", None
    except StoreRefused:
        raise
    except StoreDown as error:
        return "unknown", str(error)
    except OSError as error:
        return "unknown", f"The object cannot be read: {error.strerror or error}."


def _check_there(factory: Factory, found: Checked) -> None:
    """Raises :class:`InputError` where it looks as if another store, or none, is mounted in the store's place."""
    lost = found.count("missing")
    gone = owners(factory).ours is None and bool(factory.retry_database(installation.own).tokens)
    if gone or (lost == found.checked > 1):
        mark = " and does not bear this database's marker any more" if gone else ""
        raise InputError(
            f"The store {factory.settings.store} misses {lost:,} of {found.checked:,} objects{mark}: nothing was "
            "repaired. Check that it is mounted and the right one; if it is, say --really."
        )
