"""Connections: SQLite in WAL mode embedded, PostgreSQL by URL, and one transaction per `with`."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, OperationalError
from sqlalchemy.orm import Session

from core.errors import DatabaseDown, DatabaseRefused, OddText
from db.urls import database_url, is_file

BUSY_SECONDS = 60
"""How long SQLite waits for another writer before it gives up."""


_SERVER = {
    # A host that was unplugged says nothing: without these a connection to it would wait for ever.
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    # A pooler (PgBouncer) gives each transaction another server connection, which knows no prepared statement of ours.
    "prepare_threshold": None,
}
"""How a PostgreSQL server is connected to."""


def open_engine(url: str | URL) -> Engine:
    """An engine for a URL as :func:`db.urls.database_url` takes it. Raises ``ValueError`` for any other."""
    parsed = database_url(url) if isinstance(url, str) else url
    if not is_file(parsed):
        return create_engine(parsed, pool_pre_ping=True, pool_size=8, max_overflow=24, connect_args=_SERVER)
    if parsed.database and not parsed.database.startswith("file:"):
        Path(parsed.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _begin_sqlite does
    _turn_to_wal(connection)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _turn_to_wal(connection: sqlite3.Connection) -> None:
    """Write-ahead logging, which the file remembers. The switch needs the file for itself, and SQLite answers "locked"
    at once, whatever the timeout, where another connection is about it too."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Any) -> None:
    # A reader that turns writer in mid-transaction fails at once however long the timeout, so writers say so first.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session that only reads."""
    with translated(engine), Session(engine, expire_on_commit=False) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A session that commits at the end of the block, or rolls back on an exception."""
    with (
        translated(engine),
        Session(engine.execution_options(writes=True), expire_on_commit=False) as session,
        session.begin(),
    ):
        yield session


def advisory_lock(session: Session, name: str) -> None:
    """Until this transaction ends nobody else takes a turn under this name; SQLite has one writer at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})


_SQLITE_SAYS = {
    "disk is full": "The disk with the database{file} is full: free some space there, then run the same command "
    "again; what was finished is kept.",
    "disk I/O error": "The disk with the database{file} is full or failing: free some space there or check it, then "
    "run the same command again; what was finished is kept.",
    "readonly database": "The database file{file} is read-only: make it and its folder writable, or set MESHMILL_HOME "
    "to another place.",
    "unable to open database file": "The database file{file} cannot be opened: make its folder writable, or set "
    "MESHMILL_HOME to another place.",
}
"""SQLite's words for troubles with its disk, and what a person should do."""


_ODD_TEXT = "A name or value holds a NUL character, or bytes that are no text: no database keeps or finds it."
_LET_IN = "check user, password and host in MESHMILL_DATABASE_URL, and the server's pg_hba.conf"

_CREATE = "create it, or check the name in MESHMILL_DATABASE_URL"
_RIGHTS = "give the user of MESHMILL_DATABASE_URL that right, for example as the owner of the tables"

_POSTGRESQL_SAYS = {
    "password authentication failed": _LET_IN,
    "no password supplied": _LET_IN,
    "authentication failed for user": _LET_IN,
    "no pg_hba.conf entry": _LET_IN,
    "is not permitted to log in": _LET_IN,
    r'role ".*" does not exist': _LET_IN,
    r'database ".*" does not exist': _CREATE,
    "permission denied for": _RIGHTS,
}
"""Patterns of a server's words when it lets nobody in (no code comes with them), and what a person should do."""

_REFUSED = {"28000": _LET_IN, "28P01": _LET_IN, "3D000": _CREATE, "42501": _RIGHTS}
"""The same by SQLSTATE, for servers that speak another language."""

READ_ONLY = "25006"
"""SQLSTATE of a standby, or of a server that ran out of room: it comes back as a writable one."""


def _refusal(error: DBAPIError) -> str | None:
    """What a person should do about a server that answers and refuses; None where it did not."""
    state, said = getattr(error.orig, "sqlstate", None), str(error.orig)
    if state is not None:
        return _REFUSED.get(state)
    if not isinstance(error, OperationalError) or "FATAL" not in said:
        return None
    return next((advice for words, advice in _POSTGRESQL_SAYS.items() if re.search(words, said)), None)


@contextmanager
def translated(engine: Engine | None = None) -> Iterator[None]:
    """Lost connections and locks are transient, refusals are not, text that cannot be kept is :class:`OddText`;
    everything else is a bug and stays as it is."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise OddText(_ODD_TEXT) from error
    except DBAPIError as error:
        if isinstance(error, DataError) and "NUL" in str(error.orig):
            raise OddText(_ODD_TEXT) from error
        if advice := _refusal(error):
            raise DatabaseRefused(f"The database refuses ({_first_line(error)}): {advice}.") from error
        _translate(error, f" {engine.url.database}" if engine is not None else "")
        raise


def _translate(error: DBAPIError, file: str) -> None:
    """Raises :class:`DatabaseDown` for what may pass or what a person must mend."""
    if isinstance(error, OperationalError):
        said = _first_line(error)
        what = next((sentence for words, sentence in _SQLITE_SAYS.items() if words in said), "")
        raise DatabaseDown(what.replace("{file}", file) or f"The database did not answer: {said}.") from error
    if error.connection_invalidated:
        raise DatabaseDown(f"The database connection was lost: {_first_line(error)}.") from error
    if getattr(error.orig, "sqlstate", None) == READ_ONLY:
        raise DatabaseDown(f"The database takes no changes now: {_first_line(error)}.") from error
    if type(error) is DatabaseError:  # SQLite's word for a damaged file
        raise DatabaseDown(
            f"The database file cannot be used: {_first_line(error)}. Put a backup in its place, or move it away."
        ) from error


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0].rstrip(".") if error.orig else type(error).__name__
