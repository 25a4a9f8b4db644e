"""Evaluate a recipe on objects with a known truth: the real stages, object by object, beside the controls.

    evaluate_folder(folder, recipe, models, options) -> Evaluation(document, pictures)

The document is what `meshmill evaluate --json` prints; `docs/evaluation.md` says what the figures mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.artifacts import Cutout, Photo
from core.errors import CheckpointError, MeshmillError
from core.parameters import JsonObject
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
from evaluation.records import (
    AssetFigures,
    CheckpointUsed,
    Control,
    EvaluationDocument,
    Figures,
    Means,
    ObjectFigures,
    ObjectRow,
    RecipeUsed,
    numbers_of,
    rounded_record,
)
from evaluation.shape import Solid
from evaluation.values import Evaluation, Models, Options, Picture, ProtocolRun, Shown

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
    found: dict[str, Measured[ObjectRow]] = {}
    for index, item in enumerate(objects):
        before = None if kept is None else kept.get(item.id, ObjectRow)
        progress("evaluate", index, len(objects), object=item.id, kept=before is not None)
        others = [other for other in objects if other.id != item.id]
        found[item.id] = before or Measured(*_evaluate_object(item, others, run))
        if kept is not None and before is None:
            kept.put(item.id, found[item.id])
    rows = [measured.row for measured in found.values()]
    progress("evaluate", len(objects), len(objects))
    mean = mean_of_rows(rows)
    document = EvaluationDocument(
        objects=rows,
        mean=mean,
        **({"by_masks": _by_masks(rows, mean, options.masks)} if len(options.masks) > 1 else {}),
        gate=_gate(rows),
        controls=protocol.mean_of([measured.control for measured in found.values()]),
        protocol=protocol.ABOUT
        | {
            "seed": recipe.seed,
            "stages": list(options.stages),
            "elevation": "estimated" if options.estimate_elevation else "known",
            "objects": {item.id: item.sha256 for item in objects},
        },
        recipe=recipe_used(recipe),
        checkpoint=CheckpointUsed(**models.checkpoint.model_dump(), segmenter=models.segmenter),
        failed=sum(1 for row in rows if row.errors),
        seconds=round(time.monotonic() - began, 1),
    )
    pictures = {name: measured.shown for name, measured in found.items()}
    return Evaluation(rounded_record(document), pictures, None if kept is None else kept.folder)


def recipe_used(recipe: Recipe) -> RecipeUsed:
    """A recipe as a document names it."""
    return RecipeUsed(name=recipe.name, hash=recipe_hash(recipe), parameters=recipe.model_dump(mode="json"))


def made_of(objects: Sequence[EvaluationObject], run: ProtocolRun) -> JsonObject:
    """Everything that an object's figures depend on; the others' photos and sizes are its controls'."""
    return {
        "objects": {item.id: item.sha256 for item in objects},
        "recipe": recipe_hash(run.recipe),
        "weights": [to_json(run.models.checkpoint), to_json(run.models.segmenter)],
        "stages": to_json(run.models.stages),
        "protocol": protocol.VERSION,
        "options": to_json(replace(run.options, keep=None, limit=None)),
    }


def mean_of_rows(rows: Sequence[ObjectFigures]) -> Means:
    """The objects' mean of every figure; None where no object has it."""
    names = (*PREDICTED, "segmentation")
    mean = protocol.mean_of(
        [{name: getattr(row, name, None) for name in names} | {"asset": numbers_of(row.asset)} for row in rows]
    )
    return Means(**{name: mean.get(name) for name in (*names, "asset")})


def _by_masks(rows: Sequence[ObjectRow], exact: Means, masks: tuple[str, ...]) -> dict[str, Means]:
    """One mean for each kind of cutout."""
    others = {mask: mean_of_rows([row.by_masks[mask] for row in rows if mask in row.by_masks]) for mask in masks[1:]}
    return {"exact": exact} | others


def _gate(rows: Sequence[ObjectRow]) -> Figures | None:
    """How well the gate's score orders these objects by their true quality."""
    judged = [
        (row.asset.score, row.asset.true_quality)
        for row in rows
        if row.asset is not None and row.asset.score is not None and row.asset.true_quality is not None
    ]
    if len(judged) < 3:
        return None
    return ordering([score for score, _ in judged], [quality for _, quality in judged])


def _evaluate_object(
    item: EvaluationObject, others: list[EvaluationObject], run: ProtocolRun
) -> tuple[ObjectRow, dict[str, Control], Shown]:
    """The object's figures, those of its controls, and its pictures."""
    photo = decode_photo(item.photo)
    row = ObjectRow(id=item.id, sha256=item.sha256, errors={})
    control: dict[str, Control] = {}
    size = item.views[0].rgba.shape[0] if item.views else 256
    shown = Shown(
        controls.photo_picture(photo.rgba, size),
        truth=[images.over_white(view.rgba) for view in item.views],
        names=[f"{view.camera.azimuth:.0f}° {view.camera.elevation:.0f}°" for view in item.views],
    )
    if "segmentation" in run.options.stages:
        row.segmentation = _segmentation(item, photo, run.models, row.errors)
    truth = protocol.truth_solid(item.truth, run.recipe.seed) if "shape" in run.options.stages else None
    _predict(row, item, run.models.cut_by_alpha(photo), photo.rgba.shape[1], truth, run, shown, row.errors)
    if shown.ours:
        control["shuffled_pose"] = protocol.view_scores(controls.shuffled(shown.ours), item.views, run.perceptual)
    if "views" in run.options.stages:
        control |= _picture_controls(item, photo, others, size, run.perceptual)
    if truth is not None:
        control |= _shape_controls(item, photo, others, truth, run)
    if len(run.options.masks) > 1:
        row.by_masks = _with_found_masks(item, truth, run, row.errors)
    return row, control, shown


