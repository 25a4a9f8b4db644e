"""Soft and hard toys, shoes, bags, food."""

from __future__ import annotations

import math
import random

from training.procedural import palette as pt
from training.procedural.parts import arc, box, cut, cylinder, decal, ellipsoid, outline, rod, turned
from training.procedural.table import Row


def plush(rng: random.Random) -> list[Row]:
    """Sitting or standing animals: body, head, limbs, ears, snout, eyes."""
    fur = pt.cloth(rng) if rng.random() < 0.4 else pt.plain(rng)
    pale = pt.plain(rng, pt.shade(fur.colors[0], rng.choice((1.6, 2.5, 0.6))))
    dark = pt.plain(rng, (0.04, 0.04, 0.05), 0.3)
    head = rng.uniform(0.19, 0.27)
    body = (rng.uniform(0.18, 0.26), rng.uniform(0.2, 0.28), rng.uniform(0.16, 0.24))
    neck = body[1] + head * 0.65
    rows = [
        ellipsoid(fur, (0, 0, 0), body),
        ellipsoid(fur, (0, neck, 0.03), (head, head * rng.uniform(0.85, 1.0), head * 0.92), blend=0.03),
    ]
    sitting = rng.random() < 0.6
    leg = rng.uniform(0.07, 0.1)
    if sitting:
        rows.append(rod(fur, (body[0] * 0.6, -body[1] * 0.7, 0.1), (body[0] * 0.9, -body[1] * 0.85, 0.36), leg, leg,
                        mirror=(True, False), blend=0.02))  # fmt: skip
        rows.append(decal(ellipsoid(pale, (body[0] * 0.92, -body[1] * 0.85, 0.44), (leg * 0.7, leg * 0.7, 0.08),
                                    mirror=(True, False))))  # fmt: skip
    else:
        rows.append(rod(fur, (body[0] * 0.5, -body[1] * 0.5, 0), (body[0] * 0.6, -body[1] - 0.2, 0.02), leg,
                        leg, mirror=(True, False), blend=0.02))  # fmt: skip
    reach = rng.uniform(0.14, 0.26)
    lift = rng.uniform(-0.25, 0.15)
    rows.append(rod(fur, (body[0] * 0.7, body[1] * 0.5, 0.03), (body[0] + reach, body[1] * 0.5 + lift, 0.12),
                    0.07, 0.06, mirror=(True, False), blend=0.02))  # fmt: skip
    ears = rng.random()
    y = neck + head * 0.8
    if ears < 0.45:
        size = rng.uniform(0.07, 0.11)
        rows.append(ellipsoid(fur, (head * 0.75, y, 0), (size, size, 0.04), mirror=(True, False)))
        rows.append(ellipsoid(pale, (head * 0.75, y, 0.025), (size * 0.6, size * 0.6, 0.03), mirror=(True, False)))
    elif ears < 0.75:
        long = rng.uniform(0.16, 0.3)
        turn = turned(0, 0, rng.uniform(-40, -5))
        rows.append(ellipsoid(fur, (head * 0.55, y + long * 0.7, 0), (0.06, long, 0.035), turn=turn,
                              mirror=(True, False)))  # fmt: skip
    else:
        rows.append(rod(fur, (head * 0.6, y - 0.05, 0), (head * 0.75, y + 0.1, 0), 0.08, 0.02, 0.5,
                        mirror=(True, False)))  # fmt: skip
    nose = neck - head * 0.2
    rows.append(ellipsoid(pale, (0, nose, head * 0.9), (head * 0.42, head * 0.32, head * 0.35)))
    rows.append(ellipsoid(dark, (0, nose + 0.05, head * 1.22), (0.04, 0.03, 0.03)))
    rows.append(ellipsoid(dark, (head * 0.38, neck + head * 0.22, head * 0.88), (0.032, 0.036, 0.03),
                          mirror=(True, False)))  # fmt: skip
    if rng.random() < 0.6:
        rows.append(decal(ellipsoid(pale, (0, -0.02, body[2]), (body[0] * 0.65, body[1] * 0.7, 0.1))))
    wear = rng.random()
    if wear < 0.3:
        rows.append(cylinder(pt.plain(rng, pt.vivid(rng)), (0, body[1] * 0.88, 0.02), 0.15, 0.04, edge=0.035))
    elif wear < 0.5:
        shirt = pt.anything(rng)
        rows.append(decal(box(shirt, (0, 0.03, 0), (body[0] * 1.2, body[1] * 0.7, 1))))
    if rng.random() < 0.5:
        rows.append(ellipsoid(pale, (0, -body[1] * 0.5, -body[2] - 0.03), (0.08, 0.08, 0.08)))
    return rows


