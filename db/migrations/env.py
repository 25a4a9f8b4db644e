"""Alembic's entry: one connection from db.migrate, one transaction for all steps."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, text

from core.errors import DatabaseDown
from db.tables import Base

LOCK = 7_316_442
"""PostgreSQL advisory lock: two workers that start at once upgrade one after the other."""


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    return not (kind == "table" and name in ("finished_assets", "finished_files"))


def keep_a_copy(connection: Connection) -> None:
    """A database file as it stands, beside it under its version: the way back. We hold the write lock."""
    revision = MigrationContext.configure(connection).get_current_revision()
    file = connection.exec_driver_sql("PRAGMA database_list").all()[0][2]
    if revision is None or not file:
        return
    copy = Path(f"{file}.{revision}")
    partial = copy.with_name(f".{copy.name}.part")
    partial.unlink(missing_ok=True)
    try:
        # Another connection, outside of any transaction, reads what is committed.
        with closing(engine.raw_connection()) as reader:
            reader.cursor().execute("VACUUM INTO ?", (str(partial),))
        partial.replace(copy)
    except sqlite3.Error as error:
        raise DatabaseDown(
            f"The database is kept as {copy} before it is upgraded, and that failed ({error}): free some space there, "
            "then run the same command again."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


engine: Engine = context.config.attributes["engine"]
with engine.execution_options(writes=True).connect() as connection, connection.begin():
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    else:
        keep_a_copy(connection)
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    context.run_migrations()
