"""The protocol with several photos of each object: one row of figures a count, on views that none of them is given.

An evaluation folder's ring views are the further photos; which azimuths a count takes is fixed (:data:`AZIMUTHS`).
Every count is scored on the same views: those that six photos leave over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from core.artifacts import Cutout, Photo
from core.placing.align import PhotoToPlace
from core.progress import Progress, no_progress
from core.quality.images import MASK_LEVEL
from core.recipes import Recipe
from core.segment.framing import bounding_box
from evaluation import protocol
from evaluation.folder import EvaluationObject, TruthView, list_objects, read_object
from evaluation.kept import Kept, Measured
from evaluation.photo_counts import against_one, pose_errors, pose_summary
from evaluation.pictures import Lpips
from evaluation.records import CountMeans, PhotosDocument, PhotosFigures, PhotosRow, rounded_record
from evaluation.run import build_shape, decode_photo, made_of, mean_of_rows, recipe_used
from evaluation.shape import Solid
from evaluation.values import Models, Options, ProtocolRun, Shown

Poses = Literal["given", "named", "cropped", "one_unknown", "unknown"]
POSES: tuple[Poses, ...] = get_args(Poses)

AZIMUTHS: dict[int, tuple[float, ...]] = {
    1: (),
    2: (90,),
    3: (90, 180),
    4: (90, 180, 270),
    6: (45, 90, 180, 225, 270),
}
"""Degrees from the photo's azimuth to the further photos', by how many photos there are. The second of two shows a
side: front and back alone are not used (:data:`core.placing.align.NO_SIDE`)."""

PLACED = "placed by least squares where the cameras of all given photos see it in the boxes of their exact masks"
"""Instead of the photo's alone, which cannot tell how far away a thing is."""

NEAR = 1.0
"""Degrees within which a view is the one that a count asks for."""

MARGIN = 0.08
"""Of a product's longer side, left around it where photos are cropped on their own."""


@dataclass(frozen=True)
class PhotoOptions:
    """Which counts, and what is told of the further photos' cameras."""

    counts: tuple[int, ...] = (1, 4)
    poses: tuple[Poses, ...] = ("given",)
    """``given``: azimuth and elevation; ``named``: the azimuth, as a name says it, and no elevation, the main photo's
    neither; ``cropped``: the same, and every photo is cropped around its product; ``one_unknown``: named, but for the
    last photo, of which nothing is told; ``unknown``: nothing."""
    keep: Path | None = None
    """A folder where what is measured of each object, count and poses is kept, and from which it is taken again."""


@dataclass(frozen=True)
class Taken:
    """An object's photos as a shop would have them: the main one, its ring, and what they are scored on."""

    item: EvaluationObject
    """With the views only that no count is given."""
    main: Photo
    cutout: Cutout
    truth: Solid


def evaluate_photos(
    folder: Path,
    recipe: Recipe,
    models: Models,
    asked: PhotoOptions,
    options: Options,
    progress: Progress = no_progress,
) -> PhotosDocument:
    """The document of `meshmill evaluate --photos`. An object that fails scores as a failure and is named.

    ``by_photos`` and ``mean`` are those of the first kind of poses; of several kinds, ``by_poses`` holds all.
    """
    perceptual = Lpips(options.lpips) if options.lpips else None
    names = list_objects(folder)[: options.limit]
    run = ProtocolRun(recipe, models, replace(options, align=False), perceptual, progress)
    rows = []
    for number, name in enumerate(names):
        progress("evaluate", number, len(names), object=name)
        rows.append(_one(read_object(folder, name), asked, run))
    progress("evaluate", len(names), len(names))
    by_poses = {poses: _by_photos([row.by_poses[poses] for row in rows], asked.counts) for poses in asked.poses}
    first = by_poses[asked.poses[0]]
    document = PhotosDocument(
        objects=rows,
        by_photos=first,
        **({"by_poses": by_poses} if len(asked.poses) > 1 else {}),
        mean=first[str(asked.counts[-1])],
        protocol=protocol.ABOUT
        | {
            "seed": recipe.seed,
            "poses": asked.poses[0],
            "azimuths": {str(count): list(azimuths) for count, azimuths in AZIMUTHS.items()},
            "asset_view of several photos": PLACED,
        },
        recipe=recipe_used(recipe),
        checkpoint=models.checkpoint,
        failed=sum(1 for row in rows if row.errors),
    )
    return rounded_record(document)


def _by_photos(rows: Sequence[dict[str, PhotosFigures]], counts: Sequence[int]) -> dict[str, CountMeans]:
    """Means a count of photos, with pose errors and, beside one photo, what the further ones brought."""
    return {
        count: CountMeans(
            **mean_of_rows([row[count] for row in rows]).model_dump(),
            poses=pose_summary([error for row in rows for error in row[count].pose_errors]),
            against_one=against_one(rows, count),
        )
        for count in map(str, counts)
    }


