"""The documents of an evaluation: what is measured of each object, their means, and what they were made with.

A figure that was not asked for stands nowhere in the JSON; one that could not be measured is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import Field

from core.parameters import JsonObject
from core.placing.align import Placement
from core.records import Record
from evaluation.protocol import rounded

Figures = Mapping[str, int | float | None]
"""Named figures: of one picture or shape, or means of them."""

Control = Mapping[str, int | float | Figures | None]
"""Figures of a control; of a shape those of its visible part, too."""


R = TypeVar("R", bound=Record)


def rounded_record(record: R) -> R:
    """The record with floats of six decimals."""
    return type(record).model_validate(rounded(record.model_dump(mode="json")))


class AssetFacts(Record):
    """What building an asset, its verification and the gate say of it."""

    cpu_seconds: float | None = None
    reconstruct_cpu_seconds: float | None = None
    valid: float | None = None
    """1 where the GLB meets the recipe's profile."""
    score: float | None = None
    verdict: str | None = None
    reasons: list[str] | None = None
    elevation: float | None = None
    gate: Figures | None = None
    """What the gate measured."""
    used: int | None = None
    """Photos."""
    placements: list[Placement] | None = None
    """What became of each photo."""


class AssetFigures(AssetFacts):
    """A finished asset."""

    bytes: int
    faces: int
    seconds: float
    true_quality: float | None = None


class Groups(Record):
    """Groups of figures of an object, or means of them over objects; None where no object has one."""

    novel_view: Figures | None = None
    shape: Figures | None = None
    shape_visible: Figures | None = None
    shape_aligned: Figures | None = None
    asset_view: Figures | None = None
    asset_view_recentred: Figures | None = None


class ObjectFigures(Groups):
    """What depends on one cutout."""

    asset: AssetFigures | None = None


class ObjectRow(ObjectFigures):
    """An object of an evaluation."""

    id: str
    sha256: str = ""
    errors: dict[str, str] = Field(default_factory=dict)
    """Stage to sentence."""
    segmentation: Figures | None = None
    by_masks: dict[str, ObjectFigures] = Field(default_factory=dict)


class Means(Groups):
    """Over objects."""

    segmentation: Figures | None = None
    asset: Figures | None = None


class WeightsUsed(Record):
    """The weights of a model; ``missing`` says why there are none."""

    name: str | None = None
    sha256: str | None = None
    licence: str | None = None
    missing: str | None = None


class CheckpointUsed(WeightsUsed):
    """The view model's weights, and the segmentation model's."""

    segmenter: WeightsUsed | None = None


class RecipeUsed(Record):
    """A recipe."""

    name: str
    hash: str
    parameters: JsonObject


class EvaluationDocument(Record):
    """What `meshmill evaluate --json` prints. Earlier versions' files are read as well, as far as they are compared."""

    objects: list[ObjectRow]
    mean: Means = Means()
    by_masks: dict[str, Means] = Field(default_factory=dict)
    gate: Figures | None = None
    controls: dict[str, Control] = Field(default_factory=dict)
    protocol: JsonObject
    recipe: RecipeUsed | None = None
    checkpoint: CheckpointUsed = CheckpointUsed()
    failed: int = 0
    seconds: float = 0.0


Pair = tuple[float | None, float | None]
"""The mean with one photo and with several."""


@dataclass(frozen=True)
class PoseError:
    """What became of a further photo."""

    used: bool
    error: float | None
    """Degrees; None where it is not used."""
    opposite: bool
    """Taken for one of the other side."""


@dataclass(frozen=True)
class Third:
    """A third of the objects, by their IoU of one photo."""

    sets: int
    iou: Pair
    chamfer: Pair
    psnr: Pair
    lpips: Pair


@dataclass(frozen=True)
class AgainstOne:
    """Several photos against one, over the same objects."""

    sets: int
    iou_gain: float
    better: int
    clearly_worse: int
    seconds_ratio: float | None
    reconstruct_seconds_ratio: float | None
    thirds: tuple[Third, ...]


class PhotosFigures(ObjectFigures):
    """What is made of so many photos of one object."""

    photos: int
    errors: dict[str, str]
    pose_errors: list[PoseError]


class PhotosRow(Record):
    """An object by kind of poses and count of photos."""

    id: str
    sha256: str
    errors: dict[str, str]
    by_poses: dict[str, dict[str, PhotosFigures]]
    by_photos: dict[str, PhotosFigures]


class CountMeans(Means):
    """Over objects of which so many photos are used."""

    poses: Figures | None
    against_one: AgainstOne | None


class PhotosDocument(Record):
    """What `meshmill evaluate --photos --json` prints."""

    objects: list[PhotosRow]
    by_photos: dict[str, CountMeans]
    by_poses: dict[str, dict[str, CountMeans]] = Field(default_factory=dict)
    mean: CountMeans
    protocol: JsonObject
    recipe: RecipeUsed
    checkpoint: WeightsUsed
    failed: int


def numbers_of(asset: AssetFigures | None) -> Figures | None:
    """Of an asset only what can be averaged."""
    names: Sequence[str] = ("faces", "bytes", "seconds", "valid", "score", "true_quality", "used", "cpu_seconds")
    return (asset and {name: getattr(asset, name) for name in names if name in asset.model_fields_set}) or None
