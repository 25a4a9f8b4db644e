"""A product in another colour: outlines that fit, colours that follow, and what is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from core.artifacts import Cutout, Field
from core.cameras import Camera
from core.placing.recolour import FITS, overlap, recolour, registered

RED, BLUE, BLACK = (170, 30, 40), (30, 60, 180), (20, 20, 20)


def mug(body: tuple[int, int, int], left: int = 100, size: int = 280) -> Cutout:
    """A body with a black band and a handle at its right, ``left`` pixels from the left, ``size`` high."""
    rgba = np.full((512, 512, 4), 255, np.uint8)
    rgba[..., 3] = 0
    y, x = np.mgrid[:512, :512]
    top, width = 80, size * 3 // 4
    inside = (x >= left) & (x < left + width) & (y >= top) & (y < top + size)
    handle = np.hypot(x - left - width, y - top - size / 2)
    inside |= (handle < size * 0.3) & (handle > size * 0.2) & (x > left)
    rgba[inside] = (*body, 255)
    rgba[inside & (y > top + size * 0.6) & (y < top + size * 0.8)] = (*BLACK, 255)
    return Cutout(rgba, (0.0, 0.0, 512.0, 512.0), "alpha", 1.0, ())


def field_of(*colors: tuple[int, int, int]) -> Field:
    color = np.zeros((8, 8, 8, 3), np.float32)
    color[:4], color[4:] = (np.array(c, np.float32) / 255 for c in colors)
    return Field(np.ones((8, 8, 8), np.float32), color, Camera(0, 10), {"color_from": "lift"})


def at(field: Field, layer: int) -> NDArray[np.float32]:
    assert field.color is not None
    return np.asarray(field.color[layer, 0, 0] * 255, np.float32)


def test_each_colour_becomes_what_the_photo_shows_in_its_place() -> None:
    made = recolour(mug(BLUE), mug(RED), field_of(RED, BLACK))
    assert made.used
    assert made.fits == 1
    assert at(made.field, 0) == pytest.approx(BLUE, abs=3)
    assert at(made.field, 7) == pytest.approx(BLACK, abs=3)
    assert made.field.info["color_from"] == "lift"
    assert (made.field.density == 1).all()


def test_shades_of_a_colour_stay_shades() -> None:
    darker = tuple(value * 3 // 4 for value in RED)
    made = recolour(mug(BLUE), mug(RED), field_of(RED, darker))  # type: ignore[arg-type]
    assert at(made.field, 7).sum() < at(made.field, 0).sum() - 5


def test_a_photo_that_was_framed_otherwise_is_brought_into_place() -> None:
    base, other = mug(RED), mug(BLUE, left=160, size=220)
    assert overlap(other, base) < FITS
    placed = registered(other, base)
    assert overlap(placed, base) > 0.97
    assert placed.source_box != other.source_box
    assert recolour(other, base, field_of(RED, BLACK)).used


def test_another_shape_is_left_alone() -> None:
    base = mug(RED)
    rgba = base.rgba[:, ::-1].copy()
    rgba[100:200, :, 3] = 0
    other = replace(base, rgba=rgba)
    field = field_of(RED, BLACK)
    made = recolour(other, base, field)
    assert not made.used
    assert made.cutout is other
    assert made.field is field


def test_a_field_without_colours_keeps_none() -> None:
    made = recolour(mug(BLUE), mug(RED), replace(field_of(RED, BLACK), color=None))
    assert made.used
    assert made.field.color is None
