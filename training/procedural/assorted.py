"""More things from a shop: figures, robots, planes, game pads, guitars, watches, dryers, hats, tools, houses, beds."""

from __future__ import annotations

import math
import random

from training.procedural import palette as pt
from training.procedural import texture as tx
from training.procedural.parts import arc, box, cut, cylinder, decal, ellipsoid, lathe, outline, rod, turned
from training.procedural.table import Row


def figure(rng: random.Random) -> list[Row]:
    """A toy person: standing, dressed, sometimes with a hat or on a base."""
    skin = pt.plain(rng, rng.choice(((0.9, 0.72, 0.58), (0.62, 0.43, 0.3), (0.4, 0.27, 0.19), (0.95, 0.8, 0.3))))
    shirt, trousers, hair = pt.anything(rng), pt.plain(rng), pt.plain(rng)
    dark = pt.plain(rng, (0.04, 0.04, 0.05))
    head, wide = rng.uniform(0.09, 0.16), rng.uniform(0.1, 0.15)
    neck = 0.22 + head
    stance = rng.uniform(0.0, 0.06)
    hand = (wide + rng.uniform(0.06, 0.22), rng.uniform(-0.12, 0.32), rng.uniform(0.0, 0.12))
    rows = [
        box(shirt, (0, 0.02, 0), (wide, 0.17, wide * 0.6), corner=0.05, edge=0.04, taper=rng.uniform(-0.1, 0.15)),
        rod(trousers, (wide * 0.5, -0.12, 0), (wide * 0.5 + stance, -0.46, 0), wide * 0.45, wide * 0.35,
            mirror=(True, False)),
        box(dark, (wide * 0.5 + stance, -0.5, 0.03), (wide * 0.38, 0.03, 0.09), edge=0.02, mirror=(True, False)),
        rod(shirt, (wide, 0.14, 0), ((wide + hand[0]) / 2, (0.14 + hand[1]) / 2 - 0.03, hand[2] / 2), 0.045,
            mirror=(True, False)),
        rod(skin, ((wide + hand[0]) / 2, (0.14 + hand[1]) / 2 - 0.03, hand[2] / 2), hand, 0.036, mirror=(True, False)),
        ellipsoid(skin, (0, neck, 0), (head * 0.88, head, head * 0.9)),
        ellipsoid(dark, (head * 0.35, neck + 0.01, head * 0.8), (0.018, 0.022, 0.02), mirror=(True, False)),
        decal(ellipsoid(hair, (0, neck + head * 0.5, -head * 0.45), (head * 1.3, head * 0.9, head))),
    ]  # fmt: skip
    if rng.random() < 0.5:
        rows.append(lathe(hair, (0, neck + head * 0.85, 0), head * 1.5, head * 0.45, [1.0, 0.65, 0.62, 0.55, 0.2]))
    if rng.random() < 0.35:
        rows.append(cylinder(pt.anything(rng), (0, -0.55, 0), 0.26, 0.03, edge=0.01))
    if rng.random() < 0.3:
        rows.append(box(pt.anything(rng), (0, 0.05, -wide * 0.9), (wide * 0.8, 0.14, 0.06), edge=0.03))
    return rows


