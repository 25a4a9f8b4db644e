"""The perceptual hash: stable under what a shop does to one picture, different for different products."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from core.artifacts import Photo
from core.photos import NEAR_DUPLICATE_DISTANCE, hash_distance, near_duplicate_hash
from core.photos.duplicates import nearest_picture


def product(seed: int, color: tuple[int, int, int] = (170, 40, 50)) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (600, 500), "white")
    draw = ImageDraw.Draw(image)
    x, y, w, h = rng.integers(80, 220), rng.integers(60, 180), rng.integers(120, 300), rng.integers(120, 280)
    draw.rounded_rectangle((x, y, x + w, y + h), int(rng.integers(5, 60)), fill=color)
    draw.ellipse((x + w * 0.7, y + h * 0.2, x + w * 1.2, y + h * 0.8), outline=color, width=22)
    draw.rectangle((x + 20, y + h * 0.4, x + w - 30, y + h * 0.6), fill=(240, 230, 200))
    return image


def perceptual_hash(image: Image.Image) -> str:
    return near_duplicate_hash(Photo(np.asarray(image.convert("RGBA")), False, "PNG"))


def test_resizing_recompressing_and_brightening_keep_it_near() -> None:
    for seed in range(8):
        original = product(seed)
        base = perceptual_hash(original)
        buffer = io.BytesIO()
        original.save(buffer, "JPEG", quality=40)
        again = [
            original.resize((300, 250)),
            original.resize((1200, 1000)),
            Image.open(buffer),
            original.point(lambda v: min(255, int(v * 1.04))),
        ]
        assert max(hash_distance(base, perceptual_hash(image)) for image in again) <= NEAR_DUPLICATE_DISTANCE


def test_other_products_and_other_colours_are_far() -> None:
    prints = [perceptual_hash(product(seed)) for seed in range(12)]
    distances = [hash_distance(a, b) for i, a in enumerate(prints) for b in prints[:i]]
    assert min(distances) > NEAR_DUPLICATE_DISTANCE
    red, blue = perceptual_hash(product(3)), perceptual_hash(product(3, (40, 60, 170)))
    assert hash_distance(red, blue) > NEAR_DUPLICATE_DISTANCE


def test_the_nearest_of_many_is_found_and_agrees_with_the_distance() -> None:
    rng = np.random.default_rng(0)
    others = [rng.bytes(96).hex() for _ in range(3000)]
    mine = bytearray(bytes.fromhex(others[1234]))
    for bit in rng.choice(768, NEAR_DUPLICATE_DISTANCE, replace=False):
        mine[bit // 8] ^= 1 << bit % 8
    assert nearest_picture(bytes(mine).hex(), others) == 1234
    assert hash_distance(bytes(mine).hex(), others[1234]) == NEAR_DUPLICATE_DISTANCE
    assert nearest_picture(rng.bytes(96).hex(), others) is None
    assert nearest_picture(bytes(mine).hex(), []) is None
    assert nearest_picture(others[7], ["00ff", others[7]]) == 1, "hashes of another kind are far, not a crash"
