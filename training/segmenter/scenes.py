"""Grounds of the segmenter's training photos: studios, rooms, streets, shelves, and what light does to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.segmenter.textures import Image, fractal, surface_color


def studio(rng: np.random.Generator, textures: list[Image], size: int) -> Image:
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


def room(rng: np.random.Generator, textures: list[Image], size: int) -> Image:
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


def flat(rng: np.random.Generator, textures: list[Image], size: int) -> Image:
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


def street(rng: np.random.Generator, textures: list[Image], size: int) -> Image:
    """Sky over walls with rows of windows, bushes, posts and bright lights, and a surface in front of it all."""
    from PIL import ImageDraw

    y = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    clear = rng.random() < 0.6
    high = np.array([0.35, 0.55, 0.9], np.float32) * np.float32(rng.uniform(0.5, 1.1)) if clear else surface_color(rng)
    low = np.full(3, rng.uniform(0.5, 1.0), np.float32) if clear else surface_color(rng)
    sky = np.broadcast_to(high + (low - high) * y, (size, size, 3))
    cloud = fractal(rng, size, (3, 2), 4)[..., None] * rng.uniform(0, 0.5)
    picture = _picture(np.asarray(sky + (1 - sky) * cloud, np.float32))
    draw = ImageDraw.Draw(picture)
    ground = size * rng.uniform(0.35, 0.9)
    for _ in range(int(rng.integers(1, 8))):
        _building(rng, draw, size, ground)
    for _ in range(int(rng.integers(0, 4))):  # posts and rails
        x, wide = rng.uniform(0, size), max(1.0, size * rng.uniform(0.003, 0.03))
        draw.rectangle((x, rng.uniform(-0.2, 0.9) * ground, x + wide, ground), _ink(surface_color(rng)))
    image = np.asarray(picture, np.float32) / np.float32(255)
    if rng.random() < 0.6:  # foliage: a mottled green with a ragged rim
        leaf = fractal(rng, size, (int(rng.integers(6, 40)),) * 2, 4)
        reach = fractal(rng, size, (2, 4), 3) * size * rng.uniform(0.1, 0.7)
        shade = np.array([0.25, 0.42, 0.16]) * rng.uniform(0.4, 1.6) + rng.uniform(-0.08, 0.08, 3)
        grown = np.arange(size)[:, None] > ground - reach
        image = np.where(grown[..., None], shade * (0.4 + 1.2 * leaf[..., None]), image)
    floor = _floor(rng, textures, size, int(ground))
    image = np.where(np.arange(size)[:, None, None] >= ground, floor, image)
    return _lit(rng, np.asarray(image, np.float32))


def _building(rng: np.random.Generator, draw: Any, size: int, ground: float) -> None:
    wide, left, top = size * rng.uniform(0.08, 0.6), size * rng.uniform(-0.2, 1), ground * rng.uniform(-0.3, 0.8)
    wall, pane = surface_color(rng), surface_color(rng) * rng.uniform(0.3, 1.1)
    draw.rectangle((left, top, left + wide, ground), _ink(wall))
    columns, rows = int(rng.integers(1, 10)), int(rng.integers(1, 12))
    step_x, step_y = wide / columns, max(4.0, (ground - top) / rows)
    share_x, share_y = rng.uniform(0.2, 0.9, 2)
    for i in range(columns):
        for j in range(rows):
            x, y = left + i * step_x, top + j * step_y
            draw.rectangle((x, y, x + step_x * share_x, y + step_y * share_y), _ink(pane * rng.uniform(0.8, 1.1)))


def shelf(rng: np.random.Generator, textures: list[Image], size: int) -> Image:
    """An interior of flat pieces: furniture fronts, books, frames, boards, a table's edge; some askew."""
    from PIL import ImageDraw

    wall = _crop(rng, textures, size) if rng.random() < 0.4 else np.broadcast_to(surface_color(rng), (size, size, 3))
    picture = _picture(np.asarray(wall, np.float32))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(2, 16))):
        x, y = rng.uniform(-0.3, 1.0, 2) * size
        wide, high = size * rng.uniform(0.02, 0.7), size * rng.uniform(0.02, 0.7)
        lean = rng.normal(0, 0.05) * high
        corners = [
            (x, y),
            (x + wide, y + rng.normal(0, 0.03) * wide),
            (x + wide + lean, y + high),
            (x + lean, y + high),
        ]
        rim = _ink(surface_color(rng)) if rng.random() < 0.4 else None
        if rng.random() < 0.25:
            draw.ellipse((x, y, x + wide, y + high), _ink(surface_color(rng)), rim)
        else:
            draw.polygon(corners, _ink(surface_color(rng)), rim)
    image = np.asarray(picture, np.float32) / np.float32(255)
    image = image * (0.85 + 0.3 * fractal(rng, size, (5, 5), 5)[..., None])
    if rng.random() < 0.7:  # a table or a board
        edge = int(size * rng.uniform(0.4, 0.95))
        below = np.arange(size)[:, None, None] >= edge + (np.arange(size) * rng.normal(0, 0.04))[None, :, None]
        image = np.where(below, _floor(rng, textures, size, edge), image)
    return _lit(rng, np.asarray(image, np.float32))


def defocused(rng: np.random.Generator, image: Image) -> Image:
    """What lies out of focus, with discs of light at times. What the product stands on may stay sharp."""
    from PIL import ImageDraw, ImageFilter

    size = len(image)
    picture = _picture(image)
    if rng.random() < 0.3:
        draw = ImageDraw.Draw(picture)
        for _ in range(int(rng.integers(3, 30))):
            x, y, r = rng.uniform(0, size), rng.uniform(0, 0.8) * size, size * rng.uniform(0.005, 0.05)
            draw.ellipse((x - r, y - r, x + r, y + r), _ink(rng.uniform(0.6, 1.0, 3)))
    soft = picture.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.004, 0.04)))
    blurred: Image = np.asarray(soft, np.float32) / np.float32(255)
    if rng.random() < 0.5:
        return blurred
    down = np.arange(size, dtype=np.float32)[:, None, None] / size
    sharp = 1 / (1 + np.exp(-((down - rng.uniform(0.5, 1.0)) / 0.06).clip(-30, 30)))
    return np.asarray(blurred + (image - blurred) * sharp, np.float32)


def light_and_shade(rng: np.random.Generator, image: Image) -> Image:
    """Light through a window, the shadow of something out of sight: outlines on the ground that bound no product."""
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFilter

    size = len(image)
    mask = Images.new("L", (size, size))
    draw = ImageDraw.Draw(mask)
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(-0.3, 1.1, 2) * size
        a, b = rng.uniform(0.08, 0.9, 2) * size
        if rng.random() < 0.5:
            shear = rng.normal(0, 0.5) * b
            draw.polygon([(x, y), (x + a, y), (x + a + shear, y + b), (x + shear, y + b)], 255)
        else:
            draw.ellipse((x, y, x + a, y + b * rng.uniform(0.15, 1)), 255)
    soft = mask.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.002, 0.05)))
    factor = rng.uniform(0.35, 0.9) if rng.random() < 0.7 else rng.uniform(1.1, 1.6)
    reach: Image = np.asarray(soft, np.float32)[..., None] / np.float32(255)
    return np.asarray((image * (1 + (factor - 1) * reach)).clip(0, 1), np.float32)


def _picture(image: Image) -> Any:
    from PIL import Image as Images

    return Images.fromarray((image.clip(0, 1) * 255).astype(np.uint8))


def _ink(color: NDArray[Any]) -> tuple[int, ...]:
    return tuple(int(v) for v in (np.asarray(color).clip(0, 1) * 255))
