"""Pictures that are not one product on a ground: right, or named before any view is made."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from core.artifacts import Cutout
from core.errors import SeveralObjects
from core.photos import read_photo
from core.segment import SegmentParams, load_segmenter, segment
from core.segment.beside import Beside, things_beside, without_shadow
from core.segment.segmenters import STARTER, Segmenter


@pytest.fixture(scope="module")
def starter() -> Segmenter:
    return load_segmenter(str(STARTER))


def mug(size: int = 300) -> Image.Image:
    """A red mug with a handle, transparent around it."""
    image = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((size * 0.55, size * 0.3, size * 0.98, size * 0.75), outline=(150, 30, 40, 255), width=size // 14)
    draw.rounded_rectangle((size * 0.05, size * 0.1, size * 0.75, size * 0.95), size // 12, fill=(160, 30, 40, 255))
    draw.rectangle((size * 0.2, size * 0.4, size * 0.5, size * 0.6), fill=(240, 220, 60, 255))
    return image


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def cut(data: bytes | Path, segmenter: Segmenter) -> Cutout:
    return segment(read_photo(data), SegmentParams(), segmenter=segmenter)


def row(count: int, ground: str = "white") -> Image.Image:
    product = mug()
    image = Image.new("RGB", (340 * count, 420), ground)
    for n in range(count):
        image.paste(product, (340 * n + 20, 60), product)
    return image


@pytest.mark.parametrize("ground", ["white", "#e8e8ee"])
@pytest.mark.parametrize("count", [2, 3])
def test_variants_side_by_side_are_counted(starter: Segmenter, count: int, ground: str) -> None:
    warnings = cut(encoded(row(count, ground)), starter).warnings
    assert any(f"shows {count} objects" in warning for warning in warnings), warnings


def test_four_variants_are_too_many(starter: Segmenter) -> None:
    with pytest.raises(SeveralObjects, match="4 objects"):
        cut(encoded(row(4)), starter)


def test_a_mask_that_bridges_the_ground_between_objects_is_counted_too() -> None:
    rgb = np.asarray(row(3))
    bridged = np.zeros(rgb.shape[:2], bool)
    bridged[80:360, 30:1000] = True
    assert things_beside(rgb, bridged).objects == 2


def test_one_product_with_prints_shadow_and_legs_stands_alone() -> None:
    image = Image.new("RGB", (600, 600), "white")
    shadow = Image.new("RGB", (600, 600), "white")
    ImageDraw.Draw(shadow).ellipse((150, 480, 520, 570), fill=(150, 150, 150))
    image.paste(shadow.filter(ImageFilter.GaussianBlur(12)))
    product = mug(480)
    image.paste(product, (70, 60), product)
    mask = np.zeros((600, 600), bool)
    mask[60:540, 70:550] = np.asarray(product)[..., 3] > 127
    assert things_beside(np.asarray(image), mask) == Beside()
    noise = np.random.default_rng(0).integers(0, 255, (600, 600, 3)).astype(np.uint8)
    assert things_beside(noise, mask) == Beside(), "on a busy ground nothing can be said"


def test_badge_and_banner_are_named_and_left_out(starter: Segmenter) -> None:
    image = Image.new("RGB", (800, 800), "white")
    product = mug(420)
    image.paste(product, (180, 190), product)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 800, 110), fill="#c01020")
    draw.ellipse((650, 620, 770, 740), fill="#f0c010")
    made = cut(encoded(image), starter)
    assert any("3 separate things" in warning for warning in made.warnings), made.warnings
    left, top, right, bottom = made.source_box
    assert 150 < (left + right) / 2 < 450 + 180
    assert right - left < 420 * 1.5, "the badge is not in the frame"
    assert bottom - top < 420 * 1.5


def test_a_cutout_trimmed_to_its_product_is_the_whole_product(starter: Segmenter) -> None:
    cover = Image.new("RGBA", (600, 800), (0, 0, 0, 0))
    draw = ImageDraw.Draw(cover)
    draw.rounded_rectangle((0, 0, 599, 799), 25, fill=(70, 70, 66, 255))
    draw.ellipse((90, 100, 510, 700), fill=(180, 150, 110, 255))
    made = cut(encoded(cover), starter)
    assert made.method == "alpha"
    assert made.source_box == pytest.approx((300 - 512, 400 - 512, 300 + 512, 400 + 512))
    assert any("edge of the picture is transparent" in warning for warning in made.warnings)
    white = Image.new("RGBA", (600, 800), "white")
    white.paste(mug(400), (100, 200), mug(400))
    corners = Image.new("L", (600, 800), 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, 599, 799), 25, fill=255)
    white.putalpha(corners)
    assert cut(encoded(white), starter).method == "starter", "a photo on white with round corners is no cutout"


def test_a_product_that_fills_its_photo_is_found_as_with_room_around_it(starter: Segmenter) -> None:
    product = mug()
    box = product.getchannel("A").getbbox()
    assert box is not None
    tight = Image.new("RGB", product.size, "white")
    tight.paste(product, (0, 0), product)
    made = cut(encoded(tight.crop(box)), starter)
    wanted = np.asarray(product.crop(box))[..., 3] > 127
    assert made.source_box[2] - made.source_box[0] == pytest.approx(max(wanted.shape) * 1.28, rel=0.03)


def shadowed(colour: tuple[int, int, int], strength: int, where: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    ground = Image.new("RGBA", (460, 460), (0, 0, 0, 0))
    ImageDraw.Draw(ground).ellipse(where, fill=(*colour, strength))
    ground = ground.filter(ImageFilter.GaussianBlur(9))
    ground.alpha_composite(mug(), (80, 60))
    return np.asarray(ground)


@pytest.mark.parametrize("colour", [(0, 0, 0), (60, 60, 64), (120, 120, 120)])
def test_a_half_transparent_shadow_is_no_product(colour: tuple[int, int, int]) -> None:
    rgba = shadowed(colour, 130, (40, 300, 430, 400))
    found = without_shadow(rgba)
    product = np.zeros((460, 460), bool)
    product[60:360, 80:380] = np.asarray(mug())[..., 3] > 0
    assert found.alpha[~product].max() < 13
    assert (found.alpha[product] >= 235).mean() > 0.97
    assert "shadow" in found.warnings[0]


@pytest.mark.parametrize(
    ("rgba", "said"),
    [
        (shadowed((30, 90, 200), 130, (40, 300, 430, 400)), "half-transparent"),
        (shadowed((40, 40, 40), 130, (0, 20, 460, 440)), "half-transparent"),
        (np.asarray(mug()), None),
    ],
    ids=["blue gauze", "smoked glass from top to foot", "a clean cutout"],
)
def test_what_may_be_the_product_stays(rgba: NDArray[np.uint8], said: str | None) -> None:
    found = without_shadow(rgba)
    assert (found.alpha == rgba[..., 3]).all()
    assert (said is None and found.warnings == ()) or (said is not None and said in found.warnings[0])


CASES: dict[str, Any] = {
    "alpha_trimmed_book.png": "edge of the picture is transparent",
    "variants3_white.jpg": "shows 3 objects",
    "alpha_groundshadow.png": "half-transparent shadow",
    "banner_badge.jpg": "3 separate things",
}


@pytest.mark.shared
@pytest.mark.parametrize("name", CASES)
def test_the_field_cases_cutouts(shared_dir: Path, starter: Segmenter, name: str) -> None:
    made = cut(shared_dir / "field-cases" / "cutouts" / name, starter)
    assert any(CASES[name] in warning for warning in made.warnings), made.warnings
    left, top, right, bottom = made.source_box
    if name == "alpha_trimmed_book.png":
        assert bottom - top == pytest.approx(900 * 1.28)
    if name == "banner_badge.jpg":
        assert right - left < 900 * 0.65 * 1.28, "teapot without its badge"
    if name == "alpha_groundshadow.png":
        soft = (made.rgba[..., 3] > 20) & (made.rgba[..., 3] < 200)
        assert soft.mean() < 0.02
