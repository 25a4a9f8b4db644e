"""What knows nothing and must be beaten: repeated photo, blank and mean pictures, wrong poses, hulls, ellipsoids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera
from core.quality.images import over_white
from evaluation.shape import normalised
from evaluation.surfaces import Surface

HULL_VOXELS = 96
"""Voxels along the longest side of the extruded hull."""


def photo_picture(rgba: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The photo ``(H, W, 4)`` over white at ``size`` pixels, ``(size, size, 3)``: the copied input view."""
    from PIL import Image

    picture = Image.fromarray(over_white(rgba))
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))


def white_picture(size: int) -> NDArray[np.uint8]:
    """The blank picture that already wins on SSIM over white."""
    return np.full((size, size, 3), 255, np.uint8)


def mean_picture(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The mean of the other objects' photos ``(S, S, 3)``."""
    return np.asarray(np.rint(np.mean([p.astype(np.float64) for p in pictures], axis=0)), np.uint8)


def shuffled(pictures: Sequence[Any]) -> list[Any]:
    """Every picture at another's place: rotated by nearly half of their number, so that no pose fits."""
    step = max(1, len(pictures) // 2) if len(pictures) > 1 else 0
    return [pictures[(index + step) % len(pictures)] for index in range(len(pictures))]


def extruded_hull(alpha: NDArray[np.uint8], photo: Camera) -> Surface:
    """The photo's outline as a prism along the viewing axis, as deep as its shorter side, in the truth's frame.

    Raises ValueError for an empty mask.
    """
    from skimage import measure

    from core.quality.images import object_box

    left, top, right, bottom = object_box(alpha >= 128)
    if not (alpha >= 128).any():
        raise ValueError("An empty mask has no hull.")
    step = max(1, -(-max(right - left, bottom - top) // HULL_VOXELS))
    mask = (alpha >= 128)[top:bottom:step, left:right:step]
    depth = max(2, min(mask.shape))
    solid = np.pad(np.repeat(mask[None], depth, 0), 1).astype(np.float32)  # (depth, row, column)
    marching: Any = measure.marching_cubes
    points, faces, _, _ = marching(solid, 0.5)
    backward, down, rightward = np.asarray(points, np.float64).T
    local = np.stack([rightward, -down, backward], -1)
    local -= (local.max(0) + local.min(0)) / 2
    return normalised(local @ photo.camera_to_world()[:3, :3].T), np.asarray(faces, np.int64)


def ellipsoid(size: NDArray[np.float64]) -> Surface:
    """The ellipsoid in a box of ``size (3,)``, normalised."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    return normalised(np.asarray(ball.vertices, np.float64) * size), np.asarray(ball.faces, np.int64)


def mean_box(surfaces: Sequence[Surface]) -> NDArray[np.float64]:
    """The mean extent of the other objects' truths, ``(3,)``."""
    return np.asarray(np.mean([np.ptp(vertices, axis=0) for vertices, _ in surfaces], axis=0), np.float64)
