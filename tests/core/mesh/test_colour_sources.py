"""What a synthesized view says about where its object ends."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from core.mesh.sources import view_mask


def disc(size: int, blur: float, shade: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A grey disc over white, and its true mask."""
    y, x = np.mgrid[:size, :size]
    inside = np.hypot(x - size / 2, y - size / 2) < 0.3 * size
    picture = np.where(inside, float(shade), 255.0)
    picture = gaussian_filter(picture, blur) if blur else picture
    return np.repeat(np.rint(picture)[..., None], 3, -1).astype(np.uint8), inside


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("shade", [60, 225])
def test_a_sharp_outline_is_kept_to_the_pixel(size: int, shade: int) -> None:
    picture, inside = disc(size, 0, shade)
    mask, blur = view_mask(picture)
    assert np.array_equal(mask, inside)
    assert blur < 3


def test_white_that_runs_into_a_blurred_outline_is_ground() -> None:
    picture, inside = disc(64, 4)
    mask, blur = view_mask(picture)
    assert blur > 5
    assert not (mask & ~inside).any()
    assert picture[mask].max() < 140  # at least two thirds of the object's own darkness
    assert mask.sum() > 0.6 * inside.sum()


def test_light_parts_beside_dark_ones_stay_where_the_picture_is_sharp() -> None:
    picture, inside = disc(128, 0, 225)
    picture[60:68, 60:68] = 20
    assert np.array_equal(view_mask(picture)[0], inside)


def test_a_blank_view_shows_nothing() -> None:
    assert not view_mask(np.full((64, 64, 3), 255, np.uint8))[0].any()
