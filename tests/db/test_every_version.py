"""A database of any earlier version is brought up to date with all that is in it; clocks may jump."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from core.errors import WrongSchema
from db import leases
from db.engine import open_engine, reading
from db.migrate import current_revision, head_revision, upgrade
from db.tables import Base

VERSIONS = [
    script.revision
    for script in ScriptDirectory(str(Path(leases.__file__).parent / "migrations")).walk_revisions()
]  # fmt: skip

ROWS = (
    "INSERT INTO catalogue (id, name, source_uri, created_at) VALUES (1, 'shop', 'file:///shop', :at)",
    "INSERT INTO product (id, catalogue_id, sku, name, licence, removed, created_at) "
    "VALUES (1, 1, 'mug', 'A mug ☕', 'CC0-1.0', false, :at)",
    "INSERT INTO photo (id, product_id, sha256, bytes, source_uri, fingerprint, current, chosen, created_at) "
    "VALUES (1, 1, 'aa', 7, 'file:///shop/mug.jpg', '7-1', true, true, :at)",
    "INSERT INTO recipe (hash, name, parameters, created_at) VALUES ('rr', 'starter', '{\"seed\": 3}', :at)",
    "INSERT INTO checkpoint (id, name, kind, sha256, path, commercial, created_at) "
    "VALUES (1, 'xl', 'views', 'cc', '/xl', false, :at)",
    "INSERT INTO stage_run (id, key, stage, version, state, attempt, parameters, ladder, owner, started_at) "
    "VALUES (1, 'kk', 'finish', 1, 'finished', 1, '{}', 0, 'host:1', :at)",
    "INSERT INTO artifact (id, made_by, kind, key, uri, sha256, bytes, media_type, created_at) "
    "VALUES (1, 1, 'glb', 'objects/a', 'file:///a', 'aa', 3, 'model/gltf-binary', :at)",
    "INSERT INTO asset (id, product_id, photo_id, recipe_hash, plan_key, model, status, quality, glb_id, created_at, "
    "finished_at) VALUES ('a1', 1, 1, 'rr', 'pp', 'xl@cc', 'finished', 0.75, 1, :at, :at)",
)
"""One finished asset, in the columns that the first version had (`score` was called `quality` before 0009)."""

PUBLISHED = "INSERT INTO publication (product_id, asset_id, glb_id, score, published_at) VALUES (1, 'a1', 1, 0.75, :at)"
"""What publishes it since 0012; earlier, its status did."""


@pytest.mark.parametrize("version", VERSIONS)
def test_a_database_of_every_earlier_version_is_brought_up_with_its_rows(empty_database_url: str, version: str) -> None:
    engine = open_engine(empty_database_url)
    upgrade(engine, version)
    assert current_revision(engine) == version
    with engine.execution_options(writes=True).begin() as connection:
        for statement in ROWS:
            if version >= "0009":
                statement = statement.replace(" quality,", " score,")
            connection.execute(text(statement), {"at": "2026-11-22 20:00:00+00:00"})
        if version >= "0012":
            connection.execute(text(PUBLISHED), {"at": "2026-11-22 20:00:00+00:00"})
    assert upgrade(engine) == head_revision(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert [d for d in compare_metadata(context, Base.metadata) if "alembic_version" not in str(d)] == []
        row = connection.execute(text("SELECT sku, glb_uri, quality, recipe, model FROM finished_assets")).one()
        assert tuple(row) == ("mug", "file:///a", 0.75, "starter", "xl@cc")
    from db.assets import list_assets
    from db.checkpoints import list_checkpoints
    from db.lineage import lineage

    assert [r.status for r in list_assets(engine)] == ["finished"]
    assert lineage(engine, "a1").parameters == {"seed": 3}
    assert [c.commercial for c in list_checkpoints(engine)] == [False]
    engine.dispose()


def test_catalogues_of_one_name_get_numbers(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    upgrade(engine, "0006")
    with engine.execution_options(writes=True).begin() as connection:
        for number, name in enumerate(("photos", "photos", "photos-2", "photos"), 1):
            values = {"id": number, "name": name, "uri": f"file:///{number}", "at": "2026-11-22 20:00:00+00:00"}
            statement = "INSERT INTO catalogue (id, name, source_uri, created_at) VALUES (:id, :name, :uri, :at)"
            connection.execute(text(statement), values)
    upgrade(engine)
    with engine.connect() as connection:
        names = connection.execute(text("SELECT name FROM catalogue ORDER BY id")).scalars().all()
    assert names == ["photos", "photos-3", "photos-2", "photos-4"]
    engine.dispose()


def test_a_database_of_a_later_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'new.db'}")
    upgrade(engine)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WrongSchema, match="newer Meshmill"):
        upgrade(engine)
    assert current_revision(engine) == "9999", "and left as it is"


def jump(monkeypatch: pytest.MonkeyPatch, engine: Any, seconds: float) -> None:
    """The database's clock, that much later or earlier."""
    name = engine.dialect.name
    monkeypatch.setitem(leases._CLOCK, name, f"({leases._CLOCK[name]} + ({seconds}))")


