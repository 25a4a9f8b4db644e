"""Procedural surfaces for the backgrounds that the segmenter trains on: wood, tiles, plaster, cloth, stone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""``(H, W, 3)`` sRGB in 0..1."""

Plane = NDArray[np.float32]
"""``(H, W)``."""


def make_texture(rng: np.random.Generator, size: int = 384) -> Image:
    """One random surface, ``(size, size, 3)``."""
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    return np.asarray(kind(rng, size).clip(0, 1), np.float32)


def fractal(rng: np.random.Generator, size: int, cells: tuple[int, int] = (4, 4), octaves: int = 5) -> Plane:
    """Noise of falling octaves in 0..1, ``cells`` of the coarsest along y and x; unequal cells give a grain."""
    from PIL import Image as Images

    total, weight = np.zeros((size, size), np.float32), 1.0
    for octave in range(octaves):
        rows, columns = (min(size, max(2, n * 2**octave)) for n in cells)
        grid = Images.fromarray(rng.random((rows, columns), np.float32))
        total += weight * np.asarray(grid.resize((size, size), Images.Resampling.BICUBIC))
        weight *= rng.uniform(0.45, 0.65)
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6), np.float32)


def surface_color(rng: np.random.Generator) -> NDArray[np.float32]:
    """A colour ``(3,)`` as rooms have it: mostly greys, woods and pastels, at times anything."""
    draw = rng.random()
    if draw < 0.35:
        color = np.full(3, rng.uniform(0.15, 0.98)) * rng.uniform(0.94, 1.06, 3)
    elif draw < 0.65:
        color = np.array([0.72, 0.52, 0.34]) * rng.uniform(0.35, 1.35) + rng.uniform(-0.06, 0.06, 3)
    elif draw < 0.85:
        color = 1 - rng.uniform(0.05, 0.4, 3)
    else:
        color = rng.random(3)
    return np.asarray(color.clip(0, 1), np.float32)


def _two_colors(rng: np.random.Generator, contrast: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    first = surface_color(rng)
    second = surface_color(rng) if rng.random() < 0.25 else first * (1 + rng.uniform(-contrast, contrast))
    return first, np.asarray(second + rng.uniform(-0.05, 0.05, 3), np.float32)


def _mix(a: NDArray[np.float32], b: NDArray[np.float32], t: Plane) -> Image:
    return np.asarray(a + (b - a) * t[..., None], np.float32)


def _stone(rng: np.random.Generator, size: int) -> Image:
    a, b = _two_colors(rng, 0.7)
    noise = fractal(rng, size, (int(rng.integers(2, 12)),) * 2)
    if rng.random() < 0.5:  # veins
        x = np.linspace(0, rng.uniform(4, 30), size, dtype=np.float32)
        noise = np.abs(np.sin(x[None] + rng.uniform(2, 12) * noise)).astype(np.float32) ** rng.uniform(0.5, 3)
    return _mix(a, b, noise)


def _plaster(rng: np.random.Generator, size: int) -> Image:
    """A lit relief: the slope of noise shades a plain wall."""
    height = fractal(rng, size, (int(rng.integers(8, 60)),) * 2, 4)
    slope = np.gradient(height, axis=0) + np.gradient(height, axis=1)
    shade = 1 + slope / (np.abs(slope).max() + 1e-6) * rng.uniform(0.05, 0.45)
    patches = 1 + (fractal(rng, size) - 0.5) * rng.uniform(0, 0.25)
    return np.asarray(surface_color(rng) * (shade * patches)[..., None], np.float32)


def _boards(rng: np.random.Generator, size: int) -> Image:
    """Planks, parquet, tiles or bricks: cells of one tone each, with grain and seams."""
    rows = int(rng.integers(2, 14))
    columns = int(rng.integers(1, 14)) if rng.random() < 0.7 else 1
    y = np.arange(size, dtype=np.float32) / size * rows
    x = np.arange(size, dtype=np.float32) / size * columns
    row = np.floor(y).astype(int)
    offset = rng.random(rows + 1).astype(np.float32) * (rng.random() < 0.6)
    cell_x = (x[None] + offset[row][:, None]) % columns
    column = np.floor(cell_x).astype(int)
    a, b = _two_colors(rng, 0.4)
    tone = rng.random((rows + 1, columns + 1)).astype(np.float32)[row[:, None], column]
    along = fractal(rng, size, (int(rng.integers(20, 90)), int(rng.integers(2, 6))), 4)
    across = along.T if rng.random() < 0.5 else along
    grain = np.where((row[:, None] + column) % 2 == 0, along, across)
    tone = tone * rng.uniform(0, 0.9) + grain * rng.uniform(0.05, 0.9)
    image = _mix(a, b, tone.astype(np.float32))
    seam = rng.uniform(0.005, 0.06)
    lines = ((y % 1)[:, None] < seam * rows / 6) | ((cell_x % 1) < seam * columns / 6)
    return np.where(lines[..., None], image * rng.uniform(0.3, 1.3), image)


def _cloth(rng: np.random.Generator, size: int) -> Image:
    a, b = _two_colors(rng, 0.5)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    f, g = rng.uniform(0.05, 1.5, 2)
    angle = rng.uniform(0, np.pi)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    weave = 0.5 + 0.25 * (np.sin(u * f) + (np.sin(v * g) if rng.random() < 0.7 else 0))
    sharp = rng.random() < 0.4  # stripes, checks
    folds = fractal(rng, size, (3, 3), 3) * rng.uniform(0, 0.6)
    return _mix(a, b, np.asarray(((weave > 0.5) if sharp else weave) * (1 - folds), np.float32))


def _speckled(rng: np.random.Generator, size: int) -> Image:
    """Carpet, grass, gravel: colour noise with a dominant scale."""
    a, b = _two_colors(rng, 0.8)
    cells = int(rng.integers(40, size))
    image = _mix(a, b, fractal(rng, size, (cells, cells), 2))
    return np.asarray(image + (rng.random((size, size, 3), np.float32) - 0.5) * rng.uniform(0, 0.3), np.float32)


_KINDS: tuple[Callable[[np.random.Generator, int], Image], ...] = (
    _stone,
    _plaster,
    _plaster,
    _boards,
    _boards,
    _boards,
    _cloth,
    _speckled,
)
