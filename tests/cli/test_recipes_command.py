"""`meshmill recipes`: what can be set, to what, and what it means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.recipe_fields import RecipeField, recipe_fields
from core.recipes import NAMED, Recipe, load_recipe
from tests.cli.test_main import meshmill


def test_recipes_are_listed_with_what_they_change(tmp_path: Path) -> None:
    rows = json.loads(meshmill("recipes", "--json", home=tmp_path).stdout)
    assert {row["name"] for row in rows} == set(NAMED)
    changes = {row["name"]: row["changes"] for row in rows}
    assert changes["starter"] == {}
    assert changes["preview"]["finish.faces"] == load_recipe("preview").finish.faces


def test_a_recipe_is_shown_with_every_parameter(tmp_path: Path) -> None:
    document = json.loads(
        meshmill("recipes", "show", "starter", "--set", "views.steps=7", "--json", home=tmp_path).stdout
    )
    shown = {row["path"]: row for row in document["parameters"]}
    assert shown["views.steps"]["value"] == 7
    assert shown["views.steps"]["default"] == Recipe().views.steps
    assert shown["views.steps"]["allowed"] == "1 … 999"
    text = meshmill("recipes", "show", "starter", home=tmp_path).stdout
    assert all(path in text for path in shown)


def test_a_recipe_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert meshmill("recipes", "show", "nonsense", home=tmp_path).returncode == 2


@pytest.mark.parametrize("field", recipe_fields(Recipe()), ids=lambda field: field.path)
def test_every_parameter_says_what_it_means_and_may_be(field: RecipeField) -> None:
    assert field.meaning
    assert field.allowed
    assert "annotation" not in field.allowed