def robot(rng: random.Random) -> list[Row]:
    body, trim = pt.anything(rng), pt.plain(rng)
    glow = pt.plain(rng, pt.vivid(rng), 0.1)
    half = (rng.uniform(0.16, 0.26), rng.uniform(0.16, 0.24), rng.uniform(0.11, 0.18))
    head = (rng.uniform(0.11, 0.2), rng.uniform(0.09, 0.14), rng.uniform(0.1, 0.14))
    y = half[1] + head[1] + 0.04
    panel = pt.Finish((trim.colors[0], glow.colors[0], pt.vivid(rng)), tx.KEYS, (16, 0, 0, float(rng.randrange(99))))
    rows = [
        box(body, (0, 0, 0), half, corner=0.02, edge=rng.uniform(0.01, 0.06)),
        decal(box(panel, (0, 0.02, half[2]), (half[0] * 0.7, half[1] * 0.5, 0.02))),
        cylinder(trim, (0, half[1] + 0.02, 0), 0.05, 0.04),
        box(body, (0, y, 0), head, corner=0.03, edge=rng.uniform(0.01, 0.07)),
        ellipsoid(glow, (head[0] * 0.45, y + 0.01, head[2]), (0.035, 0.035, 0.025), mirror=(True, False)),
        box(trim, (0, y - head[1] * 0.5, head[2]), (head[0] * 0.5, 0.012, 0.01)),
        rod(
            trim, (half[0], half[1] * 0.6, 0), (half[0] + 0.1, -0.08, rng.uniform(0, 0.15)), 0.04, mirror=(True, False)
        ),
    ]
    if rng.random() < 0.6:
        rows.append(rod(trim, (half[0] * 0.5, -half[1], 0), (half[0] * 0.55, -half[1] - 0.2, 0), 0.05,
                        mirror=(True, False)))  # fmt: skip
        rows.append(box(body, (half[0] * 0.55, -half[1] - 0.24, 0.03), (0.07, 0.04, 0.11), edge=0.02,
                        mirror=(True, False)))  # fmt: skip
    else:
        rows.append(box(trim, (half[0] * 0.9, -half[1] - 0.03, 0), (0.05, 0.09, 0.2), edge=0.05, mirror=(True, False)))
    if rng.random() < 0.6:
        rows.append(rod(trim, (0, y + head[1], 0), (0, y + head[1] + 0.12, 0), 0.012))
        rows.append(ellipsoid(glow, (0, y + head[1] + 0.13, 0), (0.03, 0.03, 0.03)))
    return rows


def plane(rng: random.Random) -> list[Row]:
    """Toy planes and rockets lying down, nose towards +Z."""
    coat, wing = pt.anything(rng), pt.plain(rng)
    glass = pt.plain(rng, (0.12, 0.16, 0.25), 0.2)
    thick, span = rng.uniform(0.07, 0.12), rng.uniform(0.35, 0.5)
    sweep = rng.uniform(0, 25)
    height = rng.choice((-0.4, 0.0, 0.8)) * thick
    rows = [
        ellipsoid(coat, (0, 0, 0), (thick, thick, 0.5)),
        box(wing, (span / 2, height, 0.05 - 0.1 * sweep / 25), (span / 2, 0.018, rng.uniform(0.07, 0.13)), corner=0.05,
            edge=0.012, turn=turned(0, sweep, rng.uniform(0, 8)), mirror=(True, False)),
        box(wing, (0.09, 0.03, -0.42), (0.12, 0.014, 0.06), corner=0.03, edge=0.01, mirror=(True, False)),
        box(wing, (0, 0.12, -0.43), (0.014, 0.12, 0.07), edge=0.01, turn=turned(-20)),
        decal(ellipsoid(glass, (0, thick * 0.8, 0.27), (thick * 0.6, thick * 0.5, 0.1))),
    ]  # fmt: skip
    if rng.random() < 0.5:
        rows.append(rod(wing, (span * 0.5, height - 0.04, 0.0), (span * 0.5, height - 0.04, 0.16), 0.035,
                        mirror=(True, False)))  # fmt: skip
    else:
        rows.append(box(pt.metal(rng), (0, 0, 0.51), (0.02, 0.14, 0.012), edge=0.008, turn=turned(0, 0, 30)))
    if rng.random() < 0.6:
        rows.append(decal(box(pt.plain(rng), (0, 0, rng.uniform(-0.3, 0.1)), (1, 0.015, 0.6))))
    if rng.random() < 0.5:
        tyre = pt.plain(rng, pt.grey(rng, 0.05, 0.15))
        rows.append(
            cylinder(tyre, (0.09, -thick - 0.06, 0.1), 0.045, 0.02, turn=turned(0, 0, 90), mirror=(True, False))
        )
        rows.append(rod(wing, (0.03, -thick * 0.7, 0.1), (0.08, -thick - 0.06, 0.1), 0.014, mirror=(True, False)))
    return rows


