"""Things to drink, cook and keep from: mugs, bottles, cans, jars, bowls, vases, teapots, pans."""

from __future__ import annotations

import math
import random

from training.procedural import palette as pt
from training.procedural.parts import arc, box, cavity, cut, cylinder, decal, ellipsoid, lathe, rod, turned
from training.procedural.table import Row


def mug(rng: random.Random) -> list[Row]:
    radius, half = rng.uniform(0.3, 0.42), rng.uniform(0.36, 0.55)
    coat = pt.anything(rng, size=0.8)
    inner = pt.plain(rng, rng.choice((coat.colors[0], (0.95, 0.95, 0.93), pt.color(rng))))
    belly, foot = rng.uniform(0.92, 1.12), rng.uniform(0.75, 1.0)
    profile = [foot, (foot + belly) / 2, belly, 1.0, 1.0]
    wall = rng.uniform(0.035, 0.05)
    height = rng.uniform(0.18, 0.3)
    side = rng.choice((-1, 1))
    handle = coat if rng.random() < 0.7 else inner
    rows = []
    if rng.random() < 0.92:
        at = (side * radius, rng.uniform(-0.08, 0.04), 0.0)
        if rng.random() < 0.6:
            rows.append(
                arc(handle, at, height, rng.uniform(0.035, 0.05), 179, rng.uniform(0.7, 1.0), rng.uniform(0.9, 1.6))
            )
        else:
            rows.append(
                box(
                    handle, at, (rng.uniform(0.2, 0.26), 0.05, height), corner=rng.uniform(0.06, 0.18), edge=0.02,
                    wall=0.035, turn=turned(90),
                )
            )  # fmt: skip
    rows.append(lathe(coat, (0, 0, 0), radius, half, profile, edge=0.02, blend=0.02))
    if rng.random() < 0.55:
        size = rng.uniform(0.12, 0.2)
        paint = pt.label(rng, size * 1.2, size, coat.colors[0], radius, radius)
        rows.append(decal(box(paint, (0, 0, radius), (size * 1.2, size, 0.2))))
    elif rng.random() < 0.4:
        rows.append(decal(cylinder(pt.plain(rng), (0, rng.choice((-1, 1)) * half * 0.85, 0), 0.6, half * 0.15)))
    rows.append(cavity(inner, (0, 0, 0), radius, half, profile, wall, 2 * wall, edge=0.02))
    return rows


def bottle(rng: random.Random) -> list[Row]:
    """Wine, water, shampoo, sauce: round or squarish, flat or not, capped, labelled."""
    radius, half = rng.uniform(0.2, 0.36), rng.uniform(0.5, 0.62)
    neck, shoulder = rng.uniform(0.25, 0.55), rng.uniform(0.5, 0.78)
    waist = rng.uniform(0.82, 1.0)
    coat = pt.plain(rng) if rng.random() < 0.75 else pt.anything(rng)
    ratio = rng.choice((1.0, 1.0, rng.uniform(0.5, 0.8)))
    corner = rng.choice((1.0, 1.0, rng.uniform(0.2, 0.6)))

    def profile(t: float) -> float:
        if t < 0.04:
            return 0.9 + 2.5 * t
        if t < shoulder:
            f = (t - 0.04) / (shoulder - 0.04)
            return 1.0 - (1 - waist) * 4 * f * (1 - f)
        f = min(1.0, (t - shoulder) / min(0.22, 0.96 - shoulder))
        f = f * f * (3 - 2 * f)
        return 1.0 + (neck - 1.0) * f

    rows = [lathe(coat, (0, 0, 0), radius, half, profile, ratio=ratio, corner=corner, edge=0.015)]
    cap = pt.plain(rng)
    kind = rng.random()
    cap_radius, cap_half = radius * min(1.0, neck * 1.15) * min(1, ratio * 1.4), rng.uniform(0.05, 0.12)
    if kind < 0.7:
        rows.append(cylinder(cap, (0, half + cap_half * 0.6, 0), cap_radius, cap_half, edge=0.015))
    elif kind < 0.85:  # pump
        rows.append(cylinder(cap, (0, half + 0.04, 0), cap_radius, 0.06, edge=0.01))
        rows.append(cylinder(cap, (0, half + 0.16, 0), 0.03, 0.12))
        rows.append(box(cap, (0.06, half + 0.28, 0), (0.13, 0.03, 0.05), corner=0.03, edge=0.02))
    else:  # spray
        rows.append(box(cap, (0.03, half + 0.09, 0), (0.12, 0.1, 0.06), corner=0.04, edge=0.03))
        rows.append(rod(cap, (0.1, half + 0.12, 0), (0.24, half + 0.13, 0), 0.03))
        rows.append(rod(cap, (0.12, half + 0.05, 0), (0.2, half - 0.08, 0), 0.02))
    if rng.random() < 0.85:
        tall = rng.uniform(0.14, 0.26)
        at = -half + 0.08 + tall + rng.uniform(0.02, 0.12)
        ground = rng.choice((coat.colors[0], pt.color(rng), (0.95, 0.94, 0.9)))
        around = radius if ratio == 1.0 and corner == 1.0 else 0.0
        paint = pt.label(rng, radius * 0.95, tall, ground, around)
        rows.append(decal(box(paint, (0, at, 0), (1.0, tall, 1.0))))
    return rows


