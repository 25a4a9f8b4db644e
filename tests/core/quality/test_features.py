"""Signs of weak views, textures and difficult photos, on pictures whose faults are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.quality.features import palette, photo_difficulty, texture_quality, view_quality


def checks(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A checkered square over white ``(size, size, 3)`` and its mask."""
    row, column = np.indices((size, size)) * 16 // size
    mask = (row >= 3) & (row < 13) & (column >= 3) & (column < 13)
    colors = np.where(((row + column) % 2)[..., None], [200, 40, 40], [40, 40, 160])
    return np.where(mask[..., None], colors, 255).astype(np.uint8), mask


def cutout() -> Cutout:
    picture, mask = checks(512)
    return Cutout(np.dstack([picture, mask * np.uint8(255)]), (0, 0, 512, 512), "alpha")


def views(*pictures: np.ndarray) -> ViewSet:
    return ViewSet(np.stack(pictures), tuple(Camera(90.0 * i, 0) for i in range(len(pictures))), Camera(0, 0))


def test_views_like_the_photo_are_like_the_photo():
    found = view_quality(cutout(), views(checks(64)[0], checks(64)[0]))
    for name in ("views_detail", "views_contrast", "views_palette", "views_firmness"):
        assert found[name] == pytest.approx(1, abs=0.1), name


def test_blur_noise_paleness_and_foreign_colours_are_seen():
    picture, mask = checks(64)
    blurred = ndimage.gaussian_filter(picture.astype(float), (4, 4, 0)).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 250, picture.shape)
    noisy = np.where(mask[..., None], noise, 255).astype(np.uint8)
    flat = np.where(mask[..., None], [120, 40, 100], 255).astype(np.uint8)
    green = np.where(mask[..., None], [0, 200, 0], 255).astype(np.uint8)
    fade = np.clip((np.arange(64) - 11) / 40, 0.05, 1)[:, None, None]
    faded = (255 - (255 - picture.astype(float)) * fade).astype(np.uint8)
    good = view_quality(cutout(), views(picture))
    assert view_quality(cutout(), views(blurred))["views_detail"] < 0.5 * good["views_detail"]
    assert view_quality(cutout(), views(flat))["views_contrast"] < 0.3 * good["views_contrast"]
    assert view_quality(cutout(), views(noisy))["views_detail"] < 0.9 * good["views_detail"]
    assert view_quality(cutout(), views(green))["views_palette"] < 0.5
    assert view_quality(cutout(), views(faded))["views_firmness"] < 0.9 * good["views_firmness"]


def test_empty_views_are_the_worst_and_none_are_not_judged():
    white = np.full((64, 64, 3), 255, np.uint8)
    assert set(view_quality(cutout(), views(white)).values()) == {0.0}
    none = ViewSet(np.zeros((0, 64, 64, 3), np.uint8), (), Camera(0, 0))
    assert view_quality(cutout(), none) == {}


def test_a_palette_is_a_distribution_that_forgives_small_shifts():
    colors = np.full((100, 3), 100, np.uint8)
    assert palette(colors).sum() == pytest.approx(1)
    assert np.minimum(palette(colors), palette(colors + 10)).sum() > 0.6
    assert np.minimum(palette(colors), palette(colors + 150)).sum() < 0.2


def test_a_disc_is_compact_and_a_comb_is_not():
    y, x = np.indices((512, 512)) - 255.5
    comb = (np.abs(x) < 200) & (np.abs(y) < 200) & (np.indices((512, 512))[1] // 16 % 2 == 0)
    found = []
    for mask in ((x**2 + y**2 < 200**2), comb):
        rgba = np.dstack([np.full((512, 512, 3), 90, np.uint8), mask * np.uint8(255)])
        found.append(photo_difficulty(Cutout(rgba, (0, 0, 512, 512), "alpha"))["compactness"])
    assert found[0] > 0.9
    assert found[1] < 0.2


def test_seams_are_jumps_between_charts_that_share_an_edge():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], float)
    faces = np.array([[0, 1, 2], [3, 5, 4]])
    uv = np.array([[0.1, 0.1], [0.4, 0.1], [0.1, 0.4], [0.6, 0.1], [0.9, 0.1], [0.9, 0.4]])
    texture = np.full((64, 64, 3), 50, np.uint8)
    assert texture_quality(vertices, faces, {"uv": uv, "texture": texture}) == {"seams": 0.0}
    texture[:, 32:] = 152
    assert texture_quality(vertices, faces, {"uv": uv, "texture": texture})["seams"] == pytest.approx(0.4)
    assert texture_quality(vertices, faces, {"colors": texture}) == {}
