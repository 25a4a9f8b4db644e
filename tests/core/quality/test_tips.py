"""Drips and spurs are seen on the finished model; handles, legs and sound boxes are none."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from core.quality.checks import NOTES
from core.quality.gate import ramp
from core.quality.tips import longest_tip, thin_tips

(CHECK,) = [check for check in NOTES if check.metric == "thin_tips"]
NAMED = 0.4


def told(*parts: trimesh.Trimesh) -> bool:
    mesh = trimesh.util.concatenate(list(parts))
    return ramp(thin_tips(np.asarray(mesh.vertices), np.asarray(mesh.faces)), CHECK) < NAMED


def box(size: tuple[float, float, float], at: tuple[float, float, float] = (0, 0, 0)) -> trimesh.Trimesh:
    mesh = trimesh.creation.box(size)
    mesh.apply_translation(at)
    return mesh


def test_a_drip_under_a_seat_and_a_spur_at_a_side_are_told() -> None:
    seat = box((0.8, 0.3, 0.8))
    drip = trimesh.creation.cone(0.04, 0.3)
    drip.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))  # its tip looks down
    drip.apply_translation((0, -0.14, 0))
    assert told(seat, drip)
    spur = trimesh.creation.cone(0.04, 0.25)
    spur.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (0, 1, 0)))
    spur.apply_translation((0.39, 0, 0))
    assert told(seat, spur)


@pytest.mark.parametrize("width", [0.1, 0.14])
def test_legs_and_plain_boxes_are_not(width: float) -> None:
    seat = box((0.8, 0.2, 0.8))
    assert not told(seat)
    corners = [(x, -0.3, z) for x in (-0.33, 0.33) for z in (-0.33, 0.33)]
    assert not told(seat, *(box((width, 0.5, width), corner) for corner in corners))


def test_what_hangs_on_at_two_ends_is_a_handle_and_no_tip() -> None:
    mask = np.zeros((192, 192), bool)
    mask[60:140, 60:120] = True
    mask[80:84, 120:150] = mask[116:120, 120:150] = mask[80:120, 146:150] = True
    assert longest_tip(mask) < 2, "a corner is no tip"
    mask[80:84, 120:150] = False
    assert longest_tip(mask) > 25
    assert longest_tip(np.zeros((192, 192), bool)) == 0
