"""Which voxels a mesh encloses: exactly by counted crossings where it is closed, else by the winding number.

Grids are ``(n, n, n)`` along x, y, z over the cube [-3/4, 3/4]^3 with ``n = 1.5 * resolution``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.mesh.placement import Points
from evaluation.surfaces import SAMPLES, Surface, sample_surface

COARSE = 32
"""Blocks along the unit side that are asked first; a divisor of every resolution."""

NUDGE = (1.234e-7, 2.718e-7)
"""Columns stand a hair beside the voxels' centres, so that they meet no edge and no vertex of a regular mesh."""


def occupancy(surface: Surface, resolution: int) -> NDArray[np.bool_]:
    """Voxels with a winding number of at least one half, of either orientation (`resolution` voxels a unit)."""
    if is_closed(surface):
        return _by_crossings(surface, resolution)
    return _by_winding(surface, resolution)


def is_closed(surface: Surface) -> bool:
    """Does every edge run as often forth as back, vertices in the same place being one? Then winding is whole."""
    vertices, faces = surface
    _, index = np.unique(np.rint(vertices * 1e7).astype(np.int64), axis=0, return_inverse=True)
    corner = index.reshape(-1)[faces]
    start, end = corner.ravel(), np.roll(corner, -1, axis=1).ravel()
    low, high = np.minimum(start, end), np.maximum(start, end)
    _, edge = np.unique(low * (index.max() + 1) + high, return_inverse=True)
    return not np.bincount(edge.reshape(-1), np.sign(end - start)).any()


def _by_crossings(surface: Surface, resolution: int) -> NDArray[np.bool_]:
    """Along every column of voxels each crossed face adds or takes one: the winding number, exactly."""
    vertices, faces = surface
    n = 3 * resolution // 2
    grid = (vertices + 0.75) * resolution - 0.5  # voxel k's centre lies at k
    grid[:, :2] -= NUDGE
    a, b, c = (grid[faces[:, i]] for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    low = np.clip(np.ceil(np.minimum(np.minimum(a, b), c)[:, :2]), 0, n).astype(np.int64)
    high = np.clip(np.floor(np.maximum(np.maximum(a, b), c)[:, :2]), -1, n - 1).astype(np.int64)
    span = np.maximum(high - low + 1, 0)
    count = np.where(area != 0, span[:, 0] * span[:, 1], 0)
    face = np.repeat(np.arange(len(faces)), count)
    step = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    x, y = low[face, 0] + step // span[face, 1], low[face, 1] + step % span[face, 1]

    def edge(p: Points, q: Points) -> NDArray[np.float64]:
        p, q = p[face], q[face]
        return np.asarray((q[:, 0] - p[:, 0]) * (y - p[:, 1]) - (q[:, 1] - p[:, 1]) * (x - p[:, 0]))

    u, v, w = edge(b, c) / area[face], edge(c, a) / area[face], edge(a, b) / area[face]
    hit = (u > 0) & (v > 0) & (w > 0)
    face = face[hit]
    z = u[hit] * a[face, 2] + v[hit] * b[face, 2] + w[hit] * c[face, 2]
    layer = np.clip(np.ceil(z), 0, n).astype(np.int64)
    crossings = np.zeros((n, n, n + 1), np.int32)
    np.add.at(crossings, (x[hit], y[hit], layer), np.sign(area[face]).astype(np.int32))
    return np.asarray(np.cumsum(crossings[..., :-1], axis=-1) != 0, np.bool_)


def winding_inside(surface: Surface, points: Points) -> NDArray[np.bool_]:
    """Which of ``(N, 3)`` points have a generalised winding number of at least one half, either orientation."""
    import igl

    vertices, faces = surface
    winding = igl.fast_winding_number(
        np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces, np.int64), np.ascontiguousarray(points)
    )
    return np.asarray(np.abs(winding) >= 0.5, np.bool_)


def _by_winding(surface: Surface, resolution: int) -> NDArray[np.bool_]:
    """Blocks of 1/32 whose eight corners agree and that hold no surface take the corners' answer; all other voxels are
    asked at their centres. Away from the surface the winding number is harmonic: only a hole's film can differ.
    """
    from scipy import ndimage

    block = resolution // COARSE
    low = np.floor(surface[0].min(0) * COARSE).astype(int)
    high = np.ceil(surface[0].max(0) * COARSE).astype(int)
    low, high = np.maximum(low, -3 * COARSE // 4), np.minimum(np.maximum(high, low + 1), 3 * COARSE // 4)
    corners = np.stack(np.meshgrid(*(np.arange(low[i], high[i] + 1) for i in range(3)), indexing="ij"), -1) / COARSE
    known = winding_inside(surface, corners.reshape(-1, 3)).reshape(corners.shape[:3])
    count = ndimage.convolve(known.astype(np.int8), np.ones((2, 2, 2), np.int8), origin=-1)[:-1, :-1, :-1]
    mixed = (count > 0) & (count < 8)
    cells = np.floor(sample_surface(surface, SAMPLES) * COARSE).astype(int) - low
    mixed[tuple(np.clip(cells, 0, np.array(mixed.shape) - 1).T)] = True

    fine = _enlarged(count == 8, block)
    chosen = np.argwhere(_enlarged(mixed, block))
    fine[tuple(chosen.T)] = winding_inside(surface, (chosen + low * block + 0.5) / resolution)
    result = np.zeros((3 * resolution // 2,) * 3, np.bool_)
    start = low * block + 3 * resolution // 4
    result[tuple(slice(s, s + n) for s, n in zip(start, fine.shape, strict=True))] = fine
    return result


def _enlarged(blocks: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    return np.repeat(np.repeat(np.repeat(blocks, times, 0), times, 1), times, 2)


def voxel_iou(ours: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over union of two occupancies; 1 where both are empty."""
    union = np.count_nonzero(ours | truth)
    return 1.0 if union == 0 else float(np.count_nonzero(ours & truth) / union)
