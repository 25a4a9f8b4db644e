"""Furniture: chairs, sofas, tables, shelves, cupboards."""

from __future__ import annotations

import random

from training.procedural import palette as pt
from training.procedural.parts import box, cylinder, ellipsoid, lathe, rod, turned
from training.procedural.table import Row


def _legs(rng: random.Random, finish: pt.Finish, x: float, z: float, top: float, bottom: float) -> list[Row]:
    """Four legs at ``(+-x, +-z)``, splayed, tapered or square."""
    splay = rng.choice((0.0, 0.0, rng.uniform(0.02, 0.1)))
    thick = rng.uniform(0.022, 0.04)
    if rng.random() < 0.5:
        middle = (top + bottom) / 2
        return [box(finish, (x, middle, z), (thick, (top - bottom) / 2, thick), edge=0.005, mirror=(True, True))]
    return [rod(finish, (x, top, z), (x + splay, bottom, z + splay), thick, thick * 0.7, mirror=(True, True))]


def chair(rng: random.Random) -> list[Row]:
    frame = pt.wood(rng) if rng.random() < 0.5 else pt.plain(rng)
    seat = frame if rng.random() < 0.4 else pt.cloth(rng)
    x, z, thick = rng.uniform(0.2, 0.26), rng.uniform(0.2, 0.25), rng.uniform(0.02, 0.05)
    top = rng.uniform(0.35, 0.55)
    round_seat = rng.uniform(0.01, 0.1)
    rows = [box(seat, (0, 0, 0), (x, thick, z), corner=round_seat, edge=thick * 0.6)]
    style = rng.random()
    if style < 0.72:
        rows += _legs(rng, frame, x - 0.04, z - 0.04, 0.0, -0.45)
    else:
        rows.append(cylinder(frame, (0, -0.22, 0), 0.03, 0.22))
        for i in range(5):
            turn = turned(0, 72 * i)
            out = turn[0]
            rows.append(rod(frame, (0, -0.4, 0), (out[0] * 0.27, -0.44, out[2] * 0.27), 0.025))
            rows.append(ellipsoid(frame, (out[0] * 0.27, -0.47, out[2] * 0.27), (0.03, 0.03, 0.03)))
    back = rng.random()
    lean = turned(-rng.uniform(0, 12))
    if back < 0.4:
        rows.append(box(seat, (0, top / 2 + 0.05, -z), (x, top / 2, 0.03), edge=0.02, corner=0.02, turn=lean))
    elif back < 0.75:
        rows.append(rod(frame, (x - 0.03, 0, -z + 0.03), (x - 0.03, top, -z - 0.03), 0.025, mirror=(True, False)))
        for i in range(rng.randint(2, 4)):
            high = top * (0.95 - 0.25 * i)
            rows.append(box(frame, (0, high, -z - 0.02), (x - 0.03, 0.035, 0.015), edge=0.005))
    else:
        rows.append(box(seat, (0, top * 0.7, -z - 0.01), (x, top * 0.28, 0.03), corner=0.03, edge=0.025, turn=lean))
        rows.append(rod(frame, (x * 0.6, 0, -z + 0.02), (x * 0.6, top * 0.7, -z - 0.01), 0.02, mirror=(True, False)))
    if rng.random() < 0.35:
        rows.append(box(frame, (x, 0.2, 0), (0.03, 0.018, z * 0.9), edge=0.01, mirror=(True, False)))
        rows.append(rod(frame, (x, 0.0, z * 0.6), (x, 0.2, z * 0.6), 0.018, mirror=(True, False)))
    return rows


