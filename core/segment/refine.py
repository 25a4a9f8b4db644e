"""Sharpening of a small network's mask by the photo's own colours and edges.

A network that sees 256² pixels knows where the product is, not where its outline runs. Two classical steps follow,
chosen on composites of held-out procedural objects (``docs/lab`` has the figures of each).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 16
"""Colour histogram cells along each of R, G and B."""

TRUST = 1.0
"""Weight of the colours' log-likelihood ratio beside the network's own log-odds."""

RADIUS, EPSILON = 1 / 50, 1e-3
"""Guided filter: window radius over the longer side, and regularisation in squared units of 0..1 colour."""

STEEPNESS = 12.0
"""Slope of the logistic curve that takes a sharpened mask to the cutout's alpha."""


def sharpen(rgb: NDArray[np.uint8], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mask ``(H, W)`` of a photo ``(H, W, 3)``, decided anew by colour, then drawn along the photo's edges."""
    return guided_filter(rgb, weigh_colors(rgb, mask), max(2, round(max(mask.shape) * RADIUS)), EPSILON)


def steepen(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """The alpha of a mask in 0..1: a logistic curve through (0, 0), (½, ½) and (1, 1).

    A mask says how sure the network is, alpha how much of a pixel is covered: only outlines are covered in part.
    """
    lowest = 1 / (1 + np.exp(STEEPNESS / 2))
    curve = 1 / (1 + np.exp(-STEEPNESS * (mask - 0.5)))
    return np.asarray((curve - lowest) / (1 - 2 * lowest), np.float32)


def weigh_colors(rgb: NDArray[np.uint8], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Posterior ``(H, W)`` from the mask's log-odds and two colour histograms, of what it holds and what it does not.

    The log-ratio is clipped to 3 so that colour alone overrules only a network in doubt.
    """
    from scipy.ndimage import gaussian_filter

    cells = rgb.astype(np.int64) * BINS // 256
    index = (cells[..., 0] * BINS + cells[..., 1]) * BINS + cells[..., 2]

    def frequencies(weight: NDArray[np.float32]) -> NDArray[np.float64]:
        counts = np.bincount(index.ravel(), weight.ravel(), BINS**3).reshape(BINS, BINS, BINS)
        smooth = gaussian_filter(counts, 1.0, mode="constant").ravel()
        return np.asarray(smooth / (smooth.sum() + 1e-9) + 1e-3 / BINS)

    ratio = np.log(frequencies(mask) / frequencies(1 - mask))[index].clip(-3, 3)
    sure = mask.clip(0.01, 0.99)
    odds = np.log(sure / (1 - sure)) + TRUST * ratio
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def guided_filter(
    rgb: NDArray[np.uint8], mask: NDArray[np.float32], radius: int, epsilon: float
) -> NDArray[np.float32]:
    """The mask as a locally linear function of the photo's colour (He, Sun and Tang, *Guided image filtering*, eq. 19).

    Within each window mask = a·colour + b by ridge regression; means of a and b over windows give the result, 0..1.
    """
    from scipy.ndimage import uniform_filter

    colors = rgb.astype(np.float32) / np.float32(255)

    def box(values: NDArray[np.float32]) -> NDArray[np.float32]:
        size = 2 * radius + 1
        return np.asarray(uniform_filter(values, size, mode="nearest"), np.float32)

    planes = [np.ascontiguousarray(colors[..., c]) for c in range(3)]
    means = [box(plane) for plane in planes]
    mask_mean = box(mask)
    together = [box(plane * mask) - mean * mask_mean for plane, mean in zip(planes, means, strict=True)]
    v = {(i, j): box(planes[i] * planes[j]) - means[i] * means[j] for i in range(3) for j in range(i, 3)}
    xx, yy, zz = (v[i, i] + epsilon for i in range(3))
    xy, xz, yz = v[0, 1], v[0, 2], v[1, 2]
    # The inverse of the symmetric 3×3 covariance by cofactors: a tenth of the time of a batched solver.
    c00, c01, c02 = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    c11, c12, c22 = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    scale = 1 / (xx * c00 + xy * c01 + xz * c02)
    slopes = [
        (c00 * together[0] + c01 * together[1] + c02 * together[2]) * scale,
        (c01 * together[0] + c11 * together[1] + c12 * together[2]) * scale,
        (c02 * together[0] + c12 * together[1] + c22 * together[2]) * scale,
    ]
    offset = mask_mean - sum(slope * mean for slope, mean in zip(slopes, means, strict=True))
    result = sum((box(slope) * plane for slope, plane in zip(slopes, planes, strict=True)), box(offset))
    return np.asarray(result, np.float32).clip(0, 1)