def quadruped(rng: random.Random) -> list[Row]:
    """Toy animals on four legs: horse, dog, elephant, dinosaur-like."""
    coat = pt.anything(rng)
    dark = pt.plain(rng, (0.04, 0.04, 0.05), 0.3)
    thick, long, leg = rng.uniform(0.1, 0.2), rng.uniform(0.22, 0.34), rng.uniform(0.2, 0.38)
    foot = thick * rng.uniform(0.25, 0.45)
    rows = [
        ellipsoid(coat, (0, 0, 0), (thick, thick * rng.uniform(0.9, 1.2), long)),
        rod(coat, (thick * 0.6, 0, long * 0.7), (thick * 0.7, -leg, long * 0.75), foot * 1.2, foot,
            mirror=(True, True), blend=0.03),
    ]  # fmt: skip
    up = rng.uniform(0.05, 0.35)
    neck = (0.0, thick * 0.6 + up, long + rng.uniform(0.05, 0.15))
    rows.append(rod(coat, (0, thick * 0.3, long * 0.8), neck, thick * 0.6, thick * 0.5, blend=0.04))
    size = thick * rng.uniform(0.65, 1.0)
    nose = (0.0, neck[1] - size * 0.3, neck[2] + size * rng.uniform(0.9, 1.6))
    rows.append(ellipsoid(coat, neck, (size, size, size), blend=0.03))
    rows.append(rod(coat, neck, nose, size * 0.7, size * 0.5, blend=0.03))
    rows.append(ellipsoid(dark, (size * 0.7, neck[1] + size * 0.35, neck[2] + size * 0.6), (0.02, 0.025, 0.02),
                          mirror=(True, False)))  # fmt: skip
    ear = size * rng.uniform(0.3, 0.9)
    rows.append(ellipsoid(coat, (size * 0.8, neck[1] + size * 0.8, neck[2] - size * 0.2), (ear * 0.6, ear, ear * 0.3),
                          turn=turned(0, 0, -25), mirror=(True, False)))  # fmt: skip
    tail = (0.0, rng.uniform(-0.2, 0.25), -long - rng.uniform(0.1, 0.25))
    rows.append(rod(coat, (0, thick * 0.3, -long * 0.85), tail, thick * 0.35, 0.02, blend=0.03))
    if rng.random() < 0.3:
        rows.append(decal(box(pt.anything(rng), (0, 0, rng.uniform(-0.1, 0.1)), (1, 1, long * 0.35))))
    return rows


