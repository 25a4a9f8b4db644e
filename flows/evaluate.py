"""Evaluate a recipe on objects with a known truth: the real stages, object by object, beside the controls.

    evaluate_folder(folder, recipe, models, options) -> Evaluation(document, pictures)

The document is what `meshmill evaluate --json` prints; `docs/evaluation.md` says what the figures mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Photo
from core.errors import CheckpointError, MeshmillError
from core.progress import Progress, silent
from core.quality import controls, frames, images, protocol
from core.quality.calibration import ordering
from core.quality.folder import EvaluationObject, list_objects, read_object
from core.quality.shape import Solid
from core.recipes import Recipe, recipe_hash

STAGES = ("segmentation", "views", "shape")
"""What can be asked for; ``shape`` is by far the slowest."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Models:
    """The weights of a recipe, loaded. Functions, so that tests can put the truth in a model's place."""

    novel_views: Callable[..., NDArray[np.uint8]] | None
    """``(cutout, elevation, targets, seed) -> (N, S, S, 3)``."""
    build: Callable[[Cutout, float | None, Recipe, Progress], tuple[bytes, dict[str, Any]]] | None
    """``-> (GLB, facts)``: cutout to finished asset, what the gate says of it, ``renders`` to look at, and ``look``:
    cameras of the asset's world and a size to the asset's pictures ``(size, size, 3)``."""
    segment: Callable[[Photo], Cutout] | None
    """A photo with its background to a cutout; None where there is no segmentation model."""
    cut_by_alpha: Callable[[Photo], Cutout]
    checkpoint: dict[str, Any] = field(default_factory=dict)
    segmenter: dict[str, Any] | None = None


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


@dataclass
class Evaluation:
    """The JSON document, and per object the pictures of the report."""

    document: dict[str, Any]
    pictures: dict[str, dict[str, Any]]
    """Object id to ``photo`` ``(H, W, 3)`` and lists of pictures: ``truth``, ``ours`` (views), ``seen`` (the asset from
    the same cameras), ``asset`` (from four sides)."""


def evaluate_folder(
    folder: Path,
    recipe: Recipe,
    models: Models,
    options: Options = Options(),
    progress: Progress = silent,
) -> Evaluation:
    """Run the protocol on a folder. Raises :class:`core.errors.InputError` for a folder that is not one.

    An object that fails is listed with its error and scores as a failure; it never stops the others.
    """
    began = time.monotonic()
    names = list_objects(folder)[: options.limit]
    objects = [read_object(folder, name) for name in names]
    pictured = {"views", "shape"} & set(options.stages)
    perceptual = images.Lpips(options.lpips) if options.lpips and pictured else None
    rows: list[dict[str, Any]] = []
    control_rows: list[dict[str, Any]] = []
    pictures: dict[str, dict[str, Any]] = {}
    for index, item in enumerate(objects):
        progress("evaluate", index, len(objects), object=item.id)
        others = [other for other in objects if other.id != item.id]
        row, control, shown = _evaluate_object(item, others, recipe, models, options, perceptual, progress)
        rows.append(row)
        control_rows.append(control)
        pictures[item.id] = shown
    progress("evaluate", len(objects), len(objects))
    mean = protocol.mean_of([_comparable(row) for row in rows])
    document = {
        "objects": rows,
        "mean": {
            "novel_view": mean.get("novel_view"),
            "shape": mean.get("shape"),
            "shape_visible": mean.get("shape_visible"),
            "shape_aligned": mean.get("shape_aligned"),
            "asset_view": mean.get("asset_view"),
            "segmentation": mean.get("segmentation"),
            "asset": mean.get("asset"),
        },
        "gate": _gate(rows),
        "controls": protocol.mean_of(control_rows),
        "protocol": protocol.ABOUT
        | {
            "seed": recipe.seed,
            "stages": list(options.stages),
            "elevation": "estimated" if options.estimate_elevation else "known",
            "objects": {item.id: item.sha256 for item in objects},
        },
        "recipe": {"name": recipe.name, "hash": recipe_hash(recipe), "parameters": recipe.model_dump(mode="json")},
        "checkpoint": models.checkpoint | {"segmenter": models.segmenter},
        "failed": sum(1 for row in rows if row["errors"]),
        "seconds": round(time.monotonic() - began, 1),
    }
    return Evaluation(protocol.rounded(document), pictures)


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Only what can be averaged."""
    asset = row.get("asset") or {}
    numbers = ("faces", "bytes", "seconds", "valid", "score", "true_quality")
    kept = {name: asset[name] for name in numbers if name in asset}
    parts = ("novel_view", "shape", "shape_visible", "shape_aligned", "asset_view", "segmentation")
    return {name: row.get(name) for name in parts} | {"asset": kept or None}


def _gate(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """How well the gate's score orders these objects by their true quality."""
    judged = [row["asset"] for row in rows if {"score", "true_quality"} <= set(row.get("asset") or {})]
    if len(judged) < 3:
        return None
    return ordering([asset["score"] for asset in judged], [asset["true_quality"] for asset in judged])


