"""What `meshmill plan` says is what a run then does, in that order, within those limits. On both databases."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from test_ingest import picture
from test_run_stage import Shop, shop, small_shop  # noqa: F401 - the fixtures

import flows.run
from core.errors import InputError
from core.records import to_json
from db import assets
from db.engine import reading
from db.tables import Asset, Catalogue, Product
from tasks.build import build_ahead
from tasks.estimate import Estimator, budget_of
from tasks.factory import Factory
from tasks.forecast import Forecast, forecast
from tasks.ingest import ingest_source
from tasks.models import models_of
from tasks.night import Budget, Night, night_of
from tasks.plan import plan_catalogue
from tasks.stages import STAGE_NAMES


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(picture(200 + sum(name.encode()) % 97, 200 + len(name)))


def seen(shop: Shop, factory: Factory, *overrides: str, **more: Any) -> Forecast:  # noqa: F811
    return forecast(factory, str(shop.photos), shop.recipe(*overrides), **more)


def actions(plan: Forecast) -> dict[str, str]:
    return {product.found.sku: product.action for product in plan.products}


def build(shop: Shop, factory: Factory, *overrides: str) -> None:  # noqa: F811
    recipe = shop.recipe(*overrides)
    models = models_of(factory, recipe)
    catalogue, _ = ingest_source(factory, str(shop.photos))
    build_ahead(factory, plan_catalogue(factory, catalogue, recipe, models).build, models, lambda: False)


def test_a_new_folder_is_shown_with_its_shots_and_nothing_is_written(shop: Shop) -> None:  # noqa: F811
    put(shop.photos, "A1_front.png", "A1_back.png", "A1_detail.png", "B2_back.png", "B2_front.png", "c.png")
    factory = shop.factory()
    document = to_json(seen(shop, factory).report())
    products = {row["sku"]: row for row in document["products"]}
    assert {sku: row["action"] for sku, row in products.items()} == dict.fromkeys(("A1", "B2", "c"), "build")
    assert [(p["file"], p["role"], p["azimuth"], p["use"]) for p in products["A1"]["photos"]] == [
        ("A1_front.png", "front", 0.0, "main"),
        ("A1_back.png", "back", 180.0, "geometry"),
        ("A1_detail.png", "detail", None, "record"),
    ]
    assert products["B2"]["photos"][0]["file"] == "B2_front.png"
    assert document["estimate"]["seconds"] is None, "nothing has ever run here"
    assert document["estimate"]["unknown_stages"] == list(STAGE_NAMES)
    with reading(factory.engine) as session:
        assert [session.scalar(select(func.count()).select_from(t)) for t in (Catalogue, Product, Asset)] == [0, 0, 0]
    assert list(shop.computed()) == []


def test_the_plan_is_what_the_run_then_does(shop: Shop) -> None:  # noqa: F811
    others = ("vase", "lamp", "bowl")
    put(shop.photos, "mug.png", "cap.png", "box.png", *(f"{name}.png" for name in others))
    factory = shop.factory()
    build(shop, factory)
    shop.computed()
    assert actions(seen(shop, factory)) == dict.fromkeys(("box", "cap", "mug", *others), "reuse")
    put(shop.photos, "jar.png")
    (shop.photos / "mug.png").write_bytes(picture(300, 300))
    touched = (shop.photos / "cap.png").read_bytes()
    (shop.photos / "cap.png").unlink()
    (shop.photos / "cap.png").write_bytes(touched)
    (shop.photos / "box.png").unlink()
    plan = seen(shop, factory)
    assert actions(plan) == {"mug": "build", "cap": "reuse", "jar": "build"} | dict.fromkeys(others, "reuse")
    assert plan.removed == 1
    build(shop, factory)
    assert shop.computed() == dict.fromkeys(STAGE_NAMES, 2)
    assert actions(seen(shop, factory)) == dict.fromkeys(("mug", "cap", "jar", *others), "reuse")
    for name in (*others, "mug"):
        (shop.photos / f"{name}.png").unlink()
    assert any("--allow-removal" in note for note in seen(shop, factory).notes)


@pytest.mark.parametrize("change", ["finish.faces=5000", "reconstruct.steps=70", "seed=3"])
def test_another_recipe_is_counted_from_the_stage_on_that_differs(shop: Shop, change: str) -> None:  # noqa: F811
    put(shop.photos, "mug.png", "cap.png")
    factory = shop.factory()
    build(shop, factory)
    shop.computed()
    plan = seen(shop, factory, change)
    assert set(actions(plan).values()) == {"build"}
    build(shop, factory, change)
    assert Counter(stage for product in plan.products for stage in product.stages) == shop.computed()


def test_what_cannot_be_built_is_refused_with_its_reason(small_shop: Shop) -> None:  # noqa: F811
    folder = small_shop.photos
    put(folder, "good.png")
    (folder / "tiny.png").write_bytes(picture(30, 30))
    (folder / "text.png").write_bytes(b"no picture")
    (folder / "void.png").write_bytes(b"")
    table = "sku,photo,height_cm,licence\nA,good.png,9\nB,gone.png,9\nC,good.png,abc\nD,tiny.png,1\nE,text.png,1\n"
    (folder / "shop.csv").write_text(table + "F,void.png,1\n")
    factory = small_shop.factory()
    plan = forecast(factory, str(folder / "shop.csv"), small_shop.recipe())
    assert actions(plan) == {"A": "build", **dict.fromkeys("BCDEF", "refuse")}
    reasons = {product.found.sku: product.reason for product in plan.products}
    for sku, said in {"B": "gone.png", "C": "'abc' is no length", "D": "30x30", "E": "text.png", "F": "empty"}.items():
        assert said in reasons[sku]
    with pytest.raises(InputError, match="no photos"):
        forecast(factory, str(small_shop.folder / "views"), small_shop.recipe())


def test_the_night_goes_by_priority_and_by_what_is_asked_for_first(shop: Shop) -> None:  # noqa: F811
    put(shop.photos, "mug.png")
    rows = [("A", ""), ("B", "200"), ("C", "high"), ("D", "1"), ("E", "")]
    (shop.photos / "s.csv").write_text("sku,photo,priority\n" + "".join(f"{s},mug.png,{p}\n" for s, p in rows))
    factory, recipe, source = shop.factory(), shop.recipe(), str(shop.photos / "s.csv")
    for first, order in (((), "DCAEB"), (("E", "B"), "EBDCA")):
        plan = forecast(factory, source, recipe, night=Night(first))
        assert "".join(product.found.sku for product in plan.products) == order
        catalogue, _ = ingest_source(factory, source)
        planned = plan_catalogue(factory, catalogue, recipe, models_of(factory, recipe), first=first)
        skus = {row.asset_id: row.sku for row in assets.list_assets(factory.engine)}
        assert "".join(skus[id_] for id_ in planned.build) == order
    assert len(forecast(factory, source, recipe, limit=2).products) == 2
    with pytest.raises(InputError, match="no product Z"):
        forecast(factory, source, recipe, night=Night(("Z",)))
    with pytest.raises(InputError, match="no product Z"):
        plan_catalogue(factory, catalogue, recipe, models_of(factory, recipe), first=["Z"])


def priced(shop: Shop, factory: Factory) -> None:  # noqa: F811
    """Every stage took ten seconds and cost a tenth."""
    from sqlalchemy import update

    from db.engine import writing
    from db.tables import StageRun

    del shop
    with writing(factory.engine) as session:
        session.execute(update(StageRun).values(seconds=10.0, cost=0.1))


def test_what_does_not_fit_into_the_night_waits(
    small_shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(small_shop, "settings", small_shop.settings.model_copy(update={"cost_per_cpu_hour": 1.0}))
    put(small_shop.photos, "mug.png")
    factory = small_shop.factory()
    build(small_shop, factory)
    priced(small_shop, factory)
    put(small_shop.photos, "cap.png", "box.png", "jar.png")
    whole = seen(small_shop, factory)
    assert whole.seconds == pytest.approx(3 * 30 + 30), "three through the models, the last one's finishing behind"
    assert whole.cost == pytest.approx(3 * 0.6)
    cheap = seen(small_shop, factory, night=Night(max_cost=1.3))
    assert actions(cheap) == {"mug": "reuse", "box": "build", "cap": "build", "jar": "wait"}
    assert cheap.cost == pytest.approx(1.2)
    soon = datetime.now().astimezone() + timedelta(seconds=70)
    short = seen(small_shop, factory, night=Night(until=soon))
    assert actions(short) == {"mug": "reuse", "box": "build", "cap": "wait", "jar": "wait"}
    assert all("stays queued" in p.reason for p in short.products if p.action == "wait")


@pytest.fixture
def built_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs build in this process, without Prefect."""

    def driver(factory: Factory, ids: list[str], *_: object) -> None:
        build_ahead(factory, ids, None, lambda: False)

    monkeypatch.setattr(flows.run, "_build", driver)


