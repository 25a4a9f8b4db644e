"""The segment stage: a photo becomes the recentred cutout of its product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Photo
from core.errors import NoObject, PhotoTooSmall, PoorPhoto, SeveralObjects
from core.segment.beside import things_beside, without_shadow
from core.segment.framing import bounding_box, frame_from_background, frame_square, frame_straight
from core.segment.looks import mirrored_below, seen_through
from core.segment.objects import MOST_RIVALS, border_contact, choose_object, confidence
from core.segment.params import SegmentParams
from core.segment.refine import sharpen, steepen
from core.segment.segmenters import Segmenter

FINE = 512
"""Longer side, pixels, of the closer view; a network whose own mask is at least this fine gets none."""

WINDOW = 1.32
"""Side of the closer view over the product's longest side."""

MIRRORED = "The lower part looks like the product's mirror image in a glossy floor. Photograph it on a matt ground."
TRANSPARENT = "The product looks transparent (glass?), or has its background's colour. Check the cutout."

STRIP = 3
"""Longer over shorter side beyond which a photo is seen window by window."""


def segment(photo: Photo, params: SegmentParams, *, segmenter: Segmenter) -> Cutout:
    """Cut the product out of its photo and set it into the 512² frame.

    The photo's own alpha channel is trusted where it has one and ``params.use_alpha``; else ``segmenter`` finds the
    product. Doubts become the cutout's warnings. Raises :class:`NoObject`, :class:`SeveralObjects`,
    :class:`PhotoTooSmall` or :class:`PoorPhoto`, each with one sentence for a person.
    """
    if photo.has_alpha and params.use_alpha:
        seen = without_shadow(photo.rgba)
        alpha = seen.alpha.astype(np.float32) / np.float32(255)
        _check_extent(alpha >= 0.5, params)
        square = frame_square(bounding_box(alpha >= 0.5))
        mirrored = (MIRRORED,) if mirrored_below(*_on_white(photo.rgba)) else ()
        warnings = photo.warnings + seen.warnings + mirrored
        return Cutout(frame_straight(photo.rgba, alpha, square), square, "alpha", 1.0, warnings)
    found = product_mask(photo, params, segmenter=segmenter)
    square = frame_square(bounding_box(found.alpha >= 0.5))
    rgba = frame_from_background(photo.rgba[..., :3], found.alpha, square)
    return Cutout(rgba, square, segmenter.name, found.confidence, photo.warnings + found.warnings)


def _on_white(rgba: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The colours of a cutout ``(H, W, 4)`` as a photo on white, a little white around it, and where anything is."""
    room = ((8, 8), (8, 8))
    alpha = np.pad(rgba[..., 3], room)
    rgb = np.pad(rgba[..., :3], (*room, (0, 0)))
    share = alpha[..., None].astype(np.float32) / 255
    return np.asarray((rgb * share + 255 * (1 - share)).round(), np.uint8), alpha > 12


@dataclass(frozen=True)
class ProductMask:
    """Where a segmentation model sees the product."""

    alpha: NDArray[np.float32]
    """``(H, W)`` in 0..1, 0 on everything that is not the product."""
    confidence: float
    warnings: tuple[str, ...]


def product_mask(photo: Photo, params: SegmentParams, *, segmenter: Segmenter) -> ProductMask:
    """The product in a photo with its background, at the photo's size; the file's alpha plays no part.

    A network whose mask is coarse looks twice, the second time at the product alone, and its mask is sharpened.
    """
    rgb = np.ascontiguousarray(photo.rgba[..., :3])
    found = _looked_at(rgb, params, segmenter)
    if _is_tight(found.chosen):
        found = _with_room(rgb, params, segmenter) or found
    return ProductMask(found.alpha, round(found.sure, 4), _doubts(found.chosen, found.rivals, found.sure, params, rgb))


@dataclass(frozen=True)
class _Found:
    """A product in a photo, before doubts are weighed."""

    alpha: NDArray[np.float32]
    chosen: NDArray[np.bool_]
    rivals: int
    sure: float


ROOM = 0.15
"""Of its longer side: how far a photo that the product fills is continued on each side before it is looked at."""

TIGHT = 0.02
"""Of a side: a product that comes so near to the border of its photo fills it."""


def _is_tight(mask: NDArray[np.bool_]) -> bool:
    height, width = mask.shape
    left, top, right, bottom = bounding_box(mask)
    return bool(min(left / width, 1 - right / width, top / height, 1 - bottom / height) <= TIGHT)


def _with_room(rgb: NDArray[np.uint8], params: SegmentParams, segmenter: Segmenter) -> _Found | None:
    """The product in a photo that it fills, seen with its border's pixels continued: networks expect some room around a
    product. None where it is not found then."""
    room = round(ROOM * max(rgb.shape[:2]))
    wider = np.pad(rgb, ((room, room), (room, room), (0, 0)), "edge")
    inside = (slice(room, -room), slice(room, -room))
    try:
        found = _looked_at(wider, params, segmenter)
    except (NoObject, SeveralObjects, PhotoTooSmall):
        return None
    chosen = found.chosen[inside]
    return _Found(found.alpha[inside], chosen, found.rivals, found.sure) if chosen.any() else None


def _looked_at(rgb: NDArray[np.uint8], params: SegmentParams, segmenter: Segmenter) -> _Found:
    raw = look(rgb, segmenter)
    sure = confidence(raw)
    if raw.max() < params.found or sure < params.lowest_confidence:
        raise NoObject("No object was found in the photo: nothing stands out clearly from its background.")
    mask = enlarge(raw, rgb.shape[:2])
    choice = choose_object(mask >= 0.5)
    chosen = choice.mask
    _check_extent(chosen, params)
    if params.refine and max(raw.shape) < FINE:
        others = _grown((mask >= 0.5) & ~chosen)
        mask, sure = _second_look(rgb, mask, chosen, segmenter)
        mask = mask * (1 - others)
        if not (mask >= 0.5).any():
            raise NoObject("No object was found in the photo: what seemed to be one dissolves at a closer look.")
        chosen = choose_object(mask >= 0.5).mask
    return _Found(mask * _grown(chosen), chosen, choice.rivals, sure)


def look(rgb: NDArray[np.uint8], segmenter: Segmenter) -> NDArray[np.float32]:
    """The network's raw mask of a photo ``(H, W, 3)``; a long strip is seen through overlapping windows.

    Networks squeeze every photo into a square; in a panorama that would leave a product a few pixels wide.
    """
    height, width = rgb.shape[:2]
    short, long = sorted((height, width))
    if long <= STRIP * short:
        return segmenter.raw_mask(rgb)
    window = max(2 * short, -(-long // 6))
    starts = sorted({*range(0, long - window, window // 2), long - window})
    along = 0 if height > width else 1
    result: NDArray[np.float32] = np.zeros((height, width), np.float32)
    for start in starts:
        part = (slice(start, start + window), slice(None))[:: 1 if along == 0 else -1]
        seen = segmenter.raw_mask(np.ascontiguousarray(rgb[part]))
        result[part] = np.maximum(result[part], enlarge(seen, rgb[part].shape[:2]))
    return result


def enlarge(raw: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A mask ``(h, w)`` at another size ``(H, W)``, values in 0..1."""
    from PIL import Image

    image = Image.fromarray(raw).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32).clip(0, 1)


