"""Crumbs go, what the photo shows stays, and a product whose photo is one piece ends as one piece."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mesh_solids import box, grid, pair, scene, sphere

from core.artifacts import Cutout, Field, ViewSet
from core.mesh import MeshParams, extract_mesh
from core.mesh.topology import inspect

Scene = tuple[Field, Cutout, ViewSet]


def lamp(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """A foot, a thin arm, a shade."""
    foot = box(x, y, z, (0, -0.45, 0), (0.25, 0.06, 0.25))
    arm = box(x, y, z, (0, 0.0, 0), (0.05, 0.45, 0.05))
    shade = box(x, y, z, (0, 0.5, 0), (0.2, 0.12, 0.2))
    return np.minimum(np.minimum(foot, arm), shade)


def torn_lamp(remaining: float) -> Scene:
    """The lamp's photo, and a field that is nearly empty along a piece of its arm."""
    field, cutout, view_set = scene(lamp, info={"isovalue": 50.0})
    _, y, _ = grid(64)
    torn = np.where((y > -0.1) & (y < 0.2), field.density * np.float32(remaining), field.density)
    return replace(field, density=torn), cutout, view_set


@pytest.mark.parametrize("remaining", [0.3, 0.0])
def test_a_lamp_whose_arm_is_torn_in_the_field_ends_in_one_piece(remaining: float) -> None:
    mesh = extract_mesh(*torn_lamp(remaining), MeshParams())
    assert mesh.info.joints == 1
    state = inspect(mesh.vertices, mesh.faces)
    assert (state.components, state.sound) == (1, True)
    joint = mesh.vertices[np.abs(mesh.vertices[:, 1] - 0.05) < 0.1]
    assert np.abs(joint[:, 0]).max() < 0.12  # along the arm that the photo shows


def test_the_joint_goes_where_the_field_is_densest() -> None:
    field, cutout, view_set = torn_lamp(0.0)
    x, y, z = grid(64)
    trace = (np.abs(y) < 0.25) & (np.abs(x) < 0.04) & (np.abs(z - 0.14) < 0.04)
    mesh = extract_mesh(
        replace(field, density=np.where(trace, np.float32(30), field.density)), cutout, view_set, MeshParams()
    )
    joint = mesh.vertices[np.abs(mesh.vertices[:, 1] - 0.05) < 0.05]
    assert mesh.info.joints == 1
    assert abs(joint[:, 2].mean() - 0.14) < 0.05


def test_two_shoes_stay_two() -> None:
    mesh = extract_mesh(*scene(pair), MeshParams())
    assert (mesh.info.joints, inspect(mesh.vertices, mesh.faces).components) == (0, 2)


def test_a_crumb_of_seven_percent_behind_the_product_goes_and_one_of_twelve_is_joined() -> None:
    field, cutout, view_set = scene(sphere, info={"isovalue": 50.0})
    x, y, z = grid(64)
    for share, dropped, joints in ((0.07, 1, 0), (0.12, 0, 1)):
        radius = 0.45 * share ** (1 / 3)
        behind = np.sqrt(x**2 + (y + 0.16) ** 2 + (z + 0.75) ** 2) < radius
        crumbed = replace(field, density=np.where(behind, np.float32(100), field.density))
        mesh = extract_mesh(crumbed, cutout, view_set, MeshParams())
        assert (mesh.info.floaters_dropped, mesh.info.joints) == (dropped, joints), share
        assert inspect(mesh.vertices, mesh.faces).components == 1


def test_a_small_part_that_the_photo_shows_stays_though_it_is_far_below_the_limit() -> None:
    def knobbed(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.minimum(sphere(x, y, z), np.sqrt(x**2 + (y - 0.62) ** 2 + z**2) - 0.08)

    field, cutout, view_set = scene(knobbed, info={"isovalue": 50.0})
    mesh = extract_mesh(field, cutout, view_set, MeshParams())
    assert mesh.info.floaters_dropped == 0
    assert inspect(mesh.vertices, mesh.faces).components == 2  # the photo shows two pieces, so two they are
    assert mesh.vertices[:, 1].max() > 0.65


def test_a_crumb_far_in_front_gets_no_spear_though_a_hole_in_the_field_lets_the_photo_show_it() -> None:
    field, cutout, view_set = scene(lamp, info={"isovalue": 50.0})
    x, y, z = grid(64)
    torn = np.where((y > -0.1) & (y < 0.2), np.float32(0), field.density)
    crumb = np.sqrt(x**2 + (y - 0.16) ** 2 + (z - 0.6) ** 2) < 0.06
    density = np.where(crumb, np.float32(100), torn)
    mesh = extract_mesh(replace(field, density=density), cutout, view_set, MeshParams())
    assert inspect(mesh.vertices, mesh.faces).components == 1
    assert mesh.vertices[:, 2].max() < 0.4