def test_a_run_ends_where_its_night_ends_and_the_rest_stays_queued(
    small_shop: Shop,  # noqa: F811
    built_here: None,
) -> None:
    put(small_shop.photos, "mug.png", "cap.png", "box.png")
    factory = small_shop.factory()
    past = Night(until=datetime.now().astimezone() - timedelta(seconds=1))
    document = to_json(flows.run.run_folder(factory, str(small_shop.photos), small_shop.recipe(), night=past))
    assert (document["counts"]["queued"], document["counts"]["finished"]) == (3, 0)
    assert "stays queued" in document["night"]
    assert document["stopped"] is None, "a night that ends as planned is no failure"
    assert list(small_shop.computed()) == []
    document = to_json(flows.run.run_folder(factory, str(small_shop.photos), small_shop.recipe()))
    assert (document["night"], document["counts"]["finished"]) == (None, 3)


def test_a_budget_counts_what_was_computed_and_what_one_more_would_cost() -> None:
    budget = Budget(Night(max_cost=1.0), seconds=5.0, cost=0.3)
    budget.spend(0.6)
    assert not budget.exhausted()
    budget.spend(0.2)
    assert budget.exhausted()
    assert budget.stop_reason is not None


def test_a_limit_of_cost_needs_a_price(small_shop: Shop) -> None:  # noqa: F811
    factory, recipe = small_shop.factory(), small_shop.recipe()
    put(small_shop.photos, "mug.png")
    with pytest.raises(InputError, match="needs a price"):
        budget_of(factory, Night(max_cost=3), recipe, models_of(factory, recipe))
    with pytest.raises(InputError, match="needs a price"):
        seen(small_shop, factory, night=Night(max_cost=3))


def test_the_time_of_day_is_the_next_one() -> None:
    until = night_of([], None, "06:30").until
    assert until is not None
    assert timedelta() < until - datetime.now().astimezone() <= timedelta(days=1)
    assert (until.hour, until.minute) == (6, 30)
    for wrong in ("24:00", "6", "noon", "06:60"):
        with pytest.raises(InputError, match="no time of day"):
            night_of([], None, wrong)


def test_past_nights_say_what_a_run_takes_beside_its_stages(
    small_shop: Shop,  # noqa: F811
    built_here: None,
) -> None:
    put(small_shop.photos, "mug.png", "cap.png")
    factory, recipe = small_shop.factory(), small_shop.recipe()
    document = to_json(flows.run.run_folder(factory, str(small_shop.photos), recipe))
    estimator = Estimator(factory, recipe, models_of(factory, recipe))
    tally = estimator.night()
    tally.add(STAGE_NAMES)
    again = tally.add(STAGE_NAMES).seconds
    assert again == pytest.approx(document["seconds"], rel=0.25, abs=0.2)
