"""The line: every stage of an asset, once. Keys, workers, retries, reproduction and pages follow from this table."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from core.mesh.params import FinishParams, MeshParams
from core.parameters import JsonObject, Parameters
from core.quality.params import QualityParams
from core.recipes import Recipe
from core.segment.params import SegmentParams
from core.sjc.params import ReconstructParams
from core.zero123.params import ViewsParams

WeightsRole = Literal["segmenter", "views"]


@dataclass(frozen=True)
class Rung:
    """A parameter that shrinks, step by step, when memory runs out."""

    parameter: str
    factor: float
    floor: int
    """It is not taken below; a recipe that asks for less keeps what it asks for."""


@dataclass(frozen=True)
class Stage:
    """What the factory knows of a stage. What it computes stands under its name in :mod:`tasks.compute`."""

    name: str
    version: int
    """Raised whenever the stage's code changes what it makes: that re-runs the stage and what follows."""
    params: type[Parameters]
    """The class of the recipe's part that the stage reads; each class stands in the recipe once."""
    inputs: tuple[str, ...]
    """Kinds of the artifacts it reads: the photo, or what earlier stages made."""
    outputs: tuple[str, ...]
    """Kinds that it always makes and others rely on; pictures for people come on top."""
    weights: WeightsRole | None = None
    """Whose weights it loads. Stages without weights run in processes beside the model's, so that a GPU never waits
    for a mesh."""
    weights_parameter: str | None = None
    """The parameter that names the weights. A name says where they lie, their hash what they are: only the hash goes
    into the key."""
    seeded: bool = False
    """Whether it draws from the recipe's seed."""
    gpu: bool = False
    """Whether it wants a GPU, where there is one, to itself."""
    ladder: tuple[Rung, ...] = ()
    """What it gives up when memory runs out: the first down to its floor, then the next."""
    resumable: bool = False
    """Whether it leaves checkpoints of its own and goes on from them after a crash."""
    optional: bool = False
    """Whether only some products pass it: those of several photos, colour variants."""
    several: bool = False
    """Whether it also reads the aligned photos, where a product has several that can be used. With one photo its
    inputs, and so its keys, are as if there were no others."""
    about: bool = False
    """Whether it writes what the catalogue says of the product (SKU, size, credits) into what it makes."""

    def params_of(self, recipe: Recipe) -> JsonObject:
        """The stage's part of the recipe, as JSON values."""
        part: Parameters = getattr(recipe, _RECIPE_FIELDS[self.params])
        return part.model_dump(mode="json")

    def reads(self, made: Container[str]) -> tuple[str, ...]:
        """Kinds of the artifacts it reads, of those that were ``made``."""
        return (*self.inputs, "photos") if self.several and "photos" in made else self.inputs

    def steps_down(self, params: Mapping[str, Any]) -> Iterator[JsonObject]:
        """``params`` (step 0, the recipe's own), then what is left of them after each step down the ladder."""
        changed = dict(params)
        yield dict(changed)
        for rung in self.ladder:
            while changed[rung.parameter] > rung.floor:
                changed[rung.parameter] = max(rung.floor, int(changed[rung.parameter] * rung.factor))
                yield dict(changed)

    def step_down(self, params: Mapping[str, Any], steps: int) -> JsonObject:
        """``params`` after so many steps; after the last one where there are fewer."""
        return list(self.steps_down(params))[: steps + 1][-1]


STAGES: tuple[Stage, ...] = (
    Stage(
        "segment",
        version=6,
        params=SegmentParams,
        inputs=("photo",),
        outputs=("cutout", "thumbnail.png"),
        weights="segmenter",
        weights_parameter="model",
    ),
    Stage(
        "align",
        version=7,
        params=ViewsParams,
        inputs=("cutout",),
        outputs=("photos", "placement"),
        weights="views",
        weights_parameter="checkpoint",
        seeded=True,
        gpu=True,
        optional=True,
    ),
    Stage(
        "recolour",
        version=1,
        params=SegmentParams,
        inputs=("cutout",),  # and cutout and field of the product whose shape it takes over
        outputs=("cutout", "field"),
        optional=True,
    ),
    Stage(
        "views",
        version=2,
        params=ViewsParams,
        inputs=("cutout",),
        outputs=("views",),
        weights="views",
        weights_parameter="checkpoint",
        seeded=True,
        gpu=True,
        ladder=(Rung("batch", 1 / 2, 1),),
        several=True,
    ),
    Stage(
        "reconstruct",
        version=11,
        params=ReconstructParams,
        inputs=("cutout", "views"),
        outputs=("field",),
        weights="views",
        seeded=True,
        gpu=True,
        ladder=(Rung("score_cameras", 1 / 2, 1), Rung("rays", 1 / 2, 1024), Rung("grid", 2 / 3, 48)),
        resumable=True,
        several=True,
    ),
    Stage("mesh", version=6, params=MeshParams, inputs=("field", "cutout", "views"), outputs=("mesh",), several=True),
    Stage(
        "finish",
        version=9,
        params=FinishParams,
        inputs=("mesh", "field", "cutout", "views", "thumbnail.png"),
        outputs=("glb", "report"),
        several=True,
        about=True,
    ),
    Stage(
        "assess",
        version=8,
        params=QualityParams,
        inputs=("cutout", "views", "glb", "report"),
        outputs=("assessment",),
        several=True,
    ),
)
"""In the order in which an asset is built."""

STAGE: Mapping[str, Stage] = MappingProxyType({stage.name: stage for stage in STAGES})

STAGE_NAMES = tuple(stage.name for stage in STAGES if not stage.optional)
"""Those that every asset passes."""

VERSIONS: Mapping[str, int] = MappingProxyType({stage.name: stage.version for stage in STAGES if not stage.optional})

_RECIPE_FIELDS = {field.annotation: name for name, field in Recipe.model_fields.items()}
