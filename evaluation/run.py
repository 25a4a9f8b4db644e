"""Evaluate a recipe on objects with a known truth: the real stages, object by object, beside the controls.

    evaluate_folder(folder, recipe, models, options) -> Evaluation(document, pictures)

The document is what `meshmill evaluate --json` prints; `docs/evaluation.md` says what the figures mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.artifacts import Cutout, Photo
from core.errors import CheckpointError, MeshmillError
from core.placing.align import PhotoToPlace
from core.progress import Progress, no_progress
from core.quality import images
from core.quality.calibration import ordering
from core.recipes import Recipe, recipe_hash
from core.records import to_json
from core.segment.framing import unframe_alpha
from evaluation import controls, frames, protocol
from evaluation.folder import EvaluationObject, TruthView, list_objects, read_object, read_painted
from evaluation.kept import Kept, Measured
from evaluation.pictures import Lpips
from evaluation.shape import Solid
from evaluation.values import Evaluation, Models, Options, Picture, ProtocolRun

PREDICTED = ("novel_view", "shape", "shape_visible", "shape_aligned", "asset_view", "asset_view_recentred")
"""The figures that depend on the cutout."""


def evaluate_folder(
    folder: Path,
    recipe: Recipe,
    models: Models,
    options: Options = Options(),  # noqa: B008 - frozen
    progress: Progress = no_progress,
) -> Evaluation:
    """Run the protocol on a folder. Raises :class:`core.errors.InputError` for a folder that is not one.

    An object that fails is listed with its error and scores as a failure; it never stops the others.
    """
    began = time.monotonic()
    names = list_objects(folder)[: options.limit]
    objects = [read_object(folder, name) for name in names]
    pictured = {"views", "shape"} & set(options.stages)
    perceptual = Lpips(options.lpips) if options.lpips and pictured else None
    run = ProtocolRun(recipe, models, options, perceptual, progress)
    kept = None if options.keep is None else Kept(options.keep, made_of(objects, run))
    found: dict[str, Measured] = {}
    for index, item in enumerate(objects):
        before = None if kept is None else kept.get(item.id)
        progress("evaluate", index, len(objects), object=item.id, kept=before is not None)
        others = [other for other in objects if other.id != item.id]
        found[item.id] = before or Measured(*_evaluate_object(item, others, run))
        if kept is not None and before is None:
            kept.put(item.id, found[item.id])
    rows = [measured.row for measured in found.values()]
    progress("evaluate", len(objects), len(objects))
    mean = mean_of_rows(rows)
    document = {
        "objects": rows,
        "mean": mean,
        **({"by_masks": _by_masks(rows, mean, options.masks)} if len(options.masks) > 1 else {}),
        "gate": _gate(rows),
        "controls": protocol.mean_of([measured.control for measured in found.values()]),
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
    pictures = {name: measured.shown for name, measured in found.items()}
    return Evaluation(protocol.rounded(document), pictures, None if kept is None else kept.folder)


def made_of(objects: Sequence[EvaluationObject], run: ProtocolRun) -> dict[str, Any]:
    """Everything that an object's figures depend on; the others' photos and sizes are its controls'."""
    return {
        "objects": {item.id: item.sha256 for item in objects},
        "recipe": recipe_hash(run.recipe),
        "weights": [run.models.checkpoint, run.models.segmenter],
        "stages": run.models.stages,
        "protocol": protocol.VERSION,
        "options": asdict(replace(run.options, keep=None, limit=None)),
    }


