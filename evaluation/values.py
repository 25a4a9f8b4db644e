"""What an evaluation takes and gives: models as functions, options, built assets, the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Photo
from core.progress import Progress
from core.recipes import Recipe
from evaluation import protocol
from evaluation.records import AssetFacts, EvaluationDocument, WeightsUsed

STAGES = ("segmentation", "views", "shape")
"""What can be asked for; ``shape`` is by far the slowest."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class BuiltAsset:
    """A finished asset, and how to look at it."""

    glb: bytes
    facts: AssetFacts
    renders: Sequence[Picture] = ()
    look: Callable[..., list[Picture]] | None = None
    """Cameras of the cutout's world and a size to the asset's pictures ``(size, size, 3)``."""


@dataclass(frozen=True)
class Models:
    """The weights of a recipe, loaded. Functions, so that tests can put the truth in a model's place."""

    novel_views: Callable[..., NDArray[np.uint8]] | None
    """``(cutout, elevation, targets, seed) -> (N, S, S, 3)``."""
    build: Callable[..., BuiltAsset] | None
    """``(cutout, elevation or None, recipe, progress[, further shots, photo's size])``: cutout to finished asset."""
    segment: Callable[[Photo], Cutout] | None
    """A photo with its background to a cutout; None where there is no segmentation model."""
    cut_by_alpha: Callable[[Photo], Cutout]
    checkpoint: WeightsUsed = field(default_factory=WeightsUsed)
    segmenter: WeightsUsed | None = None
    stages: dict[str, int] = field(default_factory=dict)
    """Versions of the stages behind ``build``, by name: figures that were kept hold for equal ones alone."""


@dataclass(frozen=True)
class Options:
    """How much is evaluated, and with what."""

    stages: tuple[str, ...] = STAGES
    limit: int | None = None
    lpips: Path | None = None
    estimate_elevation: bool = False
    """Let the assets be built without the photo's elevation, as in production."""
    align: bool = True
    """Also report shapes after the yaw search and ICP."""
    masks: tuple[str, ...] = ("exact",)
    """Whose cutouts the line begins with: ``exact`` the photo's own alpha, always first; ``white`` and ``textured`` the
    segmentation model's, of the photo over that ground."""
    keep: Path | None = None
    """A folder where each object's figures are kept as soon as they are measured, and from which they are taken again
    where all that they depend on is the same."""


@dataclass
class Shown:
    """An object's pictures ``(S, S, 3)`` for the report, filled in while it is measured."""

    photo: Picture | None = None
    truth: list[Picture] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Of the views: their cameras."""
    ours: list[Picture] = field(default_factory=list)
    """The model's views."""
    asset: list[Picture] = field(default_factory=list)
    """From four sides."""
    seen: list[Picture] = field(default_factory=list)
    """The asset from the views' cameras."""


@dataclass
class Evaluation:
    """The document, and the pictures of the report by object."""

    document: EvaluationDocument
    pictures: dict[str, Shown]
    kept: Path | None = None
    """Where in :attr:`Options.keep` this evaluation's figures stand."""


@dataclass(frozen=True)
class ProtocolRun:
    """What is the same for every object of an evaluation."""

    recipe: Recipe
    models: Models
    options: Options
    perceptual: protocol.Perceptual | None
    progress: Progress
