"""The rasteriser against closed forms and an independent ray caster."""

from __future__ import annotations

import numpy as np
import pytest

from core.cameras import Camera, camera_rays, intrinsics, project
from core.render import over, rasterize, render_mesh, sample_texture, soft_light

CAMERAS = [Camera(0, 0), Camera(37, 25, 1.7), Camera(200, -35, 1.4), Camera(90, 89, 2.2)]


def sphere(n: int = 24, radius: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    theta, phi = np.meshgrid(np.linspace(0.01, np.pi - 0.01, n), np.linspace(0, 2 * np.pi, 2 * n), indexing="ij")
    vertices = radius * np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1)
    i = np.arange(n - 1)[:, None] * 2 * n + np.arange(2 * n - 1)
    quads = np.stack([i, i + 2 * n, i + 2 * n + 1, i + 1], -1).reshape(-1, 4)
    return vertices.reshape(-1, 3), np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def soup(seed: int = 0, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-0.4, 0.4, (n, 1, 3))
    return (centre + rng.uniform(-0.25, 0.25, (n, 3, 3))).reshape(-1, 3), np.arange(3 * n).reshape(-1, 3)


def cast(vertices: np.ndarray, faces: np.ndarray, camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Brute-force Moeller-Trumbore: face index (-1 for none) and distance along the axis, per pixel."""
    origins, directions = camera_rays(intrinsics(size, size, camera.fov), camera.camera_to_world(), size, size)
    best, hit = np.full(len(directions), np.inf), np.full(len(directions), -1)
    forward = -camera.camera_to_world()[:3, 2]
    for index, (a, b, c) in enumerate(vertices[faces]):
        e1, e2 = b - a, c - a
        p = np.cross(directions, e2)
        det = p @ e1
        with np.errstate(divide="ignore", invalid="ignore"):
            s = origins - a
            u = (s * p).sum(1) / det
            q = np.cross(s, e1)
            v = (directions * q).sum(1) / det
            t = q @ e2 / det
        near = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (t < best)
        best[near], hit[near] = t[near], index
    return hit.reshape(size, size), (best * (directions @ forward)).reshape(size, size)


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("shape", ["sphere", "soup"])
def test_silhouette_faces_and_depth_agree_with_a_ray_caster(camera: Camera, shape: str) -> None:
    vertices, faces = sphere(12) if shape == "sphere" else soup()
    render = render_mesh(vertices, faces, camera, 96)
    hit, depth = cast(vertices, faces, camera, 96)
    ours, theirs = render.faces >= 0, hit >= 0
    assert (ours & theirs).sum() / (ours | theirs).sum() >= 0.999
    both = ours & theirs
    assert np.mean(render.faces[both] == hit[both]) > 0.999
    assert np.max(np.abs(render.depth[both] - depth[both])) < 1e-4


@pytest.mark.parametrize("camera", CAMERAS)
def test_sphere_silhouette_has_the_area_of_its_tangent_cone(camera: Camera) -> None:
    vertices, faces = sphere(120)
    render = render_mesh(vertices, faces, camera, 256, supersample=2)
    f = 128 / np.tan(np.radians(camera.fov) / 2)
    radius = f * np.tan(np.arcsin(0.5 / camera.radius))
    assert render.alpha.sum() / 255 == pytest.approx(np.pi * radius**2, rel=2e-3)


@pytest.mark.parametrize("camera", CAMERAS)
def test_barycentrics_are_perspective_correct_to_a_fraction_of_a_pixel(camera: Camera) -> None:
    vertices, faces = soup(3)
    render = render_mesh(vertices, faces, camera, 128)
    y, x = np.nonzero(render.faces >= 0)
    points = (vertices[faces[render.faces[y, x]]] * render.barycentrics[y, x][..., None]).sum(1)
    screen = project(points, camera, 128)
    assert np.abs(screen[:, 0] - x).max() < 0.01
    assert np.abs(screen[:, 1] - y).max() < 0.01
    assert np.abs(screen[:, 2] - render.depth[y, x]).max() < 1e-4


def test_known_points_land_where_the_camera_projects_them() -> None:
    camera, points = Camera(30, 20), np.array([[0.2, 0.1, 0.3], [-0.3, 0.2, 0.1], [0.0, -0.35, -0.1]])
    right, up = camera.camera_to_world()[:3, 0], camera.camera_to_world()[:3, 1]
    for point in points:
        corners = [point + 0.02 * (np.cos(t) * right + np.sin(t) * up) for t in np.linspace(0, 2 * np.pi, 7)[:-1]]
        faces = np.array([[6, i, (i + 1) % 6] for i in range(6)])
        alpha = render_mesh(np.array([*corners, point]), faces, camera, 256, supersample=4).alpha.astype(float)
        y, x = np.mgrid[:256, :256]
        centre = np.array([(alpha * x).sum(), (alpha * y).sum()]) / alpha.sum()
        assert np.abs(centre - project(point[None], camera, 256)[0, :2]).max() < 0.1


def test_shared_edges_leave_no_cracks() -> None:
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(np.arange(21.0), np.arange(21.0)), -1)
    grid[1:-1, 1:-1] += rng.uniform(-0.45, 0.45, (19, 19, 2))
    i = np.arange(20)[:, None] * 21 + np.arange(20)
    quads = np.stack([i, i + 1, i + 22, i + 21], -1).reshape(-1, 4)
    seen = rasterize(grid.reshape(-1, 2) * 6.4 - 0.5, np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]), 128, 128)
    assert len(seen.pixels) == 128 * 128


def test_culling_changes_nothing_on_a_closed_mesh() -> None:
    box = np.array([[x, y, z] for x in (-0.3, 0.3) for y in (-0.2, 0.2) for z in (-0.4, 0.4)])
    quads = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])
    for camera in CAMERAS:
        full, culled = (render_mesh(box, faces, camera, 128, cull=cull) for cull in (False, True))
        assert np.array_equal(full.alpha, culled.alpha)
        assert np.mean(full.faces != culled.faces) < 1e-3  # ties along the outline


def test_a_chunked_picture_is_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces = soup(5)
    whole = render_mesh(vertices, faces, CAMERAS[1], 128)
    monkeypatch.setattr("core.render.raster.CHUNK", 500)
    for a, b in zip(whole, render_mesh(vertices, faces, CAMERAS[1], 128), strict=True):
        assert np.array_equal(a, b)


def test_supersampling_averages_coverage_and_keeps_straight_colour() -> None:
    vertices, faces = sphere(20)
    colors = np.full((len(vertices), 3), [200, 100, 50], np.uint8)
    render = render_mesh(vertices, faces, Camera(0, 0), 64, colors=colors, supersample=4)
    edge = (render.alpha > 0) & (render.alpha < 255)
    assert edge.sum() > 50
    assert (render.rgb[edge] == [200, 100, 50]).all()
    assert (over(render.rgb, render.alpha)[render.alpha == 0] == 255).all()


def test_texture_origin_is_the_top_left_as_in_gltf() -> None:
    texture = np.zeros((2, 2, 3), np.uint8)
    texture[0, 0], texture[1, 1] = (255, 0, 0), (0, 0, 255)
    samples = sample_texture(texture, np.array([[0.0, 0.0], [1.0, 1.0], [0.25, 0.25], [0.5, 0.5]]))
    assert samples.tolist() == [[255, 0, 0], [0, 0, 255], [255, 0, 0], [63.75, 0, 63.75]]


def test_light_falls_from_above_on_the_side_turned_to_the_camera() -> None:
    vertices, faces = sphere(40)
    render = render_mesh(vertices, faces, Camera(0, 0), 64, shade=soft_light)
    assert render.rgb[20, 28, 0] > render.rgb[44, 38, 0] > 90


def test_nothing_and_things_behind_the_camera_render_as_nothing() -> None:
    empty = render_mesh(np.zeros((0, 3)), np.zeros((0, 3), int), Camera(0, 0), 16)
    assert not empty.alpha.any()
    assert np.isinf(empty.depth).all()
    behind = render_mesh(np.array([[0, 0, 5.0], [1, 0, 5], [0, 1, 5]]), np.array([[0, 1, 2]]), Camera(0, 0), 16)
    assert not behind.alpha.any()
    broken = render_mesh(np.full((3, 3), np.nan), np.array([[0, 1, 2]]), Camera(0, 0), 16)
    assert not broken.alpha.any()