def mean_of_rows(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The objects' mean of every figure; None where no object has it."""
    mean = protocol.mean_of([_comparable(row) for row in rows])
    return {name: mean.get(name) for name in (*PREDICTED, "segmentation", "asset")}


def _by_masks(rows: list[dict[str, Any]], exact: dict[str, Any], masks: tuple[str, ...]) -> dict[str, Any]:
    """One mean for each kind of cutout."""
    others = {
        mask: mean_of_rows([row["by_masks"][mask] for row in rows if mask in row["by_masks"]]) for mask in masks[1:]
    }
    return {"exact": exact} | others


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Only what can be averaged."""
    asset = row.get("asset") or {}
    numbers = ("faces", "bytes", "seconds", "valid", "score", "true_quality", "used", "cpu_seconds")
    kept = {name: asset[name] for name in numbers if name in asset}
    return {name: row.get(name) for name in (*PREDICTED, "segmentation")} | {"asset": kept or None}


def _gate(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """How well the gate's score orders these objects by their true quality."""
    judged = [row["asset"] for row in rows if {"score", "true_quality"} <= set(row.get("asset") or {})]
    if len(judged) < 3:
        return None
    return ordering([asset["score"] for asset in judged], [asset["true_quality"] for asset in judged])


def _evaluate_object(
    item: EvaluationObject, others: list[EvaluationObject], run: ProtocolRun
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The object's figures, those of its controls, and its pictures."""
    photo = decode_photo(item.photo)
    row: dict[str, Any] = {"id": item.id, "sha256": item.sha256, "errors": {}}
    control: dict[str, Any] = {}
    size = item.views[0].rgba.shape[0] if item.views else 256
    shown: dict[str, Any] = {
        "photo": controls.photo_picture(photo.rgba, size),
        "truth": [images.over_white(view.rgba) for view in item.views],
        "names": [f"{view.camera.azimuth:.0f}° {view.camera.elevation:.0f}°" for view in item.views],
    }
    if "segmentation" in run.options.stages:
        row["segmentation"] = _segmentation(item, photo, run.models, row["errors"])
    truth = protocol.truth_solid(item.truth, run.recipe.seed) if "shape" in run.options.stages else None
    row |= _predicted(item, run.models.cut_by_alpha(photo), photo.rgba.shape[1], truth, run, shown, row["errors"])
    if "ours" in shown:
        control["shuffled_pose"] = protocol.view_scores(controls.shuffled(shown["ours"]), item.views, run.perceptual)
    if "views" in run.options.stages:
        control |= _picture_controls(item, photo, others, size, run.perceptual)
    if truth is not None:
        control |= _shape_controls(item, photo, others, truth, run)
    if len(run.options.masks) > 1:
        row["by_masks"] = _with_found_masks(item, truth, run, row["errors"])
    return row, control, shown


def _predicted(
    item: EvaluationObject,
    cutout: Cutout,
    photo_width: int,
    truth: Solid | None,
    run: ProtocolRun,
    shown: dict[str, Any],
    errors: dict[str, str],
) -> dict[str, Any]:
    """Views and shape made from one cutout; what fails is named in ``errors``."""
    found: dict[str, Any] = {}
    if "views" in run.options.stages:
        try:
            shown["ours"] = _novel_views(item, photo_width, cutout, run.models, run.recipe)
            found["novel_view"] = protocol.view_scores(shown["ours"], item.views, run.perceptual)
        except MeshmillError as error:
            errors["views"] = str(error)
    if truth is not None:
        found |= built_shape(item, cutout, photo_width, truth, run, shown, errors)
    return found


def _with_found_masks(
    item: EvaluationObject, truth: Solid | None, run: ProtocolRun, errors: dict[str, str]
) -> dict[str, Any]:
    """The same figures from the segmentation model's cutouts; a product that it does not find counts as a failure."""
    rows: dict[str, Any] = {}
    for mask in run.options.masks[1:]:
        if mask not in item.backgrounds or run.models.segment is None:
            continue
        photo, own = decode_photo(item.backgrounds[mask]), dict[str, str]()
        try:
            cutout = run.models.segment(photo)
            rows[mask] = _predicted(item, cutout, photo.rgba.shape[1], truth, run, {}, own)
        except MeshmillError as error:
            own["segment"] = str(error)
            rows[mask] = {} if truth is None else _shape_figures(protocol.SCORES_OF_NO_SHAPE)
        errors |= {f"{name} ({mask} mask)": sentence for name, sentence in own.items()}
    return rows


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
            alpha = unframe_alpha(cutout.rgba[..., 3], cutout.source_box, width, height)
            scores[kind] = images.mask_iou(alpha >= images.MASK_LEVEL, exact)
        except MeshmillError as error:
            errors[f"segment {kind}"] = str(error)
            scores[kind] = 0.0
    return scores


def _novel_views(
    item: EvaluationObject, photo_width: int, cutout: Cutout, models: Models, recipe: Recipe
) -> list[Picture]:
    if models.novel_views is None:
        raise CheckpointError("There is no view model to evaluate.")
    zoom = frames.zoom_of(cutout.source_box, photo_width)
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


def built_shape(
    item: EvaluationObject,
    cutout: Cutout,
    photo_width: int,
    truth: Solid,
    run: ProtocolRun,
    shown: dict[str, Any],
    errors: dict[str, str],
    shots: Sequence[PhotoToPlace] = (),
    size: tuple[int, int] | None = None,
    given: Sequence[TruthView] = (),
) -> dict[str, Any]:
    """The asset made from one cutout, and further photos: its shape, its own renders, and what is known of it.

    ``size`` is the first photo's, width and height in pixels, and ``given`` are the views that the further photos are:
    only several photos need them.
    """
    began = time.monotonic()
    try:
        if run.models.build is None:
            raise CheckpointError("There is no view model to build assets with.")
        elevation = None if run.options.estimate_elevation else item.camera.elevation
        made = run.models.build(cutout, elevation, run.recipe, run.progress, *([shots, size] if shots else []))
        seconds = round(time.monotonic() - began, 1)
        read, paint = read_painted(made.glb)
        surface = protocol.asset_in_truth_frame(read, item.camera)
        scores = protocol.shape_scores(surface, truth, item.camera, run.recipe.seed, run.options.align)
    except (MeshmillError, ValueError) as error:
        errors["shape"] = str(error)
        return _shape_figures(protocol.SCORES_OF_NO_SHAPE)
    shown["asset"] = list(made.renders)
    asset = {"bytes": len(made.glb), "faces": len(surface[1]), "seconds": seconds} | to_json(made.facts)
    seen: dict[str, Any] = {}
    if item.views:
        exact = decode_photo(item.photo).rgba[..., 3] >= images.MASK_LEVEL
        placed = protocol.where_photographed(surface, exact, item.camera, given)
        shown["seen"], alphas = protocol.asset_renders(placed, paint, item.views)
        seen["asset_view"] = protocol.view_scores(shown["seen"], item.views, run.perceptual, alphas)
        asset["true_quality"] = protocol.true_quality(scores["known_camera"]["iou"], seen["asset_view"]["psnr"])
        if made.look is not None:
            old = _recentred(item, made.look, frames.zoom_of(cutout.source_box, photo_width))
            seen["asset_view_recentred"] = protocol.view_scores(old, item.views, run.perceptual)
    return _shape_figures(scores) | seen | {"asset": asset}


def _shape_figures(scores: dict[str, dict[str, float]]) -> dict[str, Any]:
    return {
        "shape": scores["known_camera"],
        "shape_visible": scores["visible"],
        "shape_aligned": scores.get("aligned"),
        "asset_view": None,
        "asset": None,
    }


def _recentred(item: EvaluationObject, look: Callable[..., list[Picture]], zoom: float) -> list[Picture]:
    """The asset's renders as until version 1 of the protocol."""
    size = item.views[0].rgba.shape[0]
    asked = [frames.model_camera(view.camera, item.camera) for view in item.views]
    return [frames.unframe_view(picture, zoom, size) for picture in look(asked, size)]


def _shape_controls(
    item: EvaluationObject, photo: Photo, others: list[EvaluationObject], truth: Solid, run: ProtocolRun
) -> dict[str, Any]:
    made = {"extruded_hull": controls.extruded_hull(photo.rgba[..., 3], item.camera)}
    if others:
        made["mean_ellipsoid"] = controls.ellipsoid(controls.mean_box([other.truth for other in others]))
    result: dict[str, Any] = {}
    for name, surface in made.items():
        scores = protocol.shape_scores(surface, truth, item.camera, run.recipe.seed, align=False)
        result[name] = scores["known_camera"] | {"visible": scores["visible"]}
    if item.views:
        pictures, alphas = protocol.asset_renders(item.truth, item.paint, item.views)
        result["truth"] = protocol.view_scores(pictures, item.views, run.perceptual, alphas)
    return result


def decode_photo(data: bytes) -> Photo:
    """An evaluation picture as the factory reads it."""
    from core.photos import read_photo

    return read_photo(data)
