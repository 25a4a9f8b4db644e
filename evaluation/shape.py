"""How close a mesh is to the truth: volumetric IoU, Chamfer distance, F-score, the visible surface, alignment.

Meshes are vertices ``(V, 3)`` float64 and faces ``(F, 3)`` int64, Y up, both with the longest side 1 and centred
(:func:`normalised`). Lengths are in that unit. Scanned truth is rarely watertight, so inside and outside follow the
generalised winding number (Jacobson et al. 2013; fast version of Barill et al. 2018).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import cos, radians, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera
from core.mesh.placement import Points
from evaluation.surfaces import SAMPLES, Surface, sample_surface
from evaluation.voxels import occupancy, voxel_iou

RESOLUTION = 128
"""Voxels along the unit side of the volumetric IoU."""


@dataclass(frozen=True)
class ShapeMetrics:
    """One mesh against the truth. Chamfer is the mean of the two mean distances; F-scores at 1 and 2 % of the side."""

    iou: float
    iou_64: float
    chamfer: float
    fscore_1: float
    fscore_2: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def normalised(vertices: Points) -> Points:
    """Centred on the bounding box's centre, longest side 1. Raises ValueError for fewer than two distinct points."""
    low, high = vertices.min(0), vertices.max(0)
    side = float((high - low).max())
    if not np.isfinite(side) or side <= 0:
        raise ValueError("A mesh without extent cannot be normalised.")
    return np.asarray((vertices - (low + high) / 2) / side, np.float64)


def turned(vertices: Points, azimuth: float) -> Points:
    """Turned about +Y so that what faced azimuth 0 (+Z) faces ``azimuth`` degrees (towards +X)."""
    c, s = cos(radians(azimuth)), sin(radians(azimuth))
    return np.asarray(vertices @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T, np.float64)


def distances(points: Points, others: Points) -> NDArray[np.float64]:
    """For every one of ``(N, 3)`` points the distance to the nearest of ``(M, 3)`` others, ``(N,)``."""
    from scipy.spatial import cKDTree

    # a sliding-midpoint tree answers far queries four times faster than a balanced one, with the same distances
    tree: Any = cKDTree(others, balanced_tree=False, compact_nodes=False)
    return np.asarray(tree.query(points)[0], np.float64)


def chamfer(ours: Points, truth: Points) -> float:
    """Mean of the two mean nearest distances between point sets (the protocol of REFERENCE section 5)."""
    return float((distances(ours, truth).mean() + distances(truth, ours).mean()) / 2)


def fscore(to_truth: NDArray[np.float64], to_ours: NDArray[np.float64], threshold: float) -> float:
    """Harmonic mean of precision and recall: shares of nearest distances below ``threshold``."""
    precision, recall = float((to_truth < threshold).mean()), float((to_ours < threshold).mean())
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


@dataclass(frozen=True)
class Solid:
    """A surface prepared for comparison: its samples and its occupancies, so that a truth is prepared once."""

    surface: Surface
    points: Points
    voxels: NDArray[np.bool_]
    voxels_64: NDArray[np.bool_]


def prepared(surface: Surface, seed: int = 0) -> Solid:
    """Samples (100k) and occupancies (128, 64 a side) of a surface inside [-3/4, 3/4]^3."""
    return Solid(
        surface, sample_surface(surface, SAMPLES, seed), occupancy(surface, RESOLUTION), occupancy(surface, 64)
    )


def compare(ours: Solid, truth: Solid) -> ShapeMetrics:
    """All metrics of two solids that already stand in the same frame; sample them with different seeds."""
    to_truth, to_ours = distances(ours.points, truth.points), distances(truth.points, ours.points)
    return ShapeMetrics(
        iou=voxel_iou(ours.voxels, truth.voxels),
        iou_64=voxel_iou(ours.voxels_64, truth.voxels_64),
        chamfer=float((to_truth.mean() + to_ours.mean()) / 2),
        fscore_1=fscore(to_truth, to_ours, 0.01),
        fscore_2=fscore(to_truth, to_ours, 0.02),
    )


def visible_points(surface: Surface, camera: Camera, size: int = 256) -> Points:
    """The surface's points that ``camera`` sees at the pixel centres of a ``size`` square picture, ``(M, 3)``."""
    from core.render import cover

    vertices, faces = surface
    seen = cover(vertices, faces, camera, size)
    return np.asarray(np.einsum("mk,mkc->mc", seen.barycentrics, vertices[faces[seen.faces]]), np.float64)


def compare_visible(ours: Solid, truth: Solid, camera: Camera) -> dict[str, float]:
    """Chamfer and F-scores of what the photo's camera sees, pixel by pixel: each visible part to the other's whole.

    Raises ValueError where the camera sees neither.
    """
    seen, seen_truth = visible_points(ours.surface, camera), visible_points(truth.surface, camera)
    if not len(seen) or not len(seen_truth):
        raise ValueError("The camera sees nothing of the mesh.")
    to_truth, to_ours = distances(seen, truth.points), distances(seen_truth, ours.points)
    return {
        "chamfer": float((to_truth.mean() + to_ours.mean()) / 2),
        "fscore_1": fscore(to_truth, to_ours, 0.01),
        "fscore_2": fscore(to_truth, to_ours, 0.02),
    }


def align(surface: Surface, truth: Surface, seed: int = 0, yaws: int = 36) -> tuple[Points, float]:
    """The best rigid placement of ``surface``: every yaw about +Y in ``yaws`` steps, then ICP from the best.

    Returns the moved vertices and the yaw in degrees. No scaling: both already have unit longest side.
    """
    ours, theirs = sample_surface(surface, 2000, seed), sample_surface(truth, 2000, seed + 1)
    tried = [(chamfer(turned(ours, 360 * k / yaws), theirs), 360 * k / yaws) for k in range(yaws)]
    yaw = min(tried)[1]
    moving, fixed = turned(sample_surface(surface, 8000, seed), yaw), sample_surface(truth, 8000, seed + 1)
    rotation, shift = icp(moving, fixed)
    return turned(surface[0], yaw) @ rotation.T + shift, yaw


def icp(moving: Points, fixed: Points, iterations: int = 80) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation ``(3, 3)`` and shift ``(3,)`` from ``moving`` to ``fixed``: point-to-point ICP (Besl & McKay 1992)."""
    from scipy.spatial import cKDTree

    tree: Any = cKDTree(fixed, balanced_tree=False, compact_nodes=False)
    rotation, shift, previous = np.eye(3), np.zeros(3), np.inf
    for _ in range(iterations):
        here = moving @ rotation.T + shift
        away, index = tree.query(here)
        if previous - away.mean() < 1e-6:
            break
        previous = float(away.mean())
        step, offset = rigid(here, fixed[index])
        rotation, shift = step @ rotation, step @ shift + offset
    return rotation, shift


def rigid(source: Points, target: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least-squares rotation and shift from ``source`` to ``target``, ``(N, 3)`` each (Kabsch 1976)."""
    here, there = source.mean(0), target.mean(0)
    u, _, vt = np.linalg.svd((source - here).T @ (target - there))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    rotation = vt.T @ flip @ u.T
    return rotation, there - rotation @ here