def gamepad(rng: random.Random) -> list[Row]:
    """Game controllers lying on a table, or tilted up."""
    body, trim = pt.plain(rng), pt.plain(rng, pt.grey(rng, 0.04, 0.3))
    turn_up = turned(-rng.uniform(0, 40))
    spread = rng.uniform(0.3, 0.36)
    rows = [
        box(body, (0, 0, 0), (0.36, 0.07, 0.16), corner=0.12, edge=0.05),
        rod(body, (spread, 0, 0.0), (spread + 0.09, -0.06, 0.3), 0.11, 0.07, 1.0, mirror=(True, False), blend=0.06),
        ellipsoid(trim, (0.15, 0.09, 0.07), (0.055, 0.05, 0.055), mirror=(True, False)),
        box(trim, (-0.29, 0.07, -0.03), (0.07, 0.02, 0.025), edge=0.008),
        box(trim, (-0.29, 0.07, -0.03), (0.025, 0.02, 0.07), edge=0.008),
        box(trim, (0.3, 0.03, -0.16), (0.08, 0.03, 0.03), edge=0.015, mirror=(True, False)),
    ]
    for i in range(4):
        a = math.pi / 2 * i
        at = (0.29 + 0.055 * math.cos(a), 0.07, -0.03 + 0.055 * math.sin(a))
        rows.append(ellipsoid(pt.plain(rng, pt.vivid(rng)), at, (0.026, 0.022, 0.026)))
    if rng.random() < 0.6:
        rows.append(decal(box(trim, (0, 0.07, -0.06), (0.11, 0.02, 0.06))))
    return [_tilted(row, turn_up) for row in rows]


def _tilted(row: Row, turn: tuple[tuple[float, float, float], ...]) -> Row:
    """The same row turned with the whole object; mirrors at x = 0 stay valid for turns about X."""
    row.at = tuple(sum(turn[k][i] * row.at[k] for k in range(3)) for i in range(3))  # type: ignore[assignment]
    matrix = [[sum(row.turn[i][k] * turn[k][j] for k in range(3)) for j in range(3)] for i in range(3)]
    row.turn = tuple((line[0], line[1], line[2]) for line in matrix)
    return row


def guitar(rng: random.Random) -> list[Row]:
    """Guitars and ukuleles, upright."""
    coat = pt.wood(rng) if rng.random() < 0.6 else pt.plain(rng)
    neck, dark = pt.wood(rng), pt.plain(rng, pt.grey(rng, 0.03, 0.12))
    deep, waist = rng.uniform(0.03, 0.08), rng.uniform(0.12, 0.22)
    front = turned(90)

    def body(angle: float) -> float:
        return 1.0 - waist * (1 + math.cos(2 * angle)) + 0.08 * math.sin(angle)

    top = rng.uniform(0.62, 0.8)
    rows = [
        outline(coat, (0, -0.25, 0), 0.34, deep, body, ratio=1.0, edge=0.02, turn=front),
        box(neck, (0, (top - 0.1) / 2, deep), (0.028, (top + 0.1) / 2, 0.018), edge=0.006),
        box(neck, (0, top + 0.07, deep - 0.01), (0.05, 0.08, 0.016), edge=0.008, taper=0.15),
        box(dark, (0, -0.4, deep + 0.01), (0.09, 0.018, 0.014), edge=0.006),
    ]
    if deep > 0.05:
        rows.append(decal(cylinder(dark, (0, -0.17, deep), 0.075, 0.015, turn=front)))
    else:
        rows.append(box(dark, (0, -0.25, deep + 0.006), (0.07, 0.02, 0.012), edge=0.005))
        rows.append(decal(ellipsoid(pt.plain(rng), (0.14, -0.3, deep), (0.12, 0.2, 0.02))))
    rows.append(ellipsoid(dark, (0.065, top + 0.07, deep), (0.022, 0.05, 0.016), mirror=(True, False)))
    return rows


