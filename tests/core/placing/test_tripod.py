"""Photos of one standing camera: their own frames are the common one; cropped ones are found out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.artifacts import Cutout
from core.cameras import Camera, project
from core.placing.align import ONE_CAMERA, OUT_OF_PLACE, PhotoToPlace, align
from core.placing.frame import common_frame
from core.placing.tripod import best_turn, one_camera
from core.segment.framing import bounding_box, frame_square, frame_straight
from core.zero123.params import ViewsParams

SIDES = (0.0, 90.0, 180.0, 270.0)
SIZE = 512


BOX = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * (0.35, 0.25, 0.15) + (0.05, -0.06, 0)
"""Its middle lies below the axis' height."""

WEDGE = np.array([[-0.4, -0.3, 0.3], [0.45, -0.3, 0.2], [0.1, -0.3, -0.45], [-0.25, 0.4, 0.1], [-0.1, 0.3, -0.2]])
"""Alike from no two sides, and not its own mirror image."""


def box_photo(camera: Camera, corners: NDArray[np.float64] = BOX) -> Cutout:
    """A convex thing photographed whole and cut out."""
    from scipy.spatial import ConvexHull
    from skimage.draw import polygon

    at = project(corners, camera, SIZE)[:, :2]
    outline = at[ConvexHull(at).vertices]
    rows, columns = polygon(outline[:, 1], outline[:, 0], (SIZE, SIZE))  # type: ignore[no-untyped-call]
    mask = np.zeros((SIZE, SIZE), bool)
    mask[rows, columns] = True
    rgba = np.dstack([np.full((SIZE, SIZE, 3), 90, np.uint8), mask.astype(np.uint8) * 255])
    square = frame_square(bounding_box(mask))
    return Cutout(frame_straight(rgba, mask.astype(np.float32), square), square, "alpha")


@pytest.fixture(scope="module")
def cutouts() -> list[Cutout]:
    return [box_photo(Camera(azimuth + 30, 20)) for azimuth in SIDES]


NO_MODEL: Any = None
CAMERAS = [Camera(azimuth, 20) for azimuth in SIDES]


def test_one_standing_cameras_photos_are_placed_exactly(cutouts: list[Cutout]) -> None:
    places = one_camera(cutouts, [(SIZE, SIZE)] * 4, CAMERAS, ONE_CAMERA)
    assert places is not None
    zooms = np.array([SIZE / (c.source_box[2] - c.source_box[0]) for c in cutouts])
    found = np.array([place.zoom for place in places])
    np.testing.assert_allclose(found / found[0], zooms / zooms[0], rtol=1e-6)
    assert places[0].camera.fov < CAMERAS[0].fov, "the product fills the frame"
    # A pixel of the first cutout looks the same way through the new frame as it did through the whole photo.
    for corner in (-1.0, 1.0):
        whole = (corner / zooms[0]) * np.tan(np.radians(CAMERAS[0].fov) / 2)
        own = corner / places[0].zoom * np.tan(np.radians(places[0].camera.fov) / 2)
        assert own == pytest.approx(whole, rel=1e-6)


