"""Boxes, electronics and other hard goods."""

from __future__ import annotations

import random

from training.procedural import palette as pt
from training.procedural import texture as tx
from training.procedural.parts import arc, box, cut, cylinder, decal, ellipsoid, lathe, rod, turned
from training.procedural.table import Row


def carton(rng: random.Random) -> list[Row]:
    """Cereal, tea, cosmetics: a box with printed faces."""
    half = (rng.uniform(0.25, 0.5), rng.uniform(0.25, 0.6), rng.uniform(0.1, 0.32))
    ground = pt.color(rng)
    coat = pt.plain(rng, ground) if rng.random() < 0.6 else pt.patterned(rng, ground)
    rows = [box(coat, (0, 0, 0), half, edge=rng.uniform(0.005, 0.02))]
    front = pt.label(rng, half[0] * 0.95, half[1] * 0.9, rng.choice((ground, pt.color(rng))))
    inset = rng.choice((1.0, 0.9, 0.75))
    rows.append(decal(box(front, (0, 0, half[2]), (half[0] * inset, half[1] * inset, 0.01))))
    if rng.random() < 0.8:
        back = pt.label(rng, half[0] * 0.95, half[1] * 0.9, rng.choice((ground, pt.color(rng))))
        rows.append(decal(box(back, (0, 0, -half[2]), (half[0] * inset, half[1] * inset, 0.01), turn=turned(0, 180))))
    if rng.random() < 0.7:
        side = pt.label(rng, half[2] * 0.9, half[1] * 0.8, pt.color(rng))
        rows.append(decal(box(side, (half[0], 0, 0), (half[2], half[1] * 0.9, 0.01), turn=turned(0, 90))))
    if rng.random() < 0.5:
        rows.append(decal(box(pt.plain(rng), (0, half[1], 0), (half[0] * 1.1, rng.uniform(0.02, 0.3), half[2] * 1.1))))
    return rows


def gift(rng: random.Random) -> list[Row]:
    half = (rng.uniform(0.3, 0.5), rng.uniform(0.15, 0.45), rng.uniform(0.3, 0.5))
    paper, ribbon = pt.anything(rng), pt.plain(rng, pt.vivid(rng))
    lid = paper if rng.random() < 0.5 else pt.plain(rng)
    top = half[1]
    return [
        box(paper, (0, 0, 0), half, edge=0.01),
        box(lid, (0, top * 0.85, 0), (half[0] + 0.02, top * 0.15 + 0.02, half[2] + 0.02), edge=0.01),
        decal(box(ribbon, (0, 0, 0), (0.05, 2, 2))),
        decal(box(ribbon, (0, 0, 0), (2, 2, 0.05))),
        arc(ribbon, (0.11, top + 0.06, 0), 0.09, 0.025, 179, 1.2, 1.8, mirror=(True, False)),
        ellipsoid(ribbon, (0, top + 0.05, 0), (0.05, 0.05, 0.05)),
    ]


def book(rng: random.Random) -> list[Row]:
    half = (rng.uniform(0.32, 0.4), 0.5, rng.uniform(0.05, 0.14))
    cover = pt.color(rng)
    pages = pt.Finish(((0.94, 0.92, 0.85), (0.8, 0.77, 0.7)), tx.STRIPES, (40.0, 0.0, 0.3, 0.0))
    skin = pt.plain(rng, cover)
    front = pt.label(rng, half[0], half[1], cover)
    return [
        box(skin, (0, 0, 0), half, edge=0.015),
        cut(box(pages, (0.04, 0, 0), (half[0], 2, half[2] - 0.025))),
        box(pages, (0.0, 0, 0), (half[0] - 0.02, half[1] - 0.02, half[2] - 0.02)),
        decal(box(front, (0, 0, half[2]), (half[0] * 0.9, half[1] * 0.9, 0.008))),
    ]


