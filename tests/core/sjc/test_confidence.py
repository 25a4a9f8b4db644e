"""How much to believe a shape: closed forms, and photos that the others foretell or do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_fused import box_photo
from test_occupancy import photo, volume

from core.photo_set import PhotoSet, PosedPhoto
from core.sjc.confidence import expected_iou, of_one, of_several
from core.zero123.lift import Volume


@pytest.mark.parametrize(
    ("occupied", "expected"),
    [
        ([1.0, 1.0, 0.0, 0.0], 1.0),
        ([0.8, 0.8, 0.0, 0.0], 0.8),
        ([0.9, 0.2, 0.2, 0.1], 0.9 / 1.5),
        ([0.1, 0.1, 0.0, 0.0], 0.0),
    ],
)
def test_the_expected_iou_is_expected_intersection_over_expected_union(occupied: list[float], expected: float) -> None:
    assert expected_iou(torch.tensor(occupied), 0.5) == pytest.approx(expected)


def test_a_lift_that_is_sure_of_its_matter_is_believed_more() -> None:
    sure, unsure = (of_one(volume(logit), photo(0.5))["shape"] for logit in (6.0, -0.3))
    assert sure > 0.97
    assert unsure < 0.8


def green(elevation: float = 20.0) -> Volume:
    return replace(volume(3.0), elevation=torch.tensor([elevation]))


def painted(posed: PosedPhoto, color: tuple[int, int, int]) -> PosedPhoto:
    rgba = posed.cutout.rgba.copy()
    rgba[..., :3] = np.array(color, np.uint8)
    return replace(posed, cutout=replace(posed.cutout, rgba=rgba))


def around(*odd: PosedPhoto) -> PhotoSet:
    boxes = [painted(box_photo(azimuth, -0.3, 0.3), (0, 255, 0)) for azimuth in (0, 90, 180, 270)]
    return PhotoSet((*boxes[: 4 - len(odd)], *odd))


def test_photos_of_one_box_foretell_each_other() -> None:
    """The hull of three photos bulges a little around a box, which the lift here does not know."""
    found = of_several([green()] * 4, around())
    assert found["left_out_outline"] >= found["worst_left_out"] > 0.75
    assert found["left_out_colours"] > 0.97


def test_a_photo_of_something_taller_is_not_foretold() -> None:
    odd = painted(box_photo(270, -0.3, 0.6), (0, 255, 0))
    assert of_several([green()] * 4, around(odd))["worst_left_out"] < 0.65


def test_a_photo_of_nothing_that_the_others_show_counts_zero_and_one_photo_foretells_another() -> None:
    two = PhotoSet((around().photos[0], painted(box_photo(180, -0.3, 0.3), (0, 255, 0))))
    assert of_several([green()] * 2, two)["worst_left_out"] > 0.25
    elsewhere = painted(box_photo(180, 0.5, 0.7, 0.1), (0, 255, 0))
    assert of_several([green()] * 2, PhotoSet((two.photos[0], elsewhere)))["worst_left_out"] < 0.1


def test_a_side_of_another_colour_is_not_foretold() -> None:
    odd = painted(box_photo(270, -0.3, 0.3), (255, 0, 0))
    found = of_several([green()] * 4, around(odd))
    assert found["left_out_colours"] == pytest.approx(1 - (2 / 3) / 4, abs=0.03), "two of three channels of one of four"
    assert found["left_out_outline"] > 0.75