def watch(rng: random.Random) -> list[Row]:
    """Wrist watches standing on their strap."""
    strap, case = pt.anything(rng, size=0.6), pt.metal(rng) if rng.random() < 0.6 else pt.plain(rng)
    ground = pt.color(rng)
    ink = pt.plain(rng, pt.contrast(rng, ground))
    size = rng.uniform(0.19, 0.25)
    corner = size if rng.random() < 0.6 else 0.06
    front = turned(90)
    rows = [
        box(strap, (0, 0, -0.28), (0.36, rng.uniform(0.09, 0.14), 0.27), corner=0.25, edge=0.015, wall=0.022,
            turn=turned(0, 0, 90)),
        box(case, (0, 0, 0.02), (size, 0.055, size), corner=corner, edge=0.02, turn=front),
        decal(box(pt.plain(rng, ground, 0.1), (0, 0, 0.08), (size * 0.84, 0.02, size * 0.84), corner=corner * 0.84,
                  turn=front)),
        rod(case, (size, 0, 0.02), (size + 0.03, 0, 0.02), 0.03),
    ]  # fmt: skip
    for length in (0.5, 0.75):
        tip = turned(0, 0, rng.uniform(0, 360))[1]
        rows.append(rod(ink, (0, 0, 0.075), (tip[0] * size * length, tip[1] * size * length, 0.075), 0.011))
    return rows


def dryer(rng: random.Random) -> list[Row]:
    """Hair dryers and cordless drills: a barrel on a grip."""
    body, trim = pt.plain(rng), pt.plain(rng)
    radius, long = rng.uniform(0.12, 0.16), rng.uniform(0.28, 0.38)
    side = turned(0, 0, 90)
    rows = [
        lathe(body, (0, 0.22, 0), radius, long, [0.85, 1.0, 0.95, 0.8, 0.75], edge=0.02, turn=side),
        rod(trim, (0.05, 0.15, 0), (0.12, -0.28, 0), 0.07, 0.06, 0.8, blend=0.03),
    ]
    if rng.random() < 0.5:  # drill
        rows.append(rod(pt.metal(rng), (-long, 0.22, 0), (-long - 0.2, 0.22, 0), 0.022, 0.016))
        rows.append(lathe(trim, (-long - 0.05, 0.22, 0), radius * 0.5, 0.08, [1, 0.9, 0.5], turn=turned(0, 0, 90)))
        rows.append(box(trim, (0.1, -0.33, 0), (0.15, 0.07, 0.1), edge=0.02))
    else:
        rows.append(lathe(trim, (-long - 0.04, 0.22, 0), radius * 0.8, 0.07, [1.0, 0.9, 0.85], turn=side))
        inside = pt.plain(rng, pt.grey(rng, 0.03, 0.15))
        rows.append(cut(cylinder(inside, (-long - 0.11, 0.22, 0), radius * 0.55, 0.06, turn=side)))
        rows.append(rod(pt.plain(rng, pt.grey(rng, 0.03, 0.2)), (0.12, -0.3, 0), (0.14, -0.45, 0), 0.018))
    rows.append(box(trim, (-0.02, 0.04, 0), (0.02, 0.05, 0.03), edge=0.012))
    if rng.random() < 0.6:
        rows.append(decal(box(pt.label(rng, 0.16, 0.08, body.colors[0]), (0, 0.22, 0), (0.16, 0.08, 1))))
    return rows


def hat(rng: random.Random) -> list[Row]:
    """Caps and brimmed hats and helmets."""
    coat = pt.cloth(rng) if rng.random() < 0.6 else pt.anything(rng)
    trim = pt.plain(rng)
    tall = rng.uniform(0.24, 0.34)
    rows = [
        ellipsoid(coat, (0, 0, 0), (0.33, tall, 0.38)),
        cut(box(coat, (0, -0.6, 0), (1, 0.6, 1))),
    ]
    if rng.random() < 0.65:
        rows.append(ellipsoid(trim, (0, 0.005, 0.36), (0.27, 0.03, 0.28), turn=turned(8)))
        rows.append(ellipsoid(trim, (0, tall, 0), (0.03, 0.02, 0.03)))
        rows.append(decal(box(pt.logo(rng, 0.1, coat.colors[0]), (0, 0.14, 0.35), (0.1, 0.1, 0.12))))
    else:
        rows.append(box(coat, (0, 0.02, 0), (0.5, 0.02, 0.55), corner=0.48, edge=0.015))
        rows.append(decal(box(trim, (0, 0.08, 0), (1, 0.045, 1))))
    rows.append(cut(ellipsoid(trim, (0, -0.03, 0), (0.29, tall - 0.04, 0.34))))
    return rows


