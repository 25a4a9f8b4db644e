"""How close a picture is to another: PSNR and mask IoU.

Pictures are ``(H, W, 3)`` uint8 over white unless said otherwise; the object's box is the bounding box of the
truth's mask, because a white background flatters every method (a blank image already wins on SSIM).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.render import over
from core.render.likeness import decibels

Box = tuple[int, int, int, int]

MASK_LEVEL = 128
"""Alpha from which a pixel belongs to the object, 0..255."""

MINIMUM_BOX = 11
"""Sides below the SSIM window are widened to it, pixels."""


def over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Straight-alpha ``(H, W, 4)`` composited over white, ``(H, W, 3)`` uint8."""
    return over(rgba[..., :3], rgba[..., 3])


def object_box(mask: NDArray[np.bool_]) -> Box:
    """``(left, top, right, bottom)`` of a mask ``(H, W)``, right and bottom exclusive, at least 11 a side.

    An empty mask gives the whole picture.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0, 0, width, height
    left, right = _widen(int(columns[0]), int(columns[-1]) + 1, width)
    top, bottom = _widen(int(rows[0]), int(rows[-1]) + 1, height)
    return left, top, right, bottom


def _widen(low: int, high: int, limit: int) -> tuple[int, int]:
    missing = max(0, min(MINIMUM_BOX, limit) - (high - low))
    low = max(0, low - missing // 2)
    high = min(limit, max(high, low + min(MINIMUM_BOX, limit)))
    return min(low, high - min(MINIMUM_BOX, limit)) if missing else low, high


def crop(picture: NDArray[Any], box: Box | None) -> NDArray[Any]:
    """The part of ``(H, W, ...)`` inside the box, or all of it."""
    if box is None:
        return picture
    left, top, right, bottom = box
    return picture[top:bottom, left:right]


def psnr(picture: NDArray[np.uint8], truth: NDArray[np.uint8], box: Box | None = None) -> float:
    """Peak signal-to-noise ratio in dB, ``10 log10(255² / MSE)``; infinite for equal pictures."""
    difference = crop(picture, box).astype(np.float64) - crop(truth, box)
    return decibels(float(np.mean(difference**2)))


def mask_iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over union of boolean masks ``(H, W)``; 1 where both are empty."""
    union = np.count_nonzero(mask | truth)
    return 1.0 if union == 0 else float(np.count_nonzero(mask & truth) / union)


def mask_from_white(picture: NDArray[np.uint8], tolerance: int = 8) -> NDArray[np.bool_]:
    """The object of a picture over white, ``(H, W)``: pixels off white by more than ``tolerance``, holes filled.

    A synthesized view has no alpha; white parts that touch the outline are lost, which the protocol accepts for all.
    """
    from scipy import ndimage

    off_white = (255 - picture.astype(np.int16)).max(-1) > tolerance
    opened = ndimage.binary_opening(off_white, iterations=1)
    return np.asarray(ndimage.binary_fill_holes(opened), np.bool_)
