from __future__ import annotations

import json
import math
from typing import get_args

import pytest

from core.errors import InvalidRecipe
from core.recipes import NAMED, Recipe, RecipeName, load_recipe, recipe_hash


@pytest.mark.parametrize("name", NAMED)
def test_every_named_recipe_loads_and_carries_its_name(name):
    assert load_recipe(name).name == name


def test_forms_offer_every_named_recipe():
    assert set(get_args(RecipeName)) == set(NAMED)


@pytest.mark.parametrize("name", [name for name in NAMED if "123" in name])
def test_recipes_for_published_weights_sample_as_their_users_do(name):
    recipe = load_recipe(name)
    assert (recipe.views.eta, recipe.views.guidance, recipe.reconstruct.guidance) == (1.0, 3.0, 3.0)
    assert (recipe.reconstruct.score_every, recipe.reconstruct.score_weight) == (1, 4.0)
    assert recipe.reconstruct.score_silhouette > 0


def test_the_released_preset_brings_its_own_numbers_unless_told():
    assert load_recipe("starter", ["reconstruct.preset=released"]).reconstruct.steps == 10_000
    assert load_recipe("starter", ["reconstruct.preset=released"]).reconstruct.grid == 100
    assert load_recipe("starter", ["reconstruct.preset=released", "reconstruct.steps=7"]).reconstruct.steps == 7
    assert load_recipe("starter").reconstruct.steps < 1000


def test_overrides_reach_the_parameter_they_name():
    assert load_recipe("starter", ["views.steps=31", "finish.faces=5000"]).views.steps == 31


def test_the_hash_follows_the_parameters_and_ignores_the_name():
    base = load_recipe("starter")
    assert recipe_hash(base) == recipe_hash(base.model_copy(update={"name": "other"}))
    assert recipe_hash(base) != recipe_hash(load_recipe("starter", ["seed=1"]))


def test_a_recipe_file_is_read_and_named_after_its_file(tmp_path):
    path = tmp_path / "mugs.json"
    path.write_text(json.dumps({"finish": {"faces": 777}}))
    recipe = load_recipe(str(path))
    assert (recipe.name, recipe.finish.faces) == ("mugs", 777)


@pytest.mark.parametrize(
    ("source", "overrides", "words"),
    [
        ("starter", ["views.steps=many"], "views.steps"),
        ("starter", ["views.stepz=3"], "views.stepz"),
        ("starter", ["views.steps=3", "nonsense=1"], "nonsense"),
        ("starter", ["steps"], "key=value"),
        ("starter", ["seed.a.b=1"], "seed"),
        ("starter", ["quality.finished=NaN"], "quality.finished"),
        ("no-such-recipe", [], "no-such-recipe"),
    ],
)
def test_wrong_recipes_are_refused_with_the_field_named(source, overrides, words):
    with pytest.raises(InvalidRecipe, match=words):
        load_recipe(source, overrides)


def test_a_recipe_file_that_is_not_an_object_is_refused(tmp_path):
    path = tmp_path / "list.json"
    path.write_text("[1, 2]")
    with pytest.raises(InvalidRecipe, match=r"list\.json"):
        load_recipe(str(path))


def test_a_recipe_survives_its_own_json():
    recipe = load_recipe("preview")
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert not math.isnan(recipe.views.guidance)
