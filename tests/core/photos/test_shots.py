"""What a file name says of the side it shows."""

from __future__ import annotations

import pytest

from core.photos.shot import Role, Sides
from core.photos.shots import parse_shot


@pytest.mark.parametrize(
    ("name", "stem", "role", "azimuth"),
    [
        ("B000123456.MAIN.jpg", "B000123456", Role.FRONT, 0.0),
        ("B000123456.LEFT.jpg", "B000123456", Role.LEFT, -90.0),
        ("00012345678905_A8C0.tif", "00012345678905", Role.RIGHT, 90.0),
        ("00012345678905_A7L0.tif", "00012345678905", Role.BACK, 165.0),
        ("TEA-22_rückseite.jpg", "TEA-22", Role.BACK, 180.0),
        ("TeapotFront01.JPG", "Teapot", Role.FRONT, 0.0),
        ("mug front-left.webp", "mug", Role.THREE_QUARTER, -45.0),
        ("100451.jpg", "100451", Role.UNKNOWN, None),
        ("chair-1.jpg", "chair-1", Role.UNKNOWN, None),
    ],
)
def test_a_name_alone(name: str, stem: str, role: Role, azimuth: float | None) -> None:
    shot = parse_shot(name)
    assert (shot.stem, shot.role, shot.azimuth) == (stem, role, azimuth)


def test_left_is_the_side_on_the_viewers_left_unless_a_shop_says_otherwise() -> None:
    assert parse_shot("mug_left.jpg").azimuth == -90.0
    assert parse_shot("mug_left.jpg", sides=Sides(left="product")).azimuth == 90.0
    assert parse_shot("mug_front_left.jpg", sides=Sides(left="product")).azimuth == 45.0


def test_where_the_camera_may_have_stood() -> None:
    assert parse_shot("mug_side.jpg").azimuths == (90.0, -90.0)
    assert parse_shot("mug_back_perspective.jpg").azimuths == (135.0, -135.0)
    assert parse_shot("mug_right.jpg").azimuths == (90.0,)
    assert parse_shot("mug.jpg").azimuths == ()


@pytest.mark.parametrize("name", ["mug_detail.jpg", "mug_lifestyle.png", "B000123456.SWCH.jpg", "B000123456.PAIR.jpg"])
def test_what_shows_no_shape(name: str) -> None:
    assert not parse_shot(name).geometric


def test_digits_of_a_known_sku_are_no_shot_number() -> None:
    assert parse_shot("100451_2.jpg", sku="100451").index == 2
    assert parse_shot("100451.jpg", sku="100451").index is None
    assert parse_shot("100451_back.jpg", sku="100451").role is Role.BACK
