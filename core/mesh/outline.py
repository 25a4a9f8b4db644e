"""Where some vertices belong: rims on the photo's outline, a foot on the ground."""

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


FOOT = 0.03
"""How high above its lowest point a product's underside may lie to count as its foot, in its height."""

BROAD = 0.15
"""Share of all that looks down which a foot must be: less is a ball's pole or the tip of a banana."""


@dataclass(frozen=True)
class Targets:
    """Vertices, and where they belong."""

    index: NDArray[np.int64]
    """``(K,)``."""
    targets: NDArray[np.float64]
    """``(K, 3)``."""


def rim_targets(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], alpha: NDArray[np.uint8], camera: Camera
) -> Targets:
    """Every vertex on the silhouette from ``camera``, moved across the picture to the nearest outline of ``alpha``."""
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import cKDTree
    from skimage.measure import find_contours

    size = alpha.shape[0]
    contours = find_contours(np.pad(alpha, 1).astype(np.float32), 127.5)  # type: ignore[no-untyped-call]
    if not contours:
        return Targets(np.zeros(0, np.int64), np.zeros((0, 3)))
    outline = np.concatenate(contours)[:, ::-1] - 1  # (x, y)
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
    step = (outline[nearest] - screen[index, :2]) * (2 * screen[index, 2] * np.tan(np.radians(camera.fov) / 2) / size)[
        :, None
    ]
    pose = camera.camera_to_world()
    return Targets(index, vertices[index] + step[:, :1] * pose[:3, 0] - step[:, 1:] * pose[:3, 1])


def foot_targets(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Targets:
    """What looks down next to the lowest point, moved to one height; nothing where that is no broad foot.

    One height: the lowest quarter's of its area, since what a product stands on is what lies lowest.
    """
    corners = vertices[faces]
    down = -np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 1] / 2  # area seen from below
    steep = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    edge = float(np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1).mean())
    low, height = vertices[:, 1].min(), float(np.ptp(vertices[:, 1]))
    foot = (corners[:, :, 1].mean(1) < low + max(FOOT * height, 1.5 * edge)) & (down > 0.7 * steep)
    if down[foot].sum() < BROAD * down[down > 0].sum():
        return Targets(np.zeros(0, np.int64), np.zeros((0, 3)))
    heights, area = corners[foot][:, :, 1].mean(1), down[foot]
    order = np.argsort(heights, kind="stable")
    index = np.unique(faces[foot])
    targets = vertices[index].copy()
    targets[:, 1] = heights[order][np.searchsorted(np.cumsum(area[order]), 0.25 * area.sum())]
    return Targets(index, targets)
