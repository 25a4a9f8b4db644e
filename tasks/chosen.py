"""Settings that a person chose for one product ("try again"): every later night builds it by them, too."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.errors import MeshmillError
from core.recipes import Recipe, load_recipe, of_record, overridden, recipe_hash
from db import mends
from db.assets import Job
from db.candidates import Candidate
from tasks.factory import Factory
from tasks.models import Weights, models_of

LOGGER = logging.getLogger(__name__)


class BuiltBy(NamedTuple):
    """What of a recipe an asset's identity depends on."""

    recipe: Recipe
    key: str
    """The recipe's hash."""
    hashes: dict[str, str]
    """The weights': role to content hash."""
    label: str
    """The view model's name."""


def built_by(recipe: Recipe, models: Mapping[str, Weights]) -> BuiltBy:
    hashes = {role: weights.sha256 for role, weights in models.items()}
    return BuiltBy(recipe, recipe_hash(recipe), hashes, models["views"].label)


def as_stored(photo_sha256: str, recipe: str | None, overrides: Sequence[str]) -> str:
    """The text of ``mend.settings``: they were chosen for this photo and say nothing of another one."""
    return json.dumps({"photo": photo_sha256, "recipe": recipe, "overrides": list(overrides)}, sort_keys=True)


def chosen_of(candidate: Candidate) -> tuple[str | None, list[str]] | None:
    """Recipe's name, or None for the night's own, and overrides; None where nobody chose any for this photo."""
    if candidate.settings is None:
        return None
    said = json.loads(candidate.settings)
    return (said["recipe"], said["overrides"]) if said["photo"] == candidate.photo_sha256 else None


class Recipes:
    """Which recipe each product is built by: the night's, changed by what people chose for the product."""

    def __init__(self, factory: Factory, recipe: Recipe, models: Mapping[str, Weights]) -> None:
        self._factory, self._night = factory, built_by(recipe, models)
        self._known: dict[str, BuiltBy] = {}

    def of(self, candidate: Candidate) -> BuiltBy:
        """What cannot be had any more (a recipe's file, weights, a licence that the night forbids) is left out."""
        chosen = chosen_of(candidate)
        if chosen is None or candidate.settings is None:
            return self._night
        if candidate.settings not in self._known:
            try:
                self._known[candidate.settings] = self._with(*chosen)
            except MeshmillError as error:
                LOGGER.warning("%s: the settings that a person chose are left out: %s", candidate.sku, error)
                self._known[candidate.settings] = self._night
        return self._known[candidate.settings]

    def _with(self, name: str | None, overrides: list[str]) -> BuiltBy:
        own = self._night.recipe
        # What the night may use is not for a product's settings to say.
        settings = [*overrides, f"policy={own.policy}"]
        recipe = load_recipe(name, settings) if name else overridden(own, settings)
        return built_by(recipe, models_of(self._factory, recipe))


def remember(
    factory: Factory, found: Job, photo_sha256: str, recipe: str | None, overrides: Sequence[str], by: str
) -> None:
    """Keep what a person chose for a product, on top of what ``found``, the asset that they looked at, was built by."""
    name, settings = recipe, [*overrides]
    if recipe is None:
        name, before = _chosen_before(found)
        settings = [*before, *settings]
    if name or settings:
        chosen = {"settings": as_stored(photo_sha256, name, settings)}
        factory.retry_database(mends.mend, found.candidate.product_id, by, chosen)


def _chosen_before(found: Job) -> tuple[str | None, list[str]]:
    """What was chosen before, where this asset is built by it."""
    chosen = chosen_of(found.candidate)
    if chosen is None:
        return None, []
    own = of_record(found.parameters)
    return chosen if recipe_hash(overridden(own, chosen[1])) == recipe_hash(own) else (None, [])
