"""Cameras on a sphere around the object, and the relative pose that conditions Zero-1-to-3.

World: right-handed, Y up, object at the origin. Azimuth 0 looks from +Z (the front) and grows towards +X, elevation
grows upwards; degrees in public, radians inside. Camera frame: OpenGL (looks along -Z, +Y up, +X right). Lengths in
units of the dataset, where an object's longest side is 1 and cameras sit at radius 1.5 to 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, atan, atan2, cos, degrees, radians, sin, tan

import numpy as np
from numpy.typing import NDArray

FIELD_OF_VIEW = degrees(2 * atan(32 / 2 / 35))
"""Horizontal field of view of the dataset renders, degrees: lens 35 mm, sensor 32 mm (49.13)."""

INPUT_RADIUS = 2.0
"""Distance at which the photo's camera is placed for reconstruction (released SJC settings)."""


@dataclass(frozen=True)
class Camera:
    """A square-pixel perspective camera that looks at the origin with +Y up."""

    azimuth: float
    elevation: float
    radius: float = INPUT_RADIUS
    fov: float = FIELD_OF_VIEW

    @property
    def magnification(self) -> float:
        """How much larger than a camera of :data:`FIELD_OF_VIEW` at the same distance it shows everything."""
        if self.fov == FIELD_OF_VIEW:
            return 1.0
        return tan(radians(FIELD_OF_VIEW) / 2) / tan(radians(self.fov) / 2)

    def eye(self) -> NDArray[np.float64]:
        """Camera centre, ``(3,)``."""
        az, el = radians(self.azimuth), radians(self.elevation)
        return self.radius * np.array([cos(el) * sin(az), sin(el), cos(el) * cos(az)])

    def camera_to_world(self) -> NDArray[np.float64]:
        """Rigid transform ``(4, 4)`` from the OpenGL camera frame to the world."""
        az, el = radians(self.azimuth), radians(self.elevation)
        backward = np.array([cos(el) * sin(az), sin(el), cos(el) * cos(az)])
        right = np.array([cos(az), 0.0, -sin(az)])  # stays defined at the poles, where up x backward vanishes
        pose = np.eye(4)
        pose[:3, 0], pose[:3, 1], pose[:3, 2] = right, np.cross(backward, right), backward
        pose[:3, 3] = self.eye()
        return pose


def camera_from_eye(eye: NDArray[np.float64], fov: float = FIELD_OF_VIEW) -> Camera:
    """The camera at ``eye`` ``(3,)``, not the origin; azimuth in (-180, 180], 0 where it is undefined (the poles)."""
    radius = float(np.linalg.norm(eye))
    x, y, z = (float(value) for value in eye)
    azimuth = degrees(atan2(x, z)) if abs(x) + abs(z) > 1e-12 * radius else 0.0
    return Camera(azimuth, degrees(asin(max(-1.0, min(1.0, y / radius)))), radius, fov)


def intrinsics(width: int, height: int, fov: float = FIELD_OF_VIEW) -> NDArray[np.float64]:
    """``K`` with pixel centres at integers: ``[[f,0,-(W/2-.5)],[0,-f,-(H/2-.5)],[0,0,-1]]`` (REFERENCE section 2)."""
    f = width / 2 / tan(radians(fov) / 2)
    return np.array([[f, 0, -(width / 2 - 0.5)], [0, -f, -(height / 2 - 0.5)], [0, 0, -1.0]])


def camera_rays(
    k: NDArray[np.float64], camera_to_world: NDArray[np.float64], width: int, height: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Origins and unit directions, each ``(H*W, 3)``, row-major from the top-left pixel."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3).astype(np.float64)
    directions = pixels @ np.linalg.inv(k).T @ camera_to_world[:3, :3].T
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return np.broadcast_to(camera_to_world[:3, 3], directions.shape).copy(), directions


def project(points: NDArray[np.float64], camera: Camera, size: int) -> NDArray[np.float64]:
    """Pixel coordinates and distance along the axis, ``(N, 3)`` of ``[x, y, depth]``, of world points ``(N, 3)``."""
    pose = camera.camera_to_world()
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    homogeneous = local @ intrinsics(size, size, camera.fov).T
    depth = homogeneous[:, 2]
    return np.column_stack([homogeneous[:, :2] / depth[:, None], depth])


def relative_pose(condition: Camera, target: Camera) -> NDArray[np.float64]:
    """``T = [polar_t - polar_c, sin(d azimuth), cos(d azimuth), radius_t - radius_c]``, ``(4,)`` (section 3.2)."""
    d_azimuth = radians(target.azimuth - condition.azimuth)
    return np.array(
        [
            radians(condition.elevation - target.elevation),
            sin(d_azimuth),
            cos(d_azimuth),
            target.radius - condition.radius,
        ]
    )
