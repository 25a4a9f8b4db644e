"""The photo's outline and a surface: what sticks out is cut, what is missing is added, rims are moved onto it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera, project
from core.mesh.topology import vertex_normals
from core.render import cover

NEAR_RIM = 1.5
"""Pixels of a 512² frame within which a vertex belongs to the rim that the camera sees."""

FAR = 12.0
"""Pixels of a 512² frame: an outline farther away than this is another part's."""


@dataclass(frozen=True)
class Rim:
    """Vertices that the photo's camera sees edge-on, and where its outline wants them."""

    index: NDArray[np.int64]
    """``(K,)``."""
    targets: NDArray[np.float64]
    """``(K, 3)``."""


def rim_targets(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], alpha: NDArray[np.uint8], camera: Camera
) -> Rim:
    """Every vertex on the silhouette from ``camera``, moved across the picture to the nearest outline of ``alpha``."""
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import cKDTree
    from skimage.measure import find_contours

    size = alpha.shape[0]
    outline = np.concatenate(find_contours(np.pad(alpha, 1).astype(np.float32), 127.5))[:, ::-1] - 1  # (x, y)
    seen = np.zeros(size * size, bool)
    seen[cover(vertices, faces, camera, size, cull=True).pixels] = True
    seen = seen.reshape(size, size)
    inside = distance_transform_edt(seen) - distance_transform_edt(~seen)
    screen = project(vertices, camera, size)
    x, y = np.clip(np.rint(screen[:, :2]), 0, size - 1).astype(np.int64).T
    away = vertices - camera.eye()
    edge_on = np.abs((vertex_normals(vertices, faces) * away).sum(1)) < 0.5 * np.linalg.norm(away, axis=1)
    scale = size / 512
    index = np.flatnonzero((np.abs(inside[y, x]) < NEAR_RIM * scale + 0.5) & edge_on)
    distance, nearest = cKDTree(outline).query(screen[index, :2], distance_upper_bound=FAR * scale)
    index, nearest = index[np.isfinite(distance)], nearest[np.isfinite(distance)]
    step = (outline[nearest] - screen[index, :2]) * (
        2 * screen[index, 2] * np.tan(np.radians(camera.fov) / 2) / size
    )[:, None]
    pose = camera.camera_to_world()
    return Rim(index, vertices[index] + step[:, :1] * pose[:3, 0] - step[:, 1:] * pose[:3, 1])
