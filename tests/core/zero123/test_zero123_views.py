"""View sets: batches never change a picture, cameras are where the parameters say, words in user terms."""

from __future__ import annotations

from math import radians
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.records import to_json
from core.zero123.params import Ring, ViewsParams
from core.zero123.views import ViewRequest, likeness, make_view_set, novel_views, ring_cameras, synthesize

FAST = ViewsParams(steps=3, elevation=12.0, eta=1.0)


def requests(cutout: Cutout) -> list[ViewRequest]:
    """Two objects, five and four views."""
    other = cutout.rgba[::-1, :, [2, 0, 1, 3]]
    targets = tuple(Camera(40.0 * i, 10.0 * i - 20) for i in range(9))
    return [
        ViewRequest(cutout.rgba, Camera(0, 12), targets[:5], (1, 2, 3, 4, 5)),
        ViewRequest(other, Camera(0, -8), targets[5:], (6, 7, 8, 9)),
    ]


def test_batch_one_and_eight_give_the_same_pictures(tiny: Any, cutout: Cutout) -> None:
    """Across objects too. Float sums may be cut differently: at most the last of 255 steps differs."""
    whole = np.concatenate(synthesize(tiny, requests(cutout), FAST.model_copy(update={"batch": 8})))
    alone = np.concatenate(synthesize(tiny, requests(cutout), FAST.model_copy(update={"batch": 1})))
    assert whole.shape == (9, 32, 32, 3)
    difference = np.abs(whole.astype(int) - alone)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_a_view_does_not_depend_on_its_company(tiny: Any, cutout: Cutout) -> None:
    one = requests(cutout)[1]
    whole = synthesize(tiny, requests(cutout), FAST)[1]
    alone = synthesize(
        tiny,
        [ViewRequest(one.image, one.condition, one.targets[2:3], one.seeds[2:3])],
        FAST.model_copy(update={"batch": 5}),
    )[0]
    assert np.abs(whole[2].astype(int) - alone[0]).max() <= 1


def test_same_seed_same_bytes_other_seed_other_pictures(tiny: Any, cutout: Cutout) -> None:
    first, second = (make_view_set(tiny, cutout, FAST, seed=4).to_bytes() for _ in range(2))
    assert first == second
    assert make_view_set(tiny, cutout, FAST, seed=5).to_bytes() != first


def test_the_view_set_says_how_it_was_made(tiny: Any, cutout: Cutout) -> None:
    steps: list[tuple[int, int]] = []
    views = make_view_set(tiny, cutout, FAST, 0, lambda _, done, total: steps.append((done, total)))
    assert len(views.cameras) == len(views.images) == 14
    assert views.condition == Camera(0.0, 12.0)
    assert to_json(views.info.elevation) == {"source": "given", "degrees": 12.0, "confidence": 1.0}
    assert views.info.model == "tiny"
    assert steps[-1] == (6, 6)
    assert ViewSet.from_bytes(views.to_bytes()).cameras == views.cameras


def test_another_seed_is_drawn_only_when_asked(tiny: Any, cutout: Cutout) -> None:
    params = FAST.model_copy(update={"elevation": 12.0, "other_seed": True})
    asked = make_view_set(tiny, cutout, params, seed=3)
    plain = make_view_set(tiny, cutout, params.model_copy(update={"other_seed": False}), seed=3)
    assert np.array_equal(asked.images, plain.images)
    assert 0 < asked.info.seed_agreement < 40
    assert "seed_agreement" not in to_json(plain.info)
    assert likeness(plain.images, plain.images) == 40


def test_ring_cameras_are_evenly_spaced() -> None:
    cameras = ring_cameras(ViewsParams(rings=(Ring(elevation=5, count=4, start=350), Ring(elevation=60, count=1))))
    assert [camera.azimuth for camera in cameras] == [350, 80, 170, 260, 0]
    assert [camera.elevation for camera in cameras] == [5, 5, 5, 5, 60]


def test_novel_views_take_cameras_or_triples(tiny: Any, cutout: Cutout) -> None:
    one = novel_views(tiny, cutout, 12.0, [(90.0, 30.0, 2.0)], params=FAST, seed=3)
    other = novel_views(tiny, cutout, 12.0, [Camera(90.0, 30.0)], params=FAST, seed=3)
    assert one.shape == (1, 32, 32, 3)
    assert np.array_equal(one, other)


def test_the_pose_matters(tiny: Any, cutout: Cutout) -> None:
    request = requests(cutout)[0]
    images = synthesize(tiny, [ViewRequest(request.image, request.condition, request.targets[:2], (1, 1))], FAST)[0]
    assert not np.array_equal(images[0], images[1])


def test_a_request_without_seeds_is_an_error(tiny: Any, cutout: Cutout) -> None:
    with pytest.raises(ValueError, match="one seed for every target"):
        synthesize(tiny, [ViewRequest(cutout.rgba, Camera(0, 0), (Camera(1, 1),), ())], FAST)


def test_a_model_that_gives_no_numbers_fails_loudly(cutout: Cutout) -> None:
    from zero123_helpers import tiny_config

    from core.errors import CheckpointError
    from core.zero123.model import build_model

    broken = build_model(tiny_config())
    broken.unet.conv_out.weight[0, 0] = float("inf")
    with pytest.raises(CheckpointError, match="gave values that are not finite"):
        make_view_set(broken, cutout, FAST, 0)


def test_stable_zero123_is_told_the_elevation_in_the_fourth_entry() -> None:
    from core.zero123.conditioning import pose_vector

    condition, target = Camera(0, 20, 2.0), Camera(90, 50, 1.6)
    np.testing.assert_allclose(pose_vector(condition, target)[3], -0.4)
    np.testing.assert_allclose(pose_vector(condition, target, "elevation")[3], radians(70))
    np.testing.assert_array_equal(pose_vector(condition, target)[:3], pose_vector(condition, target, "elevation")[:3])


def test_pictures_reach_the_model_over_white_contiguous_and_averaged() -> None:
    from core.zero123.conditioning import to_pixels

    rgba = np.zeros((512, 512, 4), np.uint8)
    rgba[..., 0] = 200
    rgba[:256, :, 3] = 255
    pixels = to_pixels(rgba, 64)
    assert pixels.is_contiguous()
    np.testing.assert_allclose(pixels[0, :, 0, 0], np.array([200, 0, 0]) / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(pixels[0, :, -1, 0], 1)
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    np.testing.assert_allclose(to_pixels(stripes, 64), 0, atol=1e-6)


@pytest.mark.parametrize("changes", [{"steps": 0}, {"rings": ()}, {"elevation": 91}, {"batch": 0}, {"spacing": "x"}])
def test_parameters_are_checked(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ViewsParams(**changes)
