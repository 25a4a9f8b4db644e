"""Shape metrics against spheres and boxes, whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from closed_solids import box, sphere

from core.cameras import Camera
from evaluation import shape
from evaluation.surfaces import sample_surface


def test_normalised_has_unit_longest_side_and_is_centred():
    vertices = shape.normalised(np.array([[1.0, 2, 3], [5, 4, 4]]))
    assert np.allclose(vertices.max(0) - vertices.min(0), [1, 0.5, 0.25])
    assert np.allclose(vertices.max(0) + vertices.min(0), 0)
    with pytest.raises(ValueError, match="extent"):
        shape.normalised(np.zeros((3, 3)))


def test_turned_moves_the_front_to_the_azimuth():
    eye = Camera(azimuth=30, elevation=0, radius=2).eye()
    assert np.allclose(shape.turned(np.array([[0, 0, 2.0]]), 30)[0], eye)


def test_samples_are_uniform_by_area_and_seeded():
    surface = box(1, 0.5, 0.5)
    points = sample_surface(surface, 20_000, seed=7)
    assert np.array_equal(points, sample_surface(surface, 20_000, seed=7))
    assert not np.array_equal(points, sample_surface(surface, 20_000, seed=8))
    ends = np.isclose(np.abs(points[:, 0]), 0.5)
    assert ends.mean() == pytest.approx(0.5 / 2.5, abs=0.01)  # two ends of .25 beside four sides of .5
    assert np.all(np.isclose(np.abs(points), [0.5, 0.25, 0.25]).any(1))


def test_a_surface_without_area_is_refused():
    with pytest.raises(ValueError, match="area"):
        sample_surface((np.zeros((3, 3)), np.array([[0, 1, 2]])))


def test_chamfer_of_concentric_spheres_is_the_gap():
    a, b = sphere(0.4), sphere(0.35)
    value = shape.chamfer(sample_surface(a, 100_000, 0), sample_surface(b, 100_000, 1))
    assert value == pytest.approx(0.05, rel=0.02)


def test_fscore_counts_both_directions():
    assert shape.fscore(np.array([0.0, 0.0]), np.array([0.0, 1.0]), 0.01) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert shape.fscore(np.array([1.0]), np.array([1.0]), 0.01) == 0.0


def test_the_truth_compared_with_itself_is_perfect():
    surface = sphere(0.5)
    metrics = shape.compare(shape.prepared(surface, 0), shape.prepared(surface, 1))
    assert metrics.iou == metrics.iou_64 == 1.0
    assert metrics.fscore_1 > 0.999
    assert metrics.fscore_2 == 1.0
    assert metrics.chamfer < 0.004  # the floor of two independent sets of 100k points


def test_a_camera_sees_only_the_near_cap_of_a_sphere():
    """From distance d the rim of a sphere of radius r lies at height r²/d along the axis."""
    camera = Camera(azimuth=40, elevation=20, radius=2)
    height = shape.visible_points(sphere(0.5), camera) @ camera.eye() / 2
    assert height.max() == pytest.approx(0.5, abs=0.002)
    assert height.min() == pytest.approx(0.5**2 / 2, abs=0.02)


def test_the_hidden_side_does_not_count_as_visible():
    camera = Camera(0, 0, 2)
    vertices, faces = box(0.8, 0.8, 0.8)
    truth = shape.prepared((vertices, faces), 1)
    wrong_back = vertices.copy()
    wrong_back[vertices[:, 2] < 0, 2] = -0.1
    ours = shape.prepared((wrong_back, faces), 0)
    assert shape.compare_visible(ours, truth, camera)["chamfer"] < 0.01
    assert shape.chamfer(ours.points, truth.points) > 0.03
    nothing = replace(ours, surface=(vertices + 100, faces))
    with pytest.raises(ValueError, match="sees nothing"):
        shape.compare_visible(nothing, truth, camera)


def test_alignment_undoes_a_turn_and_a_shift():
    surface = box(1, 0.6, 0.3)
    moved = shape.turned(surface[0], 75) + np.array([0.02, -0.01, 0.03])
    vertices, _ = shape.align((moved, surface[1]), surface)
    aligned = shape.prepared((vertices, surface[1]), 0)
    metrics = shape.compare(aligned, shape.prepared(surface, 1))
    assert metrics.iou > 0.95
    assert metrics.fscore_1 > 0.99


def test_rigid_recovers_a_known_motion():
    points = np.random.default_rng(0).normal(size=(50, 3))
    rotation, shift = shape.rigid(points, shape.turned(points, 33) + np.array([1, 2, 3]))
    assert np.allclose(shape.turned(points, 33), points @ rotation.T)
    assert np.allclose(shift, [1, 2, 3])


def test_metrics_are_plain_numbers():
    metrics = shape.ShapeMetrics(1.0, 1.0, 0.0, 1.0, 1.0)
    assert metrics.as_dict()["iou"] == 1.0
    assert replace(metrics, iou=0.5).as_dict()["iou"] == 0.5
