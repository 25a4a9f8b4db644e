"""Planning in pages, what supersedes what, and what a run came to. On both databases."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from core.records import to_json
from db import assets, runs
from db.catalogue import ensure_catalogue, sync_products
from db.engine import reading
from db.found import FoundPhoto, FoundProduct
from db.planning import Wanted, candidates, ensure_recipe, plan_page
from db.tables import Asset, Run


def never(_status: str, _error: str | None, _nights: int) -> bool:
    return False


def stock(engine: Any, count: int) -> int:
    catalogue = ensure_catalogue(engine, "shop", "file:///shop")
    products = [FoundProduct(f"s{n:04}", "S", (FoundPhoto(f"file:///{n}", "1", 1),)) for n in range(count)]
    sync_products(engine, catalogue, products, lambda photo: photo.source_uri)
    ensure_recipe(engine, "r", "starter", {})
    return catalogue


def wanted(engine: Any, catalogue: int, tag: str) -> list[Wanted]:
    page = candidates(engine, catalogue)
    return [Wanted(c, f"{tag}-{c.sku}", f"key {tag} {c.sku}") for c in page]


def plan(engine: Any, page: list[Wanted], run_id: str | None = None, should_rebuild: Any = never) -> list[bool]:
    planned = plan_page(engine, page, recipe_hash="r", run_id=run_id, model="m@1", should_rebuild=should_rebuild)
    assert set(planned) == {w.asset_id for w in page}
    return [planned[w.asset_id] for w in page]


def statuses(engine: Any) -> dict[str, str]:
    with reading(engine) as session:
        return {row.id: row.status for row in session.execute(select(Asset.id, Asset.status))}


def test_only_what_is_unsettled_is_planned_again(engine: Any) -> None:
    page = wanted(engine, stock(engine, 4), "a")
    assert plan(engine, page) == [True] * 4
    for sku, status in (("s0000", "finished"), ("s0001", "failed"), ("s0002", "quarantined")):
        assets.set_status(engine, f"a-{sku}", status)
    assert plan(engine, page) == [False, False, False, True]
    assert plan(engine, page, should_rebuild=lambda status, *_: status == "failed") == [False, True, False, True]
    assert statuses(engine)["a-s0001"] == "queued"


def test_a_new_recipe_sets_aside_what_waited_or_failed_and_publishes_until_it_is_better(engine: Any) -> None:
    catalogue = stock(engine, 4)
    plan(engine, wanted(engine, catalogue, "a"))
    for sku, status in (("s0000", "finished"), ("s0001", "failed"), ("s0002", "review")):
        assets.set_status(engine, f"a-{sku}", status)
    plan(engine, wanted(engine, catalogue, "b"))
    found = statuses(engine)
    assert [found[f"a-s000{n}"] for n in range(4)] == ["finished", "superseded", "review", "superseded"]
    for n in (0, 2):
        assets.set_status(engine, f"b-s000{n}", "finished")
    found = statuses(engine)
    assert (found["a-s0000"], found["a-s0002"]) == ("superseded", "superseded")
    assert plan(engine, wanted(engine, catalogue, "a"))[0], "back to the old recipe: built again, from finished stages"


def test_two_planners_of_one_page_make_each_asset_once(engine: Any) -> None:
    page = wanted(engine, stock(engine, 3), "a")
    assert plan(engine, page) == plan(engine, page)
    with reading(engine) as session:
        assert len(session.scalars(select(Asset.id)).all()) == 3


def test_a_run_is_summed_up_by_the_database(engine: Any) -> None:
    catalogue = stock(engine, 5)
    runs.start_run(engine, "run", catalogue, "r", "prefect-id")
    runs.start_run(engine, "run", catalogue, "r", "prefect-id")
    plan(engine, wanted(engine, catalogue, "a"), "run")
    for n, seconds in ((0, 3.0), (1, 7.0)):
        assets.set_status(engine, f"a-s000{n}", "finished", seconds=seconds, cost=0.5)
    for n in (2, 3):
        assets.set_status(engine, f"a-s000{n}", "quarantined", reason="No object.", error_class="NoObject")
    found = runs.outcome(engine, "run")
    assert {name: count for name, count in found.counts.items() if count} == {
        "finished": 2,
        "quarantined": 2,
        "queued": 1,
    }
    assert [row.sku for row in found.slowest] == ["s0001", "s0000"]
    assert found.failures == [runs.Ended("quarantined", "NoObject", "No object.", 2, "s0002")]
    assert (found.computed_seconds, found.cost) == (10.0, 1.0)
    assert runs.unsettled(engine, ["a-s0004", "a-s0000"]) == ["a-s0004"]
    assets.set_status(engine, "a-s0004", "queued", reason="Its photo cannot be read now.")
    assert runs.unsettled(engine, ["a-s0004", "a-s0000"]) == [], "it waits for the next run"
    runs.end_run(engine, "run", to_json(found))
    with reading(engine) as session:
        row = session.get(Run, "run")
        assert row is not None
        assert row.summary == to_json(found)
        assert row.finished_at is not None


def test_a_photo_that_moved_is_followed(engine: Any) -> None:
    catalogue = stock(engine, 1)
    (first,) = wanted(engine, catalogue, "a")
    plan(engine, [first])
    products = [FoundProduct("s0000", "S", (FoundPhoto("file:///elsewhere", "1", 1),))]
    sync_products(engine, catalogue, products, lambda _: first.candidate.photo_sha256)
    (second,) = wanted(engine, catalogue, "a")
    assert second.candidate.photo_id != first.candidate.photo_id
    plan(engine, [second])
    assert assets.job(engine, "a-s0000").candidate.photo_uri == "file:///elsewhere"


def test_workers_that_begin_at_once_write_one_recipe_and_one_checkpoint(engine: Any) -> None:
    """Two hosts start a night with a recipe and weights that nobody had: the second one's row is the first one's."""
    from db.checkpoints import CheckpointRow, add_checkpoint, list_checkpoints

    row = CheckpointRow("views", "views", "c" * 64, "/views", None, None, None, None)
    together = threading.Barrier(4)
    problems: list[BaseException] = []

    def begin() -> None:
        try:
            for n in range(20):
                together.wait(30)
                ensure_recipe(engine, f"{n:064}", "starter", {})
                add_checkpoint(engine, replace(row, name=f"views{n}"))
        except BaseException as error:
            problems.append(error)
            together.abort()

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(list_checkpoints(engine)) == 20
