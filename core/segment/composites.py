"""Training photos for the segmenter: a cut-out product set into a studio, a room or chaos, with its exact mask."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.segment.recolor import Color, Rgba, vary
from core.segment.textures import Image, Plane, fractal, surface_color

KINDS = ("studio", "room", "flat", "several", "nothing")
_SHARES = (0.40, 0.40, 0.09, 0.06, 0.05)


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
    scene = kind if kind in {"studio", "room", "flat"} else str(rng.choice(("studio", "room", "flat")))
    background = {"studio": _studio, "room": _room, "flat": _flat}[scene](rng, textures, size)
    if kind == "nothing" and rng.random() < 0.3:
        background = rng.random((size, size, 3), np.float32) * rng.uniform(0.2, 1) + rng.uniform(0, 0.3)
    if scene != "studio" and rng.random() < 0.15:
        background = _clutter(rng, background, products, size)
    alpha = np.zeros((size, size), np.float32)
    image = background
    places = {"nothing": [], "several": [0.27, 0.73]}.get(kind, [0.5])
    for place in places:
        ground = _ground(rng, background)
        product = vary(rng, products[int(rng.integers(len(products)))], ground, pale=0.4 if scene == "studio" else 0.1)
        color, cover = _place(rng, product, size, place, small=len(places) > 1)
        if scene != "flat" or rng.random() < 0.4:
            image = _shadow(rng, image, color, cover)
        image = color * cover[..., None] + image * (1 - cover[..., None])
        alpha = np.maximum(alpha, cover)
    exposure = rng.uniform(1.0, 1.3) if scene == "studio" and rng.random() < 0.3 else rng.uniform(0.75, 1.2)
    return Sample(_camera(rng, image * exposure), alpha, kind)


def _ground(rng: np.random.Generator, background: Image) -> Color:
    """The background's colour around some place in its lower half, where products stand."""
    size = len(background)
    y, x = int(rng.uniform(0.4, 0.9) * size), int(rng.uniform(0.1, 0.85) * size)
    return np.asarray(background[y : y + size // 16, x : x + size // 16].mean((0, 1)), np.float32)


def _place(rng: np.random.Generator, product: Rgba, size: int, center: float, small: bool) -> tuple[Image, Plane]:
    """The product on an empty canvas: colours ``(size, size, 3)`` and cover ``(size, size)``."""
    from PIL import Image as Images

    picture = Images.fromarray(product)
    if rng.random() < 0.3:
        angle = rng.uniform(-12, 12) if rng.random() < 0.8 else rng.uniform(-180, 180)
        picture = picture.rotate(angle, Images.Resampling.BICUBIC, expand=True)
    box = picture.getchannel("A").point(lambda v: 255 * (v > 127)).getbbox()
    picture = picture.crop(box) if box else picture
    longest = size * (rng.uniform(0.2, 0.42) if small else rng.triangular(0.18, 0.6, 0.98))
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


def _studio(rng: np.random.Generator, textures: list[Image], size: int) -> Image:
    """A sweep of paper: white mostly, floor and wall of slightly different brightness, often overexposed."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    color = np.full(3, rng.uniform(0.86, 1.0)) if rng.random() < 0.7 else surface_color(rng)
    horizon, width = rng.uniform(-0.1, 0.65), rng.uniform(0.01, 0.25)
    wall = 1 / (1 + np.exp(((y - horizon) / width).clip(-30, 30)))
    image = color * (1 - wall * rng.uniform(-0.05, 0.2))[..., None]
    cx, cy, spread = rng.uniform(0.2, 0.8), rng.uniform(0.2, 1.0), rng.uniform(0.3, 1.2)
    pool = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / spread**2)
    image = image * (1 + (pool - 0.7) * rng.uniform(0, 0.3))[..., None]
    return np.asarray(image.clip(0, 1), np.float32)


def _room(rng: np.random.Generator, textures: list[Image], size: int) -> Image:
    """A textured floor in perspective before a wall."""
    horizon = int(size * rng.uniform(-0.15, 0.7))
    plain = rng.random() < 0.3
    wall = np.broadcast_to(surface_color(rng), (size, size, 3)) if plain else _crop(rng, textures, size)
    y = np.arange(size, dtype=np.float32)[:, None, None] / size
    wall = np.asarray(wall * (1 + (y - 0.3) * rng.uniform(-0.3, 0.3)), np.float32)
    floor = _floor(rng, textures, size, horizon)
    below = np.arange(size)[:, None, None] >= horizon
    image = np.where(below, floor, wall)
    if rng.random() < 0.2 and 8 < horizon < size:  # skirting board
        image[max(0, horizon - int(rng.integers(3, 14))) : horizon] = surface_color(rng)
    return _lit(rng, image)


def _floor(rng: np.random.Generator, textures: list[Image], size: int, horizon: int) -> Image:
    """The plane's texture seen under perspective: rows grow denser towards a line a little above the horizon."""
    texture = textures[int(rng.integers(len(textures)))]
    side = len(texture)
    vanish = horizon - size * rng.uniform(0.03, 0.4)
    y = np.arange(size, dtype=np.float32)
    depth = (size - vanish) / np.maximum(y - vanish, size * 0.02)  # 1 at the bottom
    x = (np.arange(size, dtype=np.float32) / size - rng.uniform(0.3, 0.7))[None] * depth[:, None]
    zoom, angle = side * rng.uniform(0.3, 1.4), rng.uniform(0, 2 * np.pi)
    z = depth[:, None] * rng.uniform(0.5, 1.5)
    u = (x * np.cos(angle) + z * np.sin(angle)) * zoom + rng.uniform(0, side)
    v = (z * np.cos(angle) - x * np.sin(angle)) * zoom + rng.uniform(0, side)
    return np.asarray(texture[v.astype(int) % side, u.astype(int) % side], np.float32)


def _flat(rng: np.random.Generator, textures: list[Image], size: int) -> Image:
    """A texture seen straight on, or a blurred nowhere."""
    if rng.random() < 0.6:
        return _lit(rng, _crop(rng, textures, size))
    a, b, c = (surface_color(rng) for _ in range(3))
    t = fractal(rng, size, (2, 2), int(rng.integers(1, 4)))[..., None]
    s = fractal(rng, size, (3, 3), 2)[..., None]
    return np.asarray(a + (b - a) * t + (c - a) * s * 0.5, np.float32).clip(0, 1)


def _crop(rng: np.random.Generator, textures: list[Image], size: int) -> Image:
    """A window of a texture at a random zoom, mirrored where it ends."""
    texture = textures[int(rng.integers(len(textures)))]
    side, zoom = len(texture), rng.uniform(0.4, 1.6)
    index = (np.arange(size) * zoom).astype(int)
    u, v = (index + rng.integers(side)) % (2 * side), (index + rng.integers(side)) % (2 * side)
    u, v = np.where(u < side, u, 2 * side - 1 - u), np.where(v < side, v, 2 * side - 1 - v)
    image = texture[v[:, None], u[None]].astype(np.float32)
    return image.transpose(1, 0, 2) if rng.random() < 0.3 else image


def _lit(rng: np.random.Generator, image: Image) -> Image:
    y, x = np.mgrid[: len(image), : len(image)].astype(np.float32) / len(image) - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + (x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(0, 0.6)
    return np.asarray((image * light[..., None] * rng.uniform(0.7, 1.15)).clip(0, 1), np.float32)


def _clutter(rng: np.random.Generator, image: Image, products: list[Rgba], size: int) -> Image:
    """Things out of focus behind the product: part of the background."""
    from PIL import Image as Images
    from PIL import ImageFilter

    picture = Images.fromarray((image * 255).astype(np.uint8))
    for _ in range(int(rng.integers(1, 4))):
        thing = Images.fromarray(vary(rng, products[int(rng.integers(len(products)))], _ground(rng, image)))
        side = int(size * rng.uniform(0.15, 0.5))
        thing = thing.resize((side, side)).filter(ImageFilter.GaussianBlur(size * rng.uniform(0.006, 0.03)))
        edge = rng.choice([-0.3, 0.95])
        picture.paste(thing, (int(size * edge), int(rng.uniform(-0.1, 0.7) * size)), thing)
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
