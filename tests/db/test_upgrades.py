"""Who may change a schema: a file is upgraded by whoever opens it, a server by `meshmill db upgrade` alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

import db.migrate
from core.errors import InputError, WrongSchema
from db.engine import open_engine
from db.migrate import current_revision, head_revision, standing, upgrade
from tasks.factory import open_factory
from tasks.settings import Settings

OLD = "0003"


def put_at(url: str, revision: str) -> None:
    engine = open_engine(url)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
    engine.dispose()


def stands_at(url: str) -> str | None:
    engine = open_engine(url)
    revision = current_revision(engine)
    engine.dispose()
    return revision


@pytest.mark.server
def test_opening_a_server_of_another_version_changes_nothing(tmp_path: Path, empty_postgres_url: str) -> None:
    settings = Settings(home=tmp_path, database_url=empty_postgres_url)

    def refused(sentence: str) -> None:
        for patient in (False, True):
            with pytest.raises(InputError, match=sentence):
                open_factory(settings, patient=patient)

    refused("no tables yet: run `meshmill db upgrade`")
    assert stands_at(empty_postgres_url) is None
    engine = open_engine(empty_postgres_url)
    upgrade(engine, OLD)
    refused(f"stands at version {OLD} and this Meshmill reads .* back the database up, then run `meshmill db upgrade`")
    assert stands_at(empty_postgres_url) == OLD
    upgrade(engine)
    open_factory(settings).close()
    put_at(empty_postgres_url, "9999")
    refused("version 9999, which a newer Meshmill made: update")
    engine.dispose()


@pytest.mark.server
def test_a_user_who_may_not_change_the_schema_is_told(postgres: Any, empty_postgres_url: str) -> None:
    role = empty_postgres_url.rpartition("/")[2]
    engine = open_engine(empty_postgres_url)
    upgrade(engine, OLD)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE reader_{role} LOGIN"))
        connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_{role}"))
    engine.dispose()
    weak = open_engine(engine.url.set(username=f"reader_{role}", password=None))
    with pytest.raises(WrongSchema, match="may not change the schema"):
        upgrade(weak)
    weak.dispose()
    assert stands_at(empty_postgres_url) == OLD


def test_another_programs_tables_are_left_alone(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("CREATE TABLE product (number integer)"))
    with pytest.raises(WrongSchema, match="another program"):
        upgrade(engine)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("DROP TABLE product"))
        connection.execute(text("CREATE TABLE alembic_version (version_num varchar(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('bb2e7c0fb4a1')"))
    assert standing(engine) == "foreign", "as in Prefect's own database"
    with pytest.raises(WrongSchema, match="another program"):
        upgrade(engine)
    engine.dispose()


def test_a_file_upgrades_itself_and_keeps_what_stood(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "a?b#c")
    engine = open_engine(settings.database)
    upgrade(engine, OLD)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("INSERT INTO catalogue VALUES (1, 'shop', 'file:///shop', '2026-11-22')"))
    engine.dispose()
    assert [p.name for p in settings.home_path.iterdir() if "meshmill.db." in p.name] == [], "nothing to keep yet"
    factory = open_factory(settings)
    assert current_revision(factory.engine) == head_revision(factory.engine)
    factory.close()
    copy = settings.home_path / f"meshmill.db.{OLD}"
    with sqlite3.connect(copy) as old:
        assert old.execute("SELECT version_num FROM alembic_version").fetchall() == [(OLD,)]
        assert old.execute("SELECT name FROM catalogue").fetchall() == [("shop",)]
    stood = copy.stat().st_mtime_ns
    open_factory(settings).close()
    assert copy.stat().st_mtime_ns == stood, "once"
    copy.replace(settings.home_path / "meshmill.db")  # the way back
    assert stands_at(f"sqlite:///file:{settings.home_path}/meshmill.db?uri=true".replace("a?b#c", "a%3Fb%23c")) == OLD


def test_tables_that_another_process_makes_meanwhile_are_no_other_programs(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers on a new home: the other's migration ended between the look at the version and that at the tables."""
    looks: list[str | None] = [None]
    monkeypatch.setattr(db.migrate, "current_revision", lambda found: looks.pop() if looks else current_revision(found))
    assert standing(engine) == "current"