def test_photos_of_different_sizes_count_by_their_frames(cutouts: list[Cutout]) -> None:
    half = []
    for cutout in cutouts[1:]:
        left, top, right, bottom = cutout.source_box
        half.append(replace(cutout, source_box=(left / 2, top / 2, right / 2, bottom / 2)))
    same = one_camera(cutouts, [(SIZE, SIZE)] * 4, CAMERAS, ONE_CAMERA)
    assert one_camera([cutouts[0], *half], [(SIZE, SIZE), *[(SIZE // 2,) * 2] * 3], CAMERAS, ONE_CAMERA) == same


def test_cropped_photos_and_unknown_sizes_are_placed_by_their_outlines(cutouts: list[Cutout]) -> None:
    sizes: list[tuple[int, int] | None] = [(SIZE, SIZE)] * 4
    assert one_camera(cutouts, [*sizes[:3], None], CAMERAS, 9) is None
    assert one_camera(cutouts, [*sizes[:3], (SIZE, 700)], CAMERAS, 9) is None
    nearer = []
    for cutout in cutouts:
        left, _, right, _ = cutout.source_box
        side = right - left
        nearer.append((replace(cutout, source_box=(0.0, 0.0, side, side)), (round(side), round(side))))
    tight = [cutout for cutout, _ in nearer]
    assert one_camera(tight, [size for _, size in nearer], CAMERAS, ONE_CAMERA) is None
    shots = [
        PhotoToPlace(cutout, str(i), azimuth, 20.0, "", size)
        for i, ((cutout, size), azimuth) in enumerate(zip(nearer, SIDES, strict=True))
    ]
    together, _ = align(NO_MODEL, shots, ViewsParams(elevation=20.0), 0)
    assert [photo.place for photo in together.photos] == common_frame(tight, CAMERAS)


def test_a_photo_from_a_tenth_farther_away_is_noticed(cutouts: list[Cutout]) -> None:
    left, top, right, bottom = cutouts[1].source_box
    middle, half = ((left + right) / 2, (top + bottom) / 2), (right - left) / 2 * 1.1
    box = (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half)
    farther = [cutouts[0], replace(cutouts[1], source_box=box), *cutouts[2:]]
    assert one_camera(farther, [(SIZE, SIZE)] * 4, CAMERAS, ONE_CAMERA) is None


def wedge_shots(*sides: tuple[float, float | None]) -> list[PhotoToPlace]:
    """Photos of the wedge: from where each was taken, and from where its name says."""
    return [
        PhotoToPlace(box_photo(Camera(true, 20), WEDGE), f"photo {true}", said, None, "", (SIZE, SIZE))
        for true, said in sides
    ]


def test_left_and_right_that_were_exchanged_are_noticed_put_right_and_said() -> None:
    swapped = wedge_shots((0, 0), (90, 270), (180, 180), (270, 90))
    together, placements = align(NO_MODEL, swapped, ViewsParams(elevation=20.0), 0)
    assert [photo.camera.azimuth for photo in together.photos] == [0, 90, 180, 270]
    assert ["exchanged" in placement.note for placement in placements] == [False, True, False, True]
    as_named = wedge_shots((0, 0), (90, 90), (180, 180), (270, 270))
    together, placements = align(NO_MODEL, as_named, ViewsParams(elevation=20.0), 0)
    assert [photo.camera.azimuth for photo in together.photos] == [0, 90, 180, 270]
    assert not any(placement.note for placement in placements)


def flipped(shot: PhotoToPlace) -> PhotoToPlace:
    """The file mirrored, as shops do for want of the other side."""
    cutout = shot.cutout
    left, top, right, bottom = cutout.source_box
    box = (SIZE - right, top, SIZE - left, bottom)
    return replace(shot, cutout=replace(cutout, rgba=np.ascontiguousarray(cutout.rgba[:, ::-1]), source_box=box))


@pytest.mark.parametrize("what", ["another product", "mirrored", "another side"])
def test_one_photo_that_does_not_belong_to_the_others_is_left_out_and_said(what: str) -> None:
    shots = wedge_shots((0, 0), (90, 90), (180, 180), (270, 270))
    shots[2] = {
        "another product": replace(shots[2], cutout=box_photo(Camera(180, 20))),
        "mirrored": flipped(shots[2]),
        "another side": replace(shots[2], cutout=box_photo(Camera(230, 20), WEDGE)),
    }[what]
    together, placements = align(NO_MODEL, shots, ViewsParams(elevation=20.0), 0)
    assert [photo.camera.azimuth for photo in together.photos] == [0, 90, 270]
    assert [placement.used for placement in placements] == [True, True, False, True]
    assert placements[2].why == OUT_OF_PLACE
    alone, _ = align(NO_MODEL, [*shots[:2], shots[3]], ViewsParams(elevation=20.0), 0)
    assert together.to_bytes() == alone.to_bytes(), "the set is the one without it"


def test_a_photo_of_another_size_was_cropped_and_is_placed_by_its_outline() -> None:
    shots = wedge_shots((0, 0), (90, 90), (180, 180), (270, 270))
    left, top, right, bottom = shots[2].cutout.source_box
    side = (round(right - left), round(bottom - top))
    cropped = replace(shots[2].cutout, source_box=(0, 0, *map(float, side)))
    shots[2] = replace(shots[2], cutout=cropped, size=side)
    _, placements = align(NO_MODEL, shots, ViewsParams(elevation=20.0), 0)
    assert all(placement.used for placement in placements)


def test_a_photo_without_a_side_is_placed_against_three_named_ones_and_not_against_two() -> None:
    shots = wedge_shots((0, 0), (90, 90), (180, 180), (235, None))
    together, placements = align(NO_MODEL, shots, ViewsParams(elevation=20.0), 0)
    assert together.photos[-1].camera.azimuth == pytest.approx(235, abs=4)
    assert "Its name tells no side" in placements[-1].note
    _, placements = align(NO_MODEL, [*shots[:2], shots[3]], ViewsParams(elevation=20.0), 0)
    assert [placement.used for placement in placements] == [True, True, False]
    assert "from which side" in placements[-1].why


def test_what_looks_alike_from_several_sides_is_not_placed_by_its_outline() -> None:
    square = BOX * (0.15 / 0.35, 1, 1) - (0.05 * 0.15 / 0.35, 0, 0)
    cameras = [Camera(azimuth, 20) for azimuth in (0, 90, 180, 270)]
    assert best_turn([box_photo(camera, square) for camera in cameras], [(SIZE, SIZE)] * 4, cameras, ONE_CAMERA) is None