def can(rng: random.Random) -> list[Row]:
    radius, half = rng.uniform(0.3, 0.42), rng.uniform(0.3, 0.6)
    tin = pt.metal(rng)
    ground = pt.color(rng)
    rows = [
        cylinder(tin, (0, 0, 0), radius, half, edge=0.03),
        cut(cylinder(tin, (0, half, 0), radius - 0.035, 0.03)),
        decal(box(pt.label(rng, radius * 1.3, half * 0.9, ground, radius), (0, 0, 0), (1, half * 0.92, 1))),
    ]
    if rng.random() < 0.3:
        rows.append(arc(tin, (0, half * 0.8, 0), radius * 1.02, 0.015, 90, 1.0))
    return rows


def jar(rng: random.Random) -> list[Row]:
    radius, half = rng.uniform(0.3, 0.42), rng.uniform(0.3, 0.5)
    corner = rng.choice((1.0, 0.45))
    coat = pt.anything(rng)
    lid = pt.wood(rng) if rng.random() < 0.3 else pt.plain(rng)
    rows = [
        lathe(coat, (0, 0, 0), radius, half, [0.85, 1, 1.02, 1, 1, 0.95, 0.75], corner=corner, edge=0.03),
        box(lid, (0, half + 0.05, 0), (radius * 0.85, 0.08, radius * 0.85), corner=radius * 0.85 * corner, edge=0.02),
    ]
    if rng.random() < 0.4:
        rows.append(ellipsoid(lid, (0, half + 0.17, 0), (0.07, 0.07, 0.07)))
    if rng.random() < 0.7:
        tall = half * rng.uniform(0.4, 0.6)
        paint = pt.label(rng, radius * 0.7, tall, pt.color(rng), radius if corner == 1.0 else 0.0, radius)
        rows.append(decal(box(paint, (0, -0.03, radius), (radius * 0.75, tall, radius * 0.8))))
    if rng.random() < 0.35:
        rows.append(arc(lid, (radius, 0, 0), half * 0.5, 0.04, 179, 0.6, mirror=(rng.random() < 0.5, False)))
    return rows


def bowl(rng: random.Random) -> list[Row]:
    radius, half = 0.5, rng.uniform(0.12, 0.3)
    coat, inner = pt.anything(rng), pt.anything(rng)
    corner = rng.choice((1.0, 1.0, 0.4))
    shape = rng.uniform(0.35, 0.9)

    def profile(t: float) -> float:
        return 0.45 + 0.55 * math.pow(t, shape)

    rows = [
        lathe(coat, (0, 0, 0), radius, half, profile, corner=corner, edge=0.015),
        cavity(inner, (0, 0, 0), radius, half, profile, 0.035, 0.05, corner=corner),
    ]
    extra = rng.random()
    if extra < 0.35:
        rows.append(arc(coat, (0.5, half * 0.6, 0), 0.1, 0.025, 179, 1.0, turn=turned(90), mirror=(True, False)))
    elif extra < 0.7:
        for _ in range(rng.randint(3, 7)):  # fruit or food
            ball = rng.uniform(0.11, 0.17)
            at = (rng.uniform(-0.22, 0.22), half - 0.02 + rng.uniform(-0.05, 0.1), rng.uniform(-0.22, 0.22))
            rows.append(ellipsoid(pt.plain(rng, pt.vivid(rng)), at, (ball, ball * rng.uniform(0.8, 1.1), ball)))
    return rows


def vase(rng: random.Random) -> list[Row]:
    """A vase, half of the time with a plant so that it does not look the same from everywhere."""
    radius, half = rng.uniform(0.22, 0.36), rng.uniform(0.35, 0.6)
    points = [rng.uniform(0.45, 1.0) for _ in range(rng.randint(4, 6))]
    top = max(points)
    points = [p / top for p in points]
    coat = pt.anything(rng)
    corner = rng.choice((1.0, 1.0, 0.3))
    rows = [
        lathe(coat, (0, 0, 0), radius, half, points, corner=corner, edge=0.015),
        cavity(coat, (0, 0, 0), radius, half, points, 0.04, half, corner=corner),
    ]
    if rng.random() < 0.6:
        rows += foliage(rng, half - 0.05, rng.uniform(0.25, 0.5))
    if rng.random() < 0.35:
        rows.append(arc(coat, (radius * 0.75, half * 0.3, 0), 0.16, 0.03, 179, mirror=(True, False)))
    return rows


