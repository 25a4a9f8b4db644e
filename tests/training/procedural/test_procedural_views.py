"""Renders: cameras as everywhere, silhouettes as the mesh, the same alone and in a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.cameras import Camera, camera_rays, intrinsics, project
from training.procedural import Cameras, composite, generate_objects, render, studio_light, to_mesh
from training.procedural.palette import Finish
from training.procedural.parts import ellipsoid
from training.procedural.table import build_table


def one(azimuth: float, elevation: float, radius: float = 1.8, objects: int = 1) -> Cameras:
    return Cameras(*(torch.full((objects, 1), v) for v in (azimuth, elevation, radius)))


def test_poses_are_those_of_the_shared_cameras() -> None:
    for azimuth, elevation, radius in ((0, 0, 2), (73, 31, 1.6), (250, -20, 1.5), (10, 89.9, 2.2)):
        found = one(azimuth, elevation, radius).camera_to_world()[0, 0]
        expected = Camera(azimuth, elevation, radius).camera_to_world()
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_a_sphere_has_its_analytic_silhouette_depth_and_normals() -> None:
    table = build_table([0], ["sphere"], [[ellipsoid(Finish(((0.6, 0.3, 0.2),)), (0, 0, 0), (0.5, 0.5, 0.5))]])
    camera = Camera(30, 20, 2.0)
    views = render(table, one(30.0, 20.0, 2.0), 64, supersample=1)
    origin, direction = camera_rays(intrinsics(64, 64), camera.camera_to_world(), 64, 64)
    along = -(origin * direction).sum(1)
    squared = 0.25 - ((origin**2).sum(1) - along**2)
    hit = squared > 0
    alpha = views.alpha[0, 0, 0].numpy().ravel()
    assert (alpha != hit).mean() < 0.01
    inner = (squared > 0.05) & (alpha > 0)
    t = along[inner] - np.sqrt(squared[inner])
    points = origin[inner] + direction[inner] * t[:, None]
    forward = -camera.camera_to_world()[:3, 2]
    depth = views.depth[0, 0, 0].numpy().ravel()[inner]
    np.testing.assert_allclose(depth, (points - origin[inner]) @ forward, atol=2e-3)
    normal = views.normal[0, 0].numpy().reshape(3, -1).T[inner]
    assert (normal * points / 0.5).sum(1).min() > 0.99


@pytest.mark.parametrize("family", ["mug", "chair", "vehicle"])
def test_silhouettes_agree_with_the_ground_truth_mesh(family: str) -> None:
    """The mesh's vertices lie closer than a third of a pixel, so the pixels they fall into are its silhouette."""
    table = generate_objects([11], family)
    mesh = to_mesh(table, 0, resolution=112)
    touched = render(table, one(40.0, 25.0), 48, supersample=4).alpha[0, 0, 0].numpy() > 0
    x, y, _ = project(mesh.vertices, Camera(40, 25, 1.8), 48).T
    filled = np.zeros((48, 48), bool)
    filled[np.rint(y).astype(int), np.rint(x).astype(int)] = True
    assert (touched & filled).sum() / (touched | filled).sum() > 0.96


def test_a_view_is_the_same_alone_and_in_a_batch() -> None:
    batch = generate_objects([31, 32, 33])
    both = render(batch, one(60.0, 10.0, objects=3), 32)
    alone = render(generate_objects([32]), one(60.0, 10.0), 32)
    torch.testing.assert_close(both.rgb[1], alone.rgb[0], rtol=0, atol=0)
    torch.testing.assert_close(both.alpha[1], alone.alpha[0], rtol=0, atol=0)


def test_pixels_are_in_range_white_outside_and_soft_at_the_edge() -> None:
    table = generate_objects(range(40, 44))
    light = studio_light(4, generator=torch.Generator().manual_seed(0))
    views = render(table, one(10.0, 30.0, objects=4), 32, supersample=2, light=light)
    assert views.rgb.min() >= 0
    assert views.rgb.max() <= 1
    assert (views.rgb.amin(2, keepdim=True)[views.alpha == 0] == 1).all()
    assert ((views.alpha > 0) & (views.alpha < 1)).any()
    assert views.alpha.amax((1, 2, 3, 4)).min() == 1
    torch.testing.assert_close(views.over(1.0)[views.alpha.expand_as(views.rgb) == 0].min(), torch.tensor(1.0))


def test_camera_matrices_and_angles_give_the_same_picture() -> None:
    table, cameras = generate_objects([50]), one(120.0, 40.0)
    by_angles = render(table, cameras, 16)
    by_matrix = render(table, cameras.camera_to_world(), 16)
    torch.testing.assert_close(by_angles.rgb, by_matrix.rgb, rtol=0, atol=0)


def test_composites_repeat_for_a_seed_and_keep_their_mask() -> None:
    views = render(generate_objects(range(60, 63)), one(30.0, 20.0, objects=3), 32)
    rgb, alpha = views.rgb.flatten(0, 1), views.alpha.flatten(0, 1)
    first = composite(rgb, alpha, torch.Generator().manual_seed(5), size=48)
    again = composite(rgb, alpha, torch.Generator().manual_seed(5), size=48)
    torch.testing.assert_close(first.image, again.image, rtol=0, atol=0)
    assert first.image.shape == (3, 3, 48, 48)
    assert first.image.min() >= 0
    assert first.image.max() <= 1
    assert first.mask.shape == (3, 1, 48, 48)
    assert (first.mask.amax((1, 2, 3)) > 0.9).all()
    fixed = composite(rgb, alpha, torch.Generator().manual_seed(5), kind="white", place=False, grade=False)
    torch.testing.assert_close(fixed.mask, alpha, rtol=0, atol=0)
    inside = alpha.expand_as(rgb) == 1
    torch.testing.assert_close(fixed.image[inside], rgb[inside])
