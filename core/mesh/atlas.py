"""Unwrapping: every face gets its place in one square texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import MeshFailed

PADDING = 13
"""xatlas's margin around each chart at 1024², more at 2048²: twice that between two charts, up to a third less once the
odd atlas is rescaled. Filled, every chart has at least eight texels of its own colour around it."""
LEAST_PADDING = 4
"""Of the lighter levels' smaller textures, where thirteen would take most of the square."""


@dataclass(frozen=True)
class Atlas:
    """A mesh whose vertices are split along chart borders."""

    origin: NDArray[np.int64]
    """``(W,)`` the vertex of the unsplit mesh that each split vertex came from."""
    faces: NDArray[np.int64]
    """``(F, 3)`` into the split vertices, in the order of the unsplit faces."""
    uv: NDArray[np.float64]
    """``(W, 2)`` in 0..1, origin at the texture's top left, equal scale in u and v."""
    charts: int


def unwrap(vertices: NDArray[np.float64], faces: NDArray[np.int64], size: int) -> Atlas:
    """Charts by xatlas, packed for a texture of ``size`` texels. Raises :class:`MeshFailed` when it drops faces."""
    import xatlas

    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    packing.resolution, packing.bilinear = size, True
    packing.padding = max(LEAST_PADDING, PADDING * size // 1024)
    maker = xatlas.Atlas()
    maker.add_mesh(vertices.astype(np.float32), faces.astype(np.uint32))
    maker.generate(charts, packing)
    if maker.mesh_count != 1 or maker.atlas_count != 1:
        raise MeshFailed(f"Unwrapping needed {maker.atlas_count} textures instead of one.")
    origin, triangles, uv = maker[0]
    origin, triangles = origin.astype(np.int64), triangles.astype(np.int64)
    if len(triangles) != len(faces) or not np.array_equal(origin[triangles], faces):
        raise MeshFailed("Unwrapping changed the mesh.")
    # xatlas ends up near the size that was asked, seldom square, and divides u and v by different numbers.
    extent = np.array([maker.width, maker.height], np.float64)
    square = uv.astype(np.float64) * extent / extent.max()
    return Atlas(origin, triangles, np.clip(square, 0, 1), maker.chart_count)
