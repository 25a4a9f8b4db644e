"""`meshmill retry`: which assets are taken up again, and with which weights."""

from __future__ import annotations

from typing import Any

import pytest
from test_run_stage import Shop, small_shop  # noqa: F401 - the fixture

import flows.run
from db import assets


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
    assert len(assets.requeue(house.engine, ["queued"], ["b"])) == 1
