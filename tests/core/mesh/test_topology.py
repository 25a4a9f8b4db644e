"""Counting what is wrong with a mesh, against meshes with known faults."""

from __future__ import annotations

import numpy as np
import pytest

from core.mesh.topology import compact, face_components, inspect, pinched_vertices, vertex_normals

CORNERS = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
CUBE = np.concatenate([QUADS[:, :3], QUADS[:, [0, 2, 3]]])


def test_a_cube_is_sound() -> None:
    state = inspect(CORNERS, CUBE)
    assert state.sound
    assert state.volume == pytest.approx(1)
    assert (state.faces, state.vertices, state.components) == (12, 8, 1)


def test_a_missing_face_leaves_three_open_edges() -> None:
    state = inspect(CORNERS, CUBE[1:])
    assert state.open_edges == 3
    assert not state.manifold
    assert not state.sound


def test_an_inverted_cube_looks_inward() -> None:
    state = inspect(CORNERS, CUBE[:, ::-1])
    assert state.volume < 0
    assert not state.sound


def test_one_flipped_face_shows_as_three_flipped_edges() -> None:
    faces = CUBE.copy()
    faces[0] = faces[0, ::-1]
    assert inspect(CORNERS, faces).flipped_edges == 3


def test_two_cubes_that_share_an_edge_crowd_it() -> None:
    moved = CORNERS + np.array([1, 1, 0])
    vertices, inverse = np.unique(np.concatenate([CORNERS, moved]), axis=0, return_inverse=True)
    state = inspect(vertices, inverse[np.concatenate([CUBE, CUBE + 8])])
    assert state.crowded_edges == 1
    assert not state.sound


def test_two_cubes_that_share_a_corner_pinch_it() -> None:
    moved = CORNERS + np.array([1, 1, 1])
    vertices, inverse = np.unique(np.concatenate([CORNERS, moved]), axis=0, return_inverse=True)
    faces = inverse[np.concatenate([CUBE, CUBE + 8])]
    assert vertices[pinched_vertices(faces)].tolist() == [[1, 1, 1]]
    assert not inspect(vertices, faces).sound


def test_components_are_numbered_by_size() -> None:
    faces = np.concatenate([CUBE[:4] + 8, CUBE])
    labels = face_components(faces)
    assert labels[-1] == 0
    assert set(labels[:4]) <= {1, 2, 3, 4}


def test_broken_numbers_are_not_sound() -> None:
    vertices = CORNERS.copy()
    vertices[0, 0] = np.nan
    assert not inspect(vertices, CUBE).sound
    assert not inspect(np.zeros((0, 3)), np.zeros((0, 3), np.int64)).sound


def test_compacting_drops_unused_vertices_and_normals_of_a_cube_point_to_its_corners() -> None:
    vertices, faces, used = compact(np.concatenate([[[9, 9, 9]], CORNERS]), CUBE + 1)
    assert len(vertices) == 8
    assert used.tolist() == list(range(1, 9))
    assert np.allclose(vertex_normals(vertices, faces), (CORNERS - 0.5) / np.sqrt(0.75))
