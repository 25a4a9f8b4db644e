"""What is asked of an asset that several photos show."""

from __future__ import annotations

import numpy as np
import pytest

from core.artifacts import Cutout
from core.cameras import Camera
from core.photo_set import PhotoSet, Place, PosedPhoto
from core.placing.align import MISFIT
from core.quality.several import not_asked, of_photos


def photos(*azimuths: float, slack: float = 0.0) -> PhotoSet:
    cutout = Cutout(np.zeros((512, 512, 4), np.uint8), (0, 0, 512, 512), "alpha")
    places = [Place(Camera(azimuth, 20), slack=slack * (i > 0)) for i, azimuth in enumerate(azimuths)]
    return PhotoSet(tuple(PosedPhoto(cutout, place) for place in places))


@pytest.mark.parametrize(("azimuth", "shown"), [(180, True), (225, True), (-130, True), (90, False), (30, False)])
def test_a_back_that_a_photo_shows_may_look_like_the_front(azimuth: float, shown: bool) -> None:
    assert ("back_copy" in not_asked(photos(0, azimuth))) is shown


def test_the_worst_placed_photo_says_how_sure_the_poses_are() -> None:
    assert of_photos(photos(0, 90, 180)) == {"photos": 3.0, "pose_confidence": 1.0}
    assert of_photos(photos(0, 90, slack=MISFIT / 4))["pose_confidence"] == pytest.approx(0.75)
    assert of_photos(photos(0, 90, slack=2 * MISFIT))["pose_confidence"] == 0.0