def vehicle(rng: random.Random) -> list[Row]:
    """Toy cars, vans, trucks."""
    body, glass = pt.plain(rng), pt.plain(rng, rng.choice(((0.1, 0.12, 0.16), (0.55, 0.7, 0.8))), 0.2)
    tyre, hub = pt.plain(rng, pt.grey(rng, 0.05, 0.15)), pt.plain(rng)
    wide, wheel = rng.uniform(0.19, 0.24), rng.uniform(0.09, 0.14)
    low = rng.uniform(0.09, 0.14)
    rows = [box(body, (0, 0, 0), (wide, low, 0.5), corner=rng.uniform(0.03, 0.12), edge=rng.uniform(0.02, 0.07))]
    kind = rng.random()
    if kind < 0.5:  # car
        long, tall, at = rng.uniform(0.2, 0.32), rng.uniform(0.09, 0.14), rng.uniform(-0.12, 0.02)
        rows.append(box(body, (0, low + tall * 0.8, at), (wide * 0.9, tall, long), edge=0.03, taper=-0.15))
        rows.append(decal(box(glass, (0, low + tall * 0.95, at), (1, tall * 0.5, long * 0.75))))
        rows.append(decal(box(glass, (0, low + tall * 0.95, at), (wide * 0.72, tall * 0.5, long * 1.3))))
    elif kind < 0.75:  # van or bus
        tall = rng.uniform(0.12, 0.2)
        rows.append(box(body, (0, low + tall * 0.8, -0.04), (wide * 0.98, tall, 0.44), edge=0.04))
        rows.append(decal(box(glass, (0, low + tall, 0), (1, tall * 0.4, 0.38))))
        rows.append(decal(box(glass, (0, low + tall, 0.4), (wide * 0.8, tall * 0.5, 0.2))))
    else:  # truck
        load = pt.anything(rng)
        rows.append(box(body, (0, low + 0.14, 0.34), (wide * 0.95, 0.17, 0.14), edge=0.03))
        rows.append(decal(box(glass, (0, low + 0.2, 0.4), (1, 0.07, 0.06))))
        rows.append(decal(box(glass, (0, low + 0.2, 0.5), (wide * 0.8, 0.08, 0.06))))
        tall = rng.uniform(0.1, 0.24)
        rows.append(box(load, (0, low + tall, -0.17), (wide * 1.02, tall, 0.32), edge=0.01))
        if rng.random() < 0.5:
            rows.append(cut(box(load, (0, low + tall + 0.06, -0.17), (wide * 0.9, tall, 0.29))))
    if rng.random() < 0.5:
        stripe = rng.uniform(-0.03, 0.03)
        rows.append(decal(box(pt.plain(rng), (0, stripe, 0), (1, 0.025, 1))))
    rows.append(decal(ellipsoid(pt.plain(rng, (0.98, 0.95, 0.8)), (wide * 0.65, 0.0, 0.5), (0.05, 0.04, 0.06),
                                mirror=(True, False))))  # fmt: skip
    rows.append(decal(ellipsoid(pt.plain(rng, (0.8, 0.1, 0.1)), (wide * 0.75, 0.0, -0.5), (0.05, 0.03, 0.06),
                                mirror=(True, False))))  # fmt: skip
    side = turned(0, 0, 90)
    rows.append(cylinder(tyre, (wide * 0.95, -low, 0.3), wheel, 0.05, edge=0.02, turn=side, mirror=(True, True)))
    rows.append(decal(cylinder(hub, (wide * 0.95, -low, 0.3), wheel * 0.55, 0.09, turn=side, mirror=(True, True))))
    return rows


def shoe(rng: random.Random) -> list[Row]:
    """Trainers, boots and slippers, toe towards +Z; sometimes a pair."""
    upper = pt.anything(rng)
    sole = pt.plain(rng) if rng.random() < 0.5 else pt.plain(rng, pt.grey(rng, 0.75, 0.97))
    trim, lace = pt.plain(rng), pt.plain(rng, pt.grey(rng, 0.6, 0.97))
    wide = rng.uniform(0.15, 0.19)
    thick = rng.uniform(0.04, 0.08)
    pair = rng.random() < 0.3
    x = wide + 0.04 if pair else 0.0
    mirror = (pair, False)

    def plan(angle: float) -> float:
        """The sole's outline: waisted in the middle, rounder at the toe."""
        return 1.0 - 0.12 * math.cos(2 * angle) ** 2 * (0 if math.sin(angle) > 0 else 1) - 0.1 * math.cos(angle) ** 8

    boot = rng.random() < 0.35
    high = rng.uniform(0.42, 0.6) if boot else rng.uniform(0.16, 0.26)
    rows = [
        ellipsoid(upper, (x, 0.03, 0.16), (wide, rng.uniform(0.15, 0.2), 0.33), mirror=mirror),
        ellipsoid(upper, (x, 0.06, -0.27), (wide * 0.9, 0.22, 0.22), blend=0.06, mirror=mirror),
        box(upper, (x, high / 2, -0.26), (wide * 0.78, high / 2 + 0.06, 0.19), corner=wide * 0.7, edge=0.03,
            taper=0.06, blend=0.07, mirror=mirror, turn=turned(rng.uniform(-8, 4))),
        rod(upper, (x, high * 0.8, -0.16), (x, 0.12, 0.2), wide * 0.7, wide * 0.62, blend=0.05, mirror=mirror),
        cut(box(trim, (x, high + 0.07, -0.25), (wide * 0.58, 0.22, 0.13), corner=wide * 0.5, edge=0.05,
                mirror=mirror)),
        cut(box(sole, (x, -0.5 - thick, 0), (wide * 2, 0.5, 2), mirror=mirror)),
        outline(sole, (x, -0.03 - thick / 2, 0), wide * 1.04, thick, plan, ratio=0.53 / wide, edge=0.02,
                mirror=mirror),
    ]  # fmt: skip
    if rng.random() < 0.5:
        rows.append(decal(ellipsoid(trim, (x, 0, 0.5), (0.3, 0.2, 0.22), mirror=mirror)))
    if rng.random() < 0.4:
        rows.append(decal(box(trim, (x, 0.1, -0.5), (0.3, 0.3, 0.12), mirror=mirror)))
    if rng.random() < 0.6:
        rows.append(decal(box(trim, (x + 0.0, 0.07, -0.02), (0.4, 0.025, 0.2), turn=turned(rng.uniform(-30, 30)),
                              mirror=mirror)))  # fmt: skip
    if rng.random() < 0.75:
        for i in range(3 if not boot else 5):
            f = i / 3
            at = (x, 0.2 + (high - 0.02) * 0.35 * (1 - f) + wide * 0.42, 0.0 + 0.17 * f - 0.03)
            rows.append(rod(lace, (at[0] - wide * 0.4, at[1] - 0.02, at[2]), (at[0] + wide * 0.4, at[1] - 0.02, at[2]),
                            0.016, mirror=mirror))  # fmt: skip
    return rows