def tool(rng: random.Random) -> list[Row]:
    """Hammers, brushes, paddles, spoons: a handle and a head, upright or lying."""
    grip = pt.wood(rng) if rng.random() < 0.5 else pt.plain(rng)
    steel, extra = pt.metal(rng), pt.plain(rng)
    rows = [rod(grip, (0, -0.5, 0), (0, 0.25, 0), rng.uniform(0.035, 0.055), rng.uniform(0.025, 0.04))]
    kind = rng.random()
    if kind < 0.3:
        rows.append(box(steel, (0, 0.3, 0), (0.2, 0.06, 0.06), edge=0.015, taper=0.1))
        rows.append(cylinder(steel, (0.2, 0.3, 0), 0.075, 0.06, edge=0.01, turn=turned(0, 0, 90)))
    elif kind < 0.6:
        rows.append(box(steel, (0, 0.27, 0), (0.13, 0.06, 0.035), edge=0.01))
        hair = pt.Finish((extra.colors[0], pt.shade(extra.colors[0], 0.6)), tx.STRIPES, (45.0, 1.5708, 0.4, 0.0))
        rows.append(box(hair, (0, 0.43, 0), (0.14, 0.13, 0.04), edge=0.01, taper=0.08))
    elif kind < 0.8:
        rows.append(ellipsoid(grip, (0, 0.38, 0), (rng.uniform(0.1, 0.2), 0.18, 0.035), blend=0.04))
    else:
        rows.append(arc(steel, (0, 0.38, 0), 0.12, 0.035, 140, 1.0))
    if rng.random() < 0.5:
        rows.append(decal(box(extra, (0, -0.4, 0), (1, 0.13, 1))))
    if rng.random() < 0.5:
        rows = [_tilted(row, turned(rng.choice((-90, 90)))) for row in rows]
    return rows


def house(rng: random.Random) -> list[Row]:
    """Doll's houses, bird houses, tents."""
    brick = pt.color(rng)
    wall = pt.Finish((brick, pt.shade(brick, 1.6)), tx.BRICKS, (14.0,)) if rng.random() < 0.4 else pt.anything(rng)
    roof, door, glass = pt.anything(rng), pt.plain(rng), pt.plain(rng, (0.6, 0.75, 0.85), 0.1)
    x, y, z = rng.uniform(0.25, 0.4), rng.uniform(0.15, 0.28), rng.uniform(0.22, 0.38)
    steep = rng.uniform(30, 52)
    rows = [box(wall, (0, y / 2, 0), (x, y * 1.5, z))]
    slope = math.radians(steep)
    out = (math.sin(slope), math.cos(slope))
    ridge = y + x * math.tan(slope) * 0.9
    beyond = (out[0], ridge + out[1], 0.0)
    rows.append(cut(box(roof, beyond, (3, 1, 3), turn=turned(0, 0, -steep), mirror=(True, False))))
    side = (x / math.cos(slope)) * 0.56
    at = (x * 0.5, ridge - x * 0.5 * math.tan(slope), 0)
    rows.append(box(roof, at, (side + 0.05, 0.022, z + 0.05), turn=turned(0, 0, -steep), mirror=(True, False)))
    rows.append(decal(box(door, (rng.uniform(-0.1, 0.1), -y * 0.5, z), (0.06, y * 0.5, 0.01))))
    rows.append(decal(box(glass, (x * 0.6, 0.1, z), (0.05, 0.06, 0.01), mirror=(True, True))))
    rows.append(decal(box(glass, (x, 0.05, 0.0), (0.01, 0.06, z * 0.5), mirror=(True, False))))
    if rng.random() < 0.5:
        rows.append(box(wall, (x * 0.5, ridge - 0.05, -z * 0.4), (0.05, 0.14, 0.05)))
    if rng.random() < 0.4:
        rows.append(box(pt.plain(rng, (0.35, 0.5, 0.25)), (0, -y, 0), (x + 0.12, 0.02, z + 0.12)))
    return rows


