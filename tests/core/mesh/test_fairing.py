"""Fairing: pebbles go, shapes stay, rims meet the photo's outline, a foot is flat, nothing passes through itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from mesh_solids import SOLIDS, grid, scene, sphere

from core.artifacts import Field, Mesh
from core.mesh import MeshParams, extract_mesh
from core.mesh.fairing import faired, untangled
from core.mesh.outline import foot_targets
from core.mesh.surface import marching_cubes, solid
from core.mesh.topology import crossing_faces, inspect, signed_volumes
from core.photo_set import PhotoSet, Place, PosedPhoto
from core.render import render_mesh


def roughness(mesh: Mesh) -> float:
    """Mean angle between faces that meet, degrees."""
    import trimesh

    return float(np.degrees(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).face_adjacency_angles.mean()))


def pebbled(field: Field) -> Field:
    """Bumps of some four voxels on the surface, as a lift makes them."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(0).standard_normal(field.density.shape), 2)
    bumps = np.where(field.density > 0, 25 * noise / noise.std(), 0)
    return replace(field, density=np.maximum(field.density + bumps, 0).astype(np.float32), info={"isovalue": 50.0})


def test_pebbles_go_and_the_volume_stays() -> None:
    field, cutout, view_set = scene(sphere, 96)
    rough, even = (extract_mesh(pebbled(field), cutout, view_set, MeshParams(fairing=f)) for f in (0, 80))
    assert roughness(even) < 0.6 * roughness(rough)
    volumes = [signed_volumes(mesh.vertices, mesh.faces).sum() for mesh in (rough, even)]
    assert abs(volumes[1] / volumes[0] - 1) < 0.02
    assert even.info.topology.crossing_faces == 0


def test_a_rim_that_the_field_has_too_small_moves_out_to_the_photo_s_outline() -> None:
    field, cutout, view_set = scene(sphere, 96)
    x, y, z = grid(96)
    thin = np.clip(0.5 - (np.sqrt(x * x + y * y + z * z) - 0.43) * 24, 0, 1).astype(np.float32) * 100
    photo = cutout.rgba[..., 3] > 127
    overlap = []
    for strength in (0, 80):
        params = MeshParams(fairing=strength)
        mesh = extract_mesh(replace(field, density=thin, info={"isovalue": 50.0}), cutout, view_set, params)
        seen = render_mesh(mesh.vertices, mesh.faces, field.camera, 512).alpha > 127
        overlap.append((seen & photo).sum() / (seen | photo).sum())
    assert overlap[0] < 0.93
    assert overlap[1] > 0.97


def test_every_photo_draws_the_rim_that_it_sees() -> None:
    """A ball that the field has too small: from the side only a photo of the side mends its outline."""
    field, cutout, view_set = scene(sphere, 96)
    x, y, z = grid(96)
    thin = np.clip(0.5 - (np.sqrt(x * x + y * y + z * z) - 0.43) * 24, 0, 1).astype(np.float32) * 100
    side = replace(field.camera, azimuth=field.camera.azimuth + 90)  # from there a ball looks the same
    photos = PhotoSet((PosedPhoto(cutout, Place(field.camera)), PosedPhoto(cutout, Place(side))))
    photo = cutout.rgba[..., 3] > 127
    overlap = []
    for given in (None, photos):
        thinner = replace(field, density=thin, info={"isovalue": 50.0})
        mesh = extract_mesh(thinner, cutout, view_set, MeshParams(), given)
        seen = render_mesh(mesh.vertices, mesh.faces, side, 512).alpha > 127
        overlap.append((seen & photo).sum() / (seen | photo).sum())
    assert overlap[0] < 0.94
    assert overlap[1] > 0.97


def test_an_uneven_underside_becomes_one_plane_and_a_ball_none() -> None:
    field, cutout, view_set = scene(SOLIDS["drilled"], 96)
    rough, even = (extract_mesh(pebbled(field), cutout, view_set, MeshParams(fairing=f)) for f in (0, 80))
    heights = []
    for mesh in (rough, even):
        under = mesh.vertices[(np.abs(mesh.vertices[:, 0]) < 0.3) & (np.abs(mesh.vertices[:, 2]) < 0.25)]
        heights.append(under[under[:, 1] < -0.35, 1].std())
    assert heights[1] < 0.3 * heights[0]
    assert even.info.fairing["foot"] > 100
    ball = marching_cubes(solid(scene(sphere, 96)[0].density, 50, 0))
    assert len(foot_targets(*ball).index) == 0


def test_faces_that_a_fairing_pushed_through_each_other_take_their_old_places() -> None:
    vertices, faces = marching_cubes(solid(scene(sphere, 48)[0].density, 50, 0))
    pushed = vertices.copy()
    pushed[0] *= -1.5  # through the whole ball and out
    assert len(crossing_faces(pushed, faces))
    result, moved = untangled(pushed, faces, vertices)
    assert not len(crossing_faces(result, faces))
    assert 0 < moved < 200


def test_planes_stay_planes() -> None:
    field = scene(lambda x, y, z: np.maximum(np.abs(x), np.maximum(np.abs(y), np.abs(z))) - 0.4, 64)[0]
    vertices, faces = marching_cubes(solid(field.density, 50, 0))
    even = faired(vertices, faces, 80)
    middle = (np.abs(vertices) < 0.2).sum(1) == 2
    assert np.abs(np.abs(even[middle]).max(1) - 0.4).max() < 0.1 * 2 / 64  # a tenth of a voxel
    assert inspect(even, faces).sound
