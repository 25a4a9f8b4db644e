"""Photos of one product under different exposures: their texture has no steps."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from core.artifacts import Cutout
from core.cameras import Camera
from core.mesh.exposure import Matched, matched
from core.mesh.sources import Source, photo_sources
from core.photo_set import PhotoSet, Place, PosedPhoto
from core.render import render_mesh

SIDES = (0, 90, 180, 270)


def photos(*gains: tuple[float, float, float]) -> tuple[tuple[Source, ...], np.ndarray]:
    """A painted ball from as many sides, each picture's colours multiplied; and the ball's points."""
    ball = trimesh.creation.icosphere(5, 0.5)
    vertices, faces = np.asarray(ball.vertices), np.asarray(ball.faces, np.int64)
    paint = np.rint(90 + 60 * np.sin(9 * vertices)).astype(np.uint8)
    posed = []
    for azimuth, gain in zip(SIDES, gains, strict=False):
        camera = Camera(azimuth, 10)
        seen = render_mesh(vertices, faces, camera, 256, colors=paint)
        rgb = np.clip(np.rint(seen.rgb * np.asarray(gain)), 0, 255).astype(np.uint8)
        posed.append(PosedPhoto(Cutout(np.dstack([rgb, seen.alpha]), (0, 0, 256, 256), "test", 1.0), Place(camera)))
    sources = photo_sources(posed[0].cutout, Camera(0, 10), vertices, faces, PhotoSet(tuple(posed)))
    return sources, vertices


def test_a_photo_a_stop_darker_and_one_too_warm_are_made_like_the_first() -> None:
    same = (1.0, 1.0, 1.0)
    sources, points = photos(same, (0.73, 0.73, 0.73), same, (1.15, 1.0, 0.85))
    found = matched(sources, points, points / 0.5)
    made, gains = found.photos, found.gains
    np.testing.assert_allclose(gains[1], 1 / 0.73, rtol=0.04)
    np.testing.assert_allclose(gains[3], [1 / 1.15, 1, 1 / 0.85], rtol=0.04)
    assert made[0] is sources[0], "the first photo is the measure"
    exact, _ = photos(same, same, same, same)
    for ours, theirs in zip(made, exact, strict=True):
        assert np.abs(ours.image.astype(float) - theirs.image)[theirs.trust[..., 0] > 0.9].mean() < 4


@pytest.mark.parametrize("gains", [((1, 1, 1),), ((1, 1, 1), (0.97, 1, 1.02), (1, 1, 1))])
def test_photos_of_one_exposure_are_left_as_they_are(gains: tuple[tuple[float, float, float], ...]) -> None:
    sources, points = photos(*gains)
    assert matched(sources, points, points / 0.5) == Matched(sources, [], 0)


def test_a_product_of_another_colour_is_no_exposure() -> None:
    sources, points = photos((1, 1, 1), (0.3, 1.0, 2.4))
    assert matched(sources, points, points / 0.5) == Matched(sources, [], 1)


def test_front_and_back_share_nothing_to_compare() -> None:
    sources, points = photos((1, 1, 1), (1, 1, 1), (0.7, 0.7, 0.7))
    apart = (sources[0], sources[2])
    assert matched(apart, points, points / 0.5) == Matched(apart, [], 0)
