"""`meshmill retry`: which assets are taken up again, and with which weights."""

from __future__ import annotations

import pytest
from test_run_stage import Shop, small_shop  # noqa: F401 - the fixture

import flows.run
from core.records import to_json
from db import assets
from db.engine import writing
from db.lineage import lineage
from db.reviews import record_decision
from db.skus import find_product
from db.tables import RecipeRow
from tasks.build import build_ahead
from tasks.factory import Factory
from tasks.plan import plan_with_changes
from tasks.stages import STAGE_NAMES


def build(factory: Factory, ids: list[str], *_: object) -> None:
    """The driver without a Prefect server."""
    build_ahead(factory, ids, None, lambda: False)


def two_recipes(shop: Shop, factory: Factory, change: str) -> None:
    """A product built by the recipe, and another one by the recipe with a change."""
    (shop.photos / "a.png").write_bytes(b"photo a")
    shop.build(factory)
    (shop.photos / "a.png").unlink()
    (shop.photos / "b.png").write_bytes(b"photo b")
    shop.build(factory, change)


def test_assets_of_several_recipes_are_each_built_with_their_own_weights(
    small_shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factory = small_shop.factory()
    other = small_shop.folder / "other"
    other.mkdir()
    (other / "config.json").write_text('{"other": true}')
    two_recipes(small_shop, factory, f"views.checkpoint={other}")
    assert small_shop.computed() == dict.fromkeys(STAGE_NAMES, 2)
    monkeypatch.setattr(flows.run, "_build", build)
    document = to_json(flows.run.build_again(factory, assets.requeue(factory.engine, ["finished"], [])))
    assert [row["status"] for row in document["assets"]] == ["finished", "finished"]
    assert small_shop.computed() == {}, "with another's weights every stage from the views on would be another"


def test_a_rejected_asset_stays_rejected_until_other_settings_make_another_version(
    small_shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factory = small_shop.factory()
    (small_shop.photos / "a.png").write_bytes(b"photo")
    (first,) = small_shop.build(factory).build
    record_decision(factory.engine, first, "reject", "too round", "Ann")
    monkeypatch.setattr(flows.run, "_build", build)
    document = to_json(
        flows.run.build_again(factory, assets.requeue(factory.engine, ["failed"], [find_product(factory.engine, "a")]))
    )
    assert [(row["status"], row["reason"]) for row in document["assets"]] == [("failed", "too round")], (
        "the same photo and settings make the same asset"
    )
    small_shop.computed()
    chosen = assets.of_status(factory.engine, ["failed"], [find_product(factory.engine, "a")])
    document = to_json(
        flows.run.build_again(factory, plan_with_changes(factory, chosen, None, ["finish.faces=5000"]).build)
    )
    assert [(row["sku"], row["status"]) for row in document["assets"]] == [("a", "finished")]
    assert small_shop.computed() == {"finish": 1, "assess": 1}, "only from the changed stage on"
    second = document["assets"][0]["asset_id"]
    assert second != first
    assert to_json(lineage(factory.engine, second))["parameters"]["finish"]["faces"] == 5000
    assert to_json(lineage(factory.engine, first))["status"] == "superseded"
    assert [row["note"] for row in to_json(lineage(factory.engine, first))["reviews"]] == ["too round"]
    again = plan_with_changes(factory, [second], None, ["finish.faces=5000"])
    assert (again.build, again.reused) == ((), (second,))


def test_an_asset_of_another_version_ends_with_a_sentence_and_the_others_are_built(
    small_shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factory = small_shop.factory()
    two_recipes(small_shop, factory, "finish.faces=5000")
    (old,) = assets.list_assets(factory.engine, sku="a")
    with writing(factory.engine) as session:
        row = session.get_one(RecipeRow, old.recipe_hash)
        row.parameters = row.parameters | {"quality": {"a_check_of_old": 0.5}}
    monkeypatch.setattr(flows.run, "_build", build)
    report = flows.run.build_again(factory, assets.requeue(factory.engine, ["finished"], []))
    found = {asset.sku: (asset.status, asset.reason) for asset in report.assets}
    assert found["b"][0] == "finished"
    assert found["a"][0] == "quarantined"
    assert "another version of the program" in str(found["a"][1])
