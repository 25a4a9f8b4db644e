"""Poses and rays against the original code's numbers (``../shared/parity/d_pose``) and closed forms."""

from __future__ import annotations

from math import cos, radians, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.cameras import (
    FIELD_OF_VIEW,
    Camera,
    camera_from_eye,
    camera_rays,
    intrinsics,
    project,
    relative_pose,
)

Z_UP_TO_Y_UP = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
"""The reference's (x, y, z) with Z up as ours with Y up: its +X, where its azimuth starts, is our front."""


@pytest.fixture(scope="module")
def pairs(shared_dir: Path) -> Any:
    return dict(np.load(shared_dir / "parity" / "d_pose" / "relative_pose.npz"))


@pytest.fixture(scope="module")
def rays(shared_dir: Path) -> Any:
    return dict(np.load(shared_dir / "parity" / "d_pose" / "rays.npz"))


def from_z_up(eye: NDArray[np.float64]) -> Camera:
    return camera_from_eye(Z_UP_TO_Y_UP @ eye)


def relative(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.shared
@pytest.mark.parametrize("source", ["T_dataset", "T_3drec"])
def test_relative_poses_of_every_pair(pairs: Any, source: str) -> None:
    found = [
        relative_pose(from_z_up(condition), from_z_up(target))
        for condition, target in zip(pairs["cond_eye"], pairs["target_eye"], strict=True)
    ]
    assert len(found) == 24
    assert relative(np.stack(found), pairs[source]) < 1e-5


@pytest.mark.shared
def test_spherical_coordinates(pairs: Any) -> None:
    for eye, (polar, azimuth, radius) in zip(pairs["cond_eye"], pairs["sph_deg"][:, :3], strict=True):
        camera = from_z_up(eye)
        assert 90 - camera.elevation == pytest.approx(polar, abs=1e-6)
        assert camera.radius == pytest.approx(radius)
        if 1 < polar < 179:
            assert (camera.azimuth - azimuth + 180) % 360 == pytest.approx(180, abs=1e-6)


@pytest.mark.shared
def test_camera_matrices_and_the_dataset_extrinsics(pairs: Any) -> None:
    for side in ("cond", "target"):
        for eye, pose, extrinsic in zip(pairs[f"{side}_eye"], pairs[f"{side}_c2w"], pairs[f"{side}_RT"], strict=True):
            ours = from_z_up(eye).camera_to_world()
            np.testing.assert_allclose(ours[:3, :3], Z_UP_TO_Y_UP @ pose[:3, :3], atol=1e-6)
            np.testing.assert_allclose(ours[:3, 3], Z_UP_TO_Y_UP @ pose[:3, 3], atol=1e-6)
            np.testing.assert_allclose(np.linalg.inv(ours)[:3, :3] @ Z_UP_TO_Y_UP, extrinsic[:, :3], atol=1e-6)
            np.testing.assert_allclose(np.linalg.inv(ours)[:3, 3], extrinsic[:, 3], atol=1e-6)


@pytest.mark.shared
def test_demo_sliders(shared_dir: Path) -> None:
    data = np.load(shared_dir / "parity" / "d_pose" / "demo_angles.npz")
    front = Camera(0, 0, 1.0)
    found = [
        relative_pose(front, Camera(azimuth, -polar, 1.0 + radius))
        for polar, azimuth, radius in data["polar_az_radius"]
    ]
    assert relative(np.stack(found), data["T"]) < 1e-5


@pytest.mark.shared
@pytest.mark.parametrize("name", ["cam0", "cam1", "cam2", "cam3"])
def test_rays(rays: Any, name: str) -> None:
    height, width = int(rays[f"{name}.H"]), int(rays[f"{name}.W"])
    k = intrinsics(width, height, float(rays[f"{name}.fov_x_deg"]))
    assert relative(k, rays[f"{name}.K"]) < 1e-5
    origins, directions = camera_rays(k, rays[f"{name}.c2w"], width, height)
    assert relative(origins, rays[f"{name}.ro"]) < 1e-5
    assert relative(directions, rays[f"{name}.rd"]) < 1e-5


@pytest.mark.shared
def test_box_intersections(rays: Any) -> None:
    import torch

    from core.sjc.renderer import box_interval

    for name in ("cam0", "cam1", "cam2", "cam3"):
        origins, directions = (torch.from_numpy(rays[f"{name}.{part}"]) for part in ("ro", "rd"))
        near, far = box_interval(origins, directions)
        hit = rays[f"{name}.hit"]
        np.testing.assert_array_equal((far > near.clamp(min=0)).numpy(), hit)
        expected = np.maximum(rays[f"{name}.t_min_raw"][hit], 0)
        np.testing.assert_allclose(near.clamp(min=0).numpy()[hit], expected, atol=1e-6)
        np.testing.assert_allclose(far.numpy()[hit], rays[f"{name}.t_max_raw"][hit], atol=1e-6)


@pytest.mark.shared
def test_reconstruction_intrinsics(shared_dir: Path) -> None:
    data = np.load(shared_dir / "parity" / "d_pose" / "pose_prior.npz")
    assert relative(intrinsics(32, 32, 49.1), data["K32"]) < 1e-5


@pytest.mark.shared
def test_evaluation_cameras(shared_dir: Path) -> None:
    import json

    data = json.loads((shared_dir / "eval-dev" / "avocado" / "cameras.json").read_text())
    photo = data["photo"]
    pose = Camera(photo["azimuth_deg"], photo["elevation_deg"], photo["radius"]).camera_to_world()
    np.testing.assert_allclose(pose, photo["c2w_opengl_yup"], atol=1e-5)


def test_the_field_of_view_is_a_35_mm_lens() -> None:
    assert pytest.approx(49.1343, abs=1e-4) == FIELD_OF_VIEW


def test_relative_pose_in_closed_form() -> None:
    found = relative_pose(Camera(30, 10, 2.0), Camera(120, 40, 1.5))
    np.testing.assert_allclose(found, [radians(-30), sin(radians(90)), cos(radians(90)), -0.5], atol=1e-12)


def test_the_front_camera_looks_along_minus_z_with_x_to_the_right() -> None:
    pose = Camera(0, 0, 2.0).camera_to_world()
    np.testing.assert_allclose(pose, np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]), atol=1e-12)


