"""Photos on glossy floors and of glass are named before any view is made; ordinary ones are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from test_beside import cut, encoded, mug

from core.photos import read_photo
from core.segment import SegmentParams, load_segmenter
from core.segment.cut import MIRRORED, TRANSPARENT, product_mask
from core.segment.looks import mirrored_below, seen_through
from core.segment.segmenters import STARTER, Segmenter

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "examples").rglob("*.jpg"))
GROUNDS = {"white": (255, 255, 255), "grey": (200, 202, 205), "black": (20, 20, 22)}


@pytest.fixture(scope="module")
def starter() -> Segmenter:
    return load_segmenter(str(STARTER))


def kettle() -> Image.Image:
    """A blue kettle with a spout and a lid, transparent around it; its foot is its lowest row."""
    image = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.polygon([(60, 300), (95, 90), (205, 90), (240, 300)], fill=(30, 60, 150, 255))
    draw.polygon([(215, 180), (290, 100), (290, 130), (228, 240)], fill=(40, 80, 180, 255))
    draw.ellipse((130, 50, 170, 90), fill=(20, 20, 20, 255))
    draw.rectangle((110, 150, 190, 210), fill=(230, 230, 240, 255))
    return image


def on_floor(product: Image.Image, ground: tuple[int, int, int], strength: float, reach: float) -> Image.Image:
    """A product above its mirror image, which fades over ``reach`` of its height."""
    width, height = product.size
    image = Image.new("RGB", (width + 200, 2 * height + 160), ground)
    below = product.transpose(Image.Transpose.FLIP_TOP_BOTTOM).filter(ImageFilter.GaussianBlur(1.5))
    fade = strength * np.clip(1 - np.arange(height) / (reach * height), 0, 1)
    alpha = np.asarray(below.getchannel("A")) * fade[:, None]
    image.paste(below, (100, 80 + height), Image.fromarray(alpha.round().astype(np.uint8)))
    image.paste(product, (100, 80), product)
    return image


def both(image: Image.Image, ground: tuple[int, int, int]) -> NDArray[np.bool_]:
    """What a network takes that sees the mirror image as product, too."""
    return np.asarray(np.abs(np.asarray(image).astype(int) - ground).max(-1) > 24)


@pytest.mark.parametrize("reach", [1.2, 4.0])
@pytest.mark.parametrize("strength", [0.3, 0.55])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("make", [kettle, lambda: mug().crop((0, 0, 300, 285))], ids=["kettle", "mug"])
def test_a_mirror_image_in_the_floor_is_seen(make: object, ground: str, strength: float, reach: float) -> None:
    image = on_floor(make(), GROUNDS[ground], strength, reach)  # type: ignore[operator]
    assert mirrored_below(np.asarray(image), both(image, GROUNDS[ground]))


def test_a_mirror_image_is_a_warning_of_the_cutout(starter: Segmenter) -> None:
    assert MIRRORED in cut(encoded(on_floor(kettle(), GROUNDS["white"], 0.55, 4.0)), starter).warnings
    faded = on_floor(kettle(), GROUNDS["white"], 0.55, 4.0)
    rgba = faded.convert("RGBA")
    rgba.putalpha(Image.fromarray(np.where(both(faded, GROUNDS["white"]), 255, 0).astype(np.uint8)))
    assert MIRRORED in cut(encoded(rgba), starter).warnings, "in a file's own cutout, too"


def drawn(kind: str) -> Image.Image:
    """Products that are alike above and below, or darker and fainter at the foot."""
    image = Image.new("RGB", (500, 600), (250, 250, 250))
    draw = ImageDraw.Draw(image)
    if kind == "ball":
        draw.ellipse((100, 150, 400, 450), fill=(180, 30, 40))
        draw.rectangle((100, 290, 400, 310), fill=(240, 240, 240))
    elif kind == "two-tone box":
        draw.rectangle((120, 100, 380, 300), fill=(180, 30, 40))
        draw.rectangle((120, 300, 380, 500), fill=(210, 140, 145))
    elif kind == "shaded cylinder":
        for row in range(100, 500):
            tone = round(60 + 150 * (row - 100) / 400)
            draw.line((150, row, 350, row), fill=(tone, tone, tone + 20))
    elif kind == "hourglass":
        draw.polygon([(150, 100), (350, 100), (260, 300), (350, 500), (150, 500), (240, 300)], fill=(60, 90, 60))
    elif kind == "dumbbell":
        draw.ellipse((150, 80, 350, 250), fill=(50, 50, 50))
        draw.rectangle((225, 200, 275, 420), fill=(120, 120, 120))
        draw.ellipse((150, 370, 350, 540), fill=(70, 70, 70))
    return image


@pytest.mark.parametrize("kind", ["ball", "two-tone box", "shaded cylinder", "hourglass", "dumbbell"])
def test_symmetric_products_have_no_mirror_image(kind: str) -> None:
    image = drawn(kind)
    assert not mirrored_below(np.asarray(image), both(image, (250, 250, 250)))


def tumbler(ground: tuple[int, int, int], clear: float) -> Image.Image:
    """A glass: its walls tint the ground, its sides and rim are darker, a window shines in it."""
    image = Image.new("RGB", (700, 700), ground)
    shape = Image.new("L", image.size, 0)
    ImageDraw.Draw(shape).polygon([(220, 120), (480, 120), (440, 600), (260, 600)], fill=255)
    inner = np.asarray(shape.filter(ImageFilter.GaussianBlur(9)).filter(ImageFilter.MinFilter(21))) / 255
    body = np.asarray(shape)[..., None] / 255
    walls = np.clip(body - inner[..., None], 0, 1)
    pixels = np.asarray(image) * (1 - body * (1 - clear) - walls * 0.4 * clear) + 175 * body * (1 - clear)
    image = Image.fromarray(np.clip(pixels + 70 * walls * 0.4, 0, 255).astype(np.uint8))
    ImageDraw.Draw(image).rectangle((300, 220, 318, 480), fill=(250, 252, 252))
    return image


@pytest.mark.parametrize("clear", [0.85, 0.95])
@pytest.mark.parametrize("ground", [(255, 255, 255), (205, 205, 210), (150, 170, 190)])
def test_glass_is_seen_through(ground: tuple[int, int, int], clear: float) -> None:
    mask = Image.new("L", (700, 700), 0)
    ImageDraw.Draw(mask).polygon([(220, 120), (480, 120), (440, 600), (260, 600)], fill=255)
    assert seen_through(np.asarray(tumbler(ground, clear)), np.asarray(mask) > 0)


def test_glass_is_called_transparent(starter: Segmenter) -> None:
    assert TRANSPARENT in cut(encoded(tumbler((205, 205, 210), 0.9)), starter).warnings


def test_a_white_product_with_shades_is_not_transparent() -> None:
    image = Image.new("RGB", (500, 500), (255, 255, 255))
    for radius in range(180, 0, -2):
        tone = 215 + (180 - radius) // 6
        ImageDraw.Draw(image).ellipse((250 - radius, 250 - radius, 250 + radius, 250 + radius), fill=(tone,) * 3)
    mask = np.zeros((500, 500), bool)
    y, x = np.mgrid[:500, :500]
    mask[(y - 250) ** 2 + (x - 250) ** 2 < 180**2] = True
    assert not seen_through(np.asarray(image), mask)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_ordinary_photos_are_neither(path: Path, starter: Segmenter) -> None:
    photo = read_photo(path)
    said = product_mask(photo, SegmentParams(), segmenter=starter).warnings
    assert MIRRORED not in said
    assert TRANSPARENT not in said


@pytest.mark.shared
def test_ordinary_photos_beside_the_checkout_are_neither(shared_dir: Path, starter: Segmenter) -> None:
    paths = [*sorted((shared_dir / "photos").glob("*.jpg"))[:6], *sorted(shared_dir.glob("eval-dev/*/photo_white.png"))]
    for path in paths:
        photo = read_photo(path)
        said = product_mask(photo, SegmentParams(), segmenter=starter).warnings
        assert MIRRORED not in said, path
        assert TRANSPARENT not in said, path
    glass = cut(shared_dir / "awkward" / "glass_synthetic.png", starter)
    assert TRANSPARENT in glass.warnings
