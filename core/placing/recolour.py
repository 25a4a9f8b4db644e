"""A product in another colour: the shape of one product, the colours of another that was photographed from the same
side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Field
from core.segment.framing import FRAME, bounding_box, frame_straight

FITS = 0.85
"""Overlap of two outlines (IoU) from which they are one shape seen from one side."""

SAMPLES = 4000
"""Pixels, at most, from which it is learnt what became of each colour."""

NEAR = 12.0
"""Levels of 255 around a colour within which others have a say in what became of it."""

_STEP = 8


@dataclass(frozen=True)
class Recoloured:
    """A product's cutout in the frame of the one whose shape it shares, and that one's field in its colours."""

    cutout: Cutout
    field: Field
    fits: float
    """Overlap of the two outlines, IoU."""

    @property
    def used(self) -> bool:
        return self.fits >= FITS


def recolour(cutout: Cutout, base: Cutout, field: Field) -> Recoloured:
    """``field`` of the product that ``base`` shows, in the colours of ``cutout``.

    The cutout is moved and scaled until its product stands where the base's does; a colour of the field becomes what
    the photo shows at the pixels where the base shows that colour. Where the outlines do not fit all stays as it was.
    """
    placed = registered(cutout, base)
    fits = overlap(placed, base)
    if fits < FITS:
        return Recoloured(cutout, field, fits)
    info = field.info | {"recoloured": round(fits, 4)}
    if field.color is None:
        return Recoloured(placed, replace(field, info=info), fits)
    before, after = _pairs(base, placed)
    levels = _mapped((field.color.reshape(-1, 3) * 255).astype(np.float32), before, after)
    color = (levels / 255).clip(0, 1).astype(np.float32).reshape(field.color.shape)
    return Recoloured(placed, replace(field, color=color, info=info), fits)


def registered(cutout: Cutout, base: Cutout) -> Cutout:
    """The cutout with its product's box where that of ``base`` lies: the same middle, the same longest side."""
    own, wanted = (bounding_box(c.rgba[..., 3] >= 128) for c in (cutout, base))
    if own == wanted:
        return cutout
    scale = max(own[2] - own[0], own[3] - own[1]) / max(wanted[2] - wanted[0], wanted[3] - wanted[1])
    left = (own[0] + own[2]) / 2 - (wanted[0] + wanted[2]) / 2 * scale
    top = (own[1] + own[3]) / 2 - (wanted[1] + wanted[3]) / 2 * scale
    square = (left, top, left + FRAME * scale, top + FRAME * scale)
    alpha = cutout.rgba[..., 3].astype(np.float32) / np.float32(255)
    box = cutout.source_box
    side = (box[2] - box[0]) / FRAME
    source = (box[0] + left * side, box[1] + top * side, box[0] + square[2] * side, box[1] + square[3] * side)
    return replace(cutout, rgba=frame_straight(cutout.rgba, alpha, square), source_box=source)


def overlap(one: Cutout, other: Cutout) -> float:
    """IoU of two outlines in one frame."""
    a, b = one.rgba[..., 3] >= 128, other.rgba[..., 3] >= 128
    return float((a & b).sum() / max((a | b).sum(), 1))


def _pairs(base: Cutout, placed: Cutout) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours ``(N, 3)`` of the base and of the other product at the same pixels, away from the outlines."""
    from scipy.ndimage import binary_erosion

    both = (base.rgba[..., 3] >= 250) & (placed.rgba[..., 3] >= 250)
    inside = binary_erosion(both, iterations=3)
    at = np.flatnonzero(inside if inside.any() else both)
    at = at[:: max(1, len(at) // SAMPLES)]
    return tuple(c.rgba.reshape(-1, 4)[at, :3].astype(np.float32) for c in (base, placed))  # type: ignore[return-value]


def _mapped(
    colors: NDArray[np.float32], before: NDArray[np.float32], after: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What became of ``colors (N, 3)``, 0 to 255: the mean of what became of the nearest ones among ``before``, as much
    darker or brighter as the colour itself is than those."""
    if not len(before):
        return colors
    coarse = np.rint(colors / _STEP).astype(np.int64)
    distinct, which = np.unique(coarse, axis=0, return_inverse=True)
    found = np.empty((len(distinct), 2, 3), np.float32)
    for start in range(0, len(distinct), 512):
        asked = distinct[start : start + 512].astype(np.float32) * _STEP
        distance = ((asked[:, None] - before[None]) ** 2).sum(-1)
        weight = np.exp((distance.min(1, keepdims=True) - distance) / (2 * NEAR**2))
        weight /= weight.sum(1, keepdims=True)
        found[start : start + 512] = np.stack([weight @ before, weight @ after], 1)
    nearest, became = found[which.reshape(-1)].transpose(1, 0, 2)
    brighter = (colors.mean(1) + _STEP) / (nearest.mean(1) + _STEP)
    return np.asarray(became * brighter.clip(0.25, 4)[:, None], np.float32)
