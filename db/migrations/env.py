"""Alembic's entry: one connection from db.migrate, one transaction for all steps."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Engine, text

from db.tables import Base

LOCK = 7_316_442
"""PostgreSQL advisory lock: two workers that start at once upgrade one after the other."""


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    return not (kind == "table" and name == "finished_assets")


engine: Engine = context.config.attributes["engine"]
with engine.execution_options(writes=True).connect() as connection, connection.begin():
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    context.run_migrations()
