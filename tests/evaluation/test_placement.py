"""Where an asset is put to be looked at."""

from __future__ import annotations

import numpy as np

from core.cameras import Camera
from core.quality.measurement import fitted
from core.render import render_mesh
from evaluation.placement import fitted_to_all


def ellipsoid(halves: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=3)
    return np.asarray(ball.vertices) * halves, np.asarray(ball.faces)


def test_several_cameras_say_how_large_and_how_far_a_thing_is() -> None:
    vertices, faces = ellipsoid((0.45, 0.3, 0.2))
    there = vertices * 0.8 + (0.1, -0.05, 0.15)
    cameras = [Camera(azimuth, 20) for azimuth in (0, 90, 180, 270)]
    masks = [render_mesh(there, faces, camera, 256, supersample=2).alpha >= 128 for camera in cameras]
    found = fitted_to_all(vertices, faces, masks, cameras)
    assert np.abs(found - there).max() < 0.006
    by_one = fitted(vertices, faces, masks[0], cameras[0])
    assert np.abs(by_one - there).max() > 0.02, "one camera cannot tell"
