"""Recipes: the typed tree of every stage's parameters, by name, by file, overridable, hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from core.errors import InvalidRecipe
from core.meant import did_you_mean
from core.mesh.params import FinishParams, MeshParams
from core.parameters import Parameters
from core.quality.params import QualityParams
from core.segment.params import SegmentParams
from core.sjc.params import ReconstructParams
from core.zero123.params import ViewsParams


class Recipe(Parameters):
    """How an asset is made, from photo to GLB."""

    name: str = Field("starter", description="What people call this recipe; not part of any stage key")
    seed: int = Field(0, ge=0, lt=2**63, description="Every random draw of every stage follows from it")
    policy: Literal["any", "commercial"] = Field(
        "any", description="`commercial` refuses non-commercial weights and photos"
    )
    segment: SegmentParams = SegmentParams()
    views: ViewsParams = ViewsParams()
    reconstruct: ReconstructParams = ReconstructParams()
    mesh: MeshParams = MeshParams()
    finish: FinishParams = FinishParams()
    quality: QualityParams = QualityParams()


RecipeName = Literal[
    "starter",
    "preview",
    "zero123-xl",
    "zero123-xl-fast",
    "zero123-105000",
    "zero123-105000-fast",
    "zero123-165000",
    "zero123-165000-fast",
    "stable-zero123",
    "stable-zero123-fast",
]


def _published(checkpoint: str, *, fast: bool) -> dict[str, Any]:
    """Settings for weights that draw well, from public practice and from measurements with stand-ins
    (docs/lab/2026-11-28-score-with-a-strong-model.md); nobody here ever had the weights themselves.

    Everyone who uses these weights samples their views at eta 1. The score joins every step from 10 % of the run on,
    at four times the starter's weight and with outlines; its noise falls as threestudio's recipe has it.
    """
    score = {
        "guidance": 3.0,
        "score_from": 0.1,
        "score_every": 1,
        "score_cameras": 1 if fast else 4,
        "score_weight": 4.0,
        "score_silhouette": 1.0,
        "score_by_angle": True,
        "score_elevations": [-10.0, 60.0],
        "noise_first": [0.4, 0.85],
        "noise_last": [0.2, 0.5],
        "noise_settles": 0.33,
        "steps": 120 if fast else 300,
    }
    views = {"checkpoint": checkpoint, "steps": 25 if fast else 50, "guidance": 3.0, "eta": 1.0}
    return {"views": views, "reconstruct": score}


NAMED: dict[str, dict[str, Any]] = {
    "starter": {},
    "preview": {"reconstruct": {"steps": 80}, "finish": {"faces": 5000, "texture": 512}},
    "zero123-xl": _published("zero123-xl", fast=False),
    "zero123-xl-fast": _published("zero123-xl", fast=True),
    "zero123-105000": _published("105000", fast=False),
    "zero123-105000-fast": _published("105000", fast=True),
    "zero123-165000": _published("165000", fast=False),
    "zero123-165000-fast": _published("165000", fast=True),
    "stable-zero123": _published("stable-zero123", fast=False),
    "stable-zero123-fast": _published("stable-zero123", fast=True),
}
"""Recipes by name, as differences from the defaults."""


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def canonical_json(value: Any) -> str:
    """Sorted keys, no spaces, no NaN: the text that keys hash."""
    return _CANONICAL.encode(value)


def recipe_hash(recipe: Recipe) -> str:
    """sha256 of the canonical JSON, without the name: equal parameters are the same recipe."""
    return hashlib.sha256(canonical_json(recipe.model_dump(mode="json", exclude={"name"})).encode()).hexdigest()


def load_recipe(source: str = "starter", overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a name or a JSON file, with ``a.b=value`` overrides (values read as JSON, else as text).

    Raises :class:`InvalidRecipe` naming every field that does not validate.
    """
    if (named := NAMED.get(source)) is not None:
        tree: dict[str, Any] = {"name": source} | json.loads(json.dumps(named))
    else:
        path = Path(source)
        if not path.is_file():
            raise InvalidRecipe(
                f"There is no recipe '{source}': use one of {', '.join(NAMED)} or a path to a JSON file."
                + did_you_mean(source, NAMED)
            )
        try:
            tree = {"name": path.stem} | json.loads(path.read_text("utf-8"))
        except (ValueError, TypeError) as error:
            raise InvalidRecipe(f"The recipe file {path.name} is not a JSON object: {error}.") from error
    return _validated(tree, overrides)


def of_record(parameters: dict[str, Any]) -> Recipe:
    """The recipe that an asset was made by. Raises :class:`InvalidRecipe` where this version does not know it all."""
    try:
        return Recipe.model_validate(parameters)
    except ValidationError as error:
        raise InvalidRecipe("It was made by another version of the program: choose a recipe by name.") from error


def overridden(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """``recipe`` with ``a.b=value`` overrides. Raises :class:`InvalidRecipe` as :func:`load_recipe` does."""
    return _validated(recipe.model_dump(mode="json"), overrides)


def _validated(tree: dict[str, Any], overrides: Sequence[str]) -> Recipe:
    for override in overrides:
        _override(tree, override)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, e['loc']))}: {_wrong(e)}" for e in error.errors())
        raise InvalidRecipe(f"The recipe does not validate: {details}.") from error


def _wrong(error: Any) -> str:
    """What is wrong with a field; of one that there is not, which was meant."""
    if error["type"] != "extra_forbidden":
        return str(error["msg"])
    *parents, name = map(str, error["loc"])
    model: Any = Recipe
    for parent in parents:
        model = getattr(model.model_fields.get(parent), "annotation", None)
        if not hasattr(model, "model_fields"):
            return "There is no such parameter."
    return f"There is no such parameter.{did_you_mean(name, model.model_fields)}"


def _override(tree: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals:
        raise InvalidRecipe(f"'{override}' is not of the form key=value, for example finish.faces=10000.")
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    *parents, last = path.strip().split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise InvalidRecipe(f"'{path}' does not name a parameter.")
    tree[last] = value
