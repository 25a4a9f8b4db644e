"""Database URLs as people write them; a file's path is never parsed as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from db.engine import open_engine
from db.urls import database_url, sqlite_url


@pytest.mark.parametrize(
    "name", ["a b", "a%20b", "a#b", "a?b", "a?mode=ro", "a;b", "ä☕", "a@b", "file:a", "\udcff", "a\nb"]
)
def test_a_database_stands_in_the_file_that_was_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "x.db"
    engine = open_engine(sqlite_url(file))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    engine.dispose()
    assert file.is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2", "POSTGRES"])
def test_every_spelling_of_postgresql_is_the_driver_that_is_here(scheme: str) -> None:
    url = database_url(f" {scheme}://shop:p%40ss@db:5433/meshmill?sslmode=require ")
    assert url.render_as_string(hide_password=False) == (
        "postgresql+psycopg://shop:p%40ss@db:5433/meshmill?sslmode=require"
    )


def test_asyncpg_says_ssl_otherwise() -> None:
    assert database_url("postgresql+asyncpg://db/x?ssl=require").query == {"sslmode": "require"}


@pytest.mark.server
@pytest.mark.parametrize("scheme", ["postgres", "postgresql+psycopg2", "postgresql+asyncpg"])
def test_and_it_answers(postgres_url: str, scheme: str) -> None:
    engine = open_engine(postgres_url.replace("postgresql:", f"{scheme}:"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"])
def test_every_spelling_of_sqlite_is_a_file(scheme: str) -> None:
    assert database_url(f"{scheme}:////data/a#b%20c.db") == sqlite_url(Path("/data/a#b%20c.db"))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "no database URL"),
        ("/data/meshmill.db", "no database URL"),
        ("postgresql://db:port/x", "no database URL"),
        ("mysql://db/x", "'mysql' is not known"),
        ("postgresql://shop:hunter2@x@db/x", "%40"),
        ("postgresql://shop:hunter2@db/x?pgbouncer=true", "pgbouncer"),
        ("sqlite://", "no file"),
        ("sqlite:///:memory:", "no file"),
        ("sqlite://data/x.db", "three slashes"),
        ("sqlite:////data/a?b/x.db", "begins options"),
        ("sqlite:////data/a?b=c/x.db", "begins options"),
    ],
)
def test_any_other_is_refused_in_a_sentence_without_its_password(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        database_url(url)
    assert "hunter2" not in str(caught.value)


def test_a_question_mark_can_be_written_as_an_escape(tmp_path: Path) -> None:
    (tmp_path / "a?b").mkdir()
    engine = open_engine(f"sqlite:///file:{tmp_path}/a%3Fb/x.db?uri=true")
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    engine.dispose()
    assert (tmp_path / "a?b" / "x.db").is_file()
    assert not Path("file:").exists()
