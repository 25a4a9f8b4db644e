"""Photos of one product, each cropped on its own: their common frame, and which of them are used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.artifacts import Cutout
from core.cameras import Camera, project
from core.photo_set import PhotoSet, Place, PosedPhoto
from core.placing.align import NO_SIDE, PhotoToPlace, align
from core.placing.frame import common_frame
from core.segment.framing import bounding_box, frame_square, frame_straight
from core.zero123.params import ViewsParams

HALVES = np.array([0.42, 0.3, 0.12])
"""Of an ellipsoid three times as wide as it is deep: cropped on its own, its side looks far larger than its front."""

SIDES = (0.0, 90.0, 180.0, 270.0)
NO_MODEL: Any = None


def ellipsoid(camera: Camera, color: int, halves: np.ndarray = HALVES) -> tuple[Cutout, float]:
    """Its cutout, cropped on its own, and how much larger that shows it than the camera does."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60000, 3))
    points = points / np.linalg.norm(points, axis=1, keepdims=True) * halves
    size = 512
    column, row = np.rint(project(points, camera, size)[:, :2]).astype(int).T
    mask = np.zeros((size, size), bool)
    mask[row, column] = True
    from scipy.ndimage import binary_closing, binary_fill_holes

    mask = binary_fill_holes(binary_closing(mask, iterations=3))
    rgba = np.dstack([np.full((size, size, 3), color, np.uint8), mask.astype(np.uint8) * 255])
    square = frame_square(bounding_box(mask))
    cutout = Cutout(frame_straight(rgba, mask.astype(np.float32), square), square, "alpha")
    return cutout, size / (square[2] - square[0])


@pytest.fixture(scope="module")
def photos() -> list[tuple[Cutout, float]]:
    return [ellipsoid(Camera(azimuth, 20), 40 + 40 * i) for i, azimuth in enumerate(SIDES)]


def shots(photos: list[tuple[Cutout, float]]) -> list[PhotoToPlace]:
    roles = ("front", "right", "back", "left")
    return [
        PhotoToPlace(cutout, f"sha {role}", azimuth, None, role)
        for (cutout, _), azimuth, role in zip(photos, SIDES, roles, strict=True)
    ]


def test_photos_cropped_on_their_own_get_one_scale(photos: list[tuple[Cutout, float]]) -> None:
    places = common_frame([cutout for cutout, _ in photos], [Camera(azimuth, 20) for azimuth in SIDES])
    found = np.array([place.zoom for place in places]) / places[0].zoom
    true = np.array([zoom for _, zoom in photos]) / photos[0][1]
    assert true.max() > 1.25, "equal heights or widths would be far off"
    np.testing.assert_allclose(found, true, rtol=0.06)


def test_a_photo_moved_into_the_common_frame_shows_the_product_at_the_common_size(
    photos: list[tuple[Cutout, float]],
) -> None:
    front, side = photos[0], photos[1]
    placed = PosedPhoto(side[0], Place(Camera(90, 20), side[1] / front[1]))
    left, top, right, bottom = bounding_box(placed.framed().rgba[..., 3] > 127)
    own = bounding_box(side[0].rgba[..., 3] > 127)
    assert bottom - top == pytest.approx((own[3] - own[1]) * front[1] / side[1], abs=2)
    assert (left + right) / 2 == pytest.approx(256, abs=1.5)


def test_a_back_without_a_side_gives_its_colours_alone(photos: list[tuple[Cutout, float]]) -> None:
    """Front and back together made the shape worse than the front: neither says how deep the product is."""
    front, right, back, _ = shots(photos)
    for others, shaping in (([back], []), ([right], ["right"]), ([right, back], ["right", "back"])):
        together, placements = align(NO_MODEL, [front, *others], ViewsParams(elevation=20.0), 0)
        assert all(p.used for p in placements)
        assert [p.role for p in placements if p.shapes] == ["front", *shaping]
        assert len(together.photos) == 1 + len(shaping)
        assert len(together.painters) == len(others) - len(shaping)
        assert {p.note for p in placements} == ({""} if shaping else {"", NO_SIDE})
    almost = replace(back, azimuth=155.0)
    together, placements = align(NO_MODEL, [front, almost], ViewsParams(elevation=20.0), 0)
    assert [p.shapes for p in placements] == [True, False]
    assert together.shaping is None, "the shape is the front's alone"
    assert together.main.framed() is front.cutout
    again = PhotoSet.from_bytes(together.to_bytes())
    assert again.to_bytes() == together.to_bytes()
    assert again.painters[0].camera == Camera(155.0, 20.0)
    assert (again.used, len(again.photos)) == (2, 1)


def test_all_sides_of_one_product_are_used_and_survive_their_bytes(photos: list[tuple[Cutout, float]]) -> None:
    together, placements = align(NO_MODEL, shots(photos), ViewsParams(elevation=20.0), 0)
    assert [p.used for p in placements] == [True] * 4, placements
    assert [photo.camera.azimuth for photo in together.photos] == list(SIDES)
    assert {photo.camera.elevation for photo in together.photos} == {20.0}
    again = PhotoSet.from_bytes(together.to_bytes())
    assert again.to_bytes() == together.to_bytes()
    assert [p.place for p in again.photos] == [p.place for p in together.photos]


def test_what_cannot_be_used_is_left_out_and_says_why(photos: list[tuple[Cutout, float]]) -> None:
    front, right, back, left = shots(photos)
    cropped = replace(right.cutout, warnings=("The object is cropped by the photo's border; the rest is invented.",))
    asked = [
        front,
        replace(right, cutout=cropped),
        replace(back, azimuth=None),
        replace(left, elevation=90.0),
        replace(front, name="twice", azimuth=180.0),
    ]
    together, placements = align(NO_MODEL, asked, ViewsParams(elevation=20.0), 0)
    assert [p.used for p in placements] == [True, False, False, False, False]
    said = " ".join(p.why for p in placements)
    for words in ("border cuts it off", "from which side", "straight above", "the same picture"):
        assert words in said
    assert len(together.photos) == 1


def test_a_photo_of_another_product_is_left_out_and_the_others_are_used(photos: list[tuple[Cutout, float]]) -> None:
    tall = ellipsoid(Camera(180, 20), 200, np.array([0.08, 0.45, 0.08]))[0]
    front, right, back, left = shots(photos)
    together, placements = align(
        NO_MODEL, [front, right, replace(back, cutout=tall), left], ViewsParams(elevation=20.0), 0
    )
    assert [p.used for p in placements] == [True, True, False, True], placements
    assert "does not fit" in placements[2].why
    assert len(together.photos) == 3
