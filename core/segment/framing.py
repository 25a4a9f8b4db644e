"""The frame that every later stage sees: 512², the product centred, its longest side 200/256 of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAME = 512
"""Side of a cutout, pixels."""

FILL = 200 / 256
"""Longest side of the product over the side of the frame (REFERENCE section 1)."""

Box = tuple[float, float, float, float]


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """``(left, top, right, bottom)`` of the True pixels, right and bottom exclusive; the mask is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def frame_square(box: tuple[int, int, int, int]) -> Box:
    """The square around the box's centre whose side is the box's longest side / :data:`FILL`, in photo pixels."""
    left, top, right, bottom = box
    half = max(right - left, bottom - top) / FILL / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - half, y - half, x + half, y + half


def resample(channel: NDArray[np.float32], square: Box, fill: float | None = None) -> NDArray[np.float32]:
    """``(H, W)`` to ``(512, 512)``: the square (which may reach outside) by Lanczos, low-passed when shrinking.

    Outside of the photo stands ``fill``, or the nearest border pixel where it is None.
    """
    from PIL import Image

    height, width = channel.shape
    left, top = int(np.floor(square[0])), int(np.floor(square[1]))
    right, bottom = int(np.ceil(square[2])), int(np.ceil(square[3]))
    pad = [(max(0, -top), max(0, bottom - height)), (max(0, -left), max(0, right - width))]
    inside = channel[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    padded = np.pad(inside, pad, "edge") if fill is None else np.pad(inside, pad, constant_values=fill)
    box = (square[0] - left, square[1] - top, square[2] - left, square[3] - top)
    image = Image.fromarray(np.ascontiguousarray(padded, np.float32))
    return np.asarray(image.resize((FRAME, FRAME), Image.Resampling.LANCZOS, box=box), np.float32)


def unframe_alpha(alpha: NDArray[np.uint8], source_box: Box, width: int, height: int) -> NDArray[np.uint8]:
    """The cutout's alpha ``(512, 512)`` back in the photo, ``(height, width)``; 0 outside the frame."""
    from PIL import Image

    left, top, right, bottom = source_box
    sx, sy = alpha.shape[1] / (right - left), alpha.shape[0] / (bottom - top)
    image = Image.fromarray(alpha)
    affine, linear = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return np.asarray(image.transform((width, height), affine, (sx, 0, -left * sx, 0, sy, -top * sy), linear))


def frame_straight(rgba: NDArray[np.uint8], alpha: NDArray[np.float32], square: Box) -> NDArray[np.uint8]:
    """The cutout of a picture whose colours are the product's own up to the edge: the file's alpha, or exact masks.

    Colour is resampled premultiplied by alpha and divided again, so what hides under transparent pixels never shows.
    """
    framed = resample(alpha, square, 0.0).clip(0, 1)
    colors = [resample(rgba[..., c] * alpha, square, 0.0) for c in range(3)]
    return _pack(np.stack(colors, -1) / np.maximum(framed, 1e-6)[..., None], framed)


def frame_from_background(rgb: NDArray[np.uint8], alpha: NDArray[np.float32], square: Box) -> NDArray[np.uint8]:
    """The cutout of a photo with its background: edge pixels lose the background's share of their colour."""
    framed = resample(alpha, square, 0.0).clip(0, 1)
    colors = np.stack([resample(rgb[..., c].astype(np.float32), square) for c in range(3)], -1)
    return _pack(foreground(colors, framed), framed)


def foreground(image: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours ``(H, W, 3)`` of the product alone, by blurred fusion (Forte, *Approximate fast foreground colour
    estimation*, ICIP 2021, equations 4 to 7), once with a wide window and once with a narrow one.
    """
    weight = alpha[..., None]
    background, front = image, image
    for size in (61, 7):
        weight_blur = _box(alpha, size)[..., None]
        front_blur = _box(front * weight, size) / (weight_blur + 1e-5)
        background = _box(background * (1 - weight), size) / (1 - weight_blur + 1e-5)
        front = front_blur + weight * (image - weight * front_blur - (1 - weight) * background)
        front = front.clip(0, 255)
    return np.where(weight > 0.999, image, front)


def _box(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    from scipy.ndimage import uniform_filter

    sizes = (size, size, 1)[: values.ndim]
    blurred: NDArray[np.float32] = uniform_filter(values, sizes, mode="nearest")
    return blurred


def _pack(colors: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """``(512, 512, 4)``; fully transparent pixels are white, as the models see the background."""
    levels = np.rint(alpha * 255).astype(np.uint8)
    rounded = np.where(levels[..., None] > 0, np.rint(colors.clip(0, 255)), 255).astype(np.uint8)
    return np.dstack([rounded, levels])
