"""Which part of a mask is the product, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import NoObject, SeveralObjects

_SPECK = 0.002
"""Parts below this share of the largest part's area are noise."""

_RIVAL = 0.35
"""A part whose score reaches this share of the winner's is another object, not an accessory."""


MOST_RIVALS = 3
"""Other objects at which none is clearly the product."""


@dataclass(frozen=True)
class Choice:
    """The product's pixels and how many other objects stood beside it."""

    mask: NDArray[np.bool_]
    """``(H, W)``."""
    rivals: int


def choose_object(mask: NDArray[np.bool_]) -> Choice:
    """The product among the connected parts of a mask ``(H, W)``: large and central wins.

    Score = area times a Gaussian of the distance between the part's centre and the photo's. Small parts close to the
    winner belong to it (thin legs that the mask interrupts). Raises :class:`NoObject` for an empty mask and
    :class:`SeveralObjects` when three or more others could be the product just as well.
    """
    from scipy.ndimage import find_objects, label

    labels, count = label(mask, np.ones((3, 3), int))
    if count == 0:
        raise NoObject("No object was found in the photo.")
    areas = np.bincount(labels.ravel())[1:].astype(float)
    boxes = np.array([[s[1].start, s[0].start, s[1].stop, s[0].stop] for s in find_objects(labels)], float)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2 / mask.shape[::-1]
    scores = areas * np.exp(-np.sum((centers - 0.5) ** 2, 1) / (2 * 0.35**2))
    best = int(scores.argmax())
    near = _near(labels, best + 1, boxes, 0.05 * np.hypot(*(boxes[best, 2:] - boxes[best, :2])))
    accessory = near & (areas < 0.25 * areas[best]) & (areas >= _SPECK * areas.max())
    rivals = int(((scores >= _RIVAL * scores[best]) & ~accessory).sum()) - 1
    if rivals >= MOST_RIVALS:
        raise SeveralObjects(f"The photo shows {rivals + 1} objects and none is clearly the product.")
    keep = accessory
    keep[best] = True
    return Choice(np.concatenate([[False], keep])[labels], rivals)


def _near(labels: NDArray[np.int32], best: int, boxes: NDArray[np.float64], reach: float) -> NDArray[np.bool_]:
    """Which parts come nearer than ``reach`` pixels to the part ``best`` of ``labels``, by their pixels and not by
    their boxes: a badge beside a spout lies within the teapot's box."""
    from scipy.ndimage import distance_transform_edt

    near = np.zeros(len(boxes), bool)
    near[best - 1] = True
    if len(boxes) == 1:
        return near
    step = max(1, int(reach // 8))
    small = labels[::step, ::step]
    if not (small == best).any():
        return near
    close = distance_transform_edt(small != best) * step < reach
    near[np.setdiff1d(np.unique(small[close]), [0]) - 1] = True
    return near


def border_contact(mask: NDArray[np.bool_]) -> float:
    """The longest contact of the object with one border of the photo, over the object's extent along that border."""
    rows, columns = max(int(mask.any(1).sum()), 1), max(int(mask.any(0).sum()), 1)
    edges = [(mask[0], columns), (mask[-1], columns), (mask[:, 0], rows), (mask[:, -1], rows)]
    return max(float(edge.sum()) / extent for edge, extent in edges)


def confidence(raw: NDArray[np.float32]) -> float:
    """How decided a network's probabilities ``(h, w)`` are, 0 to 1.

    The raw maximum, times the share of the object's pixels that are no more doubtful than a clean outline would
    leave them: an outline of one pixel's uncertainty is free, what lies inside it is not.
    """
    from scipy.ndimage import uniform_filter

    inside = raw > 0.5
    if not inside.any():
        return 0.0
    smoothed = uniform_filter(inside.astype(np.float32), 5)
    outline = (smoothed > 0.02) & (smoothed < 0.98)
    doubt = np.where(outline, 0.0, 1 - np.abs(2 * raw - 1))
    return float(raw.max() * inside.sum() / (inside.sum() + 2 * doubt.sum()))
