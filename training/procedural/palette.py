"""Colours and finishes: what products are painted with."""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from training.procedural import texture as tx

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Finish:
    """How a row is painted: a pattern, up to three colours, its parameters (scale is per unit length)."""

    colors: tuple[Color, ...]
    pattern: int = tx.PLAIN
    texture: tuple[float, ...] = field(default=(1.0,))


def grey(rng: random.Random, low: float, high: float) -> Color:
    """A near-neutral tone."""
    v, tint = rng.uniform(low, high), rng.uniform(-0.02, 0.02)
    return (min(1, max(0, v + tint)), min(1, max(0, v)), min(1, max(0, v - tint)))


def hsv(h: float, s: float, v: float) -> Color:
    return colorsys.hsv_to_rgb(h % 1.0, s, v)


WOODS: tuple[Color, ...] = (
    (0.76, 0.58, 0.38),
    (0.60, 0.40, 0.23),
    (0.42, 0.27, 0.16),
    (0.86, 0.72, 0.52),
    (0.30, 0.19, 0.13),
    (0.66, 0.45, 0.30),
)


def color(rng: random.Random) -> Color:
    """A product colour: half of them white, grey, black or muted, half with a real hue."""
    pick = rng.random()
    if pick < 0.17:
        return grey(rng, 0.85, 0.97)
    if pick < 0.29:
        return grey(rng, 0.04, 0.16)
    if pick < 0.40:
        return grey(rng, 0.25, 0.75)
    if pick < 0.55:
        return hsv(rng.random(), rng.uniform(0.12, 0.4), rng.uniform(0.5, 0.92))
    if pick < 0.65:
        return rng.choice(WOODS)
    if pick < 0.80:
        return hsv(rng.random(), rng.uniform(0.45, 0.75), rng.uniform(0.25, 0.6))
    return hsv(rng.random(), rng.uniform(0.65, 0.95), rng.uniform(0.65, 0.95))


def vivid(rng: random.Random) -> Color:
    return hsv(rng.random(), rng.uniform(0.6, 0.95), rng.uniform(0.6, 0.95))


def contrast(rng: random.Random, other: Color) -> Color:
    """A colour that can be told from ``other``."""
    for _ in range(8):
        found = color(rng)
        if sum(abs(a - b) for a, b in zip(found, other, strict=True)) > 0.6:
            return found
    return (0.95, 0.95, 0.93) if sum(other) < 1.5 else (0.08, 0.08, 0.1)


def shade(base: Color, factor: float) -> Color:
    """The same hue, darker (< 1) or towards white (> 1)."""
    if factor <= 1:
        r, g, b = (c * factor for c in base)
    else:
        r, g, b = (1 - (1 - c) / factor for c in base)
    return (r, g, b)


def plain(rng: random.Random, base: Color | None = None, gloss: float | None = None) -> Finish:
    base = base if base is not None else color(rng)
    return Finish(
        (base,), tx.PLAIN, (1.0, 0.0, 0.0, 0.0, rng.choice((0.0, 0.0, 0.05, 0.12)) if gloss is None else gloss)
    )


def wood(rng: random.Random, base: Color | None = None, size: float = 1.0) -> Finish:
    base = base if base is not None else rng.choice(WOODS)
    base = shade(base, rng.uniform(0.85, 1.1))
    angle = rng.choice((0.0, math.pi / 2))
    return Finish(
        (shade(base, 1.12), shade(base, rng.uniform(0.55, 0.75))),
        tx.WOOD,
        (rng.uniform(3, 8) / size, angle, 0.0, float(rng.randrange(1000)), 0.03),
    )


def metal(rng: random.Random) -> Finish:
    base = rng.choice((grey(rng, 0.5, 0.75), grey(rng, 0.15, 0.35), (0.78, 0.62, 0.35), (0.72, 0.45, 0.32)))
    return Finish((base,), tx.PLAIN, (1.0, 0.0, 0.0, 0.0, 0.25))


def cloth(rng: random.Random, base: Color | None = None, size: float = 1.0) -> Finish:
    base = base if base is not None else color(rng)
    pick, seed = rng.random(), float(rng.randrange(1000))
    if pick < 0.35:
        return Finish((base, shade(base, 0.82)), tx.NOISE, (rng.uniform(15, 40) / size, 0.0, 1.6, seed))
    if pick < 0.55:
        return Finish((base, shade(base, 0.75)), tx.WEAVE, (rng.uniform(8, 20) / size, rng.uniform(0, 1), 1.0, seed))
    return patterned(rng, base, size)


def patterned(rng: random.Random, base: Color | None = None, size: float = 1.0) -> Finish:
    """Stripes, checks, dots, bands, patches or a gradient: about ``5 / size`` repeats a unit."""
    base = base if base is not None else color(rng)
    second = contrast(rng, base)
    third = contrast(rng, second)
    seed, angle = float(rng.randrange(1000)), rng.choice((0.0, 0.0, math.pi / 2, math.pi / 4, rng.uniform(0, 3)))
    scale = rng.uniform(2.5, 9) / size
    pick = rng.random()
    if pick < 0.3:
        thin, more = rng.uniform(0.15, 0.5), rng.choice((0.0, 0.0, 0.2, 0.3))
        return Finish((base, second, third), tx.STRIPES, (scale, angle, thin, seed, 0.02, 0.0, more))
    if pick < 0.42:
        return Finish((base, second), tx.CHECKS, (scale, angle, 0.0, seed))
    if pick < 0.57:
        return Finish((base, second), tx.DOTS, (scale, 0.0, rng.uniform(0.2, 0.42), seed))
    if pick < 0.70:
        return Finish((base, second, third), tx.BANDS, (rng.uniform(1, 3) / size, angle, 0.0, seed))
    if pick < 0.80:
        return Finish((base, second, third), tx.PATCHES, (scale, angle, 0.0, seed))
    if pick < 0.90:
        return Finish((base, second), tx.NOISE, (scale, 0.0, rng.choice((2.0, 4.0, 12.0)), seed))
    return Finish((base, second), tx.GRADIENT, (rng.uniform(0.9, 1.4) / size, angle))


def anything(rng: random.Random, base: Color | None = None, size: float = 1.0) -> Finish:
    """Mostly plain, sometimes patterned, wooden or cloth-like."""
    makers: list[tuple[float, Callable[[random.Random, Color | None, float], Finish]]] = [
        (0.58, lambda r, b, _: plain(r, b)),
        (0.84, patterned),
        (0.93, cloth),
        (1.01, lambda r, b, s: wood(r, None, s)),
    ]
    pick = rng.random()
    return next(make for limit, make in makers if pick < limit)(rng, base, size)


def label(
    rng: random.Random, half_u: float, half_v: float, ground: Color, around: float = 0.0, behind: float = 0.0
) -> Finish:
    """A printed label of half size ``half_u x half_v``; ``around`` wraps it on a radius, whose axis is ``behind``."""
    ink = contrast(rng, ground)
    accent = vivid(rng)
    kind = tx.LABEL if rng.random() < 0.72 else tx.LOGO
    return Finish(
        (ground, ink, accent), kind, (1.0, 0.0, behind, float(rng.randrange(1000)), 0.0, around, half_u, half_v)
    )


def logo(rng: random.Random, half: float, ground: Color, around: float = 0.0) -> Finish:
    """A round mark of half size ``half`` on ``ground``."""
    ink = contrast(rng, ground)
    seed = float(rng.randrange(1000))
    return Finish((ground, ink, contrast(rng, ink)), tx.LOGO, (1.0, 0.0, 0.0, seed, 0.0, around, half, half))