def screen(rng: random.Random) -> list[Row]:
    """Monitor, television, tablet, phone or laptop."""
    body = pt.plain(rng, rng.choice((pt.grey(rng, 0.04, 0.2), pt.grey(rng, 0.7, 0.95), pt.color(rng))))
    lit = pt.color(rng)
    kind = rng.random()
    if kind < 0.35:  # phone or tablet, upright
        half = (rng.uniform(0.24, 0.4), 0.5, rng.uniform(0.025, 0.045))
        glass = _display(rng, lit, half[0] * 0.92, half[1] * 0.94)
        lens = pt.plain(rng, (0.05, 0.05, 0.06), 0.2)
        rows = [
            box(body, (0, 0, 0), (half[0], half[2], half[1]), corner=0.07, edge=0.02, turn=turned(90)),
            decal(box(glass, (0, 0, half[2]), (half[0] * 0.92, half[1] * 0.93, 0.012))),
        ]
        rows.append(box(body, (half[0] * 0.55, 0.38, -half[2]), (0.09, 0.09, 0.02), corner=0.03, edge=0.01))
        for y in (0.34, 0.42):
            rows.append(decal(ellipsoid(lens, (half[0] * 0.55, y, -half[2] - 0.02), (0.035, 0.035, 0.03))))
        return rows
    width, high = 0.5, rng.uniform(0.27, 0.36)
    glass = _display(rng, lit, width * 0.95, high * 0.92)
    if kind < 0.7:  # monitor
        stand = rng.uniform(0.1, 0.2)
        return [
            box(body, (0, 0, 0), (width, high, 0.03), edge=0.012),
            decal(box(glass, (0, 0, 0.03), (width * 0.96, high * 0.93, 0.01))),
            box(body, (0, 0, -0.05), (width * 0.5, high * 0.5, 0.04), edge=0.03, blend=0.03),
            box(body, (0, -high - stand / 2, -0.05), (0.05, stand, 0.02)),
            box(body, (0, -high - stand, 0), (rng.uniform(0.15, 0.25), 0.015, 0.14), corner=rng.uniform(0.01, 0.14)),
        ]
    tilt = rng.uniform(5, 30)
    keys = pt.Finish((body.colors[0], pt.contrast(rng, body.colors[0]), pt.vivid(rng)), tx.KEYS, (14, 0, 0, 3.0))
    lid = turned(-tilt)
    up, back = lid[1], lid[2]
    at = (0.0, up[1] * high, -0.33 + up[2] * high)
    front = (at[0] + back[0] * 0.02, at[1] + back[1] * 0.02, at[2] + back[2] * 0.02)
    return [
        box(body, (0, 0, 0), (width, 0.02, 0.34), corner=0.04, edge=0.01),
        decal(box(keys, (0, 0.02, -0.08), (width * 0.9, 0.17, 0.01), turn=turned(-90))),
        box(body, at, (width, high, 0.018), edge=0.01, turn=lid),
        decal(box(glass, front, (width * 0.94, high * 0.9, 0.01), turn=lid)),
    ]


def _display(rng: random.Random, lit: pt.Color, half_u: float, half_v: float) -> pt.Finish:
    dark = pt.grey(rng, 0.03, 0.1)
    seed = float(rng.randrange(999))
    ground = rng.choice((dark, dark, pt.color(rng)))
    return pt.Finish((ground, lit, pt.vivid(rng)), tx.FACE, (1, 0, 0, seed, 0.15, 0, half_u, half_v))


def headphones(rng: random.Random) -> list[Row]:
    body, pads = pt.plain(rng), pt.plain(rng, pt.grey(rng, 0.05, 0.5))
    wide, cup = rng.uniform(0.32, 0.4), rng.uniform(0.15, 0.22)
    deep = rng.uniform(0.06, 0.1)
    tall = rng.uniform(1.0, 1.3)
    side = turned(0, 0, 90)
    corner = rng.uniform(0.6, 1.0) * cup
    rows = [
        arc(body, (0, 0, 0), wide, 0.03, 90, 1.0, rng.uniform(1.5, 3.0)),
        box(body, (wide + 0.01, -0.1, 0), (cup * tall, deep, cup), corner=corner, edge=0.04, turn=side,
            mirror=(True, False)),
        box(pads, (wide - deep, -0.1, 0), (cup * tall * 0.9, 0.05, cup * 0.9), corner=corner * 0.9, edge=0.04,
            turn=side, mirror=(True, False)),
        rod(body, (wide, 0.02, 0), (wide, -0.1, 0), 0.03, mirror=(True, False)),
        decal(cylinder(pt.plain(rng), (wide + deep, -0.1, 0), cup * 0.5, 0.03, turn=side, mirror=(True, False))),
    ]  # fmt: skip
    if rng.random() < 0.6:
        rows.insert(1, arc(pads, (0, -0.025, 0), wide, 0.035, 45, 1.0, 2.2))
    if rng.random() < 0.3:
        rows.append(rod(body, (wide, -0.2, 0.1), (wide * 0.5, -0.35, 0.35), 0.016))
        rows.append(ellipsoid(pads, (wide * 0.45, -0.36, 0.38), (0.04, 0.03, 0.03)))
    return rows


