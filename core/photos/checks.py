"""What can be said about a photo's fitness before any model looks at it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Photo
from core.errors import NoObject, PoorPhoto
from core.photos.limits import PhotoLimits

_BLANK_RANGE = 6.0
"""Levels between the darkest and the brightest thousandth below which a photo shows nothing at all."""


def check_fitness(photo: Photo, limits: PhotoLimits) -> tuple[str, ...]:
    """Warnings about a photo that can be used; raises :class:`NoObject` or :class:`PoorPhoto` for one that cannot."""
    height, width = photo.rgba.shape[:2]
    warnings = []
    if max(height, width) > limits.widest_aspect * min(height, width):
        longer = max(height, width) // min(height, width)
        raise PoorPhoto(f"The photo is a strip, {longer} times as long as it is wide: crop it to the product.")
    if max(height, width) > limits.wide_aspect * min(height, width):
        warnings.append("The photo is a very long strip; the product will be cut out of it.")
    luma = luminance(photo)
    low, high = np.quantile(luma, [0.001, 0.999])
    if not photo.has_alpha and high - low < _BLANK_RANGE:
        raise NoObject("The photo is one plain colour: there is no product in it.")
    blur = edge_blur(luma)
    if blur > limits.blur_limit:
        raise PoorPhoto(
            f"The photo is too blurred: its sharpest edges are {blur:.0f} pixels soft; focus and try again."
        )
    if blur > limits.blur_warning:
        warnings.append("The photo looks blurred; fine detail will be missing.")
    return tuple(warnings)


def luminance(photo: Photo, side: int = 512) -> NDArray[np.float32]:
    """Rec. 601 luma 0..255 over white, ``(h, w)``, longer side at most ``side``."""
    from PIL import Image

    image = Image.fromarray(photo.rgba)
    image.thumbnail((side, side), Image.Resampling.BOX)
    white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(white.convert("L"), np.float32)


def edge_blur(luma: NDArray[np.float32], window: int = 41) -> float:
    """Standard deviation, in pixels, of the Gaussian that would have made the image's sharpest edges.

    A step of height C blurred by a Gaussian of deviation s has the slope C / (s sqrt(2 pi)) at its middle, so
    s = C / (slope sqrt(2 pi)); C is the range within ``window`` around the steepest thousandth of the pixels. Every
    product photo has some sharp contour, however smooth the product; its sharpest edges, not its average, tell focus.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    dy, dx = np.gradient(luma)
    slope = np.hypot(dx, dy)
    steep = slope >= max(np.quantile(slope, 0.999), 1e-3)
    contrast = maximum_filter(luma, window) - minimum_filter(luma, window)
    return float(np.median(contrast[steep] / slope[steep]) / np.sqrt(2 * np.pi)) if steep.any() else 0.0
