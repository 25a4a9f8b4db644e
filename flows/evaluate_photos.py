"""The protocol with several photos of each object: one row of figures a count, on views that none of them is given.

An evaluation folder's ring views are the further photos; which azimuths a count takes is fixed (:data:`AZIMUTHS`).
Every count is scored on the same views: those that the largest count leaves over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from core.artifacts import Cutout, Photo
from core.placing.align import Shot
from core.progress import Progress, silent
from core.quality import images, protocol
from core.quality.folder import EvaluationObject, TruthView, list_objects, read_object
from core.recipes import Recipe, recipe_hash
from flows.evaluate import Models, Options, ProtocolRun, built_shape, decode_photo, mean_of_rows

Poses = Literal["given", "named", "unknown"]

AZIMUTHS: dict[int, tuple[float, ...]] = {
    1: (),
    2: (180,),
    3: (90, 180),
    4: (90, 180, 270),
    6: (45, 90, 180, 225, 270),
}
"""Degrees from the photo's azimuth to the further photos', by how many photos there are."""

PLACED = "placed by least squares where the cameras of all given photos see it in the boxes of their exact masks"
"""Instead of the photo's alone, which cannot tell how far away a thing is."""

NEAR = 1.0
"""Degrees within which a view is the one that a count asks for."""


@dataclass(frozen=True)
class PhotoOptions:
    """Which counts, and what is told of the further photos' cameras."""

    counts: tuple[int, ...] = (1, 4)
    poses: Poses = "given"
    """``given``: azimuth and elevation; ``named``: the azimuth, as a name says it, and no elevation, the main photo's
    neither; ``unknown``: nothing."""


def evaluate_photos(
    folder: Path,
    recipe: Recipe,
    models: Models,
    asked: PhotoOptions,
    options: Options,
    progress: Progress = silent,
) -> dict[str, Any]:
    """The document of `meshmill evaluate --photos`. An object that fails scores as a failure and is named."""
    perceptual = images.Lpips(options.lpips) if options.lpips else None
    names = list_objects(folder)[: options.limit]
    run = ProtocolRun(recipe, models, replace(options, estimate_elevation=asked.poses != "given"), perceptual, progress)
    rows = []
    for number, name in enumerate(names):
        progress("evaluate", number, len(names), object=name)
        rows.append(_one(read_object(folder, name), asked, run))
    by_photos = {
        str(count): mean_of_rows([row["by_photos"][str(count)] for row in rows if str(count) in row["by_photos"]])
        for count in asked.counts
    }
    document = {
        "objects": rows,
        "by_photos": by_photos,
        "mean": by_photos[str(asked.counts[-1])],
        "protocol": protocol.ABOUT
        | {"seed": recipe.seed, "poses": asked.poses, "azimuths": AZIMUTHS, "asset_view of several photos": PLACED},
        "recipe": {"name": recipe.name, "hash": recipe_hash(recipe), "parameters": recipe.model_dump(mode="json")},
        "checkpoint": models.checkpoint,
        "failed": sum(1 for row in rows if row["errors"]),
    }
    rounded: dict[str, Any] = protocol.rounded(document)
    return rounded


def _one(item: EvaluationObject, asked: PhotoOptions, run: ProtocolRun) -> dict[str, Any]:
    row: dict[str, Any] = {"id": item.id, "sha256": item.sha256, "errors": {}, "by_photos": {}}
    held = tuple(view for view in item.views if not any(_is_at(item, view, a) for a in AZIMUTHS[max(asked.counts)]))
    scored = replace(item, views=held)
    photo = decode_photo(item.photo)
    cutout = run.models.cut_by_alpha(photo)
    size = (photo.rgba.shape[1], photo.rgba.shape[0])
    truth = protocol.truth_solid(item.truth, run.recipe.seed)
    for count in asked.counts:
        views = [next((v for v in item.views if _is_at(item, v, a)), None) for a in AZIMUTHS[count]]
        given = [view for view in views if view is not None]
        shots = [_shot(item, view, asked.poses, run) for view in given]
        errors: dict[str, str] = {}
        found = built_shape(scored, cutout, photo.rgba.shape[1], truth, run, {}, errors, shots, size, given)
        row["by_photos"][str(count)] = found | {"photos": len(shots) + 1}
        row["errors"] |= {f"{stage}, {count} photos": sentence for stage, sentence in errors.items()}
    return row


def _is_at(item: EvaluationObject, view: TruthView, azimuth: float) -> bool:
    turn = (view.camera.azimuth - item.camera.azimuth - azimuth + 180) % 360 - 180
    return abs(turn) < NEAR and abs(view.camera.elevation - item.camera.elevation) < NEAR


def _shot(item: EvaluationObject, view: TruthView, poses: Poses, run: ProtocolRun) -> Shot:
    """A view as a further photo, cut out and cropped on its own."""
    cutout: Cutout = run.models.cut_by_alpha(Photo(view.rgba, True, "PNG"))
    azimuth = (view.camera.azimuth - item.camera.azimuth) % 360
    return Shot(
        cutout,
        view.name,
        None if poses == "unknown" else azimuth,
        view.camera.elevation if poses == "given" else None,
        size=(view.rgba.shape[1], view.rgba.shape[0]),
    )


def table(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """A line a count, for people."""
    lines: list[tuple[str, ...]] = [("photos", "IoU", "Chamfer", "F 2 %", "PSNR", "LPIPS", "used", "score")]
    for count, mean in document["by_photos"].items():
        shape, seen, asset = mean.get("shape") or {}, mean.get("asset_view") or {}, mean.get("asset") or {}
        cells: Sequence[tuple[Any, str]] = (
            (shape.get("iou"), ".3f"),
            (shape.get("chamfer"), ".4f"),
            (shape.get("fscore_2"), ".3f"),
            (seen.get("psnr"), ".1f"),
            (seen.get("lpips"), ".3f"),
            (asset.get("used"), ".1f"),
            (asset.get("score"), ".2f"),
        )
        lines.append((count, *("" if value is None else format(value, form) for value, form in cells)))
    return lines