def camera(rng: random.Random) -> list[Row]:
    body = pt.plain(rng, rng.choice((pt.grey(rng, 0.06, 0.2), pt.color(rng))))
    trim = pt.plain(rng, pt.grey(rng, 0.4, 0.8), 0.15)
    high, deep, lens = rng.uniform(0.26, 0.34), rng.uniform(0.1, 0.16), rng.uniform(0.15, 0.22)
    at = rng.choice((0.0, 0.08, -0.1))
    front, long = turned(90), rng.uniform(0.08, 0.25)
    glass = pt.plain(rng, (0.05, 0.06, 0.12), 0.3)
    rows = [
        box(body, (0, 0, 0), (0.5, high, deep), corner=0.04, edge=0.03),
        decal(box(trim, (0, high, 0), (1, high * rng.uniform(0.2, 0.5), 1))),
        cylinder(body, (at, -0.02, deep + long), lens, long, edge=0.02, turn=front),
        decal(cylinder(trim, (at, -0.02, deep + long * 1.6), lens * 1.1, 0.03, turn=front)),
        cut(cylinder(glass, (at, -0.02, deep + 2 * long), lens * 0.78, 0.05, turn=front)),
        cylinder(trim, (-0.36, high + 0.03, 0), 0.07, 0.05, edge=0.01),
        cylinder(body, (0.34, high + 0.02, 0), 0.09, 0.04, edge=0.01),
    ]
    if rng.random() < 0.6:
        rows.append(box(body, (at, high + 0.06, 0), (0.14, 0.1, deep * 0.9), edge=0.03, taper=-0.3))
    if rng.random() < 0.5:
        rows.append(box(body, (-0.44, 0, deep), (0.07, high * 0.9, 0.07), corner=0.05, edge=0.03))
    return rows


def speaker(rng: random.Random) -> list[Row]:
    half = (rng.uniform(0.2, 0.34), 0.5, rng.uniform(0.2, 0.32))
    if rng.random() < 0.3:
        half = (0.5, half[0], half[2])
    body = pt.wood(rng) if rng.random() < 0.35 else pt.plain(rng)
    cone, trim = pt.plain(rng, pt.grey(rng, 0.04, 0.3)), pt.plain(rng)
    front = turned(90)
    rows = [box(body, (0, 0, 0), half, corner=rng.uniform(0, 0.1), edge=rng.uniform(0.005, 0.05))]
    big = min(half[0], half[1]) * 0.75
    tall = half[1] > half[0]
    spots = [((0.0, -half[1] + big * 1.25, half[2]), big), ((0.0, half[1] * 0.55, half[2]), big * 0.5)]
    if not tall:
        spots = [((half[0] * 0.55 * s, 0.0, half[2]), big) for s in (-1, 1)]
    for at, size in spots:
        rows.append(cylinder(trim, at, size, 0.02, edge=0.01, turn=front))
        rows.append(cut(ellipsoid(cone, (at[0], at[1], at[2] + 0.03), (size * 0.85, size * 0.85, 0.09))))
        rows.append(ellipsoid(cone, at, (size * 0.3, size * 0.3, 0.05)))
    if rng.random() < 0.4:
        rows.append(arc(trim, (0, half[1], 0), half[0] * 0.6, 0.03, 90, 1.0, 2.0))
    if rng.random() < 0.3:
        rows.append(rod(trim, (half[0] * 0.7, -half[1], half[2] * 0.7), (half[0] * 0.8, -half[1] - 0.1, half[2] * 0.8),
                        0.03, mirror=(True, True)))  # fmt: skip
    return rows


def toaster(rng: random.Random) -> list[Row]:
    """Toasters, radios, coffee machines: a rounded appliance with slots, knobs and a lever."""
    half = (0.5, rng.uniform(0.28, 0.36), rng.uniform(0.18, 0.28))
    body = pt.plain(rng, gloss=0.12) if rng.random() < 0.7 else pt.metal(rng)
    dark, trim = pt.plain(rng, pt.grey(rng, 0.05, 0.2)), pt.plain(rng)
    rows = [
        box(body, (0, 0, 0), half, corner=rng.uniform(0.05, half[2]), edge=rng.uniform(0.04, 0.14)),
        decal(box(trim, (0, -half[1], 0), (1, half[1] * 0.25, 1))),
    ]
    if rng.random() < 0.6:
        rows.append(cut(box(dark, (0, half[1], half[2] * 0.35), (0.36, 0.12, 0.045), mirror=(False, True)), dark))
        rows.append(box(dark, (0.52, 0.08, 0), (0.06, 0.03, 0.06), edge=0.02))
        rows.append(box(body, (0.5, 0.0, 0), (0.01, 0.2, 0.02)))
    else:
        grille = pt.Finish((dark.colors[0], body.colors[0]), tx.STRIPES, (18.0, rng.choice((0, 1.5708)), 0.5, 0.0))
        rows.append(decal(box(grille, (-0.2, 0, half[2]), (0.22, half[1] * 0.7, 0.05))))
        rows.append(arc(trim, (0, half[1] - 0.03, 0), 0.36, 0.03, 88, 1.0))
        rows.append(rod(dark, (0.4, half[1], -0.1), (0.1, half[1] + 0.35, -0.1), 0.012))
    for i in range(rng.randint(1, 3)):
        at = (0.12 + 0.13 * i, rng.choice((-0.1, -0.1, 0.1)), half[2])
        rows.append(cylinder(trim, at, 0.05, 0.05, edge=0.015, turn=turned(90)))
    return rows


