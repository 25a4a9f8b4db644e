"""From a density field to a closed surface."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mesh_solids import SOLIDS, grid, pair, scene, sphere

from core.artifacts import Mesh
from core.cameras import Camera
from core.errors import ReconstructionFailed
from core.mesh import MeshParams, extract_mesh
from core.mesh.surface import silhouette_level
from core.mesh.topology import inspect
from core.render import render_mesh


@pytest.mark.parametrize("name", SOLIDS)
def test_every_solid_becomes_a_closed_outward_surface_in_its_place(name: str) -> None:
    field, cutout, view_set = scene(SOLIDS[name])
    mesh = extract_mesh(field, cutout, view_set, MeshParams())
    state = inspect(mesh.vertices, mesh.faces)
    assert state.sound
    assert state.components == (2 if name == "pair" else 1)
    distance = np.abs(SOLIDS[name](*mesh.vertices.T)) * 32  # in voxels
    assert distance.mean() < 0.3
    assert distance.max() < 1.0


def test_the_level_is_found_by_matching_the_silhouette() -> None:
    field, cutout, _ = scene(sphere)
    level, iou = silhouette_level(field.density, field.camera, cutout.rgba[..., 3])
    assert 35 < level < 65
    assert iou > 0.985


def test_the_level_of_the_reconstruction_is_taken_as_it_is() -> None:
    field, cutout, view_set = scene(sphere, info={"isovalue": 20.0})
    mesh = extract_mesh(field, cutout, view_set, MeshParams())
    assert mesh.info.isovalue == 20.0
    assert mesh.info.isovalue_from == "reconstruction"


def test_axes_are_those_of_the_world() -> None:
    x, y, z = grid(64)
    near = np.sqrt((x - 0.3) ** 2 + (y - 0.1) ** 2 + (z + 0.2) ** 2) - 0.2
    field, cutout, view_set = scene(lambda *_: near)
    mesh = extract_mesh(field, cutout, view_set, MeshParams())
    assert np.allclose(mesh.vertices.mean(0), [0.3, 0.1, -0.2], atol=0.01)
    seen = render_mesh(mesh.vertices, mesh.faces, Camera(0, 15), 512).alpha > 127
    photo = cutout.rgba[..., 3] > 127
    assert (seen & photo).sum() / (seen | photo).sum() > 0.95


def test_specks_go_and_supported_parts_stay() -> None:
    field, cutout, view_set = scene(sphere)
    x, y, z = grid(64)
    speck = np.sqrt((x - 0.75) ** 2 + (y - 0.7) ** 2 + (z - 0.5) ** 2) < 0.12
    noisy = replace(field, density=np.where(speck, np.float32(80), field.density))
    mesh = extract_mesh(noisy, cutout, view_set, MeshParams())
    assert mesh.info.floaters_dropped == 1
    assert inspect(mesh.vertices, mesh.faces).components == 1
    field, cutout, view_set = scene(pair)
    assert extract_mesh(field, cutout, view_set, MeshParams()).info.floaters_dropped == 0


def test_what_hides_behind_the_product_in_the_photo_but_from_no_other_side_goes() -> None:
    field, cutout, view_set = scene(sphere)
    x, y, z = grid(64)
    behind = np.sqrt((x - 0.0) ** 2 + (y + 0.25) ** 2 + (z + 0.85) ** 2) < 0.13
    mesh = extract_mesh(
        replace(field, density=np.where(behind, np.float32(80), field.density)), cutout, view_set, MeshParams()
    )
    assert mesh.info.floaters_dropped == 1
    assert mesh.vertices[:, 2].min() > -0.5


def test_the_photo_s_outline_is_the_mesh_s_outline_though_the_field_is_fatter() -> None:
    field, cutout, view_set = scene(sphere)
    x, y, z = grid(64)
    fat = replace(field, density=np.where(np.sqrt(x * x + y * y + z * z) < 0.6, np.float32(100), np.float32(0)))
    mesh = extract_mesh(replace(fat, info={"isovalue": 50.0}), cutout, view_set, MeshParams())
    assert inspect(mesh.vertices, mesh.faces).sound
    seen = render_mesh(mesh.vertices, mesh.faces, field.camera, 512).alpha > 127
    photo = cutout.rgba[..., 3] > 127
    assert (seen & photo).sum() / (seen | photo).sum() > 0.92
    assert mesh.vertices[:, 2].max() > 0.5  # towards the camera the photo says nothing


def test_a_field_that_lies_elsewhere_than_the_product_is_refused() -> None:
    field, cutout, view_set = scene(sphere)
    x, y, z = grid(64)
    astray = np.where(np.sqrt((x - 0.8) ** 2 + y * y + z * z) < 0.1, np.float32(100), np.float32(0))
    with pytest.raises(ReconstructionFailed, match="nowhere"):
        extract_mesh(replace(field, density=astray, info={"isovalue": 50.0}), cutout, view_set, MeshParams())


def test_cavities_are_filled() -> None:
    field, cutout, view_set = scene(sphere)
    x, y, z = grid(64)
    hollow = replace(field, density=np.where(x * x + y * y + z * z < 0.2**2, np.float32(0), field.density))
    mesh = extract_mesh(hollow, cutout, view_set, MeshParams())
    assert inspect(mesh.vertices, mesh.faces).components == 1


def test_noise_in_the_density_still_gives_a_manifold() -> None:
    field, cutout, view_set = scene(sphere)
    noise = np.random.default_rng(0).normal(0, 60, field.density.shape).astype(np.float32)
    rough = replace(field, density=np.maximum(field.density + noise * (field.density > 1), 0))
    assert inspect(*_parts(extract_mesh(rough, cutout, view_set, MeshParams(denoise=0)))).sound


def test_the_blur_takes_noise_and_leaves_slats() -> None:
    field, cutout, view_set = scene(SOLIDS["chair"])
    noise = np.exp(0.5 * np.random.default_rng(0).standard_normal(field.density.shape)).astype(np.float32)
    found = {}
    for name, density in (("clean", field.density), ("noisy", field.density * noise)):
        mesh = extract_mesh(replace(field, density=density, info={"isovalue": 50.0}), cutout, view_set, MeshParams())
        seen = render_mesh(mesh.vertices, mesh.faces, field.camera, 512).alpha > 127
        photo = cutout.rgba[..., 3] > 127
        found[name] = (seen & photo).sum() / (seen | photo).sum()
    assert found["clean"] > 0.93  # two voxels thick: a plain blur of the same width leaves .47
    assert found["noisy"] > 0.89


def test_a_surface_at_the_border_is_closed_there_and_reported() -> None:
    field, cutout, view_set = scene(lambda x, y, z: np.maximum(np.hypot(x, y) - 0.4, -1 - z))
    mesh = extract_mesh(replace(field, info={"isovalue": 50.0}), cutout, view_set, MeshParams())
    assert inspect(mesh.vertices, mesh.faces).sound
    assert mesh.info.border_share > 0.01


@pytest.mark.parametrize(
    ("name", "density"),
    [
        ("numbers", np.full((32, 32, 32), np.nan, np.float32)),
        (
            "numbers",
            np.where(np.arange(32) == 3, np.float32(np.inf), np.float32(0)) * np.ones((32, 32, 32), np.float32),
        ),
        ("empty", np.zeros((32, 32, 32), np.float32)),
        ("fills", np.full((32, 32, 32), 50, np.float32)),
        ("volume", np.ones((32, 32), np.float32)),
    ],
)
def test_broken_fields_are_refused_with_a_sentence(name: str, density: np.ndarray) -> None:
    field, cutout, view_set = scene(sphere, 32)
    with pytest.raises(ReconstructionFailed, match=name):
        extract_mesh(replace(field, density=density), cutout, view_set, MeshParams())


def test_same_field_same_bytes() -> None:
    field, cutout, view_set = scene(SOLIDS["chair"], 48)
    first, second = (extract_mesh(field, cutout, view_set, MeshParams()).to_bytes() for _ in range(2))
    assert first == second


def _parts(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    return mesh.vertices, mesh.faces
