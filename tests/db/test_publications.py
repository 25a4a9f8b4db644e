"""What is published stays until its successor stands or a person rejects it. On both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from test_planning import plan, statuses, stock, wanted

from db import assets, housekeeping
from db.engine import reading, writing
from db.housekeeping import forget_superseded, needed, referenced
from db.migrate import upgrade
from db.reviews import record_decision, record_verdict
from db.stage_runs import link_asset
from db.tables import Artifact, StageRun

A, B = "a-s0000", "b-s0000"


def make(engine: Any, asset_id: str, name: str) -> int:
    """A finish stage's files for the asset, in place of what it had; the GLB's id."""
    with writing(engine) as session:
        session.execute(update(StageRun).where(StageRun.key == asset_id).values(state="replaced"))
        run = StageRun(key=asset_id, stage="finish", version=1, state="finished", parameters={}, owner="o")
        session.add(run)
        session.flush()
        files = [
            Artifact(
                made_by=run.id, kind=kind, key=f"{kind} {name}", uri=f"file:///{kind}-{name}", sha256=name, bytes=1,
                media_type="t",
            )
            for kind in ("glb", "model.usdz")
        ]  # fmt: skip
        session.add_all(files)
        session.flush()
        run_id, glb = run.id, files[0].id
    link_asset(engine, asset_id, "finish", run_id, reused=False)
    return glb


def end(engine: Any, asset_id: str, name: str, status: str) -> None:
    glb = make(engine, asset_id, name)
    record_verdict(engine, asset_id, status, reason=None, glb_id=glb, faces=len(name), score=0.5)


def published(engine: Any) -> list[tuple[str, str, int]]:
    """Asset, GLB and faces, as other teams see them."""
    with engine.connect() as connection:
        found = connection.execute(text("SELECT asset_id, glb_uri, faces FROM finished_assets"))
        files = set(connection.execute(text("SELECT uri FROM finished_files")).scalars())
        seen = [tuple(row) for row in found]
    assert {uri for _, uri, _ in seen} <= files
    assert len(files) == 2 * len(seen)
    return seen


@pytest.fixture
def catalogue(engine: Any) -> int:
    """One product, whose asset ``A`` is published with the GLB ``one``."""
    catalogue = stock(engine, 1)
    plan(engine, wanted(engine, catalogue, "a"))
    end(engine, A, "one", "finished")
    assert published(engine) == [(A, "file:///glb-one", 3)]
    return catalogue


FAILURE: dict[str, Any] = {
    "reason": {"message": "The store is down."}, "error_class": "TransientError", "last_night": 3,
    "last_reason": {"message": "gave up"},
}  # fmt: skip


@pytest.mark.parametrize("how", ["force", "retry"])
@pytest.mark.parametrize("ends", ["killed", "failed", "review", "rejected by the gate", "waiting"])
def test_building_again_takes_nothing_away(engine: Any, catalogue: int, how: str, ends: str) -> None:
    if how == "force":
        assert plan(engine, wanted(engine, catalogue, "a"), should_rebuild=lambda *_: True) == [True]
    else:
        assert assets.requeue(engine, ["finished"], []) == [A]
    assets.begin(engine, A)
    make(engine, A, "other")
    assert published(engine) == [(A, "file:///glb-one", 3)], "while it is built"
    if ends == "failed":
        assert assets.record_failure(engine, A, "failed", **FAILURE) == ("failed", "The store is down.")
    elif ends == "waiting":
        assets.record_failure(engine, A, "queued", **FAILURE | {"last_night": None})
    elif ends != "killed":
        end(engine, A, "worse", "review" if ends == "review" else "failed")
    assert published(engine) == [(A, "file:///glb-one", 3)], "and after it"
    found = assets.artifact(engine, A, published=True)
    assert found is not None
    assert found.key == "glb one"
    plan(engine, wanted(engine, catalogue, "b"))
    assert published(engine) == [(A, "file:///glb-one", 3)], "whatever a new plan sets aside"
    end(engine, A, "three", "finished")
    assert published(engine) == [(A, "file:///glb-three", 5)]


@pytest.mark.parametrize("ends", ["failed", "review", "quarantined"])
def test_another_recipe_takes_over_when_it_has_finished(engine: Any, catalogue: int, ends: str) -> None:
    plan(engine, wanted(engine, catalogue, "b"))
    end(engine, B, "new", ends)
    assert published(engine) == [(A, "file:///glb-one", 3)]
    end(engine, B, "newer", "finished")
    assert published(engine) == [(B, "file:///glb-newer", 5)]
    assert statuses(engine) == {A: "superseded", B: "finished"}


def test_an_approved_asset_is_published_and_only_its_own_rejection_takes_it_away(engine: Any, catalogue: int) -> None:
    plan(engine, wanted(engine, catalogue, "b"))
    end(engine, B, "new", "review")
    record_decision(engine, B, "reject", None, "Ann")
    assert published(engine) == [(A, "file:///glb-one", 3)], "another one's rejection"
    record_decision(engine, B, "approve", None, "Ann")
    assert published(engine) == [(B, "file:///glb-new", 3)]
    record_decision(engine, B, "reject", None, "Ann")
    assert published(engine) == []
    end(engine, B, "again", "finished")
    assert published(engine) == [], "a person's word stands"


def test_an_asset_may_be_rejected_while_it_is_built_again(engine: Any, catalogue: int) -> None:
    plan(engine, wanted(engine, catalogue, "a"), should_rebuild=lambda *_: True)
    assets.begin(engine, A)
    assert record_decision(engine, A, "reject", "crooked", "Ann").before == "running"
    assert published(engine) == []
    end(engine, A, "again", "finished")
    assert published(engine) == []
    assert statuses(engine) == {A: "failed"}


@pytest.mark.parametrize("status", ["finished", "review"])
def test_a_worker_that_is_cut_off_fails_nothing_that_another_one_has_finished(
    engine: Any, catalogue: int, status: str
) -> None:
    plan(engine, wanted(engine, catalogue, "a"), should_rebuild=lambda *_: True)
    assets.begin(engine, A)
    end(engine, A, "two", status)
    assets.begin(engine, A)
    assert assets.record_failure(engine, A, "failed", **FAILURE) == (status, None)
    assert statuses(engine) == {A: status}


def test_published_files_are_no_garbage_whatever_becomes_of_their_asset(engine: Any, catalogue: int) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    plan(engine, wanted(engine, catalogue, "a"), should_rebuild=lambda *_: True)
    assets.begin(engine, A)
    make(engine, A, "other")
    assets.record_failure(engine, A, "failed", **FAILURE)
    plan(engine, wanted(engine, catalogue, "b"))
    assert statuses(engine) == {A: "superseded", B: "queued"}
    keys = ["glb one", "model.usdz one", "glb other"]
    assert referenced(engine, keys, later) == set(keys)
    forget_superseded(engine, later)
    assert referenced(engine, keys) == set(keys)
    end(engine, B, "new", "finished")
    assert referenced(engine, keys, later) == set()
    assert forget_superseded(engine, later) == 4
    with reading(engine) as session:
        left = session.query(Artifact.key).where(needed(), Artifact.made_by.is_not(None)).all()
    assert {key for (key,) in left} == {"glb new", "model.usdz new"}


def test_what_a_database_had_published_stays_so(empty_database_url: str) -> None:
    from test_every_version import ROWS

    from db.engine import open_engine

    engine = open_engine(empty_database_url)
    upgrade(engine, "0009")
    with engine.execution_options(writes=True).begin() as connection:
        older = [row.replace("'a1'", "'a0'").replace("'pp'", "'qq'").replace("1, :at, :at)", "1, :at, :before)")
                 for row in ROWS[-1:]]  # fmt: skip
        for row in (*ROWS, *older):
            values = {"at": "2026-11-22 20:00:00+00:00", "before": "2026-11-21 20:00:00+00:00"}
            names = {name: value for name, value in values.items() if f":{name}" in row}
            connection.execute(text(row.replace(" quality,", " score,")), names)
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT asset_id FROM finished_assets")).scalars().all() == ["a1"]
    assert housekeeping.referenced(engine, ["objects/a"]) == {"objects/a"}
    assert engine.connect().execute(text("SELECT count(*) FROM asset WHERE status = 'finished'")).scalar() == 2
    engine.dispose()