def _one(item: EvaluationObject, asked: PhotoOptions, run: ProtocolRun) -> PhotosRow:
    """An object's figures, ``by_poses`` and count."""
    held = tuple(view for view in item.views if not any(_is_at(item, view, a) for a in AZIMUTHS[max(AZIMUTHS)]))
    photo = decode_photo(item.photo)
    truth = protocol.truth_solid(item.truth, run.recipe.seed)
    taken = Taken(replace(item, views=held), photo, run.models.cut_by_alpha(photo), truth)
    errors: dict[str, str] = {}
    by_poses: dict[str, dict[str, PhotosFigures]] = {poses: {} for poses in asked.poses}
    for poses in asked.poses:
        for count in asked.counts:
            # Of one photo nothing is said.
            alike: Poses = "named" if count == 1 and poses in ("one_unknown", "unknown") else poses
            found = by_poses[poses][str(count)] = _kept(item, taken, alike, count, asked, run)
            errors |= {f"{stage}, {poses}, {count} photos": said for stage, said in found.errors.items()}
    first = by_poses[asked.poses[0]]
    return PhotosRow(id=item.id, sha256=item.sha256, errors=errors, by_poses=by_poses, by_photos=first)


def _kept(
    item: EvaluationObject, taken: Taken, poses: Poses, count: int, asked: PhotoOptions, run: ProtocolRun
) -> PhotosFigures:
    """The figures as an earlier run kept them, if all that they depend on is the same; else measured, and kept."""
    if asked.keep is None:
        return _measured(item, taken, poses, count, run)
    kept = Kept(asked.keep, made_of([item], run) | {"azimuths": list(AZIMUTHS[count])})
    name = f"{item.id}-{poses}-{count}"
    if (before := kept.get(name, PhotosFigures)) is not None:
        return before.row
    found = rounded_record(_measured(item, taken, poses, count, run))
    kept.put(name, Measured(found))
    return found


def _measured(item: EvaluationObject, taken: Taken, poses: Poses, count: int, run: ProtocolRun) -> PhotosFigures:
    views = [next((v for v in item.views if _is_at(item, v, a)), None) for a in AZIMUTHS[count]]
    given = [view for view in views if view is not None]
    shots = [_shot(item, view, poses, run) for view in given]
    if poses == "one_unknown" and shots:
        shots[-1] = replace(shots[-1], azimuth=None)
    photo, cutout = taken.main, taken.cutout
    if poses == "cropped":
        photo = cropped(photo)
        cutout = run.models.cut_by_alpha(photo)
    size = (photo.rgba.shape[1], photo.rgba.shape[0])
    row = PhotosFigures(photos=len(shots) + 1, errors={}, pose_errors=[])
    run = replace(run, options=replace(run.options, estimate_elevation=poses != "given"))
    width = photo.rgba.shape[1]
    build_shape(row, taken.item, cutout, width, taken.truth, run, Shown(), row.errors, shots, size, given)
    placements = (row.asset and row.asset.placements) or []
    truths = {view.name: replace(view.camera, azimuth=_turn(item, view)) for view in given}
    row.pose_errors = pose_errors(placements, truths)
    return row


def _turn(item: EvaluationObject, view: TruthView) -> float:
    """Degrees from the photo's azimuth to a view's, 0 to 360."""
    return (view.camera.azimuth - item.camera.azimuth) % 360


def _is_at(item: EvaluationObject, view: TruthView, azimuth: float) -> bool:
    turn = (_turn(item, view) - azimuth + 180) % 360 - 180
    return abs(turn) < NEAR and abs(view.camera.elevation - item.camera.elevation) < NEAR


def _shot(item: EvaluationObject, view: TruthView, poses: Poses, run: ProtocolRun) -> PhotoToPlace:
    """A view as a further photo, cut out and framed on its own."""
    photo = Photo(view.rgba, True, "PNG")
    if poses == "cropped":
        photo = cropped(photo)
    return PhotoToPlace(
        run.models.cut_by_alpha(photo),
        view.name,
        None if poses == "unknown" else _turn(item, view),
        view.camera.elevation if poses == "given" else None,
        size=(photo.rgba.shape[1], photo.rgba.shape[0]),
    )


def cropped(photo: Photo) -> Photo:
    """The photo ``(H, W, 4)`` cut to its product, :data:`MARGIN` wider on every side."""
    left, top, right, bottom = bounding_box(photo.rgba[..., 3] >= MASK_LEVEL)
    margin = round(MARGIN * max(right - left, bottom - top))
    rows = slice(max(0, top - margin), bottom + margin)
    return replace(photo, rgba=np.ascontiguousarray(photo.rgba[rows, max(0, left - margin) : right + margin]))


def table(document: PhotosDocument) -> list[tuple[str, ...]]:
    """A line a kind of poses and count, for people."""
    lines: list[tuple[str, ...]] = [HEADING]
    by_poses = document.by_poses or {str(document.protocol["poses"]): document.by_photos}
    for poses, by_photos in by_poses.items():
        lines += [(poses, count, *_cells(mean)) for count, mean in by_photos.items()]
    return lines


HEADING = ("poses", "photos", "IoU", "Chamfer", "F 2 %", "PSNR", "LPIPS", "used", "pose error", "score")


def _cells(mean: CountMeans) -> list[str]:
    shape, seen, asset, poses = (group or {} for group in (mean.shape, mean.asset_view, mean.asset, mean.poses))
    cells = (
        (shape.get("iou"), ".3f"),
        (shape.get("chamfer"), ".4f"),
        (shape.get("fscore_2"), ".3f"),
        (seen.get("psnr"), ".1f"),
        (seen.get("lpips"), ".3f"),
        (asset.get("used"), ".1f"),
        (poses.get("median_error"), ".1f"),
        (asset.get("score"), ".2f"),
    )
    return ["" if value is None else format(value, form) for value, form in cells]