def test_a_clock_that_jumps_ahead_frees_leases_but_lets_only_one_finish(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from db.stage_runs import LeaseLost, begin, find_finished, finish

    ours, theirs = "host-a:1:1:", "host-b:1:1:"
    facts: dict[str, Any] = {"stage": "mesh", "version": 1, "parameters": {}}
    end: dict[str, Any] = {"inputs": {}, "artifacts": (), "seconds": 1.0, "cost": 0.0, "device": "cpu"}
    end |= {"peak_memory": None, "figures": {}}
    assert leases.claim(engine, "key", ours, 60)
    first = begin(engine, "key", owner=ours, **facts)
    assert not leases.claim(engine, "key", theirs, 60)
    jump(monkeypatch, engine, 86_400)
    assert leases.claim(engine, "key", theirs, 60), "the lease looks a day old"
    second = begin(engine, "key", owner=theirs, **facts)
    assert not leases.renew(engine, "key", ours, 60)
    with pytest.raises(LeaseLost):
        finish(engine, first, "key", ours, **end)
    finish(engine, second, "key", theirs, **end)
    found = find_finished(engine, "key")
    assert found is not None
    assert found.id == second


def test_a_clock_that_jumps_back_gives_no_lease_away_and_the_dead_are_still_found(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = leases.owner_name()
    assert leases.claim(engine, "key", alive, 60)
    jump(monkeypatch, engine, -86_400)
    assert not leases.claim(engine, "key", "elsewhere:1:1:", 60)
    assert leases.renew(engine, "key", alive, 60), "its holder sets the expiry by the new clock"
    parts = alive.split(":")
    dead = ":".join([*parts[:3], "1", "7", ""])  # process 1 runs, but began at another time: its number was used again
    assert leases.claim(engine, "other", dead, 60)
    jump(monkeypatch, engine, -86_400)
    assert leases.claim(engine, "other", alive, 60), "a process that is gone is seen without any clock"
    with reading(engine) as session:
        assert session.execute(text("SELECT count(*) FROM lease")).scalar() == 2


@pytest.mark.parametrize(("later", "waits"), [(30.0, True), (90.0, False), (-3600.0, False)])
def test_photos_from_the_future_do_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: float, waits: bool
) -> None:
    """The nightly run half a minute, one and a half minutes, and by a clock set back an hour after the upload."""
    import time
    from types import SimpleNamespace

    from tasks.factory import open_factory
    from tasks.ingest import ingest_source
    from tasks.settings import Settings

    factory = open_factory(Settings(home=tmp_path / "home"))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mug.jpg").write_bytes(b"photo")
    moment = time.time() + later
    monkeypatch.setattr("tasks.readings.time", SimpleNamespace(time=lambda: moment))
    _, changes = ingest_source(factory, str(tmp_path / "photos"), settle_seconds=60)
    assert (changes.waiting == ["mug"]) is waits
    assert (changes.new == ["mug"]) is not waits
    factory.close()


def test_a_permission_that_failed_once_is_not_remembered_for_ever(empty_database_url: str) -> None:
    """Earlier versions took the sentence about a photo for its content, and never looked again."""
    import hashlib

    engine = open_engine(empty_database_url)
    upgrade(engine, "0009")
    refused = hashlib.sha256(b"unreadable: The file cannot be opened: Permission denied.").hexdigest()
    linked = hashlib.sha256(b"unreadable: The file is a link; links are not followed.").hexdigest()
    with engine.execution_options(writes=True).begin() as connection:
        for statement in ROWS[:2]:
            connection.execute(text(statement), {"at": "2026-11-22 20:00:00+00:00"})
        for number, sha256 in enumerate((refused, linked), 1):
            connection.execute(
                text(
                    "INSERT INTO photo (id, product_id, sha256, bytes, source_uri, fingerprint, current, chosen, "
                    "created_at, role, used_for) VALUES (:id, 1, :sha256, 7, 'file:///p', '7-1', true, true, :at, "
                    "'unknown', 'main')"
                ),
                {"id": number, "sha256": sha256, "at": "2026-11-22 20:00:00+00:00"},
            )
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT fingerprint FROM photo ORDER BY id")).scalars().all() == ["", "7-1"]
    engine.dispose()
