"""Connections, migrations and the view, on both databases."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, select, text

from core.errors import DatabaseDown, DatabaseRefused
from db.engine import open_engine, reading, writing
from db.migrate import current_revision, head_revision, upgrade
from db.tables import Base, Catalogue


def test_the_migrations_make_exactly_the_tables_of_the_models(engine: Any) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences = [d for d in compare_metadata(context, Base.metadata) if "alembic_version" not in str(d)]
    assert differences == []


def test_upgrading_twice_changes_nothing(engine: Any) -> None:
    assert upgrade(engine) == head_revision(engine) == current_revision(engine)


def test_several_processes_may_upgrade_at_once(empty_database_url: str) -> None:
    problems: list[BaseException] = []

    def work() -> None:
        try:
            engine = open_engine(empty_database_url)
            upgrade(engine)
            engine.dispose()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    engine = open_engine(empty_database_url)
    assert current_revision(engine) == head_revision(engine)


def test_many_may_open_a_new_database_file_at_once(tmp_path: Path) -> None:
    # The first connections of all turn the file to write-ahead logging, which SQLite's timeout does not cover.
    for attempt in range(40):
        url = f"sqlite:///{tmp_path / str(attempt)}.db"
        start = threading.Barrier(8)

        def work(url: str = url, start: threading.Barrier = start) -> str:
            start.wait()
            engine = open_engine(url)
            with engine.connect() as connection:
                mode = str(connection.execute(text("PRAGMA journal_mode")).scalar_one())
            engine.dispose()
            return mode

        with ThreadPoolExecutor(8) as pool:
            assert {job.result() for job in [pool.submit(work) for _ in range(8)]} == {"wal"}


def test_the_view_has_the_columns_that_other_teams_were_promised(engine: Any) -> None:
    columns = [column["name"] for column in inspect(engine).get_columns("finished_assets")]
    assert columns == [
        *("catalogue", "sku", "name", "glb_uri", "usdz_uri", "poster_uri", "small_uri", "sha256", "faces", "bytes"),
        *("score", "quality", "width_m", "height_m", "depth_m", "size_known", "photos", "recipe", "model", "licence"),
        *("reviewer", "built_at", "published_at", "finished_at", "recipe_hash", "asset_id", "seconds"),
    ]
    files = [column["name"] for column in inspect(engine).get_columns("finished_files")]
    assert files == ["catalogue", "sku", "kind", "uri", "sha256", "bytes", "media_type"]


def test_a_failed_block_leaves_nothing_behind(engine: Any) -> None:
    with pytest.raises(ZeroDivisionError), writing(engine) as session:  # noqa: PT012
        session.add(Catalogue(name="x", source_uri="file:///x"))
        session.flush()
        raise ZeroDivisionError
    with reading(engine) as session:
        assert session.scalars(select(Catalogue)).all() == []


def test_times_come_back_as_aware_utc(engine: Any) -> None:
    with writing(engine) as session:
        session.add(Catalogue(name="x", source_uri="file:///x"))
    with reading(engine) as session:
        made = session.scalars(select(Catalogue)).one().created_at
    assert made.utcoffset() is not None
    assert made.utcoffset().total_seconds() == 0


def test_writers_in_several_threads_wait_for_each_other(engine: Any) -> None:
    def work(number: int) -> None:
        for i in range(10):
            with writing(engine) as session:
                session.add(Catalogue(name="x", source_uri=f"file:///{number}/{i}"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert session.execute(text("SELECT count(*) FROM catalogue")).scalar() == 40


def test_a_database_that_is_down_is_one_sentence() -> None:
    with pytest.raises(DatabaseDown, match="did not answer"):
        upgrade(open_engine("postgresql://nobody@127.0.0.1:1/none"))


def test_a_corrupt_file_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(DatabaseDown, match="not a database"):
        upgrade(open_engine(f"sqlite:///{tmp_path / 'broken.db'}"))


@pytest.mark.server
@pytest.mark.parametrize("trouble", ["password", "database", "role", "rights", "language"])
def test_a_database_that_refuses_is_not_waited_for(postgres: Any, postgres_url: str, trouble: str) -> None:
    """Each by a real server, which asks a role of its own for a password while the test lasts."""
    admin = open_engine(postgres_url)
    upgrade(admin)
    url = admin.url.set(username="guest", password="right")
    rules = Path(postgres.pgdata) / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all guest,nobody scram-sha-256\nhost all guest,nobody all scram-sha-256\n{before}")
    with admin.begin() as connection:
        connection.execute(text("DROP OWNED BY guest") if _has_guest(connection) else text("CREATE ROLE guest LOGIN"))
        connection.execute(text("ALTER ROLE guest PASSWORD 'right'"))
        connection.execute(text("SELECT pg_reload_conf()"))
    url, said = {
        "password": (url.set(password="wrong"), "password"),
        "database": (url.set(database="nope"), "create it"),
        "role": (url.set(username="nobody"), "MESHMILL_DATABASE_URL"),
        "rights": (url, "permission denied for table catalogue"),
        "language": (url, "keine Berechtigung"),
    }[trouble]
    by_code = text("DO $$ BEGIN RAISE EXCEPTION 'keine Berechtigung' USING ERRCODE = '42501'; END $$")
    guest = open_engine(url)
    try:
        with pytest.raises(DatabaseRefused, match=said), reading(guest) as session:
            session.execute(by_code if trouble == "language" else select(Catalogue))
    finally:
        guest.dispose()
        rules.write_text(before)
        with admin.begin() as connection:
            connection.execute(text("SELECT pg_reload_conf()"))
        admin.dispose()


def _has_guest(connection: Any) -> bool:
    return connection.execute(text("SELECT count(*) FROM pg_roles WHERE rolname = 'guest'")).scalar() == 1


@pytest.mark.server
def test_a_standby_is_waited_for(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    upgrade(engine)
    read_only = text("DO $$ BEGIN SET TRANSACTION READ ONLY; CREATE TABLE x (); END $$")
    with pytest.raises(DatabaseDown, match="takes no changes") as caught, writing(engine) as session:
        session.execute(read_only)
    assert not isinstance(caught.value, DatabaseRefused)
    engine.dispose()
