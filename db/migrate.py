"""Migrations, shipped with the package: `meshmill db upgrade` and `meshmill db current`."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine

from db.engine import DatabaseDown, translated

_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps its context in module globals; other processes wait at the database."""


def _config(engine: Engine) -> Config:
    config = Config()
    place = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", place.replace("%", "%%"))  # ConfigParser's own escape
    config.attributes["engine"] = engine
    return config


def current_revision(engine: Engine) -> str | None:
    """The revision that the database stands at; None for an empty one."""
    with translated(), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head_revision(engine: Engine) -> str:
    """The newest revision that this package ships."""
    head = ScriptDirectory.from_config(_config(engine)).get_current_head()
    if head is None:
        raise LookupError("The package ships no migrations.")
    return head


def upgrade(engine: Engine, revision: str = "head") -> str | None:
    """Bring the schema to ``revision``; safe when several processes do it at once. Returns where it stands now."""
    if revision == "head" and current_revision(engine) == head_revision(engine):
        return head_revision(engine)
    try:
        with translated(), _ONE_AT_A_TIME:
            command.upgrade(_config(engine), revision)
    except CommandError as error:
        raise DatabaseDown(
            f"The database stands at version {current_revision(engine)}, which a newer Meshmill made: update Meshmill."
        ) from error
    return current_revision(engine)