def clock(rng: random.Random) -> list[Row]:
    """Alarm and table clocks."""
    body, ground, ink = pt.plain(rng), pt.color(rng), pt.plain(rng, pt.grey(rng, 0.03, 0.2))
    front = turned(90)
    square = rng.random() < 0.4
    corner = 0.12 if square else 0.4
    rows = [
        box(body, (0, 0, 0), (0.4, 0.12, 0.4), corner=corner, edge=0.04, turn=front),
        cut(box(pt.plain(rng, ground), (0, 0, 0.12), (0.34, 0.03, 0.34), corner=corner - 0.06, turn=front)),
    ]
    for angle, length in ((rng.uniform(0, 360), 0.18), (rng.uniform(0, 360), 0.27)):
        turn = turned(0, 0, angle)
        tip = turn[1]
        end = (tip[0] * length, tip[1] * length, 0.1)
        rows.append(rod(ink, (0, 0, 0.1), end, 0.016))
    for i in range(4):
        at = ((0.0, 0.28, 0.09), (0.28, 0.0, 0.09), (0.0, -0.28, 0.09), (-0.28, 0.0, 0.09))[i]
        rows.append(decal(box(ink, at, (0.025, 0.025, 0.02))))
    if rng.random() < 0.6:
        rows.append(ellipsoid(body, (0.24, 0.42, 0), (0.14, 0.1, 0.1), turn=turned(0, 0, -35), mirror=(True, False)))
    rows.append(rod(body, (0.24, -0.32, 0), (0.32, -0.5, 0.03), 0.035, mirror=(True, False)))
    return rows


def lantern(rng: random.Random) -> list[Row]:
    """Lamps: desk, table, floor, with a shade or a spot."""
    metal, cover = pt.plain(rng), pt.anything(rng)
    kind = rng.random()
    foot = rng.uniform(0.16, 0.26)
    rows = [box(metal, (0, -0.5, 0), (foot, 0.025, foot), corner=foot * rng.choice((1.0, 0.2)), edge=0.01)]
    if kind < 0.45:  # arm lamp
        elbow = (rng.uniform(-0.25, -0.1), rng.uniform(-0.05, 0.15), 0.0)
        head = (rng.uniform(0.1, 0.3), rng.uniform(0.25, 0.45), 0.0)
        rows += [
            rod(metal, (0, -0.5, 0), elbow, 0.02),
            rod(metal, elbow, head, 0.02),
            ellipsoid(metal, elbow, (0.035, 0.035, 0.035)),
        ]
        turn = turned(0, 0, rng.uniform(15, 60))
        rows.append(lathe(cover, head, 0.17, 0.11, [1.0, 0.85, 0.6, 0.35], wall=0.012, turn=turn))
        rows.append(ellipsoid(pt.plain(rng, (1, 0.95, 0.8)), head, (0.07, 0.07, 0.07)))
        return rows
    high = rng.uniform(0.1, 0.25)
    if rng.random() < 0.5:
        stem = pt.anything(rng)
        points = [rng.uniform(0.3, 1.0) for _ in range(5)]
        rows.append(lathe(stem, (0, -0.5 + (high + 0.5) / 2, 0), foot * 0.9, (high + 0.5) / 2, points))
    else:
        rows.append(rod(metal, (0, -0.5, 0), (0, high, 0), 0.025))
    wide, narrow = rng.uniform(0.28, 0.4), rng.uniform(0.4, 1.0)
    corner = rng.choice((1.0, 1.0, 0.15))
    rows.append(lathe(cover, (0, high + 0.12, 0), wide, rng.uniform(0.14, 0.22), [1.0, narrow], wall=0.012,
                      corner=corner))  # fmt: skip
    rows.append(ellipsoid(pt.plain(rng, (1, 0.95, 0.8)), (0, high + 0.08, 0), (0.08, 0.1, 0.08)))
    if rng.random() < 0.5:
        rows.append(rod(metal, (0.1, high, 0.0), (0.12, high - 0.2, 0), 0.008))
    return rows
