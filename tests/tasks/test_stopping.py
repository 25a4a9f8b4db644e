"""Runs that stop by themselves, and assets that are tried for three nights."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from test_run_stage import Shop, shop, small_shop  # noqa: F401 - the fixtures

from core.errors import RunStopped, StageError, StageTimeout, StoreRefused, TransientError
from db import assets, runs
from db.engine import reading
from db.skus import find_product
from tasks.build import Shard, build_ahead
from tasks.factory import Factory
from tasks.plan import begin_run, plan_catalogue
from tasks.run_stage import StageRequest, StageResult, run_stage
from tasks.stopping import ALIKE, CANCELLED, Breaker, common_part


def begun(shop: Shop, factory: Factory) -> tuple[str, list[str]]:  # noqa: F811
    """A run, and what it is to build."""
    _, models = shop.plan(factory)
    with reading(factory.engine) as session:
        catalogue = session.execute(text("SELECT id FROM catalogue")).scalar_one()
    run_id = begin_run(factory, catalogue, shop.recipe())
    return run_id, list(plan_catalogue(factory, catalogue, shop.recipe(), models, run_id=run_id).build)


def shard(factory: Factory, run_id: str | None, ids: list[str]) -> dict[str, str]:
    return Shard(factory, lambda request: run_stage(factory, request), Breaker(factory, run_id)).build(ids)


def put(shop: Shop, photos: dict[str, str]) -> None:  # noqa: F811
    for name, photo in photos.items():
        (shop.photos / f"{name}.png").write_bytes(photo.encode())


def alike(count: int) -> dict[str, str]:
    """Photos whose stages fail alike but for what is each asset's own."""
    return {
        f"p{n:02}": f"says The file /tmp/x{n}/p{n:02}.glb of p{n:02} has {n * 1000 + 7} faces, 'mug {n}' fails."
        for n in range(count)
    }


def test_twenty_failures_alike_stop_the_run_and_leave_the_rest_queued(shop: Shop) -> None:  # noqa: F811
    factory = shop.factory()
    put(shop, alike(25) | {"z": "photo"})
    plan, models = shop.plan(factory)
    with pytest.raises(RunStopped, match=r"20 assets in a row failed alike.*has 19007 faces.*stays queued"):
        build_ahead(factory, plan.build, models, lambda: False)
    assert Counter(shop.statuses(factory).values()) == {"failed": ALIKE, "queued": 6}
    assert shop.computed()["segment"] == ALIKE, "nothing was tried after it"


def test_a_row_of_failures_is_counted_over_all_shards_and_hosts(shop: Shop) -> None:  # noqa: F811
    factories = [shop.factory(), shop.factory()]
    put(shop, alike(25))
    run_id, ids = begun(shop, factories[0])
    shards = [ids[n : n + 4] for n in range(0, 24, 4)]
    for number in range(4):
        shard(factories[number % 2], run_id, shards[number])
    with pytest.raises(RunStopped, match="20 assets"):
        shard(factories[0], run_id, shards[4])
    with pytest.raises(RunStopped, match="20 assets"):
        shard(factories[1], run_id, shards[5])
    assert Counter(shop.statuses(factories[0]).values()) == {"failed": ALIKE, "queued": 5}
    assert "20 assets" in str(runs.stopped(factories[0].engine, run_id))


@pytest.mark.parametrize(
    ("between", "stops"),
    [("photo", False), ("says Another sentence.", False), ("bad", True)],
    ids=["one that comes out", "another failure", "a refused photo"],
)
def test_what_breaks_a_row_of_failures(small_shop: Shop, between: str, stops: bool) -> None:  # noqa: F811
    factory = small_shop.factory()
    put(small_shop, alike(20) | {"p10": between} | {f"q{n}": f"says The file q{n} of q{n} fails." for n in range(3)})
    put(small_shop, {"p20": alike(21)["p20"]})
    run_id, ids = begun(small_shop, factory)
    if stops:
        with pytest.raises(RunStopped):
            shard(factory, run_id, ids)
    else:
        shard(factory, run_id, ids)
    assert ("queued" in small_shop.statuses(factory).values()) is stops


@pytest.mark.parametrize("good", [None, "p10"])
def test_failures_of_finishing_beside_the_models_count_in_the_order_of_the_assets(
    small_shop: Shop,  # noqa: F811
    good: str | None,
) -> None:
    """Finishing one asset takes as long as the models take for all the others."""
    factory = small_shop.factory()
    put(small_shop, {f"p{n:02}": f"photo {n}" for n in range(24)})
    run_id, ids = begun(small_shop, factory)
    names = {row.asset_id: row.sku for row in assets.list_assets(factory.engine)}

    def run(request: StageRequest) -> StageResult:
        if request.stage == "mesh":
            time.sleep(0.05)
            if names[request.asset_id] != good:
                raise StageError("No faces are left.")
        return run_stage(factory, request)

    shard_ = Shard(factory, run, Breaker(factory, run_id))
    if good is None:
        with pytest.raises(RunStopped, match="20 assets"):
            shard_.build(ids)
        assert Counter(small_shop.statuses(factory).values()) == {"failed": ALIKE, "queued": 4}
    else:
        shard_.build(ids)
        assert Counter(small_shop.statuses(factory).values()) == {"failed": 23, "finished": 1}


