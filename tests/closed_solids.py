"""Solids whose volumes and distances are known in closed form."""

from __future__ import annotations

import numpy as np

from evaluation.shape import Surface


def box(x: float = 1, y: float = 1, z: float = 1, centre: tuple[float, float, float] = (0, 0, 0)) -> Surface:
    corners = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (-0.5, 0.5)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int64)
    return corners * [x, y, z] + centre, faces


def sphere(radius: float) -> Surface:
    import trimesh

    mesh = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int64)