def sofa(rng: random.Random) -> list[Row]:
    coat = pt.cloth(rng)
    wide, deep = rng.uniform(0.28, 0.5), rng.uniform(0.2, 0.26)
    soft = rng.uniform(0.02, 0.06)
    arm, back = rng.uniform(0.05, 0.09), rng.uniform(0.18, 0.32)
    legs = pt.wood(rng)
    rows = [
        box(coat, (0, -0.08, 0), (wide, 0.08, deep), edge=soft),
        box(coat, (wide, 0.02, 0), (arm, rng.uniform(0.12, 0.2), deep), edge=min(soft, arm * 0.8), corner=0.03,
            mirror=(True, False)),
        box(coat, (0, back * 0.5, -deep), (wide + arm, back, 0.07), edge=soft, turn=turned(-rng.uniform(0, 10))),
        rod(legs, (wide - 0.02, -0.14, deep - 0.04), (wide, -0.25, deep - 0.03), 0.025, 0.015, mirror=(True, True)),
    ]  # fmt: skip
    seats = 1 if wide < 0.36 else rng.randint(1, 3)
    cushion = coat if rng.random() < 0.6 else pt.cloth(rng)
    each = (wide - arm) / seats
    for i in range(seats):
        at = (-wide + arm + each * (2 * i + 1), 0.05, 0.03)
        rows.append(box(cushion, at, (each * 0.97, 0.06, deep - 0.02), edge=0.04, corner=0.05))
    if rng.random() < 0.5:
        pillow, turn = pt.cloth(rng), turned(-20, rng.uniform(-20, 20), rng.uniform(-10, 10))
        rows.append(box(pillow, (wide * 0.5, 0.2, -deep * 0.4), (0.12, 0.12, 0.05), edge=0.045, corner=0.05, turn=turn))
    return rows


def table(rng: random.Random) -> list[Row]:
    top = pt.wood(rng) if rng.random() < 0.55 else pt.anything(rng)
    frame = top if rng.random() < 0.5 else pt.plain(rng)
    x, z, high = 0.5, rng.uniform(0.25, 0.5), rng.uniform(0.2, 0.42)
    corner = rng.choice((0.01, 0.05, z))
    rows = [box(top, (0, 0, 0), (x, rng.uniform(0.015, 0.035), z), corner=corner, edge=0.008)]
    style = rng.random()
    if style < 0.7:
        inset = 0.05 + corner * 0.3
        rows += _legs(rng, frame, x - inset, z - inset, 0, -2 * high)
        if rng.random() < 0.4:
            rows.append(box(top, (0, -1.5 * high, 0), (x - inset, 0.012, z - inset)))
        elif rng.random() < 0.6:
            rows.append(box(frame, (0, -0.06, 0), (x - inset, 0.05, z - inset)))
            if rng.random() < 0.6:
                knob = pt.plain(rng)
                rows.append(ellipsoid(knob, (0.0, -0.06, z - inset + 0.02), (0.03, 0.03, 0.03)))
    else:
        rows.append(lathe(frame, (0, -high, 0), 0.2, high, [1.0, 0.25, 0.2, 0.2, 0.35]))
    return rows


def cupboard(rng: random.Random) -> list[Row]:
    """Cupboards, drawers and shelves."""
    half = (rng.uniform(0.25, 0.5), rng.uniform(0.3, 0.55), rng.uniform(0.15, 0.25))
    body = pt.wood(rng) if rng.random() < 0.5 else pt.plain(rng)
    front = body if rng.random() < 0.4 else pt.plain(rng)
    knob = pt.plain(rng) if rng.random() < 0.5 else pt.metal(rng)
    rows = [box(body, (0, 0, 0), half, edge=0.008)]
    across, down = rng.choice(((1, 3), (2, 1), (1, 4), (2, 2), (3, 2), (1, 2)))
    opened = rng.random() < 0.35
    for i in range(across):
        for j in range(down):
            wide, high = half[0] / across, half[1] / down
            at = (-half[0] + wide * (2 * i + 1), -half[1] + high * (2 * j + 1), half[2])
            if opened:
                cutter = box(front, at, (wide - 0.025, high - 0.025, half[2] * 1.8))
                cutter.op = 1
                rows.append(cutter)
                if rng.random() < 0.4:
                    item = pt.anything(rng)
                    tall = high * rng.uniform(0.3, 0.8)
                    spot = (at[0], at[1] - high + 0.025 + tall, 0.0)
                    rows.append(box(item, spot, (wide * 0.5, tall, half[2] * 0.6), edge=0.01))
            else:
                rows.append(box(front, at, (wide - 0.015, high - 0.015, 0.015), edge=0.006))
                if len(rows) < 14:
                    rows.append(ellipsoid(knob, (at[0], at[1], half[2] + 0.03), (0.025, 0.025, 0.025)))
    if rng.random() < 0.6:
        rows += _legs(rng, body, half[0] - 0.05, half[2] - 0.05, -half[1], -half[1] - rng.uniform(0.08, 0.2))
    return rows
