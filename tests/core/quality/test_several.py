"""What is asked of an asset that several photos show."""

from __future__ import annotations

import numpy as np
import pytest

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.photo_set import PhotoSet, Place, PosedPhoto
from core.placing.align import MISFIT
from core.quality.gate import combine, named
from core.quality.measurement import reported
from core.quality.params import QualityParams
from core.quality.several import not_asked, of_photos
from core.reports import FinishReport, TextureReport


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


def test_a_photo_in_quite_other_colours_is_named_and_counts_for_nothing() -> None:
    """Which of them it is the finish stage knows by the surface that two photos share; a person looks."""
    views = ViewSet(np.zeros((0, 64, 64, 3), np.uint8), (), Camera(0, 20))
    textures = (TextureReport(unseen=0.1, strangers=1), TextureReport(unseen=0.1))
    of_one, alike = (reported(views, FinishReport(texture=texture)) for texture in textures)
    params = QualityParams()
    assert [reason.code for reason in named(of_one, params)] == ["another_colour"]
    assert "strangers" not in alike
    others = {"photos": 4.0, "pose_confidence": 0.9, "worst_view_mask_iou": 0.9, "view_agreement": 0.8}
    assert combine(others | {"strangers": 1.0}, params) == combine(others, params)