def test_azimuth_grows_towards_plus_x_and_elevation_upwards() -> None:
    np.testing.assert_allclose(Camera(90, 0, 1.0).eye(), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(Camera(0, 90, 1.0).eye(), [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize("elevation", [-90.0, -89.999, 0.0, 90.0])
def test_camera_matrices_are_rotations_even_at_the_poles(elevation: float) -> None:
    rotation = Camera(33, elevation).camera_to_world()[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 0.0), (200.0, 35.0), (-170.0, -60.0), (0.0, 90.0)])
def test_camera_from_eye_returns_the_camera(azimuth: float, elevation: float) -> None:
    camera = Camera(azimuth, elevation, 1.7)
    np.testing.assert_allclose(camera_from_eye(camera.eye()).eye(), camera.eye(), atol=1e-12)
    assert camera_from_eye(camera.eye()).elevation == pytest.approx(elevation)


def test_project_puts_a_ray_point_back_on_its_pixel() -> None:
    camera = Camera(70, 25, 1.9)
    origins, directions = camera_rays(intrinsics(24, 24), camera.camera_to_world(), 24, 24)
    pixels = project(origins + 1.3 * directions, camera, 24)
    x, y = np.meshgrid(np.arange(24), np.arange(24))
    np.testing.assert_allclose(pixels[:, 0], x.ravel(), atol=1e-9)
    np.testing.assert_allclose(pixels[:, 1], y.ravel(), atol=1e-9)
