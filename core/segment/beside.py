"""What a picture shows besides the product: other objects on a plain ground, a shadow in the file's transparency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.segment.framing import bounding_box

SIDE = 512
"""Longer side at which the ground is looked at, pixels."""

_PLAIN = 12
"""Levels around the border's median colour that are still ground."""

_STANDS_OUT = 28
"""Levels from the ground's colour at which something stands on it."""

_OBJECT, _THING = 0.35, 0.01
"""Area over the product's, of another object and of a badge or banner."""

_OPAQUE = 235


@dataclass(frozen=True)
class Beside:
    """What stands on the same plain ground, apart from the product."""

    objects: int = 0
    """As large as the product, or nearly."""
    things: int = 0
    """Smaller: badges, banners, cards."""


def things_beside(rgb: NDArray[np.uint8], product: NDArray[np.bool_]) -> Beside:
    """What stands out from a plain ground and touches neither the product's mask nor its shadow.

    ``rgb`` ``(H, W, 3)``, ``product`` ``(H, W)``. Where the border is not of one colour nothing can be said.
    """
    from scipy.ndimage import binary_dilation, binary_fill_holes, label

    step = max(1, max(product.shape) // SIDE)
    small, mask = rgb[::step, ::step].astype(np.int16), product[::step, ::step]
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    ground = np.median(border, axis=0)
    if (np.abs(border - ground).max(1) <= _PLAIN).mean() < 0.6 or not mask.any():
        return Beside()
    if (np.abs(small - ground).max(-1)[~mask] <= _PLAIN).mean() < 0.6:
        return Beside()
    whole = binary_fill_holes(binary_dilation(mask, iterations=3))
    out = np.abs(small - ground).max(-1) > _STANDS_OUT
    labels, count = label(binary_dilation(out | whole, iterations=2), np.ones((3, 3), int))
    areas = np.bincount(labels[out | whole], minlength=count + 1) / mask.sum()
    rims = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    own, at_the_border = np.isin(np.arange(count + 1), labels[whole]), np.isin(np.arange(count + 1), rims)
    apart = ~own & (areas >= _THING)
    objects = apart & (areas >= _OBJECT) & ~at_the_border  # a banner reaches from border to border
    joined = _divided(np.abs(small - ground).max(-1) > _PLAIN, mask) - 1
    return Beside(int(objects.sum()) + joined, int((apart & ~objects).sum()))


def _divided(out: NDArray[np.bool_], mask: NDArray[np.bool_]) -> int:
    """How many objects a product's mask holds that strips of clean ground divide, from its top to its bottom or from
    side to side: a mask may bridge the ground between them."""
    left, top, right, bottom = bounding_box(mask)
    inside = out[top:bottom, left:right]
    return max(_runs(inside.sum(0)), _runs(inside.sum(1)))


def _runs(profile: NDArray[np.int64]) -> int:
    """Stretches of a profile between zeros whose sum reaches :data:`_OBJECT` of the largest one's."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], (profile > 0).astype(int), [0]])))
    sums = np.array([profile[start:stop].sum() for start, stop in ends.reshape(-1, 2)])
    return int((sums >= _OBJECT * sums.max()).sum()) if len(sums) else 1


@dataclass(frozen=True)
class Transparency:
    """A file's alpha without the shadow in it."""

    alpha: NDArray[np.uint8]
    warnings: tuple[str, ...] = ()


def without_shadow(rgba: NDArray[np.uint8]) -> Transparency:
    """The alpha of a cutout ``(H, W, 4)`` without a grey, half-transparent shadow at the product's foot.

    Wide half-transparent parts that are no such shadow (glass, gauze, a shadow of another kind) stay, and are named.
    """
    from scipy.ndimage import binary_dilation, label

    alpha = rgba[..., 3]
    opaque = alpha >= _OPAQUE
    rim = max(3, round(max(alpha.shape) / 150))
    soft = (alpha > 0) & ~opaque
    wide = soft & (alpha > 12) & ~binary_dilation(opaque, iterations=rim)
    visible = int((alpha > 12).sum())
    if not opaque.any() or wide.sum() < 0.01 * visible:
        return Transparency(alpha)
    colour = rgba[..., :3].astype(np.int16)
    gray = (colour.max(-1) - colour.min(-1) <= 24) & (colour.max(-1) <= 170)
    rows = np.flatnonzero(opaque.any(1))
    below = np.zeros_like(soft)
    below[(int(rows[0]) + int(rows[-1])) // 2 :] = True
    at_the_foot = wide & gray & below
    if at_the_foot.sum() >= 0.9 * wide.sum() and opaque.sum() >= 0.25 * visible:
        labels, _ = label(soft & gray, np.ones((3, 3), int))
        shadow = np.isin(labels, np.unique(labels[at_the_foot])) & below
        return Transparency(
            np.where(shadow, np.uint8(0), alpha),
            ("A half-transparent shadow in the picture is no part of the product and was left out.",),
        )
    said = "A wide part of the picture is half-transparent (glass, or a shadow?): check the cutout."
    return Transparency(alpha, (said,) if wide.sum() >= 0.03 * visible else ())
