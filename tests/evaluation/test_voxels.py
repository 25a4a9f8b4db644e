"""Enclosed volumes against closed forms, and both ways of finding them against each other."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from closed_solids import box, sphere

from evaluation import voxels as shape


def test_occupied_volume_is_the_solid_s():
    ball = shape.occupancy(sphere(0.4), 128)
    assert ball.sum() / 128**3 == pytest.approx(4 / 3 * pi * 0.4**3, rel=0.01)
    assert shape.occupancy(box(1, 0.5, 0.25), 64).sum() == 64 * 32 * 16


def test_volume_does_not_depend_on_the_orientation_of_faces():
    vertices, faces = sphere(0.4)
    outward, inward = shape.occupancy((vertices, faces), 64), shape.occupancy((vertices, faces[:, ::-1]), 64)
    assert np.array_equal(inward, outward)


def test_volume_survives_a_hole_in_a_scan():
    vertices, faces = sphere(0.4)
    open_faces = faces[vertices[faces].mean(1)[:, 1] > -0.395]  # a scan has no bottom
    assert len(open_faces) < len(faces)
    whole, holed = shape.occupancy((vertices, faces), 64), shape.occupancy((vertices, open_faces), 64)
    assert shape.voxel_iou(holed, whole) > 0.99


def test_iou_of_concentric_boxes_is_the_ratio_of_volumes():
    small, large = shape.occupancy(box(0.5, 0.5, 0.5), 64), shape.occupancy(box(), 64)
    assert shape.voxel_iou(small, large) == pytest.approx(1 / 8)
    assert shape.voxel_iou(small & False, small & False) == 1.0


def test_crossings_and_winding_numbers_agree():
    for surface in (sphere(0.4), box(1, 0.5, 0.25, (0.01, 0.02, 0.03))):
        counted, wound = shape._by_crossings(surface, 64), shape._by_winding(surface, 64)
        assert shape.voxel_iou(counted, wound) > 0.995


def test_overlapping_closed_parts_fill_their_union():
    (a, faces), (b, _) = box(0.5, 0.5, 0.5), box(0.5, 0.5, 0.5, (0.25, 0, 0))
    both = np.concatenate([a, b]), np.concatenate([faces, faces + 8])
    assert shape.is_closed(both)
    assert shape.occupancy(both, 64).sum() == 48 * 32 * 32


def test_a_missing_face_is_not_closed_and_seams_are():
    vertices, faces = box()
    assert shape.is_closed((vertices, faces))
    assert shape.is_closed((vertices[faces].reshape(-1, 3), np.arange(36).reshape(-1, 3)))
    assert not shape.is_closed((vertices, faces[1:]))
    assert not shape.is_closed((vertices, np.concatenate([faces[:1, ::-1], faces[1:]])))
