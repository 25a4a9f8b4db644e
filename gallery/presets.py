"""Ways to try again that a person can choose without knowing a parameter: only those that can change this asset.

What helps depends on the weights. The published ones draw a better view with more denoising steps; the starter's single
step is its best (docs/lab/2026-11-27-the-first-line.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import InvalidRecipe
from core.recipes import NAMED, Recipe, load_recipe, of_record

OWN_ALPHA = "alpha"
"""The segment stage's method where the file brought its own cutout."""


@dataclass(frozen=True)
class Preset:
    """One way to try again."""

    name: str
    words: str
    settings: tuple[str, ...] = ()


def presets_of(asset: Mapping[str, Any]) -> tuple[Preset, ...]:
    """Those that can change something for an asset's row (:func:`db.lineage.lineage`)."""
    try:
        return tuple(_presets(of_record(asset["parameters"]), asset))
    except InvalidRecipe:
        return ()


def _presets(recipe: Recipe, asset: Mapping[str, Any]) -> Iterator[Preset]:
    if asset["status"] == "failed" and asset.get("error_class"):
        yield Preset("again", "once more as it was, after a failure")
    if slower := _slower(recipe):
        yield Preset("careful", "slower and more careful", slower)
    if fuller := _fuller(recipe):
        yield Preset("full", "in full quality, not as a preview", fuller)
    if any(_method(stage) == OWN_ALPHA for stage in asset["stages"]):
        yield Preset(
            "no-alpha", "cut the product out anew, ignore the file's own transparency", ("segment.use_alpha=false",)
        )
    if recipe.views.steps > 1:  # a single step is the mean of all guesses, whatever the seed
        yield Preset("seed", "another guess of the unseen sides", (f"seed={recipe.seed + 1}",))


def _slower(recipe: Recipe) -> tuple[str, ...]:
    """What the careful recipe for the same published weights has more of."""
    for name in NAMED:
        careful = load_recipe(name)
        if name.endswith("-fast") or careful.views.checkpoint != recipe.views.checkpoint or careful.views.steps == 1:
            continue
        return _more_of(recipe, careful, ("views.steps", "reconstruct.steps", "reconstruct.score_cameras"))
    return ()


def _fuller(recipe: Recipe) -> tuple[str, ...]:
    """What a preview saves at."""
    if recipe.views.checkpoint != Recipe().views.checkpoint:
        return ()
    return _more_of(recipe, Recipe(), ("reconstruct.steps", "finish.faces", "finish.texture"))


def _more_of(recipe: Recipe, other: Recipe, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Settings of ``other`` that are larger than the recipe's."""
    pairs = ((path, _value(recipe, path), _value(other, path)) for path in paths)
    return tuple(f"{path}={more}" for path, own, more in pairs if more > own)


def _value(recipe: Recipe, path: str) -> int:
    stage, _, name = path.partition(".")
    return int(getattr(getattr(recipe, stage), name))


def _method(stage: Mapping[str, Any]) -> str | None:
    return (stage.get("figures") or {}).get("method") if stage["stage"] == "segment" else None
