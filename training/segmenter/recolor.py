"""Other products of the same shape: recoloured, nearly white, in the colours of their ground, printed upon."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.segmenter.textures import Image, Plane

Rgba = NDArray[np.uint8]
"""``(h, w, 4)`` straight alpha."""

Color = NDArray[np.float32]
"""``(3,)`` sRGB in 0..1."""

LETTERS = "ABCDEFGHIKLMNOPRSTUVWXYZabcdeghiklmnorstu0123456789&"


def vary(rng: np.random.Generator, product: Rgba, ground: Color, pale: float = 0.2) -> Rgba:
    """Another product of the same shape: mirrored, recoloured, at times nearly white or black (share ``pale`` and a
    tenth), at times as the ground is coloured; over a third carry a print, often in white or in the ground's colour.

    Camouflage is what teaches that outlines and shading make an object, not a colour that the ground lacks.
    """
    colors = product[..., :3].astype(np.float32) / np.float32(255)
    inside = product[..., 3] > 127
    if rng.random() < 0.5:
        colors = colors[..., rng.permutation(3)]
    gray = colors.mean(-1, keepdims=True)
    middle = float(np.median(gray[inside])) if inside.any() else 0.5
    shade = (gray / max(middle, 0.05)).clip(0.3, 1.5)
    draw = rng.random()
    if draw < pale:
        colors = 1 - (1 - gray + (gray - colors) * rng.uniform(0, 0.6)) * rng.uniform(0.1, 0.6)
    elif draw < pale + 0.1:
        colors = colors * rng.uniform(0.1, 0.5)
    elif draw < pale + 0.25:
        like = ground * rng.uniform(0.65, 1.3) + rng.normal(0, 0.05, 3)
        colors = colors + (like * shade - colors) * rng.uniform(0.5, 1)
    else:
        colors = colors ** rng.uniform(0.6, 1.6) * rng.uniform(0.7, 1.15)
    if rng.random() < 0.35:
        colors = _printed(rng, np.asarray(colors, np.float32), shade, ground)
    varied = np.dstack([(colors.clip(0, 1) * 255).astype(np.uint8), product[..., 3]])
    return varied[:, ::-1] if rng.random() < 0.5 else varied


def dressed(rng: np.random.Generator, product: Rgba, texture: Image) -> Rgba:
    """The product made of a surface: its own shading on wood, cloth, stone, at a random scale, with a highlight."""
    height, width = product.shape[:2]
    gray = product[..., :3].astype(np.float32).mean(-1) / np.float32(255)
    inside = product[..., 3] > 127
    middle = float(np.median(gray[inside])) if inside.any() else 0.5
    shade = (gray / max(middle, 0.05)).clip(0.25, 1.6) ** rng.uniform(0.4, 1)
    side, zoom = len(texture), rng.uniform(0.4, 2.5)
    rows, columns = ((np.arange(n) * zoom + rng.uniform(0, side)).astype(int) % side for n in (height, width))
    colors = texture[rows[:, None], columns[None]].astype(np.float32) * shade[..., None]
    if rng.random() < 0.3:
        y, x = np.mgrid[:height, :width].astype(np.float32)
        cx, cy, r = width * rng.uniform(0.2, 0.8), height * rng.uniform(0.1, 0.7), height * rng.uniform(0.03, 0.2)
        spot = np.exp(-(((x - cx) / r) ** 2 + ((y - cy) / (r * rng.uniform(0.3, 3))) ** 2))
        colors = colors + (1 - colors) * spot[..., None] * rng.uniform(0.3, 1)
    return np.dstack([(colors.clip(0, 1) * 255).astype(np.uint8), product[..., 3]])


def joined(rng: np.random.Generator, first: Rgba, second: Rgba) -> Rgba:
    """Two products that hang together: the second, smaller, before or behind the first and overlapping it."""
    from PIL import Image as Images

    height, width = first.shape[:2]
    share = rng.uniform(0.3, 0.8) * max(height, width) / max(second.shape[:2])
    size = (max(4, round(second.shape[1] * share)), max(4, round(second.shape[0] * share)))
    ys, xs = np.nonzero(first[..., 3] > 127)
    at = int(rng.integers(len(ys))) if len(ys) else 0
    x, y = (int(xs[at]), int(ys[at])) if len(ys) else (width // 2, height // 2)
    reach = max(size)
    canvas = Images.new("RGBA", (width + 2 * reach, height + 2 * reach))
    layers = [
        (first, (width, height), (reach, reach)),
        (second, size, (x + reach - size[0] // 2, y + reach - size[1] // 2)),
    ]
    for layer, layer_size, place in layers if rng.random() < 0.6 else reversed(layers):
        picture = Images.new("RGBA", canvas.size)
        picture.paste(Images.fromarray(layer).resize(layer_size, Images.Resampling.BICUBIC), place)
        canvas = Images.alpha_composite(canvas, picture)
    box = canvas.getchannel("A").getbbox()
    return np.asarray(canvas.crop(box) if box else canvas)


def _printed(rng: np.random.Generator, colors: Image, shade: Plane, ground: Color) -> Image:
    """Up to three prints in the product's own shading."""
    for _ in range(int(rng.integers(1, 4))):
        draw = rng.random()
        if draw < 0.35:
            ink = ground * rng.uniform(0.9, 1.1)
        elif draw < 0.7:
            ink = np.full(3, rng.uniform(0.85, 1.0))
        else:
            ink = rng.random(3)
        print_ = _print(rng, colors.shape[0], colors.shape[1])[..., None]
        soft = 1 + (shade - 1) * rng.uniform(0.2, 1)
        colors = np.asarray(colors + (ink * soft - colors) * print_, np.float32)
    return colors


def _print(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Where ink lies: letters, a panel, a band, stripes, checks or a round mark, perhaps askew. ``(height, width)``."""
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFont

    kind = rng.random()
    if kind < 0.4:
        canvas = Images.new("L", (width, height))
        draw = ImageDraw.Draw(canvas)
        high = max(6.0, height * rng.uniform(0.06, 0.45))
        font, y = ImageFont.load_default(high), height * rng.uniform(0, 0.7)
        for _ in range(int(rng.integers(1, 5))):
            word = "".join(rng.choice(list(LETTERS), int(rng.integers(2, 12))))
            draw.text((width * rng.uniform(-0.1, 0.5), y), word, 255, font)
            y += high * rng.uniform(1.0, 1.4)
        if rng.random() < 0.4:
            canvas = canvas.rotate(rng.uniform(-35, 35), Images.Resampling.BILINEAR)
        return np.asarray(canvas, np.float32) / np.float32(255)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.choice([0.0, 0.0, np.pi / 2, rng.uniform(0, np.pi)])
    cx, cy = width * rng.uniform(0.1, 0.9), height * rng.uniform(0.1, 0.9)
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    a, b = width * rng.uniform(0.05, 0.5), height * rng.uniform(0.05, 0.5)
    if kind < 0.6:
        inside = (np.abs(u) < a) & (np.abs(v) < b)
    elif kind < 0.7:
        inside = np.abs(v) < b
    elif kind < 0.8:
        inside = np.sin(v / b * rng.uniform(3, 12)) > rng.uniform(-0.5, 0.5)
    elif kind < 0.9:
        inside = (np.floor(u / a) + np.floor(v / b)) % 2 == 0
    else:
        inside = (u / a) ** 2 + (v / b) ** 2 < 1
    return np.asarray(inside, np.float32)
