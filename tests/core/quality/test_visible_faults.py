"""What anybody sees on turning the model: it leans, a part is missing, a hole runs through it, its back copies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.quality import QualityParams
from core.quality.checks import VETOES, VISIBLE
from core.quality.gate import combine, named, ramp, verdict, visible_faults
from core.quality.measurement import back_view, gap, lean, see_through

CAMERA = Camera(0, 20)
NO_VIEWS = ViewSet(np.zeros((0, 64, 64, 3), np.uint8), (), CAMERA)
CHECKS = {check.metric: check for check in VISIBLE}


def block(*size: float) -> trimesh.Trimesh:
    mesh = trimesh.creation.box(size)
    for _ in range(4):
        mesh = mesh.subdivide()
    return mesh


@pytest.mark.parametrize("angle", [0, 12, 25])
def test_a_block_leans_as_far_as_it_was_turned(angle: float) -> None:
    turn = trimesh.transformations.rotation_matrix(np.radians(angle), (0, 0, 1))
    found = lean(np.asarray(block(0.4, 0.8, 0.3).apply_transform(turn).vertices))
    assert found == pytest.approx(angle, abs=0.5)
    assert (ramp(found, CHECKS["lean"]) < 1) == (angle > 10)


def test_a_ball_and_a_flat_sheet_do_not_lean() -> None:
    assert lean(np.asarray(trimesh.creation.icosphere(3).vertices)) < 1
    assert lean(np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)], float)) == 0


def test_a_missing_corner_is_a_gap_and_a_ragged_rim_is_none() -> None:
    mask = np.zeros((256, 256), bool)
    mask[50:200, 50:200] = True
    corner, rim = mask.copy(), mask.copy()
    corner[50:110, 50:110] = False
    rim[50:54] = False
    assert gap(mask, corner) == pytest.approx(60 * 60 / 150**2, abs=0.01)
    assert gap(mask, rim) == 0
    assert ramp(gap(mask, corner), CHECKS["front_gap"]) == 0


def test_a_hole_that_the_photo_does_not_show_is_found_and_one_that_it_shows_is_not() -> None:
    solid = np.zeros((512, 512, 4), np.uint8)
    solid[100:412, 100:412, 3] = 255
    ringed = solid.copy()
    ringed[180:332, 180:332, 3] = 0
    ring = trimesh.creation.annulus(0.2, 0.5, 0.3)
    vertices, faces = np.asarray(ring.vertices, np.float64), np.asarray(ring.faces, np.int64)
    of_solid, of_ring = (Cutout(rgba, (0, 0, 512, 512), "alpha") for rgba in (solid, ringed))
    assert see_through(of_solid, NO_VIEWS, vertices, faces) > 0.1
    assert see_through(of_ring, NO_VIEWS, vertices, faces) == 0
    picture = np.where(ringed[::8, ::8, 3:] > 0, np.uint8(90), np.uint8(255)).repeat(3, -1)
    viewed = replace(NO_VIEWS, images=picture[None], cameras=(CAMERA,))
    assert see_through(of_solid, viewed, vertices, faces) == 0


def test_a_mirrored_back_is_told_from_one_of_its_own() -> None:
    mesh = block(0.8, 0.8, 0.4)
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int64)
    x, y, z = vertices.T
    print_on = ((np.sin(14 * x) + np.sin(11 * y + 3 * x)) > 0) * 180 + 40
    other = ((np.sin(13 * y - 9 * x) + np.sin(9 * x + 1)) > 0) * 180 + 40
    plain = np.full_like(print_on, 120)
    found = {}
    for name, back in (("mirrored", print_on), ("own", other), ("plain", plain)):
        colors = np.repeat(np.where(z > 0, print_on, back)[:, None], 3, 1).astype(np.uint8)
        found[name] = back_view(CAMERA, vertices, faces, {"colors": colors})["back_copy"]
    assert found["mirrored"] > 0.9
    assert found["own"] < 0.4
    assert found["plain"] < 0.4


def test_a_visible_fault_alone_keeps_an_asset_from_being_published_and_fails_none() -> None:
    params = QualityParams()
    best = {check.metric: check.good for check in VETOES + VISIBLE} | dict.fromkeys(params.weights, 1000000000.0)
    best |= {"unseen_texture": 0.0, "photo_contrast": 0.0}
    assert combine(best, params) >= params.finished
    for check in VISIBLE:
        metrics = best | {check.metric: check.bad}
        assert combine(metrics, params) == combine(best, params), check.metric
        assert verdict(combine(metrics, params), params, visible_faults(metrics)) == "review", check.metric
    every = best | {check.metric: check.bad for check in VISIBLE}
    assert visible_faults(every) < 0.001
    assert verdict(combine(every, params), params, visible_faults(every)) == "review", "a chair with two had failed"


def test_a_visible_fault_that_may_hold_an_asset_back_is_named() -> None:
    for check in VISIBLE:
        said = [
            [
                reason.code
                for reason in named({check.metric: check.bad + part * (check.good - check.bad)}, QualityParams())
            ]
            for part in (0.7, 0.8)
        ]
        assert said == [[check.code], []], check.metric