def bed(rng: random.Random) -> list[Row]:
    frame, sheet, cover = pt.wood(rng), pt.plain(rng, pt.grey(rng, 0.75, 0.96)), pt.cloth(rng)
    x = rng.uniform(0.24, 0.42)
    head = rng.uniform(0.12, 0.26)
    rows = [
        box(frame, (0, -0.1, 0), (x, 0.05, 0.5), edge=0.01),
        box(sheet, (0, 0, 0), (x - 0.015, 0.07, 0.485), edge=0.03),
        box(cover, (0, 0.012, 0.14), (x - 0.005, 0.07, 0.355), edge=0.03),
        box(frame, (0, head * 0.4, -0.51), (x, head + 0.08, 0.022), edge=0.01),
        box(frame, (x - 0.04, -0.2, 0.45), (0.03, 0.07, 0.03), mirror=(True, True)),
    ]
    pillows = 1 if x < 0.32 else 2
    for i in range(pillows):
        at = ((2 * i + 1 - pillows) * x * 0.48, 0.09, -0.37)
        rows.append(box(sheet, at, (x * 0.8 / pillows, 0.035, 0.1), edge=0.034, corner=0.05))
    if rng.random() < 0.4:
        rows.append(box(frame, (0, 0.0, 0.51), (x, rng.uniform(0.05, 0.14), 0.02), edge=0.01))
    return rows


def lookout(rng: random.Random) -> list[Row]:
    """Security cameras, spot lights, projectors: a barrel on a bent arm and a plate."""
    body, dark = pt.plain(rng), pt.plain(rng, (0.04, 0.04, 0.06), 0.2)
    radius, long = rng.uniform(0.1, 0.16), rng.uniform(0.24, 0.34)
    front = turned(90 + rng.uniform(-5, 30))
    axis = front[1]
    tip = (axis[0] * long, axis[1] * long, axis[2] * long)
    boxy = rng.random() < 0.4
    corner = 0.03 if boxy else radius
    arm = rng.choice((-1, 1))
    plate = (0.0, -arm * 0.34, -0.28)
    rows = [
        rod(body, (0, 0, -long * 0.4), (0, -arm * 0.16, -long * 0.6), 0.035),
        rod(body, (0, -arm * 0.16, -long * 0.6), plate, 0.04),
        box(body, plate, (0.14, 0.025, 0.14), corner=rng.choice((0.14, 0.02)), edge=0.01),
        box(body, (0, 0, 0), (radius, long, radius * (0.8 if boxy else 1)), corner=corner, edge=0.02, turn=front),
        cut(cylinder(dark, tip, radius * 0.7, 0.05, turn=front)),
        ellipsoid(dark, (tip[0] * 0.88, tip[1] * 0.88, tip[2] * 0.88), (radius * 0.4, radius * 0.4, radius * 0.4)),
    ]
    if rng.random() < 0.5:
        rows.append(decal(box(pt.plain(rng), (0, 0, 0), (1, 0.03, 1), turn=front)))
    return rows


def can_with_spout(rng: random.Random) -> list[Row]:
    """Watering cans and jugs."""
    coat = pt.anything(rng)
    trim = coat if rng.random() < 0.5 else pt.plain(rng)
    radius, half = rng.uniform(0.2, 0.27), rng.uniform(0.18, 0.3)
    end = (radius + rng.uniform(0.2, 0.34), half + rng.uniform(0.02, 0.15), 0.0)
    rows = [
        rod(trim, (radius * 0.8, -half * 0.6, 0), end, 0.05, 0.03),
        lathe(coat, (0, 0, 0), radius, half, [1.0, 1.0, 0.95, 0.85], edge=0.02),
        cut(cylinder(coat, (-0.03, half + 0.02, 0), radius * 0.55, 0.15)),
        arc(trim, (-radius * 0.6, half * 0.5, 0), rng.uniform(0.2, 0.26), 0.024, 130, 1.0, turn=turned(0, 0, 40)),
    ]
    if rng.random() < 0.6:
        up = math.atan2(end[1] + half * 0.6, end[0] - radius * 0.8)
        rows.append(lathe(trim, end, 0.09, 0.045, [0.4, 0.8, 1.0], turn=turned(0, 0, math.degrees(up) - 90)))
    if rng.random() < 0.5:
        rows.append(decal(cylinder(pt.plain(rng), (0, rng.uniform(-0.1, 0.1), 0), radius * 1.1, 0.04)))
    return rows