def _second_look(
    rgb: NDArray[np.uint8], mask: NDArray[np.float32], chosen: NDArray[np.bool_], segmenter: Segmenter
) -> tuple[NDArray[np.float32], float]:
    """The mask ``(H, W)`` and its confidence from a closer view: the product's surroundings at 512 pixels.

    The mean of both looks is sharpened by colours and edges; outside of the window nothing is the product.
    """
    from PIL import Image

    left, top, right, bottom = bounding_box(chosen)
    half = WINDOW * max(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    rows = slice(max(0, int(y - half)), min(rgb.shape[0], int(y + half) + 1))
    columns = slice(max(0, int(x - half)), min(rgb.shape[1], int(x + half) + 1))
    near = rgb[rows, columns]
    scale = FINE / max(near.shape[:2])
    size = (max(8, round(near.shape[0] * scale)), max(8, round(near.shape[1] * scale)))
    view = np.asarray(Image.fromarray(near).resize(size[::-1], Image.Resampling.LANCZOS))
    again = enlarge(segmenter.raw_mask(view), size)
    both = np.asarray((again + enlarge(mask[rows, columns], size)) / 2, np.float32)
    result: NDArray[np.float32] = np.zeros(mask.shape, np.float32)
    sharp = sharpen(view, both)
    result[rows, columns] = enlarge(steepen(sharp), near.shape[:2])
    # Glass may be clear to the network, yet its colours are the ground's: the softer of both masks speaks.
    return result, min(confidence(both), confidence(sharp))


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


def _doubts(
    mask: NDArray[np.bool_], rivals: int, sure: float, params: SegmentParams, rgb: NDArray[np.uint8]
) -> tuple[str, ...]:
    """Warnings about a mask ``(H, W)`` that a segmentation model made; raises :class:`PoorPhoto` for a hopeless one."""
    warnings = []
    if mask.mean() > params.largest_area:
        raise PoorPhoto("The object fills the whole photo; step back until all of it is visible with some background.")
    beside = things_beside(rgb, mask)
    rivals = max(rivals, beside.objects)
    if rivals >= MOST_RIVALS:
        raise SeveralObjects(f"The photo shows {rivals + 1} objects and none is clearly the product.")
    if rivals:
        warnings.append(f"The photo shows {rivals + 1} objects; the largest and most central one was taken.")
    if beside.things:
        warnings.append(f"The photo shows {beside.things + 1} separate things (a badge, a banner?); one was taken.")
    if border_contact(mask) > params.border_contact:
        warnings.append("The object is cropped by the photo's border; the missing part will be invented.")
    if mirrored_below(rgb, mask):
        warnings.append(MIRRORED)
    if seen_through(rgb, mask):
        warnings.append(TRANSPARENT)
    elif sure < params.doubtful_confidence:
        warnings.append("The outline is uncertain (glass, low contrast or a busy background); check the cutout.")
    return tuple(warnings)
