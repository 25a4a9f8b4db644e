"""Database URLs as people write them, and a file's path without one: a path is never parsed as a URL."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

POSTGRESQL = ("postgresql", "postgres", "pgsql")

WANTED = "sqlite:///FILE or postgresql://user:password@host/database"

_SQLITE_OPTIONS = frozenset({"uri", "mode", "cache", "immutable", "nolock", "vfs"})


def sqlite_url(file: Path) -> URL:
    """The URL of a database file, whatever its name is made of."""
    return URL.create("sqlite", database=str(file.absolute()))


def is_file(url: URL) -> bool:
    """Whether the database is a file (SQLite), not a server."""
    return url.get_backend_name() == "sqlite"


def database_url(text: str) -> URL:
    """The URL with the driver that is installed here, whichever driver it names: ``postgres://``, ``+psycopg2`` and
    ``+asyncpg`` are the same server. Raises ``ValueError`` with a sentence that repeats no password."""
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError) as error:
        raise ValueError(f"It is no database URL: it looks like {WANTED}.") from error
    name = url.drivername.partition("+")[0].lower()
    if name == "sqlite":
        return _sqlite(url, text)
    if name in POSTGRESQL:
        return _postgresql(url)
    raise ValueError(f"The database '{name}' is not known here: it looks like {WANTED}.")


def _sqlite(url: URL, text: str) -> URL:
    if url.host or url.username:
        raise ValueError("It names a host: a database file has three slashes, or four for an absolute path.")
    if not url.database or url.database == ":memory:":
        raise ValueError("It names no file: every process would see a database of its own.")
    if "?" in text and not (url.query and _SQLITE_OPTIONS.issuperset(url.query)):
        raise ValueError(
            "A '?' begins options; within a file's name it is written sqlite:///file:/folder/na%3Fme.db?uri=true."
        )
    return url.set(drivername="sqlite")


def _postgresql(url: URL) -> URL:
    import psycopg
    from psycopg.conninfo import make_conninfo

    if url.host and "@" in url.host:
        raise ValueError("It has two '@': write one within a password as %40.")
    # asyncpg's word for libpq's sslmode
    query = {("sslmode" if name == "ssl" else name): value for name, value in url.query.items()}
    try:
        make_conninfo("", **{name: value for name, value in query.items() if isinstance(value, str)})
    except psycopg.Error as error:
        raise ValueError(f"PostgreSQL does not know one of its parameters: {str(error).strip()}.") from error
    return url.set(drivername="postgresql+psycopg", query=query)
