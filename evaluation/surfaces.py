"""Surfaces as vertices and faces, and points on them drawn by area."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.mesh.placement import Points

Faces = NDArray[np.int64]
Surface = tuple[Points, Faces]


SAMPLES = 100_000
"""Seeded surface points of every distance."""


def sample_surface(surface: Surface, count: int = SAMPLES, seed: int = 0) -> Points:
    """``(count, 3)`` points, uniform by area. Raises ValueError where the surface has no area."""
    vertices, faces = surface
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    total = float(area.sum())
    if not np.isfinite(total) or total <= 0:
        raise ValueError("A surface without area cannot be sampled.")
    rng = np.random.default_rng(seed)
    # stratified over the cumulative area: less noise than independent draws, same density
    chosen = np.searchsorted(np.cumsum(area), (np.arange(count) + rng.random(count)) * (total / count), side="right")
    chosen = np.minimum(chosen, len(faces) - 1)
    u, v = rng.random((2, count, 1))
    root = np.sqrt(u)
    return np.asarray((1 - root) * a[chosen] + root * (1 - v) * b[chosen] + root * v * c[chosen], np.float64)