def test_what_differs_from_asset_to_asset_is_no_difference() -> None:
    told = "The {} stage of {} left '{}' in /data/{}/{}.npz after {:.1f} s (object objects/ab/{:064x})."
    sentences = {
        common_part(told.format("mesh", sku, sku.upper(), sku, sku, n * 1.7, n), sku)
        for n, sku in enumerate(["mug", "Teapot-Blue", "04711", "a+b(c)", "päp", "mesh2"])
    }
    assert len(sentences) == 1
    assert common_part("The mesh is open.", "mug") != common_part("The mesh is empty.", "mug")
    assert common_part("The smug mugs of mug.", "mug") == "The smug mugs of …."


def broken_after(factory: Factory, stages: int, error: Exception) -> Callable[[StageRequest], StageResult]:
    """A runner whose store refuses after so many stages."""
    left = [stages]

    def run(request: StageRequest) -> StageResult:
        left[0] -= 1
        if left[0] < 0:
            raise error
        return run_stage(factory, request)

    return run


def test_a_store_that_refuses_stops_the_run_at_once_and_harms_no_asset(shop: Shop) -> None:  # noqa: F811
    factory = shop.factory()
    put(shop, {f"p{n}": f"photo {n}" for n in range(5)})
    run_id, ids = begun(shop, factory)
    refusing = Shard(factory, broken_after(factory, 9, StoreRefused("No such bucket.")), Breaker(factory, run_id))
    with pytest.raises(RunStopped, match="No such bucket"):
        refusing.build(ids)
    assert runs.stopped(factory.engine, run_id) == "Stopped: No such bucket. What was not tried stays queued."
    statuses = Counter(shop.statuses(factory).values())
    assert statuses["queued"] >= 4
    assert set(statuses) <= {"queued", "finished"}, statuses
    run_id, ids = begun(shop, factory)
    shard(factory, run_id, ids)
    assert set(shop.statuses(factory).values()) == {"finished"}


def test_a_cancelled_run_ends_after_the_stage_at_hand(
    small_shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factory = small_shop.factory()
    put(small_shop, {f"p{n}": f"photo {n}" for n in range(3)})
    run_id, ids = begun(small_shop, factory)

    def run(request: StageRequest) -> StageResult:
        if request.stage == "views":
            runs.stop(factory.engine, run_id, CANCELLED)
            monkeypatch.setattr(breaker, "_looked", 0.0)  # a second has passed
        return run_stage(factory, request)

    breaker = Breaker(factory, run_id)
    with pytest.raises(RunStopped, match=CANCELLED):
        Shard(factory, run, breaker).build(ids)
    assert small_shop.computed() == {"segment": 1, "views": 1}
    assert set(small_shop.statuses(factory).values()) == {"queued"}


@pytest.mark.parametrize("error", [StageTimeout("It took longer than 5 s."), TransientError("The mount is away.")])
def test_what_may_pass_is_tried_for_three_nights_and_then_given_up(shop: Shop, error: Exception) -> None:  # noqa: F811
    factory = shop.factory()
    put(shop, {"cup": "photo", "mug": "photo b"})

    def night() -> dict[str, Any]:
        run_id, ids = begun(shop, factory)
        names = {row.asset_id: row.sku for row in assets.list_assets(factory.engine)}

        def run(request: StageRequest) -> StageResult:
            if names[request.asset_id] == "cup":
                raise error
            return run_stage(factory, request)

        Shard(factory, run, Breaker(factory, run_id)).build(ids)
        return {row.sku: row.reason for row in assets.list_assets(factory.engine, status="failed")} | {
            "tried": sorted(names[id_] for id_ in ids)
        }

    said = str(error)
    assert night() == {"cup": said, "tried": ["cup", "mug"]}
    assert night() == {"cup": said, "tried": ["cup"]}
    assert night() == {"cup": f"{said[:-1]}; gave up after three nights.", "tried": ["cup"]}
    assert night() == {"cup": f"{said[:-1]}; gave up after three nights.", "tried": []}

    assert len(assets.requeue(factory.engine, ["failed"], [find_product(factory.engine, "cup")])) == 1, (
        "`meshmill retry` gives three more"
    )
    assert night()["cup"] == said
    run_id, ids = begun(shop, factory)
    shard(factory, run_id, ids)
    assert set(shop.statuses(factory).values()) == {"finished"}


def test_a_bug_outside_a_stage_fails_one_asset_and_not_the_shard(
    small_shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import tasks.build

    factory = small_shop.factory()
    put(small_shop, {"cup": "photo a", "mug": "photo b"})
    run_id, ids = begun(small_shop, factory)
    real = tasks.build.check_photo

    def check(recipe: Any, candidate: Any) -> None:
        if candidate.sku == "cup":
            raise KeyError("placement")
        real(recipe, candidate)

    monkeypatch.setattr(tasks.build, "check_photo", check)
    shard(factory, run_id, ids)
    assert small_shop.statuses(factory) == {"cup": "failed", "mug": "finished"}
