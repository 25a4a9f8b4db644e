"""What a product on a plain ground looks like that no cutout shows as it is: mirrored in the floor, or transparent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.segment.framing import bounding_box

ROWS = 96
"""Rows at which a product is compared with its mirror image."""

_PLAIN = 0.6
"""Share of the border, or of what is not product, that must have the ground's colour."""

_ALIKE, _PATTERN, _FAINT = 0.88, 0.44, 0.72
"""Of a mirror image: least likeness of its rows' colours and outlines, least correlation of its pattern alone, and most
contrast at the foot, over the product's. Chosen with room between 36 mirrored and 130 other photos."""

_GROUND = 12
"""Levels around the ground's colour that glass still has."""

_CLEAR = 0.5
"""Share of a product in the ground's colour from which on it is called transparent."""


def mirrored_below(rgb: NDArray[np.uint8], mask: NDArray[np.bool_]) -> bool:
    """Whether the lower part of a mask ``(H, W)`` is the upper one's mirror image in a glossy floor, not product.

    About some row in the lower half, what is below it repeats what is above: row by row in colour and outline, in its
    pattern, yet fainter from the row on and never stronger further down. Products that are symmetric are as strong on
    both sides. ``rgb`` ``(H, W, 3)``; nothing can be said of a photo whose border is not of one colour.
    """
    seen = _on_ground(rgb, mask)
    if seen is None:
        return False
    for row in range(int(0.45 * ROWS), int(0.9 * ROWS)):
        depth = min(ROWS - row, row)
        foot = max(1, depth // 8)  # the contact's own shadow
        above, below = seen[row - depth : row][::-1][foot:], seen[row : row + depth][foot:]
        if len(below) >= 8 and _repeats(above, below):
            return True
    return False


def _on_ground(rgb: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """The product's box, :data:`ROWS` high, as differences from the ground's colour; None where that is not known."""
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]]).astype(np.float64)
    ground = np.median(border, axis=0)
    if (np.abs(border - ground).max(1) <= 16).mean() < _PLAIN or not mask.any():
        return None
    left, top, right, bottom = bounding_box(mask)
    beside = (right - left) // 12 + 1
    box = rgb[top:bottom, max(0, left - beside) : right + beside]
    width = int(np.clip(round(box.shape[1] * ROWS / box.shape[0]), 12, 2 * ROWS))
    small = np.asarray(Image.fromarray(box).resize((width, ROWS), Image.Resampling.BOX), np.float64)
    return np.asarray(gaussian_filter(small - ground, (0.8, 0.8, 0)))


def _repeats(above: NDArray[np.float64], below: NDArray[np.float64]) -> bool:
    """Whether rows ``(n, W, 3)``, counted away from the floor's edge, are the fainter image of others."""
    strong, faint = (np.maximum(np.sqrt((rows**2).sum((1, 2))), 1e-6) for rows in (above, below))
    contrast = faint / strong
    third = max(2, len(contrast) // 3)
    near, far = float(np.median(contrast[:third])), float(np.median(contrast[-third:]))
    if near > _FAINT or far > near + 0.1:
        return False
    alike = float(((above * below).sum((1, 2)) / strong).sum() / faint.sum())
    if alike < _ALIKE:
        return False
    one, other = (_pattern(rows / size[:, None, None]) for rows, size in ((above, strong), (below, faint)))
    return bool((one * other).sum() >= _PATTERN * np.sqrt((one**2).sum() * (other**2).sum()))


def _pattern(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without what all rows or all columns have in common: upright walls would be their own mirror image."""
    common: NDArray[np.float64] = rows.mean(0, keepdims=True) + rows.mean(1, keepdims=True)
    return np.asarray(rows - common + rows.mean((0, 1), keepdims=True))


def seen_through(rgb: NDArray[np.uint8], mask: NDArray[np.bool_]) -> bool:
    """Whether most of the inside of a mask ``(H, W)`` has the colour of the ground around it: glass, or white on white.

    The ground is taken between the photo's left and right borders, row by row. ``rgb`` ``(H, W, 3)``.
    """
    from scipy.ndimage import binary_erosion, binary_fill_holes

    step = max(1, max(mask.shape) // 512)
    small, product = rgb[::step, ::step].astype(np.float32), mask[::step, ::step]
    rim = max(3, small.shape[1] // 40)
    left, right = (np.median(side, axis=1, keepdims=True) for side in (small[:, :rim], small[:, -rim:]))
    across = np.linspace(0, 1, small.shape[1], dtype=np.float32)[None, :, None]
    off = np.abs(small - (left * (1 - across) + right * across)).max(-1)
    around = ~binary_fill_holes(product)
    inside = binary_erosion(product, iterations=max(2, round(float(np.sqrt(product.sum())) / 25)))
    if not inside.any() or not around.any() or (off[around] <= _GROUND + 2).mean() < _PLAIN:
        return False
    return bool((off[inside] <= _GROUND).mean() >= _CLEAR)
