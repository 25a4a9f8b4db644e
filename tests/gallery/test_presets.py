"""Ways to try again are offered only where they can change this asset: true for its weights, its photo, its state."""

from __future__ import annotations

from typing import Any

import pytest

from core.recipes import NAMED, Recipe, load_recipe, overridden, recipe_hash
from gallery.presets import presets_of


def asset(recipe: str = "starter", settings: tuple[str, ...] = (), method: str = "onnx", **more: Any) -> dict[str, Any]:
    parameters = load_recipe(recipe, settings).model_dump(mode="json")
    stages = [{"stage": "segment", "figures": {"method": method}}]
    return {"parameters": parameters, "stages": stages, "status": "review", "error_class": None} | more


def names(row: dict[str, Any]) -> list[str]:
    return [preset.name for preset in presets_of(row)]


def test_nothing_is_offered_that_the_starter_has_no_use_for() -> None:
    assert names(asset()) == []
    assert names(asset(settings=("reconstruct.steps=300",))) == []


@pytest.mark.parametrize("name", NAMED)
def test_every_preset_changes_the_recipe_and_no_published_recipe_loses_steps(name: str) -> None:
    row = asset(name, method="alpha")
    own = Recipe.model_validate(row["parameters"])
    for preset in presets_of(row):
        other = overridden(own, preset.settings)
        assert recipe_hash(other) != recipe_hash(own)
        assert (other.views.steps, other.reconstruct.steps) >= (own.views.steps, own.reconstruct.steps)
        assert not (preset.name in ("careful", "seed") and own.views.checkpoint == "starter")


def test_a_fast_recipe_can_be_careful_and_a_preview_full() -> None:
    (careful,) = [p for p in presets_of(asset("zero123-xl-fast")) if p.name == "careful"]
    assert overridden(load_recipe("zero123-xl-fast"), careful.settings).reconstruct.steps == 300
    assert "careful" not in names(asset("zero123-xl"))
    assert names(asset("preview")) == ["full"]
    (full,) = presets_of(asset("preview"))
    assert recipe_hash(overridden(load_recipe("preview"), full.settings)) == recipe_hash(load_recipe("starter"))


def test_another_seed_only_where_chance_decides() -> None:
    assert "seed" in names(asset("zero123-xl"))
    (seed,) = [p for p in presets_of(asset(settings=("views.steps=4", "seed=8"))) if p.name == "seed"]
    assert seed.settings == ("seed=9",)


def test_the_file_s_own_transparency_is_left_only_where_it_was_used() -> None:
    assert names(asset(method="alpha")) == ["no-alpha"]


def test_once_more_as_it_was_only_after_an_error() -> None:
    assert names(asset(status="failed", error_class="OutOfMemory")) == ["again"]
    assert names(asset(status="failed")) == []


def test_an_asset_of_another_version_of_the_program_is_offered_nothing_and_its_page_stands() -> None:
    row = asset("zero123-xl", method="alpha")
    row["parameters"]["quality"]["weights"] = {"a_check_of_yesterday": 1.0}
    assert names(row) == []
