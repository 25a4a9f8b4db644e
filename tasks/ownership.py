"""Whose store it is: each database that stores objects leaves a marker of its own there, `databases/ID`.

Garbage may be collected only by the one database that uses a store: to any other, the first one's objects look like
garbage. A copy of a database, or an older state of it brought back from a backup, has the same name but not the token
that every run renews in the marker.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from core.errors import ObjectMissing, SetupError, TransientError
from db import installation, leases
from tasks.factory import Factory

FOLDER = "databases/"

TURN_SECONDS = 30
"""How long one run that begins waits for another that just tells the store the same."""


@dataclass(frozen=True)
class Marker:
    """What a database left in the store."""

    database: str
    token: str
    place: str
    """Where the database is, for people; no user, no password."""
    written: str
    disputed: bool = False
    """Somebody with the same name but another token has used the store meanwhile."""


@dataclass(frozen=True)
class Owners:
    """Who uses a store."""

    ours: Marker | None
    others: tuple[Marker, ...]


def owners(factory: Factory) -> Owners:
    """Every database that left its marker. Raises ``StoreDown``."""
    own = factory.retry_database(installation.own)
    found = factory.retry_store(lambda: [_read(factory, entry.key) for entry in factory.store.list(FOLDER)])
    markers = [marker for marker in found if marker is not None]
    ours = next((marker for marker in markers if marker.database == own.id), None)
    return Owners(ours, tuple(marker for marker in markers if marker.database != own.id))


def register(factory: Factory) -> None:
    """Leave our marker where there is none; looked for once a process, before the first object is stored."""
    if factory.registered:
        return

    def leave() -> None:
        if owners(factory).ours is None:
            _tell(factory, disputed=False)

    if owners(factory).ours is None:
        _in_turn(factory, leave)
    factory.registered = True


def renew(factory: Factory) -> str | None:
    """A run begins: the marker gets a new token. What speaks against collecting garbage here, as a warning.

    Raises :class:`SetupError` where nothing of what this database has stored is there: a disk that is not mounted would
    get a second store in its place.
    """
    if is_gone(factory):
        raise SetupError(
            f"The store {factory.settings.store} holds nothing, and this database has stored assets: check that it is "
            "mounted, and MESHMILL_STORE_URL. If it is a new or an emptied one, say so with `meshmill gc --adopt`."
        )
    _in_turn(factory, lambda: _tell(factory, disputed=_disputed(factory, owners(factory).ours)))
    factory.registered = True
    why = why_not_ours(factory)
    if why is not None:
        logging.getLogger(__name__).warning("%s Until then `meshmill gc` removes nothing.", why)
    return why


def is_gone(factory: Factory) -> bool:
    """Whether the store has neither our marker nor any object, though this database once stored something."""
    if owners(factory).ours is not None or not factory.retry_database(installation.own).tokens:
        return False
    return (
        factory.retry_database(installation.has_assets)
        and factory.retry_store(lambda: next(iter(factory.store.list("objects/")), None)) is None
    )


def adopt(factory: Factory) -> None:
    """A person says that no other database uses this store any more."""
    for marker in owners(factory).others:
        factory.retry_store(lambda key=FOLDER + marker.database: factory.store.delete(key))  # type: ignore[misc]
    if not _in_turn(factory, lambda: _tell(factory, disputed=False)):
        raise TransientError("Another process is telling the store whose it is: try again in a minute.")


def why_not_ours(factory: Factory) -> str | None:
    """Why this database must not collect garbage in this store, in a sentence that says what to do; None: it may."""
    found = owners(factory)
    if found.others:
        other = found.others[0]
        return (
            f"The store {factory.settings.store} is used by another database too ({other.place}, last on "
            f"{other.written[:10]}): check MESHMILL_DATABASE_URL and MESHMILL_STORE_URL. If that database is no longer "
            "in use, say so with `meshmill gc --adopt`."
        )
    if _disputed(factory, found.ours):
        return (
            f"The store {factory.settings.store} has been used by a copy or by a newer state of this database, whose "
            "objects this one does not know: check MESHMILL_DATABASE_URL. If this is the one that goes on, say so "
            "with `meshmill gc --adopt`."
        )
    return None


def _in_turn(factory: Factory, work: Callable[[], None]) -> bool:
    """Do what two processes of one database must not do at once; False where another is still at it."""
    owner, deadline = f"{factory.owner}/store", time.monotonic() + TURN_SECONDS
    while not factory.retry_database(leases.claim, "store", owner, factory.settings.lease_seconds):
        if time.monotonic() > deadline or factory.stopping.wait(0.1):
            return False
    try:
        work()
    finally:
        factory.retry_database(leases.release, "store", owner)
    return True


def _disputed(factory: Factory, ours: Marker | None) -> bool:
    return ours is not None and (ours.disputed or ours.token not in factory.retry_database(installation.own).tokens)


def _tell(factory: Factory, *, disputed: bool) -> None:
    own = factory.retry_database(installation.own)
    token = factory.retry_database(installation.announce)
    url = factory.engine.url
    place = f"{url.get_backend_name()} {url.host or ''}/{(url.database or '').lstrip('/')}"
    marker = Marker(own.id, token, place, datetime.now(UTC).isoformat(timespec="seconds"), disputed)
    data = json.dumps(asdict(marker), indent=1).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    factory.retry_store(lambda: factory.store.put(data, FOLDER + own.id, sha256, "application/json"))
    factory.retry_database(installation.announced, token)


def _read(factory: Factory, key: str) -> Marker | None:
    unknown = Marker(key.removeprefix(FOLDER), "", "unknown", "")
    try:
        with factory.store.open(key) as stream:
            return replace(unknown, **json.loads(stream.read()))
    except ObjectMissing:  # given up between the listing and the look
        return None
    except (ValueError, TypeError):
        return unknown
