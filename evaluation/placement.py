"""Where an asset is put to be looked at: where the cameras of several photos saw the product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera
from core.mesh.placement import Points
from core.quality.images import object_box

SETTLED = 1e-4
"""A step smaller than this, in logarithms of the size and in units of the world, ends the search."""


def fitted_to_all(
    vertices: Points,
    faces: NDArray[np.int64],
    masks: Sequence[NDArray[np.bool_]],
    cameras: Sequence[Camera],
    rounds: int = 12,
) -> Points:
    """``(V, 3)`` scaled and moved so that all ``cameras`` see it in the boxes of their ``masks (S, S)``, by least
    squares over the boxes' edges. From two sides the distance, too, is known, which one picture cannot tell."""
    from core.render import render_mesh

    low, high = vertices.min(0), vertices.max(0)
    world = np.asarray((vertices - (low + high) / 2) / max(float((high - low).max()), 1e-12), np.float64)
    for _ in range(rounds):
        rows: list[NDArray[np.float64]] = []
        off: list[float] = []
        for mask, camera in zip(masks, cameras, strict=True):
            seen = render_mesh(world, faces, camera, mask.shape[0], supersample=2).alpha >= 128
            if not seen.any():
                return world
            edges, wanted = np.array(object_box(seen), float), np.array(object_box(mask), float)
            rows += _edges_by_move(edges, camera, mask.shape[0])
            off += list(wanted - edges)
        step = np.linalg.lstsq(np.stack(rows), np.array(off), rcond=None)[0]
        middle = (world.min(0) + world.max(0)) / 2
        world = (world - middle) * np.exp(step[0]) + middle + step[1:]
        if np.abs(step).max() < SETTLED:
            break
    return world


def _edges_by_move(edges: NDArray[np.float64], camera: Camera, size: int) -> list[NDArray[np.float64]]:
    """How the box's edges (left, top, right, bottom) move in pixels by the logarithm of the size and by a shift
    ``(4,)``: across the picture at the camera's distance, and larger about the picture's middle where it comes nearer.
    """
    pose = camera.camera_to_world()
    focal = size / 2 / np.tan(np.radians(camera.fov) / 2)
    rows = []
    for number, edge in enumerate(edges):
        along, own = number % 2, (edges[number % 2] + edges[number % 2 + 2]) / 2
        across = pose[:3, 0] if along == 0 else -pose[:3, 1]
        nearer = (edge - size / 2) / camera.radius * pose[:3, 2]
        rows.append(np.concatenate([[edge - own], across * focal / camera.radius + nearer]))
    return rows
