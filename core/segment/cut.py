"""The segment stage: a photo becomes the recentred cutout of its product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Photo
from core.errors import NoObject, PhotoTooSmall, PoorPhoto
from core.segment.framing import bounding_box, frame_from_background, frame_square, frame_straight
from core.segment.objects import border_contact, choose_object, confidence
from core.segment.params import SegmentParams
from core.segment.segmenters import Segmenter


def segment(photo: Photo, params: SegmentParams, *, segmenter: Segmenter) -> Cutout:
    """Cut the product out of its photo and set it into the 512² frame.

    The photo's own alpha channel is trusted where it has one and ``params.use_alpha``; else ``segmenter`` finds the
    product. Doubts become the cutout's warnings. Raises :class:`NoObject`, :class:`SeveralObjects`,
    :class:`PhotoTooSmall` or :class:`PoorPhoto`, each with one sentence for a person.
    """
    if photo.has_alpha and params.use_alpha:
        alpha = photo.rgba[..., 3].astype(np.float32) / np.float32(255)
        _check_extent(alpha >= 0.5, params)
        square = frame_square(bounding_box(alpha >= 0.5))
        return Cutout(frame_straight(photo.rgba, alpha, square), square, "alpha", 1.0, photo.warnings)
    found = product_mask(photo, params, segmenter=segmenter)
    square = frame_square(bounding_box(found.alpha >= 0.5))
    rgba = frame_from_background(photo.rgba[..., :3], found.alpha, square)
    return Cutout(rgba, square, segmenter.name, found.confidence, photo.warnings + found.warnings)


@dataclass(frozen=True)
class ProductMask:
    """Where a segmentation model sees the product."""

    alpha: NDArray[np.float32]
    """``(H, W)`` in 0..1, 0 on everything that is not the product."""
    confidence: float
    warnings: tuple[str, ...]


def product_mask(photo: Photo, params: SegmentParams, *, segmenter: Segmenter) -> ProductMask:
    """The product in a photo with its background, at the photo's size; the file's alpha plays no part."""
    rgb = np.ascontiguousarray(photo.rgba[..., :3])
    raw = segmenter.raw_mask(rgb)
    sure = round(confidence(raw), 4)
    if raw.max() < params.found or sure < params.lowest_confidence:
        raise NoObject("No object was found in the photo: nothing stands out clearly from its background.")
    mask = enlarge(raw, rgb.shape[:2])
    choice = choose_object(mask >= 0.5)
    _check_extent(choice.mask, params)
    return ProductMask(mask * _grown(choice.mask), sure, _doubts(choice.mask, choice.rivals, sure, params))


def enlarge(raw: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """The network's mask ``(h, w)`` at the photo's size, values in 0..1."""
    from PIL import Image

    image = Image.fromarray(raw).resize(shape[::-1], Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32).clip(0, 1)


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """1 on the object and the soft rim around it, 0 elsewhere: without the rims of its neighbours."""
    from scipy.ndimage import maximum_filter

    rim = max(3, round(max(mask.shape) / 100)) | 1
    return np.asarray(maximum_filter(mask, rim), np.float32)


def _check_extent(mask: NDArray[np.bool_], params: SegmentParams) -> None:
    if not mask.any():
        raise NoObject("No object was found in the photo: all of it is nearly transparent.")
    left, top, right, bottom = bounding_box(mask)
    longest = max(right - left, bottom - top)
    if longest < params.smallest_object:
        raise PhotoTooSmall(
            f"The object is only {longest} pixels long in the photo; at least {params.smallest_object} are needed."
        )


def _doubts(mask: NDArray[np.bool_], rivals: int, sure: float, params: SegmentParams) -> tuple[str, ...]:
    """Warnings about a mask ``(H, W)`` that a segmentation model made; raises :class:`PoorPhoto` for a hopeless one."""
    warnings = []
    if mask.mean() > params.largest_area:
        raise PoorPhoto("The object fills the whole photo; step back until all of it is visible with some background.")
    if rivals:
        warnings.append(f"The photo shows {rivals + 1} objects; the largest and most central one was taken.")
    if border_contact(mask) > params.border_contact:
        warnings.append("The object is cropped by the photo's border; the missing part will be invented.")
    if sure < params.doubtful_confidence:
        warnings.append("The outline is uncertain (glass, low contrast or a busy background); check the cutout.")
    return tuple(warnings)