def _predict(
    row: ObjectFigures,
    item: EvaluationObject,
    cutout: Cutout,
    photo_width: int,
    truth: Solid | None,
    run: ProtocolRun,
    shown: Shown,
    errors: dict[str, str],
) -> None:
    """Fill in views and shape made from one cutout; what fails is named in ``errors``."""
    if "views" in run.options.stages:
        try:
            shown.ours = _novel_views(item, photo_width, cutout, run.models, run.recipe)
            row.novel_view = protocol.view_scores(shown.ours, item.views, run.perceptual)
        except MeshmillError as error:
            errors["views"] = str(error)
    if truth is not None:
        build_shape(row, item, cutout, photo_width, truth, run, shown, errors)


def _with_found_masks(
    item: EvaluationObject, truth: Solid | None, run: ProtocolRun, errors: dict[str, str]
) -> dict[str, ObjectFigures]:
    """The same figures from the segmentation model's cutouts; a product that it does not find counts as a failure."""
    rows: dict[str, ObjectFigures] = {}
    for mask in run.options.masks[1:]:
        if mask not in item.backgrounds or run.models.segment is None:
            continue
        photo, own = decode_photo(item.backgrounds[mask]), dict[str, str]()
        rows[mask] = ObjectFigures()
        try:
            cutout = run.models.segment(photo)
            _predict(rows[mask], item, cutout, photo.rgba.shape[1], truth, run, Shown(), own)
        except MeshmillError as error:
            own["segment"] = str(error)
            if truth is not None:
                _fill_shape(rows[mask], protocol.SCORES_OF_NO_SHAPE)
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
) -> dict[str, Control]:
    made = {"copy_input": controls.photo_picture(photo.rgba, size), "white": controls.white_picture(size)}
    if others:
        photos = [controls.photo_picture(decode_photo(other.photo).rgba, size) for other in others]
        made["mean_image"] = controls.mean_picture(photos)
    return {
        name: protocol.view_scores([picture] * len(item.views), item.views, perceptual)
        for name, picture in made.items()
    }


def build_shape(
    row: ObjectFigures,
    item: EvaluationObject,
    cutout: Cutout,
    photo_width: int,
    truth: Solid,
    run: ProtocolRun,
    shown: Shown,
    errors: dict[str, str],
    shots: Sequence[PhotoToPlace] = (),
    size: tuple[int, int] | None = None,
    given: Sequence[TruthView] = (),
) -> None:
    """Fill in the asset made from one cutout, and further photos: its shape, its own renders, and what is known of it.

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
        _fill_shape(row, protocol.SCORES_OF_NO_SHAPE)
        return
    shown.asset = list(made.renders)
    _fill_shape(row, scores)
    asset = AssetFigures(bytes=len(made.glb), faces=len(surface[1]), seconds=seconds, **made.facts.model_dump())
    if item.views:
        exact = decode_photo(item.photo).rgba[..., 3] >= images.MASK_LEVEL
        placed = protocol.where_photographed(surface, exact, item.camera, given)
        shown.seen, alphas = protocol.asset_renders(placed, paint, item.views)
        row.asset_view = protocol.view_scores(shown.seen, item.views, run.perceptual, alphas)
        asset.true_quality = protocol.true_quality(scores["known_camera"]["iou"], row.asset_view["psnr"] or 0.0)
        if made.look is not None:
            old = _recentred(item, made.look, frames.zoom_of(cutout.source_box, photo_width))
            row.asset_view_recentred = protocol.view_scores(old, item.views, run.perceptual)
    row.asset = asset


def _fill_shape(row: ObjectFigures, scores: Mapping[str, dict[str, float]]) -> None:
    row.shape = dict(scores["known_camera"])
    row.shape_visible = dict(scores["visible"])
    row.shape_aligned = dict(scores["aligned"]) if "aligned" in scores else None
    row.asset_view = None
    row.asset = None


def _recentred(item: EvaluationObject, look: Callable[..., list[Picture]], zoom: float) -> list[Picture]:
    """The asset's renders as until version 1 of the protocol."""
    size = item.views[0].rgba.shape[0]
    asked = [frames.model_camera(view.camera, item.camera) for view in item.views]
    return [frames.unframe_view(picture, zoom, size) for picture in look(asked, size)]


def _shape_controls(
    item: EvaluationObject, photo: Photo, others: list[EvaluationObject], truth: Solid, run: ProtocolRun
) -> dict[str, Control]:
    made = {"extruded_hull": controls.extruded_hull(photo.rgba[..., 3], item.camera)}
    if others:
        made["mean_ellipsoid"] = controls.ellipsoid(controls.mean_box([other.truth for other in others]))
    result: dict[str, Control] = {}
    for name, surface in made.items():
        scores = protocol.shape_scores(surface, truth, item.camera, run.recipe.seed, align=False)
        result[name] = {**scores["known_camera"], "visible": scores["visible"]}
    if item.views:
        pictures, alphas = protocol.asset_renders(item.truth, item.paint, item.views)
        result["truth"] = protocol.view_scores(pictures, item.views, run.perceptual, alphas)
    return result


def decode_photo(data: bytes) -> Photo:
    """An evaluation picture as the factory reads it."""
    from core.photos import read_photo

    return read_photo(data)
