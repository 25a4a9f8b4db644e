"""Training photos for the segmenter: a cut-out product set into one of many scenes, with its exact mask."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.segmenter import scenes
from training.segmenter.recolor import Color, Rgba, dressed, joined, vary
from training.segmenter.textures import Image, Plane, surface_color

KINDS = ("studio", "room", "flat", "street", "shelf", "several", "nothing")
_SHARES = (0.28, 0.24, 0.09, 0.14, 0.14, 0.07, 0.04)

_SCENES = {
    "studio": scenes.studio,
    "room": scenes.room,
    "flat": scenes.flat,
    "street": scenes.street,
    "shelf": scenes.shelf,
}


@dataclass(frozen=True)
class Sample:
    """One training photo."""

    rgb: NDArray[np.uint8]
    """``(size, size, 3)``."""
    alpha: Plane
    """``(size, size)`` in 0..1: every product that stands in front."""
    kind: str


def compose(
    rng: np.random.Generator, products: list[Rgba], textures: list[Image], size: int, kind: str | None = None
) -> Sample:
    """One photo of a random kind (or the given one of :data:`KINDS`) with products drawn from the list."""
    kind = kind if kind is not None else str(rng.choice(KINDS, p=_SHARES))
    scene = kind if kind in _SCENES else str(rng.choice(list(_SCENES)))
    background = _background(rng, products, textures, size, scene)
    if kind == "nothing" and rng.random() < 0.3:
        background = rng.random((size, size, 3), np.float32) * rng.uniform(0.2, 1) + rng.uniform(0, 0.3)
    alpha = np.zeros((size, size), np.float32)
    image = background
    places = {"nothing": [], "several": [[0.27, 0.73], [0.2, 0.5, 0.8]][int(rng.random() < 0.3)]}.get(kind, [0.5])
    for place in places:
        product = _product(rng, products, textures, _ground(rng, background), scene)
        color, cover = _place(rng, product, size, place, len(places))
        if scene != "flat" or rng.random() < 0.4:
            image = _shadow(rng, image, color, cover)
        image = color * cover[..., None] + image * (1 - cover[..., None])
        alpha = np.maximum(alpha, cover)
    if rng.random() < 0.08:
        image = scenes.light_and_shade(rng, image)
    exposure = rng.uniform(1.0, 1.3) if scene == "studio" and rng.random() < 0.3 else rng.uniform(0.75, 1.2)
    image, alpha = _edited(rng, image * exposure, alpha)
    return Sample(_camera(rng, image), alpha, kind)


def _background(rng: np.random.Generator, products: list[Rgba], textures: list[Image], size: int, scene: str) -> Image:
    """A scene without its product: out of focus at times, lit unevenly, with other things at its borders."""
    image = _SCENES[scene](rng, textures, size)
    if scene != "studio" and rng.random() < 0.2:
        image = _clutter(rng, image, products, size)
    if rng.random() < {"studio": 0.0, "flat": 0.1, "room": 0.2}.get(scene, 0.5):
        image = scenes.defocused(rng, image)
    if rng.random() < (0.15 if scene == "studio" else 0.3):
        image = scenes.light_and_shade(rng, image)
    return image


def _product(rng: np.random.Generator, products: list[Rgba], textures: list[Image], ground: Color, scene: str) -> Rgba:
    """A product, recoloured, at times of a real-looking material, at times of two that hang together."""

    def one() -> Rgba:
        drawn = products[int(rng.integers(len(products)))]
        if rng.random() < 0.2:
            drawn = dressed(rng, drawn, textures[int(rng.integers(len(textures)))])
        return vary(rng, drawn, ground, pale=0.4 if scene == "studio" else 0.1)

    return joined(rng, one(), one()) if rng.random() < 0.15 else one()


def _edited(rng: np.random.Generator, image: Image, alpha: Plane) -> tuple[Image, Plane]:
    """What shops do to photos: bars at the borders, a banner or a badge, grey instead of colours. None is product."""
    size, draw = len(alpha), rng.random()
    if draw < 0.03:
        wide, ink = (
            int(size * rng.uniform(0.02, 0.16)),
            surface_color(rng) if rng.random() < 0.3 else rng.choice([0, 1]),
        )
        image, alpha = image.copy(), alpha.copy()
        for part in (slice(0, wide), slice(size - wide, size)):
            index = (part,) if rng.random() < 0.8 else (slice(None), part)
            image[index], alpha[index] = ink, 0
    elif draw < 0.07:
        high, wide = int(size * rng.uniform(0.06, 0.2)), int(size * rng.uniform(0.15, 1))
        y = 0 if rng.random() < 0.5 else size - high
        x = int(rng.choice([0, size - wide]))
        image, alpha = image.copy(), alpha.copy()
        image[y : y + high, x : x + wide], alpha[y : y + high, x : x + wide] = surface_color(rng), 0
    elif draw < 0.1:
        image = np.repeat(image.mean(-1, keepdims=True), 3, -1)
    return np.asarray(image, np.float32), alpha


def _ground(rng: np.random.Generator, background: Image) -> Color:
    """The background's colour around some place in its lower half, where products stand."""
    size = len(background)
    y, x = int(rng.uniform(0.4, 0.9) * size), int(rng.uniform(0.1, 0.85) * size)
    return np.asarray(background[y : y + size // 16, x : x + size // 16].mean((0, 1)), np.float32)


def _place(rng: np.random.Generator, product: Rgba, size: int, center: float, among: int) -> tuple[Image, Plane]:
    """One product ``among`` so many on an empty canvas: colours ``(size, size, 3)`` and cover ``(size, size)``."""
    from PIL import Image as Images

    picture = Images.fromarray(product)
    if rng.random() < 0.3:
        angle = rng.uniform(-12, 12) if rng.random() < 0.8 else rng.uniform(-180, 180)
        picture = picture.rotate(angle, Images.Resampling.BICUBIC, expand=True)
    box = picture.getchannel("A").point(lambda v: 255 * (v > 127)).getbbox()
    picture = picture.crop(box) if box else picture
    longest = size * (rng.triangular(0.18, 0.65, 1.1) if among == 1 else rng.uniform(0.4, 0.84) / among)
    scale = longest / max(picture.size)
    width, height = (max(2, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Images.Resampling.BICUBIC)
    free_x, free_y = size - width, size - height
    x = center * size - width / 2 + rng.normal(0, 0.06) * size
    y = free_y / 2 + rng.normal(0.02, 0.07) * size
    if rng.random() > 0.06:  # else the border may crop it
        x, y = np.clip(x, min(1, free_x), max(free_x, 1)), np.clip(y, min(1, free_y), max(free_y, 1))
    canvas = Images.new("RGBA", (size, size))
    canvas.paste(picture, (round(float(x)), round(float(y))))
    pixels = np.asarray(canvas, np.float32) / np.float32(255)
    return pixels[..., :3], pixels[..., 3]


def _shadow(rng: np.random.Generator, image: Image, color: Image, cover: Plane) -> Image:
    """What a product ``color``, ``cover`` does to the floor: a cast shadow, darkening where it touches, a reflection.

    All are derived from its outline; shadows take on a little of the product's colour.
    """
    from PIL import Image as Images
    from PIL import ImageFilter

    size = len(cover)
    rows = np.flatnonzero(cover.max(1) > 0.5)
    if not len(rows):
        return image
    base = int(rows[-1]) + 1

    def soft(picture: Images.Image, low: float, high: float) -> Plane:
        blurred = picture.filter(ImageFilter.GaussianBlur(size * rng.uniform(low, high)))
        return np.asarray(blurred, np.float32) / np.float32(255)

    outline = Images.fromarray((cover * 255).astype(np.uint8))
    flat, shear = rng.uniform(0.08, 0.5), rng.uniform(-1.2, 1.2)
    lift = base - size * rng.uniform(0.0, 0.06)
    # The outline pressed onto the floor: y above the base shrinks by ``flat`` and leans by ``shear``.
    pressed = outline.transform(
        (size, size), Images.Transform.AFFINE, (1, shear, -shear * lift, 0, 1 / flat, lift - lift / flat)
    )
    cast = soft(pressed, 0.004, 0.06) * rng.uniform(0, 0.65)
    dropped = outline.transform((size, size), Images.Transform.AFFINE, (1, 0, 0, 0, 1, -size * rng.uniform(0, 0.02)))
    low = np.linspace(0, 1, size, dtype=np.float32)[:, None] ** 2
    contact = soft(dropped, 0.005, 0.03) * low * rng.uniform(0, 0.5)
    if rng.random() < 0.6:
        contact = np.maximum(contact, soft(_footprint(rng, cover, base), 0.006, 0.05) * rng.uniform(0.1, 0.6))
    if rng.random() < 0.08:
        y = np.arange(size)[:, None]
        mirror, below = (np.roll(plane[::-1], 2 * base - size, 0) for plane in (cover, color))
        mirror = mirror * rng.uniform(0.1, 0.5) * ((y >= base) & (y < 2 * base))
        image = np.asarray(image + (below - image) * mirror[..., None], np.float32)
    tint = color[cover > 0.5].mean(0) * rng.uniform(0, 0.5) if rng.random() < 0.5 else np.zeros(3)
    dark = 1 - (cast + contact)[..., None] * (1 - tint)
    return np.asarray(image * dark.clip(0.15, 1), np.float32)


def _footprint(rng: np.random.Generator, cover: Plane, base: int) -> Any:
    """A picture of the ellipse on which the product stands: as wide as its lowest part, seen from above."""
    from PIL import Image as Images
    from PIL import ImageDraw

    picture = Images.new("L", cover.shape[::-1])
    rows = np.flatnonzero(cover.max(1) > 0.5)
    lowest = cover[max(rows[0], base - max(2, int(len(rows) * rng.uniform(0.05, 0.3)))) : base].max(0) > 0.5
    left, right = np.flatnonzero(lowest)[[0, -1]]
    width = (right - left + 1) * rng.uniform(1.0, 1.25)
    high, middle = width * rng.uniform(0.12, 0.5), (left + right) / 2
    box = (middle - width / 2, base - high * 0.75, middle + width / 2, base + high * 0.25)
    ImageDraw.Draw(picture).ellipse(box, 255)
    return picture


def _clutter(rng: np.random.Generator, image: Image, products: list[Rgba], size: int) -> Image:
    """Things at the borders or out of focus behind the product: part of the background."""
    from PIL import Image as Images
    from PIL import ImageFilter

    picture = Images.fromarray((image * 255).astype(np.uint8))
    for _ in range(int(rng.integers(1, 4))):
        thing = Images.fromarray(vary(rng, products[int(rng.integers(len(products)))], _ground(rng, image)))
        side = int(size * rng.uniform(0.1, 0.4))
        thing = thing.resize((side, side))
        if rng.random() < 0.6:
            thing = thing.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.006, 0.03)))
        left = -side * rng.uniform(0.3, 0.8) if rng.random() < 0.5 else size - side * rng.uniform(0.2, 0.7)
        picture.paste(thing, (int(left), int(rng.uniform(-0.1, 0.7) * size)), thing)
    return np.asarray(picture, np.float32) / np.float32(255)


def _camera(rng: np.random.Generator, image: Image) -> NDArray[np.uint8]:
    """Colour cast, noise, softness, JPEG."""
    from PIL import Image as Images
    from PIL import ImageFilter

    image = image * rng.uniform(0.94, 1.06, 3).astype(np.float32)
    if rng.random() < 0.5:
        image = image + rng.normal(0, rng.uniform(0, 0.03), image.shape).astype(np.float32)
    picture = Images.fromarray((image.clip(0, 1) * 255).astype(np.uint8))
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.2)))
    if rng.random() < 0.25:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=int(rng.integers(35, 95)))
        picture = Images.open(buffer)
    return np.asarray(picture)