def foliage(rng: random.Random, base: float, size: float) -> list[Row]:
    """Leaves, a cactus or flowers rising from height ``base``."""
    green = pt.hsv(rng.uniform(0.22, 0.42), rng.uniform(0.4, 0.8), rng.uniform(0.3, 0.65))
    leaf = pt.Finish((green, pt.shade(green, 0.7)), 3, (14.0, 0.0, 2.0, float(rng.randrange(99))))
    pick = rng.random()
    rows = []
    if pick < 0.3:  # cactus
        thick = size * rng.uniform(0.25, 0.4)
        rows.append(rod(leaf, (0, base, 0), (0, base + size, 0), thick, thick * 0.9))
        for side in (-1, 1):
            high = base + size * rng.uniform(0.3, 0.7)
            if rng.random() < 0.8:
                out = side * (thick + size * 0.3)
                rows.append(rod(leaf, (0, high, 0), (out, high + 0.03, 0), thick * 0.45, blend=0.03))
                rows.append(rod(leaf, (out, high, 0), (out, high + size * 0.35, 0), thick * 0.45, blend=0.03))
        return rows
    for _ in range(rng.randint(6, 10)):
        angle, lean = rng.uniform(0, 360), rng.uniform(10, 65)
        length = size * rng.uniform(0.7, 1.1)
        turn = turned(lean, angle, 0)
        direction = turn[1]
        middle = (direction[0] * length / 2, base + direction[1] * length / 2, direction[2] * length / 2)
        rows.append(ellipsoid(leaf, middle, (length * rng.uniform(0.13, 0.25), length / 2, 0.025), turn=turn))
        if pick > 0.7 and len(rows) < 12:
            tip = (direction[0] * length, base + direction[1] * length, direction[2] * length)
            rows.append(ellipsoid(pt.plain(rng, pt.vivid(rng)), tip, (0.08, 0.08, 0.08)))
    return rows


def teapot(rng: random.Random) -> list[Row]:
    radius = rng.uniform(0.34, 0.42)
    half = rng.uniform(0.26, 0.42)
    coat = pt.anything(rng)
    trim = coat if rng.random() < 0.6 else pt.plain(rng)
    rows = [
        rod(coat, (radius * 0.7, -half * 0.4, 0), (radius + 0.28, half * 0.75, 0), 0.085, 0.04),
        lathe(coat, (0, 0, 0), radius, half, [0.62, 0.9, 1.0, 0.95, 0.7, 0.45], edge=0.02, blend=0.05),
        lathe(trim, (0, half + 0.02, 0), radius * 0.5, 0.05, [1.0, 1.0, 0.7, 0.3], edge=0.01),
        ellipsoid(trim, (0, half + 0.1, 0), (0.055, 0.05, 0.055)),
    ]
    if rng.random() < 0.6:
        rows.append(arc(trim, (-radius, 0, 0), half * 0.65, 0.04, 179, 0.9))
    else:
        rows.append(arc(trim, (0, half * 0.6, 0), radius * 0.9, 0.03, 95, 1.0))
    return rows


def pan(rng: random.Random) -> list[Row]:
    """Frying pans and saucepans, some with a lid."""
    radius, half = rng.uniform(0.32, 0.4), rng.uniform(0.05, 0.22)
    coat = pt.plain(rng) if rng.random() < 0.5 else pt.metal(rng)
    inner = pt.plain(rng, pt.grey(rng, 0.08, 0.5))
    grip = pt.wood(rng) if rng.random() < 0.3 else pt.plain(rng, pt.grey(rng, 0.05, 0.3))
    length = rng.uniform(0.35, 0.6)
    rows = [
        lathe(coat, (0, 0, 0), radius, half, [0.85, 0.97, 1.0, 1.0], edge=0.015),
        cut(lathe(inner, (0, 0.04, 0), radius - 0.03, half, [0.85, 0.97, 1.0, 1.0]), inner),
    ]
    if half > 0.12 and rng.random() < 0.4:
        rows.append(arc(grip, (radius, half * 0.5, 0), 0.1, 0.025, 179, turn=turned(90), mirror=(True, False)))
    else:
        start, end = (radius * 0.97, half * 0.6, 0), (radius + length, half + 0.08, 0)
        rows.append(rod(grip, start, end, 0.03, 0.045, 0.7))
    if half > 0.12 and rng.random() < 0.6:
        rows.append(lathe(coat, (0, half + 0.03, 0), radius * 1.03, 0.04, [1.0, 0.95, 0.75, 0.4], edge=0.01))
        rows.append(ellipsoid(grip, (0, half + 0.1, 0), (0.06, 0.05, 0.06)))
    return rows
