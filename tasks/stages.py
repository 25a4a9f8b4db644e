"""The line: every stage of an asset, once. Keys, workers, retries, reproduction and pages follow from this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from core.mesh.params import FinishParams, MeshParams
from core.parameters import Parameters
from core.quality.params import QualityParams
from core.recipes import Recipe
from core.segment.params import SegmentParams
from core.sjc.params import ReconstructParams
from core.zero123.params import ViewsParams

WeightsRole = Literal["segmenter", "views"]


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
    ladder: tuple[Mapping[str, float], ...] = ()
    """Steps down when memory runs out; each names parameters and the factor they shrink by."""
    resumable: bool = False
    """Whether it leaves checkpoints of its own and goes on from them after a crash."""
    about: bool = False
    """Whether it writes what the catalogue says of the product (SKU, size, credits) into what it makes."""

    def params_of(self, recipe: Recipe) -> dict[str, Any]:
        """The stage's part of the recipe, as JSON values."""
        part: Parameters = getattr(recipe, _RECIPE_FIELDS[self.params])
        return part.model_dump(mode="json")

    def step_down(self, params: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """``params`` after so many steps of the ladder; integers stay integers, at least 1."""
        changed = dict(params)
        for step in self.ladder[:steps]:
            for name, factor in step.items():
                value = changed[name]
                changed[name] = max(1, int(value * factor)) if isinstance(value, int) else value * factor
        return changed


STAGES: tuple[Stage, ...] = (
    Stage(
        "segment",
        version=4,
        params=SegmentParams,
        inputs=("photo",),
        outputs=("cutout", "thumbnail.png"),
        weights="segmenter",
        weights_parameter="model",
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
        ladder=({"batch": 0.5},) * 3,
    ),
    Stage(
        "reconstruct",
        version=6,
        params=ReconstructParams,
        inputs=("cutout", "views"),
        outputs=("field",),
        weights="views",
        seeded=True,
        gpu=True,
        resumable=True,
    ),
    Stage("mesh", version=4, params=MeshParams, inputs=("field", "cutout", "views"), outputs=("mesh",)),
    Stage(
        "finish",
        version=6,
        params=FinishParams,
        inputs=("mesh", "field", "cutout", "views", "thumbnail.png"),
        outputs=("glb", "report"),
        about=True,
    ),
    Stage(
        "assess",
        version=3,
        params=QualityParams,
        inputs=("cutout", "views", "glb", "report"),
        outputs=("assessment",),
    ),
)
"""In the order in which an asset is built."""

STAGE: Mapping[str, Stage] = MappingProxyType({stage.name: stage for stage in STAGES})

STAGE_NAMES = tuple(STAGE)

VERSIONS: Mapping[str, int] = MappingProxyType({stage.name: stage.version for stage in STAGES})

_RECIPE_FIELDS = {field.annotation: name for name, field in Recipe.model_fields.items()}
