"""The published protocol: how predictions of an evaluation object are scored. `docs/evaluation.md` explains it.

Every number here is a mean over views (pictures) or a single value (shapes) of one object; :func:`mean_of` averages
over objects. A shape that was not made scores as :data:`NO_SHAPE`, never as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera
from core.parameters import JsonObject
from core.quality.images import (
    MASK_LEVEL,
    mask_from_white,
    mask_iou,
    object_box,
    over_white,
    psnr,
)
from core.render import Paint
from evaluation import shape
from evaluation.folder import TruthView
from evaluation.pictures import PERFECT_PSNR, ssim
from evaluation.shape import Solid
from evaluation.surfaces import Surface

T = TypeVar("T")

VERSION = 2
"""Raised whenever a figure of the same prediction would change."""

Perceptual = Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]

NO_SHAPE = {"iou": 0.0, "iou_64": 0.0, "chamfer": 0.5, "fscore_1": 0.0, "fscore_2": 0.0}
"""What an object scores whose mesh could not be made; half the unit side is farther than any centred shape."""

SCORES_OF_NO_SHAPE = {
    "known_camera": NO_SHAPE,
    "visible": {name: NO_SHAPE[name] for name in ("chamfer", "fscore_1", "fscore_2")},
    "aligned": NO_SHAPE,
}

ABOUT: JsonObject = {
    "version": VERSION,
    "novel_view": {
        "views": "all of the folder's views but those that repeat the photo's camera, over white, at their own size",
        "condition": "photo_rgba.png, cut out by its alpha; its camera is known; its zoom is undone about the middle",
        "psnr": "8-bit sRGB on the bounding box of the truth's mask; equal pictures count 100 dB",
        "ssim": "Gaussian window 11 x 11, sigma 1.5, mean of channels, on the same box",
        "lpips": "version 0.1, AlexNet, whole picture over white; null where no weights were given",
        "mask_iou": "prediction's mask: off white by more than 8 of 255, opened, holes filled; whole picture",
        "psnr_whole, ssim_whole": "the same on the whole picture, only to compare with papers",
    },
    "shape": {
        "normalisation": "truth and asset each centred on their bounding box, longest side 1",
        "known_camera": "asset azimuth 0 is the photo's azimuth; no search",
        "aligned": "36 yaws, then rigid point-to-point ICP; reported separately",
        "visible": "what the photo's camera sees at 256 x 256 pixels, to the other's whole surface, and back",
        "iou": "volumes by generalised winding number at 128 (iou_64: 64) voxels a side",
        "chamfer": "mean of the two mean nearest distances of 100,000 seeded surface points each",
        "fscore_1, fscore_2": "threshold 1 and 2 % of the longest side",
        "failed": "an asset that was not made scores IoU 0, F 0, Chamfer 0.5",
    },
    "asset_view": "the finished GLB, unlit, turned to the photo's azimuth and placed where the photo's camera sees it "
    "in the exact mask's box, from the held-out cameras: figures as novel_view's, mask_iou by the render's own alpha",
    "asset_view_recentred": "as until version 1: the GLB as the recentred cutout's camera sees it, un-zoomed about the "
    "middle; the truth itself reaches 14.1 dB, so only for comparison with older results",
    "true_quality": "half the volumetric IoU, half asset_view's PSNR on a ramp from 8 to 24 dB: the gate's aim",
    "segmentation": "IoU of the cutout's alpha (at least 128), back in the photo, with the exact mask; none found: 0",
}  # fmt: skip
"""What the figures mean, word for word beside them in every result."""


def view_scores(
    pictures: Sequence[NDArray[np.uint8]],
    truths: Sequence[TruthView],
    perceptual: Perceptual | None = None,
    alphas: Sequence[NDArray[np.uint8]] | None = None,
) -> dict[str, float | None]:
    """Mean figures of predicted pictures ``(S, S, 3)`` over white, one for each truth; with their own ``alphas``."""
    masks = [mask_from_white(p) for p in pictures] if alphas is None else [alpha >= MASK_LEVEL for alpha in alphas]
    rows = [_one_view(*each, perceptual) for each in zip(pictures, masks, truths, strict=True)]
    return mean_of(rows)


def _one_view(
    picture: NDArray[np.uint8], seen: NDArray[np.bool_], truth: TruthView, perceptual: Perceptual | None
) -> dict[str, float | None]:
    expected, mask = over_white(truth.rgba), truth.rgba[..., 3] >= MASK_LEVEL
    box = object_box(mask)
    return {
        "psnr": min(PERFECT_PSNR, psnr(picture, expected, box)),
        "ssim": ssim(picture, expected, box),
        "mask_iou": mask_iou(seen, mask),
        "lpips": None if perceptual is None else perceptual(picture, expected),
        "psnr_whole": min(PERFECT_PSNR, psnr(picture, expected)),
        "ssim_whole": ssim(picture, expected),
    }


def truth_solid(truth: Surface, seed: int) -> Solid:
    """The truth, prepared once for all that is compared with it."""
    return shape.prepared(truth, seed + 1)


def asset_in_truth_frame(surface: Surface, photo: Camera) -> Surface:
    """An asset (azimuth 0 = the photo's side) turned to the photo's azimuth and normalised again."""
    return shape.normalised(shape.turned(surface[0], photo.azimuth)), surface[1]


def where_photographed(
    surface: Surface, mask: NDArray[np.bool_], photo: Camera, further: Sequence[TruthView] = ()
) -> Surface:
    """A surface in the truth's frame scaled and moved to where ``photo`` shows it: in the box of ``mask (S, S)``.

    The truth stays where it is. A wrong depth changes the whole bounding box, but not what the photo's camera sees.
    With ``further`` photos all of them say where it is, and so how far.
    """
    if further:
        from evaluation.placement import fitted_to_all

        masks = [mask, *(view.rgba[..., 3] >= MASK_LEVEL for view in further)]
        cameras = [photo, *(view.camera for view in further)]
        return fitted_to_all(surface[0], surface[1], masks, cameras), surface[1]
    from core.quality.measurement import fitted

    return fitted(surface[0], surface[1], mask, photo), surface[1]


def asset_renders(
    surface: Surface, paint: Paint, truths: Sequence[TruthView]
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """A placed surface, unlit, as the truth's cameras see it: pictures over white and their alphas."""
    from core.quality.measurement import picture_of

    seen = [picture_of(*surface, truth.camera, truth.rgba.shape[0], paint) for truth in truths]
    return [picture for picture, _ in seen], [alpha for _, alpha in seen]


def shape_scores(
    surface: Surface, truth: Solid, photo: Camera, seed: int, align: bool = True
) -> dict[str, dict[str, float]]:
    """``known_camera``, ``visible`` and (with ``align``) ``aligned`` of a surface in the truth's frame."""
    ours = shape.prepared(surface, seed)
    scores = {
        "known_camera": shape.compare(ours, truth).as_dict(),
        "visible": shape.compare_visible(ours, truth, photo),
    }
    if align:
        moved, _ = shape.align(surface, truth.surface, seed)
        scores["aligned"] = shape.compare(shape.prepared((moved, surface[1]), seed), truth).as_dict()
    return scores


def true_quality(iou: float, psnr: float) -> float:
    """What the gate's score is meant to foretell, 0..1: half the volumetric IoU, half the asset's own renders.

    ``psnr`` is that of the renders from held-out cameras on the object's box: 8 dB (a blank picture) counts 0, 24 dB 1.
    """
    return 0.5 * iou + 0.5 * min(1.0, max(0.0, (psnr - 8) / 16))


def mean_of(rows: Iterable[Mapping[str, T]]) -> dict[str, T]:
    """Means of equal trees of numbers, leaf by leaf, over the rows that have the leaf; None where no row has it."""
    rows = list(rows)
    result: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values: list[Any] = [row[name] for row in rows if row.get(name) is not None]
        if values and isinstance(values[0], Mapping):
            result[name] = mean_of(values)
        else:
            result[name] = float(np.mean(values)) if values else None
    return result


def rounded(tree: Any, digits: int = 6) -> Any:
    """Floats of a JSON tree cut to ``digits`` decimals."""
    if isinstance(tree, dict):
        return {name: rounded(item, digits) for name, item in tree.items()}
    if isinstance(tree, list | tuple):
        return [rounded(item, digits) for item in tree]
    return round(tree, digits) if isinstance(tree, float) else tree
