"""Shapes that are no product, in the spirit of Zeroverse: random primitives joined, cut, warped, framed."""

from __future__ import annotations

import math
import random

from training.procedural import palette as pt
from training.procedural.parts import arc, box, cut, ellipsoid, lathe, outline, rod, turned, warp
from training.procedural.table import Row


def wild(rng: random.Random) -> list[Row]:
    kind = rng.random()
    if kind < 0.08:
        return _frame(rng)
    rows: list[Row] = []
    mirror = (rng.random() < 0.4, False)
    for index in range(rng.randint(2, 8)):
        spread = 0.0 if index == 0 else 0.28
        at = (rng.uniform(-spread, spread), rng.uniform(-spread, spread), rng.uniform(-spread, spread))
        row = primitive(rng, at, rng.uniform(0.12, 0.32))
        row.mirror = mirror
        row.blend = rng.choice((0.0, 0.0, 0.04))
        if index > 1 and rng.random() < 0.3:
            row = cut(row)
        rows.append(row)
    return rows


def primitive(rng: random.Random, at: tuple[float, float, float], size: float) -> Row:
    """One random primitive of about the given size, any orientation, any paint."""
    turn = turned(rng.uniform(0, 360), rng.uniform(0, 360), rng.uniform(0, 360))
    if rng.random() < 0.4:
        turn = turned(rng.choice((0, 90)), rng.choice((0, 45, 90)), 0)
    paint = pt.anything(rng) if rng.random() < 0.4 else pt.patterned(rng, None, size * 3)
    a, b, c = (size * rng.uniform(0.4, 1.4) for _ in range(3))
    pick = rng.random()
    if pick < 0.22:
        corner = rng.uniform(0, min(a, c))
        return box(paint, at, (a, b, c), corner=corner, edge=rng.uniform(0, 0.05), turn=turn)
    if pick < 0.36:
        return ellipsoid(paint, at, (a, b, c), turn=turn)
    if pick < 0.48:
        return lathe(paint, at, a, b, [rng.uniform(0.3, 1) for _ in range(5)], corner=rng.choice((1, 0.2)), turn=turn)
    if pick < 0.60:
        waves, depth, phase = rng.randint(2, 6), rng.uniform(0.3, 0.9), rng.uniform(0, 6)
        return outline(
            paint, at, a, b * 0.7, lambda t: 0.8 + depth / waves * math.sin(waves * t + phase), edge=0.02, turn=turn
        )
    if pick < 0.72:
        return arc(paint, at, size, size * rng.uniform(0.12, 0.4), rng.uniform(60, 179), rng.uniform(0.6, 1), turn=turn)
    if pick < 0.80:
        return rod(paint, at, (at[0] + a, at[1] + b, at[2] + c), size * 0.4, size * rng.uniform(0.1, 0.4))
    number = rng.uniform(8, 18)
    wave, bumps = rng.choice(((0.03, 0.0), (0.0, 0.03), (0.05, 0.0), (0.0, 0.0)))
    return warp(paint, at, (a, b, c), 0.3 * min(a, b, c), rng.uniform(-4, 4), wave, number, rng.uniform(0, 6), bumps,
                turn=turn)  # fmt: skip


def _frame(rng: random.Random) -> list[Row]:
    """A wire cage around a core."""
    x, y, z = (rng.uniform(0.25, 0.5) for _ in range(3))
    wire = pt.plain(rng)
    thick = rng.uniform(0.02, 0.05)
    rows = [
        rod(wire, (x, -y, z), (x, y, z), thick, mirror=(True, True)),
        rod(wire, (0, y, z), (x, y, z), thick, mirror=(True, True)),
        rod(wire, (0, -y, z), (x, -y, z), thick, mirror=(True, True)),
        rod(wire, (x, y, 0), (x, y, z), thick, mirror=(True, True)),
        rod(wire, (x, -y, 0), (x, -y, z), thick, mirror=(True, True)),
    ]
    for _ in range(rng.randint(1, 4)):
        at = (rng.uniform(-0.15, 0.15), rng.uniform(-0.2, 0.2), rng.uniform(-0.15, 0.15))
        rows.append(primitive(rng, at, rng.uniform(0.1, 0.24)))
    return rows
