"""`meshmill retry`: which assets are taken up again, and with which weights."""

from __future__ import annotations

from typing import Any

import pytest
from test_run_stage import Shop, small_shop  # noqa: F401 - the fixture

import flows.run
from db import assets
from db.reviews import record_decision
from db.skus import find_product
from tasks.build import build_ahead
from tasks.plan import plan_otherwise


def test_assets_of_several_recipes_are_each_built_with_their_own_weights(
    small_shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = small_shop.house()
    (small_shop.photos / "a.png").write_bytes(b"ours")
    small_shop.build(house)
    (small_shop.photos / "a.png").unlink()
    other = small_shop.folder / "other"
    other.mkdir()
    (other / "config.json").write_text('{"other": true}')
    (small_shop.photos / "b.png").write_bytes(b"ours")
    small_shop.build(house, f"views.checkpoint={other}")
    built: list[tuple[int, str]] = []

    def build(_house: Any, ids: list[str], models: Any, _force: bool) -> None:
        built.append((len(ids), models["views"].name))

    monkeypatch.setattr(flows.run, "_build", build)
    document = flows.run.build_again(house, assets.requeue(house.engine, ["failed"], []))
    assert sorted(built) == sorted([(1, f"{small_shop.folder}/views"), (1, str(other))])
    assert len(document["assets"]) == 2
    assert assets.requeue(house.engine, ["failed"], []) == [], "they wait already"
    assert len(assets.requeue(house.engine, ["queued"], [find_product(house.engine, "b")])) == 1


def test_a_rejected_asset_stays_rejected_until_other_settings_make_another_version(
    small_shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = small_shop.house()
    (small_shop.photos / "a.png").write_bytes(b"photo")
    (first,) = small_shop.build(house).build
    record_decision(house.engine, first, "reject", "too round", "Ann")

    def build(house: Any, ids: Any, models: Any, _force: bool) -> None:
        build_ahead(house, ids, models, lambda: False)

    monkeypatch.setattr(flows.run, "_build", build)
    document = flows.run.build_again(house, assets.requeue(house.engine, ["failed"], [find_product(house.engine, "a")]))
    assert [(row["status"], row["reason"]) for row in document["assets"]] == [("failed", "too round")], (
        "the same photo and settings make the same asset"
    )
    small_shop.computed()
    chosen = assets.of_status(house.engine, ["failed"], [find_product(house.engine, "a")])
    document = flows.run.build_again(house, plan_otherwise(house, chosen, None, ["finish.faces=5000"]).build)
    assert [(row["sku"], row["status"]) for row in document["assets"]] == [("a", "finished")]
    assert small_shop.computed() == {"finish": 1, "assess": 1}, "only from the changed stage on"
    second = document["assets"][0]["asset_id"]
    assert second != first
    assert assets.lineage(house.engine, second)["parameters"]["finish"]["faces"] == 5000
    assert assets.lineage(house.engine, first)["status"] == "superseded"
    assert [row["note"] for row in assets.lineage(house.engine, first)["reviews"]] == ["too round"]
    again = plan_otherwise(house, [second], None, ["finish.faces=5000"])
    assert (again.build, again.reused) == ((), (second,))