def bag(rng: random.Random) -> list[Row]:
    """Handbags, backpacks, totes, suitcases."""
    coat = pt.anything(rng)
    trim = pt.plain(rng)
    half = (rng.uniform(0.28, 0.45), rng.uniform(0.28, 0.45), rng.uniform(0.1, 0.2))
    soft = rng.uniform(0.02, min(half) * 0.9)
    rows = [box(coat, (0, 0, 0), half, edge=soft, corner=soft, taper=rng.uniform(-0.25, 0.12))]
    kind = rng.random()
    if kind < 0.4:  # handbag
        size = half[0] * rng.uniform(0.4, 0.7)
        rows.append(arc(trim, (0, half[1] - 0.03, half[2] * 0.4), size, 0.022, 92, 1.0, 1.5, mirror=(False, True)))
        if rng.random() < 0.6:
            rows.append(box(trim, (0, half[1] * 0.45, half[2] * 0.9), (half[0] * 0.9, half[1] * 0.45, 0.03),
                            edge=0.02, corner=0.1, turn=turned(-4)))  # fmt: skip
            rows.append(box(pt.metal(rng), (0, half[1] * 0.1, half[2] + 0.02), (0.05, 0.05, 0.03), edge=0.01))
    elif kind < 0.75:  # backpack
        rows.append(box(trim, (0, -half[1] * 0.35, half[2]), (half[0] * 0.7, half[1] * 0.45, 0.07), edge=0.05,
                        corner=0.05))  # fmt: skip
        rows.append(arc(trim, (half[0] * 0.5, 0, -half[2] - 0.01), half[1] * 0.75, 0.03, 179, 0.35, 1.5,
                        turn=turned(0, 90), mirror=(True, False)))  # fmt: skip
        rows.append(arc(trim, (0, half[1], -half[2] * 0.5), 0.1, 0.02, 92))
        rows.append(decal(box(trim, (0, half[1] * 0.35, 0), (1, 0.02, 1))))
    else:  # suitcase
        frame = pt.plain(rng, pt.grey(rng, 0.1, 0.7))
        tall = rng.uniform(0.1, 0.3)
        rows.append(rod(frame, (0.13, half[1], -half[2] * 0.5), (0.13, half[1] + tall, -half[2] * 0.5), 0.016,
                        mirror=(True, False)))  # fmt: skip
        rows.append(rod(frame, (-0.13, half[1] + tall, -half[2] * 0.5), (0.13, half[1] + tall, -half[2] * 0.5), 0.022))
        rows.append(ellipsoid(frame, (half[0] * 0.75, -half[1] - 0.02, half[2] * 0.6), (0.05, 0.05, 0.05),
                              mirror=(True, True)))  # fmt: skip
        for i in (-1, 0, 1):
            rows.append(box(coat, (half[0] * 0.45 * i, 0, half[2]), (0.03, half[1] * 0.75, 0.012), edge=0.01))
    if rng.random() < 0.5:
        size = half[0] * rng.uniform(0.2, 0.4)
        rows.append(decal(box(pt.logo(rng, size, coat.colors[0]), (0, 0, half[2] * 1.2), (size, size, half[2]))))
    return rows


