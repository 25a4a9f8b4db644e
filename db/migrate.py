"""Migrations, shipped with the package: `meshmill db upgrade` and `meshmill db current`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, inspect

from core.errors import DatabaseRefused, WrongSchema
from db.engine import translated
from db.tables import Base
from db.urls import is_file

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
    with translated(engine), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head_revision(engine: Engine) -> str:
    """The newest revision that this package ships."""
    head = ScriptDirectory.from_config(_config(engine)).get_current_head()
    if head is None:
        raise AssertionError("the package ships no migrations")
    return head


Standing = Literal["current", "empty", "old", "new", "foreign"]


def standing(engine: Engine) -> Standing:
    """Whether the schema is the one that this version reads, has no tables yet, is an older or a newer version's, or
    another program's."""
    current = current_revision(engine)
    if current == head_revision(engine):
        return "current"
    with translated(engine):
        ours = Base.metadata.tables.keys() & set(inspect(engine).get_table_names())
    if current is None and ours:  # another process may have made them between the two looks, and the version with them
        current = current_revision(engine)
        if current == head_revision(engine):
            return "current"
    if current is None:
        return "foreign" if ours else "empty"  # a shop's own table of products
    if "asset" not in ours:
        return "foreign"  # Prefect keeps its version in a table of the same name
    known = {script.revision for script in ScriptDirectory.from_config(_config(engine)).walk_revisions()}
    return "old" if current in known else "new"


def what_to_do(engine: Engine, found: Standing) -> str:
    """A sentence about a schema that is not the current one."""
    if found == "empty":
        return "The database has no tables yet: run `meshmill db upgrade` once."
    if found == "foreign":
        return "The database holds another program's tables: give Meshmill one of its own in MESHMILL_DATABASE_URL."
    version = current_revision(engine)
    if found == "new":
        return f"The database stands at version {version}, which a newer Meshmill made: update Meshmill here."
    return (
        f"The database stands at version {version} and this Meshmill reads {head_revision(engine)}: stop the workers, "
        "back the database up, then run `meshmill db upgrade`."
    )


def prepare(engine: Engine) -> None:
    """Make sure that the schema is this version's. A file is brought up to date, since nobody else may be using it; a
    server is left alone: other hosts may still run another version. Raises :class:`WrongSchema`."""
    found = standing(engine)
    if found == "current":
        return
    if is_file(engine.url) and found in ("empty", "old"):
        upgrade(engine)
        return
    raise WrongSchema(what_to_do(engine, found))


def upgrade(engine: Engine, revision: str = "head") -> str | None:
    """Bring the schema to ``revision``; safe when several processes do it at once. Returns where it stands now.

    Raises :class:`WrongSchema` for a newer or a foreign schema, and where the database's user may not change it.
    """
    found = standing(engine)
    if revision == "head" and found == "current":
        return head_revision(engine)
    if found in ("new", "foreign"):
        raise WrongSchema(what_to_do(engine, found))
    try:
        with translated(engine), _ONE_AT_A_TIME:
            command.upgrade(_config(engine), revision)
    except CommandError as error:
        raise WrongSchema(f"The schema cannot be brought to version {revision}: {error}.") from error
    except DatabaseRefused as error:
        if getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) != "42501":  # insufficient privilege
            raise
        raise WrongSchema(
            "The database's user may not change the schema: run `meshmill db upgrade` as the user who owns it."
        ) from error
    return current_revision(engine)
