"""Cut-out products for training the segmenter: renders of procedural objects, and flat shapes for variety."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from training.segmenter.textures import Image

HELD_OUT_SEEDS = range(9_000_000, 10_000_000)
"""Objects of these seeds are for validation only."""

GRID = 96
"""Cells along the distance grid's side: picture and mask share its roundness, and it costs a quarter of 160's."""


def render_products(seeds: list[int], views: int, size: int, seed: int) -> list[NDArray[np.uint8]]:
    """``len(seeds) * views`` pictures ``(size, size, 4)`` of procedural objects from random cameras, random light."""
    import torch

    from training.procedural import Cameras, build_grid, generate_objects, render, studio_light

    generator = torch.Generator().manual_seed(seed)
    pictures = []
    for object_seed in seeds:
        table = generate_objects([object_seed])
        azimuth = torch.rand(1, views, generator=generator) * 360
        elevation = torch.rand(1, views, generator=generator).square() * 75 - 10
        radius = torch.rand(1, views, generator=generator) * 0.5 + 1.35
        light, grid = studio_light(1, generator=generator), build_grid(table, GRID)
        seen = render(table, Cameras(azimuth, elevation, radius), size, supersample=1, light=light, grid=grid)
        rgba = torch.cat([seen.rgb, seen.alpha], 2)[0].permute(0, 2, 3, 1)
        pictures += [
            picture for picture in (rgba * 255).round().to(torch.uint8).numpy() if (picture[..., 3] > 127).any()
        ]
    return pictures


def flat_product(rng: np.random.Generator, texture: Image, size: int = 224) -> NDArray[np.uint8]:
    """A random silhouette with a texture and a shade, ``(size, size, 4)``: shapes that no generator has a name for."""
    from PIL import Image as Images
    from PIL import ImageFilter

    y, x = np.mgrid[: size * 2, : size * 2].astype(np.float32) / size - 1
    inside = np.zeros(x.shape, bool)
    for _ in range(int(rng.integers(1, 4))):
        inside |= _outline(rng, x, y)
    if rng.random() < 0.25:
        inside &= ~_outline(rng, x, y, 0.45)
    if not inside.any():
        inside = np.hypot(x, y) < 0.5
    alpha = Images.fromarray((inside * 255).astype(np.uint8)).resize((size, size), Images.Resampling.BOX)
    index = ((np.arange(size) + rng.integers(len(texture))) % len(texture)).astype(int)
    pattern = (
        texture[index[:, None], index[None]] if rng.random() < 0.6 else np.broadcast_to(texture[0, 0], (size, size, 3))
    )
    depth = np.asarray(alpha.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.02, 0.12))), np.float32) / 255
    slope = np.gradient(depth, axis=1) * rng.uniform(-4, 4) + np.gradient(depth, axis=0) * rng.uniform(-4, 4)
    colors = pattern * (1 + slope * rng.uniform(0, 3))[..., None] * rng.uniform(0.6, 1.2)
    return np.dstack([(colors.clip(0, 1) * 255).astype(np.uint8), np.asarray(alpha)])


def wire_product(rng: np.random.Generator, texture: Image, size: int = 256) -> NDArray[np.uint8]:
    """Rods, loops, slats and lattices, ``(size, size, 4)``: the ground shows between them and is no product."""
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFilter

    big = 2 * size
    mask = Images.new("L", (big, big))
    draw = ImageDraw.Draw(mask)

    def thick() -> int:
        return max(3, int(big * rng.choice([0.008, 0.015, 0.03, 0.06]) * rng.uniform(0.7, 1.5)))

    for _ in range(int(rng.integers(1, 4))):
        kind, wide = rng.random(), thick()
        x, y, a, b = (rng.uniform(low, high) * big for low, high in ((0.05, 0.5), (0.05, 0.5), (0.2, 0.5), (0.2, 0.5)))
        if kind < 0.3:  # a bent arm
            points = rng.uniform(0.08, 0.92, (int(rng.integers(2, 6)), 2)) * big
            draw.line([(float(px), float(py)) for px, py in points], 255, wide, "curve")
        elif kind < 0.5:
            draw.ellipse((x, y, x + a, y + b), None, 255, wide)
        elif kind < 0.65:
            draw.rounded_rectangle((x, y, x + a, y + b), min(a, b) * rng.uniform(0, 0.5), None, 255, wide)
        elif kind < 0.8:
            draw.arc((x, y, x + a * 1.4, y + b * 1.4), rng.uniform(0, 360), rng.uniform(0, 360) + 180, 255, wide)
        else:  # slats or a lattice in a frame
            draw.rectangle((x, y, x + a, y + b), None, 255, wide)
            for t in np.linspace(0, 1, int(rng.integers(3, 12))):
                draw.line((x + a * t, y, x + a * t, y + b), 255, max(2, wide // 2))
                if kind > 0.92:
                    draw.line((x, y + b * t, x + a, y + b * t), 255, max(2, wide // 2))
    if rng.random() < 0.5:  # a body or a foot
        x, y, a, b = rng.uniform(0.1, 0.6) * big, rng.uniform(0.1, 0.8) * big, *(rng.uniform(0.1, 0.35, 2) * big)
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)((x, y, x + a, y + b), 255)
    mask = mask.rotate(rng.uniform(-25, 25), Images.Resampling.BILINEAR)
    alpha = mask.resize((size, size), Images.Resampling.BOX)
    soft = np.asarray(alpha.filter(ImageFilter.GaussianBlur(size * 0.008)), np.float32) / np.float32(255)
    slope = np.gradient(soft, axis=1) * rng.uniform(-4, 4) + np.gradient(soft, axis=0) * rng.uniform(-4, 4)
    index = np.arange(size) % len(texture)
    plain = np.broadcast_to(texture[0, 0] if rng.random() < 0.7 else np.full(3, 0.08, np.float32), (size, size, 3))
    colors = plain if rng.random() < 0.7 else texture[index[:, None], index[None]]
    shaded = colors * (1 + slope * rng.uniform(0, 3))[..., None] * rng.uniform(0.6, 1.2)
    return np.dstack([(shaded.clip(0, 1) * 255).astype(np.uint8), np.asarray(alpha)])


def _outline(
    rng: np.random.Generator, x: NDArray[np.float32], y: NDArray[np.float32], large: float = 1.0
) -> NDArray[np.bool_]:
    """A superellipse (box to lens) or a wobbling blob, somewhere near the middle."""
    cx, cy = rng.normal(0, 0.2, 2)
    angle = rng.uniform(0, np.pi) if rng.random() < 0.5 else 0.0
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    if rng.random() < 0.6:
        power = rng.choice([1.0, 1.5, 2.0, 3.0, 8.0, 20.0])
        a, b = rng.uniform(0.08, 0.75, 2) * large
        return np.asarray((np.abs(u) / a) ** power + (np.abs(v) / b) ** power < 1)
    turn = np.arctan2(v, u)
    radius = rng.uniform(0.25, 0.6) * large * np.ones_like(turn)
    for wave in range(1, 6):
        radius = radius * (1 + rng.normal(0, 0.18 / wave) * np.cos(wave * turn + rng.uniform(0, 2 * np.pi)))
    return np.asarray(np.hypot(u, v) < radius)
