"""The elevation of silhouettes whose truth is known: unions of boxes, seen by exact rays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.artifacts import Cutout
from core.cameras import Camera, camera_rays, intrinsics
from core.zero123.elevation import OFFSETS, elevation_from_masks, estimate_elevation, white_distance
from core.zero123.params import ViewsParams
from core.zero123.views import make_view_set

Box = tuple[tuple[float, float, float], tuple[float, float, float]]
CHAIR: list[Box] = [
    ((-0.3, -0.05, -0.3), (0.3, 0.05, 0.3)),
    ((-0.3, 0.05, -0.3), (0.3, 0.5, -0.22)),
    *[((x - 0.04, -0.5, z - 0.04), (x + 0.04, -0.05, z + 0.04)) for x in (-0.26, 0.26) for z in (-0.26, 0.26)],
]
CARTON: list[Box] = [((-0.2, -0.5, -0.13), (0.2, 0.5, 0.13))]
STEPS: list[Box] = [((-0.5, -0.3, -0.2), (0.5, 0.0, 0.2)), ((-0.5, 0.0, -0.2), (0.0, 0.3, 0.2))]
OFFSETS_AND_PHOTO = ((0, 0), *OFFSETS)


def silhouette(boxes: list[Box], camera: Camera, size: int = 64) -> NDArray[np.float64]:
    """1 where a ray through the pixel's centre meets a box (slab test)."""
    origins, directions = camera_rays(intrinsics(size, size), camera.camera_to_world(), size, size)
    hit = np.zeros(len(origins), bool)
    for low, high in boxes:
        a, b = (np.array(low) - origins) / directions, (np.array(high) - origins) / directions
        hit |= np.minimum(a, b).max(1) < np.maximum(a, b).min(1)
    return hit.reshape(size, size).astype(np.float64)


def views(boxes: list[Box], elevation: float, turned: float) -> list[NDArray[np.float64]]:
    return [silhouette(boxes, Camera(turned + a, elevation + e)) for a, e in OFFSETS_AND_PHOTO]


@pytest.mark.parametrize(
    ("boxes", "turned", "truth"),
    [(CHAIR, 35.0, -10.0), (CARTON, 20.0, 15.0), (STEPS, -40.0, 50.0), (CARTON, 50.0, 35.0)],
)
def test_exact_silhouettes_give_the_elevation_within_six_degrees(boxes: list[Box], turned: float, truth: float) -> None:
    found = elevation_from_masks(views(boxes, truth, turned), OFFSETS_AND_PHOTO, prior=20.0)
    assert found.degrees == pytest.approx(truth, abs=6)
    assert found.confidence > 0.6


def test_one_wrong_view_does_not_decide() -> None:
    masks = views(CHAIR, 40.0, 35.0)
    masks[4] = silhouette(CARTON, Camera(0, 0))
    found = elevation_from_masks(masks, OFFSETS_AND_PHOTO, prior=20.0)
    assert found.degrees == pytest.approx(40, abs=8)


def test_where_nothing_can_be_told_the_prior_is_taken_and_confidence_is_low() -> None:
    """A ball looks the same from everywhere."""
    y, x = np.mgrid[:64, :64] - 31.5
    ball = (np.hypot(x, y) < 18).astype(np.float64)
    found = elevation_from_masks([ball] * len(OFFSETS_AND_PHOTO), OFFSETS_AND_PHOTO, prior=25.0)
    sure = elevation_from_masks(views(CHAIR, 25.0, 35.0), OFFSETS_AND_PHOTO, prior=25.0)
    assert found.degrees == pytest.approx(25, abs=8)
    assert found.confidence < sure.confidence - 0.2


def test_empty_views_are_no_crash() -> None:
    found = elevation_from_masks([np.zeros((64, 64))] * len(OFFSETS_AND_PHOTO), OFFSETS_AND_PHOTO, prior=20.0)
    assert found.degrees == pytest.approx(20, abs=2)
    assert found.confidence < 0.5


def test_silhouettes_of_pictures_over_white() -> None:
    image = np.full((4, 4, 3), 255, np.uint8)
    image[1, 1] = (250, 250, 250)
    image[2, 2] = (255, 255, 120)
    mask = white_distance(image)
    assert mask[0, 0] == mask[1, 1] == 0
    assert mask[2, 2] == 1


def test_the_user_has_the_last_word_and_the_estimate_is_repeatable(tiny: Any, cutout: Cutout) -> None:
    params = ViewsParams(steps=2)
    one = estimate_elevation(tiny, cutout, params, 3)
    estimated = make_view_set(tiny, cutout, params, 3)
    assert estimated.info.elevation.source == "estimated"
    assert estimated.condition.elevation == pytest.approx(one.degrees, abs=1e-3)
    given = make_view_set(tiny, cutout, params.model_copy(update={"elevation": -7.5}), 3)
    assert given.condition.elevation == -7.5
    assert given.info.elevation.source == "given"
