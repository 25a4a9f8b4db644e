"""A scene whose exact views are known in closed form: a red ball beside a blue box, both opaque, over white."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera, camera_rays, intrinsics

ELEVATION = 20.0
BALL = (np.array([-0.3, 0.05, 0.0]), 0.3)
BOX = (np.array([0.3, -0.1, 0.1]), np.array([0.22, 0.35, 0.18]))


def inside(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether ``(..., 3)`` points lie in the ball or in the box."""
    ball = np.linalg.norm(points - BALL[0], axis=-1) < BALL[1]
    return np.asarray(ball | (np.abs(points - BOX[0]) < BOX[1]).all(-1))


def shoot(camera: Camera, size: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Colours ``(size, size, 3)`` over white and hits of the pixel centres: exact ray intersections, no shading."""
    o, d = camera_rays(intrinsics(size, size, camera.fov), camera.camera_to_world(), size, size)
    oc = o - BALL[0]
    b, c = (oc * d).sum(1), (oc**2).sum(1) - BALL[1] ** 2
    root = b**2 - c
    t_ball = np.where(root > 0, -b - np.sqrt(np.maximum(root, 0)), np.inf)
    low, high = ((BOX[0] + s * BOX[1] - o) / d for s in (-1, 1))
    enter, leave = np.minimum(low, high).max(1), np.maximum(low, high).min(1)
    t_box = np.where(enter < leave, enter, np.inf)
    color = np.where((t_ball < t_box)[:, None], [0.8, 0.2, 0.1], [0.1, 0.3, 0.7])
    hit = np.isfinite(np.minimum(t_ball, t_box))
    return np.where(hit[:, None], color, 1.0).reshape(size, size, 3), hit.reshape(size, size)


def picture(camera: Camera, size: int, over: int = 4) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Antialiased colour over white ``(size, size, 3)`` and coverage ``(size, size)``."""
    color, hit = shoot(camera, size * over)
    blocks = color.reshape(size, over, size, over, 3).mean((1, 3))
    return blocks, hit.reshape(size, over, size, over).mean((1, 3))


def scene(size: int = 32, views: int = 12) -> tuple[Cutout, ViewSet]:
    """Photo at 512 pixels and ``views`` exact pictures of ``size`` pixels from three rings."""
    photo = Camera(0.0, ELEVATION)
    color, hit = shoot(photo, 512)
    rgba = np.dstack([np.where(hit[..., None], color, 0), hit]) * 255
    cameras = tuple(Camera(360 * i / views, (-10.0, 25.0, 55.0)[i % 3]) for i in range(views))
    images = np.stack([(picture(camera, size)[0] * 255).round() for camera in cameras])
    cutout = Cutout(rgba.round().astype(np.uint8), (0.0, 0.0, 512.0, 512.0), "alpha")
    return cutout, ViewSet(images.astype(np.uint8), cameras, photo)


def overlap(density: NDArray[np.float32], level: float) -> float:
    """IoU of ``density > level`` with the scene, at the voxel centres."""
    n = len(density)
    axis = -1 + (np.arange(n) + 0.5) * 2 / n
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    truth, ours = inside(np.stack([x, y, z], -1)), density > level
    return float((truth & ours).sum() / (truth | ours).sum())