def food(rng: random.Random) -> list[Row]:
    """Fruit, burgers, cakes, ice cream."""
    kind = rng.random()
    if kind < 0.25:  # burger
        bun, meat = pt.plain(rng, (0.83, 0.56, 0.26)), pt.plain(rng, (0.32, 0.17, 0.1))
        green, cheese = pt.plain(rng, (0.4, 0.65, 0.2)), pt.plain(rng, (0.97, 0.75, 0.2))
        rows = [
            box(bun, (0, -0.2, 0), (0.42, 0.08, 0.42), corner=0.42, edge=0.06),
            box(green, (0.0, -0.1, 0), (0.46, 0.03, 0.46), corner=0.44, edge=0.02),
            box(meat, (0, -0.02, 0), (0.43, 0.06, 0.43), corner=0.43, edge=0.05),
            box(cheese, (0, 0.06, 0), (0.36, 0.012, 0.36), turn=turned(0, rng.uniform(0, 90))),
            ellipsoid(bun, (0, 0.1, 0), (0.43, rng.uniform(0.2, 0.3), 0.43)),
        ]
        return rows
    if kind < 0.5:  # banana-like or pear-like
        skin = pt.Finish(((0.93, 0.8, 0.2), (0.55, 0.6, 0.15)), 5, (1.6, 1.5708))
        if rng.random() < 0.5:
            skin = pt.plain(rng, pt.vivid(rng))
        opening, thick = rng.uniform(35, 80), rng.uniform(0.08, 0.14)
        rows = [arc(skin, (0, 0, 0), 0.5, thick, opening, 1.0, turn=turned(0, 0, rng.choice((0, 90, 180))))]
        rows[0].blend = 0.05
        if rng.random() < 0.6:
            rows.append(arc(skin, (0, 0.02, 0.17), 0.5, thick * 0.9, opening * 0.9, 1.0, turn=rows[0].turn, blend=0.04))
        return rows
    if kind < 0.75:  # cake slice
        sponge, cream = pt.plain(rng), pt.plain(rng)
        wedge = rng.uniform(12, 35)
        right = (math.cos(math.radians(wedge)), -math.sin(math.radians(wedge)))
        beside = box(sponge, (right[0], 0, right[1] - 0.3), (1, 1, 1), turn=turned(0, wedge), mirror=(True, False))
        rows = [cylinder(sponge, (0, 0, -0.3), 0.75, 0.2, edge=0.02), cut(beside)]
        for y in (-0.05, 0.17):
            rows.append(decal(box(cream, (0, y, 0), (2, 0.035, 2))))
        rows.append(ellipsoid(pt.plain(rng, pt.vivid(rng)), (0, 0.24, 0.22), (0.08, 0.08, 0.08)))
        return rows
    cone, scoop = pt.Finish(((0.8, 0.58, 0.3), (0.6, 0.4, 0.18)), 9, (6.0, 0.785, 1.0)), pt.plain(rng)
    return [
        rod(cone, (0, -0.5, 0), (0, 0.02, 0), 0.02, 0.17),
        ellipsoid(scoop, (0, 0.15, 0), (0.22, 0.2, 0.22)),
        ellipsoid(pt.plain(rng), (rng.uniform(-0.08, 0.08), 0.38, 0.05), (0.18, 0.17, 0.18)),
        rod(pt.plain(rng, (0.4, 0.22, 0.12)), (0.1, 0.4, 0), (0.25, 0.68, 0.02), 0.03),
    ]