def _evaluate_object(
    item: EvaluationObject,
    others: list[EvaluationObject],
    recipe: Recipe,
    models: Models,
    options: Options,
    perceptual: protocol.Perceptual | None,
    progress: Progress,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    photo = decode_photo(item.photo)
    cutout = models.cut_by_alpha(photo)
    row: dict[str, Any] = {"id": item.id, "sha256": item.sha256, "errors": {}}
    control: dict[str, Any] = {}
    size = item.views[0].rgba.shape[0] if item.views else 256
    shown: dict[str, Any] = {
        "photo": controls.photo_picture(photo.rgba, size),
        "truth": [images.over_white(view.rgba) for view in item.views],
        "names": [f"{view.camera.azimuth:.0f}° {view.camera.elevation:.0f}°" for view in item.views],
    }
    if "segmentation" in options.stages:
        row["segmentation"] = _segmentation(item, photo, models, row["errors"])
    if "views" in options.stages:
        try:
            ours = _novel_views(item, photo, cutout, models, recipe)
            row["novel_view"] = protocol.view_scores(ours, item.views, perceptual)
            control["shuffled_pose"] = protocol.view_scores(controls.shuffled(ours), item.views, perceptual)
            shown["ours"] = ours
        except MeshmillError as error:
            row["errors"]["views"] = str(error)
        control |= _picture_controls(item, photo, others, size, perceptual)
    if "shape" in options.stages:
        truth = protocol.truth_solid(item.truth, recipe.seed)
        photo_width = photo.rgba.shape[1]
        row |= _shape(
            item, cutout, photo_width, truth, recipe, models, options, perceptual, shown, row["errors"], progress
        )
        control |= _shape_controls(item, photo, others, truth, recipe.seed)
    return row, control, shown


def _segmentation(
    item: EvaluationObject, photo: Photo, models: Models, errors: dict[str, str]
) -> dict[str, float | None]:
    exact = photo.rgba[..., 3] >= images.MASK_LEVEL
    height, width = exact.shape
    scores: dict[str, float | None] = dict.fromkeys(("white", "textured"))
    for kind, data in item.backgrounds.items():
        if models.segment is None:
            continue
        try:
            cutout = models.segment(decode_photo(data))
            alpha = frames.unframe_alpha(cutout.rgba[..., 3], cutout.source_box, width, height)
            scores[kind] = images.mask_iou(alpha >= images.MASK_LEVEL, exact)
        except MeshmillError as error:
            errors[f"segment {kind}"] = str(error)
            scores[kind] = 0.0
    return scores


def _novel_views(item: EvaluationObject, photo: Photo, cutout: Cutout, models: Models, recipe: Recipe) -> list[Picture]:
    if models.novel_views is None:
        raise CheckpointError("There is no view model to evaluate.")
    zoom = frames.zoom_of(cutout.source_box, photo.rgba.shape[1])
    asked = [frames.model_camera(view.camera, item.camera) for view in item.views]
    made = models.novel_views(cutout, item.camera.elevation, asked, recipe.seed)
    return [
        frames.unframe_view(picture, zoom, view.rgba.shape[0]) for picture, view in zip(made, item.views, strict=True)
    ]


def _picture_controls(
    item: EvaluationObject,
    photo: Photo,
    others: list[EvaluationObject],
    size: int,
    perceptual: protocol.Perceptual | None,
) -> dict[str, Any]:
    made = {"copy_input": controls.photo_picture(photo.rgba, size), "white": controls.white_picture(size)}
    if others:
        photos = [controls.photo_picture(decode_photo(other.photo).rgba, size) for other in others]
        made["mean_image"] = controls.mean_picture(photos)
    return {
        name: protocol.view_scores([picture] * len(item.views), item.views, perceptual)
        for name, picture in made.items()
    }


def _shape(
    item: EvaluationObject,
    cutout: Cutout,
    photo_width: int,
    truth: Solid,
    recipe: Recipe,
    models: Models,
    options: Options,
    perceptual: protocol.Perceptual | None,
    shown: dict[str, Any],
    errors: dict[str, str],
    progress: Progress,
) -> dict[str, Any]:
    from core.quality.folder import read_surface

    began = time.monotonic()
    seen: dict[str, float | None] | None = None
    try:
        if models.build is None:
            raise CheckpointError("There is no view model to build assets with.")
        elevation = None if options.estimate_elevation else item.camera.elevation
        glb, facts = models.build(cutout, elevation, recipe, progress)
        seconds = round(time.monotonic() - began, 1)
        surface = protocol.asset_in_truth_frame(read_surface(glb), item.camera)
        scores = protocol.shape_scores(surface, truth, item.camera, recipe.seed, options.align)
        shown["asset"], look = facts.pop("renders", []), facts.pop("look", None)
        asset = {"bytes": len(glb), "faces": len(surface[1]), "seconds": seconds} | facts
        if look is not None and item.views:
            zoom = frames.zoom_of(cutout.source_box, photo_width)
            asked = [frames.model_camera(view.camera, item.camera) for view in item.views]
            size = item.views[0].rgba.shape[0]
            renders = [frames.unframe_view(picture, zoom, size) for picture in look(asked, size)]
            shown["seen"] = renders
            seen = protocol.view_scores(renders, item.views, perceptual)
            asset["true_quality"] = protocol.true_quality(scores["known_camera"]["iou"], seen["psnr"] or 0.0)
    except (MeshmillError, ValueError) as error:
        errors["shape"] = str(error)
        scores, asset = dict(protocol.SCORES_OF_NO_SHAPE), None
    return {
        "shape": scores["known_camera"],
        "shape_visible": scores["visible"],
        "shape_aligned": scores.get("aligned"),
        "asset_view": seen,
        "asset": asset,
    }


def _shape_controls(
    item: EvaluationObject, photo: Photo, others: list[EvaluationObject], truth: Solid, seed: int
) -> dict[str, Any]:
    made = {"extruded_hull": controls.extruded_hull(photo.rgba[..., 3], item.camera)}
    if others:
        made["mean_ellipsoid"] = controls.ellipsoid(controls.mean_box([other.truth for other in others]))
    result: dict[str, Any] = {}
    for name, surface in made.items():
        scores = protocol.shape_scores(surface, truth, item.camera, seed, align=False)
        result[name] = scores["known_camera"] | {"visible": scores["visible"]}
    return result


def decode_photo(data: bytes) -> Photo:
    """An evaluation picture as the factory reads it."""
    from core.photos import read_photo

    return read_photo(data)
