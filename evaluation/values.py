"""What an evaluation takes and gives: models as functions, options, built assets, the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Photo
from core.progress import Progress
from core.recipes import Recipe
from core.records import OPTIONAL
from evaluation import protocol

STAGES = ("segmentation", "views", "shape")
"""What can be asked for; ``shape`` is by far the slowest."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class AssetFacts:
    """What building an asset, its verification and the gate say of it; what was not measured stands nowhere."""

    cpu_seconds: float | None = field(default=None, metadata=OPTIONAL)
    reconstruct_cpu_seconds: float | None = field(default=None, metadata=OPTIONAL)
    valid: float | None = field(default=None, metadata=OPTIONAL)
    """1 where the GLB meets the recipe's profile."""
    score: float | None = field(default=None, metadata=OPTIONAL)
    verdict: str | None = field(default=None, metadata=OPTIONAL)
    reasons: Sequence[str] | None = field(default=None, metadata=OPTIONAL)
    elevation: float | None = field(default=None, metadata=OPTIONAL)
    gate: Mapping[str, float] | None = field(default=None, metadata=OPTIONAL)
    """What the gate measured."""
    used: int | None = field(default=None, metadata=OPTIONAL)
    """Photos."""
    placements: Sequence[Mapping[str, Any]] | None = field(default=None, metadata=OPTIONAL)
    """What became of each photo."""


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
    checkpoint: dict[str, Any] = field(default_factory=dict)
    segmenter: dict[str, Any] | None = None
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
class Evaluation:
    """The JSON document, and per object the pictures of the report."""

    document: dict[str, Any]
    pictures: dict[str, dict[str, Any]]
    """Object id to ``photo`` ``(H, W, 3)`` and lists of pictures: ``truth``, ``ours`` (views), ``seen`` (the asset from
    the same cameras), ``asset`` (from four sides)."""
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
