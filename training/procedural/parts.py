"""The words of the grammar: rows for boxes, lathes, outlines, rods, rings, in the object's frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from training.procedural import table as tb
from training.procedural.palette import Finish
from training.procedural.table import KNOTS, Row

Vector = tuple[float, float, float]
Turn = tuple[Vector, Vector, Vector]
Profile = Callable[[float], float] | Sequence[float]
"""A radius over the height 0..1: a function, or control points of a smooth curve."""


def turned(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Turn:
    """Object to local axes for a primitive turned by degrees about its X, then Y, then Z axis (object axes)."""
    a, b, c = (math.radians(v) for v in (x, y, z))
    rx = ((1, 0, 0), (0, math.cos(a), -math.sin(a)), (0, math.sin(a), math.cos(a)))
    ry = ((math.cos(b), 0, math.sin(b)), (0, 1, 0), (-math.sin(b), 0, math.cos(b)))
    rz = ((math.cos(c), -math.sin(c), 0), (math.sin(c), math.cos(c), 0), (0, 0, 1))
    m = _times(rz, _times(ry, rx))
    return tuple(tuple(m[j][i] for j in range(3)) for i in range(3))  # type: ignore[return-value]


def _times(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def box(finish: Finish, at: Vector, half: Vector, *, corner: float = 0.0, edge: float = 0.0, wall: float = 0.0,
        taper: float = 0.0, **row: object) -> Row:  # fmt: skip
    """Rounded box, cylinder (corner = half x) or ring (wall > 0): half sizes, taper widens it towards the top."""
    corner = min(corner, half[0], half[2])
    return _row(tb.BOX, finish, at, (*half, corner, min(edge, half[1], half[0], half[2]), wall, taper), row)


def cylinder(finish: Finish, at: Vector, radius: float, half: float, **row: object) -> Row:
    """Upright cylinder."""
    return box(finish, at, (radius, half, radius), corner=radius, **row)  # type: ignore[arg-type]


def ellipsoid(finish: Finish, at: Vector, radii: Vector, **row: object) -> Row:
    """Ellipsoid of three radii."""
    return _row(tb.ELLIPSOID, finish, at, radii, row)


def lathe(finish: Finish, at: Vector, radius: float, half: float, profile: Profile, *, ratio: float = 1.0,
          corner: float = 1.0, edge: float = 0.0, wall: float = 0.0, **row: object) -> Row:  # fmt: skip
    """Profile turned about Y: a function of 0..1 from the bottom, or control points to run a smooth curve through."""
    knots = [max(0.004, v) for v in _samples(profile)]
    return _row(tb.LATHE, finish, at, (radius, half, ratio, corner, edge, wall), {**row, "knots": knots})


def outline(finish: Finish, at: Vector, radius: float, half: float, shape: Callable[[float], float], *,
            ratio: float = 1.0, edge: float = 0.0, wall: float = 0.0, taper: float = 0.0,
            **row: object) -> Row:  # fmt: skip
    """Star-shaped outline, a function of the angle from +X towards +Z (radians), extruded along Y.

    Keep it smooth: where the radius jumps, distances beside the jump come out too large and views lose the part.
    """
    knots = [max(0.02, shape((i / (KNOTS - 1) - 0.5) * 2 * math.pi)) for i in range(KNOTS)]
    knots[-1] = knots[0]
    return _row(tb.POLAR, finish, at, (radius, half, ratio, 0.0, edge, wall, taper), {**row, "knots": knots})


def rod(finish: Finish, start: Vector, end: Vector, low: float, high: float | None = None, ratio: float = 1.0,
        **row: object) -> Row:  # fmt: skip
    """Capsule from start to end with a radius at each."""
    delta = [e - s for s, e in zip(start, end, strict=True)]
    length = math.sqrt(sum(d * d for d in delta)) or 1e-6
    up = (delta[0] / length, delta[1] / length, delta[2] / length)
    helper = (0.0, 0.0, 1.0) if abs(up[2]) < 0.9 else (1.0, 0.0, 0.0)
    x = _unit(_cross(up, helper))
    row = {"turn": (x, up, _cross(x, up)), **row}
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, (start[2] + end[2]) / 2)
    return _row(tb.CAPSULE, finish, middle, (length / 2, low, low if high is None else high, ratio), row)


def arc(finish: Finish, at: Vector, radius: float, tube: float, opening: float = 180.0, stretch: float = 1.0,
        flat: float = 1.0, **row: object) -> Row:  # fmt: skip
    """Piece of a ring in the local X-Y plane, ``opening`` degrees to either side of +Y."""
    return _row(tb.ARC, finish, at, (radius, tube, math.radians(min(opening, 179.5)), stretch, flat), row)


def warp(finish: Finish, at: Vector, half: Vector, corner: float, twist: float = 0.0, wave: float = 0.0,
         number: float = 6.0, phase: float = 0.0, bumps: float = 0.0, **row: object) -> Row:  # fmt: skip
    """Twisted, waved or bumpy box for wild shapes."""
    return _row(tb.WARP, finish, at, (*half, corner, twist, wave, number, phase, bumps), row)


def cavity(finish: Finish, at: Vector, radius: float, half: float, profile: Profile, wall: float, floor: float,
           **row: object) -> Row:  # fmt: skip
    """The inside of a lathe: ``wall`` thinner all around, ``floor`` above its bottom, open at the top."""
    knots = _samples(profile)
    low = floor / (2 * half)

    def inner(t: float) -> float:
        position = min(1.0, low + t) * (KNOTS - 1)
        k = min(int(position), KNOTS - 2)
        return knots[k] + (knots[k + 1] - knots[k]) * (position - k) - wall / radius

    return cut(lathe(finish, (at[0], at[1] + floor, at[2]), radius, half, inner, **row))  # type: ignore[arg-type]


def cut(row: Row, finish: Finish | None = None) -> Row:
    """The same row as a cut; its paint shows on the walls of the cut."""
    row.op = tb.SUBTRACT
    return row if finish is None else repaint(row, finish)


def decal(row: Row) -> Row:
    """The same row as paint: it only recolours what lies inside it."""
    row.op = tb.PAINT
    return row


def repaint(row: Row, finish: Finish) -> Row:
    row.pattern, row.colors, row.texture = finish.pattern, finish.colors, finish.texture
    return row


def _row(kind: int, finish: Finish, at: Vector, size: Sequence[float], options: dict[str, object]) -> Row:
    return Row(
        kind, tuple(size), at, pattern=finish.pattern, colors=finish.colors, texture=finish.texture, **options  # type: ignore[arg-type]
    )  # fmt: skip


def _samples(profile: Profile) -> list[float]:
    """KNOTS values of a function of 0..1, or of a Catmull-Rom curve through control points."""
    if callable(profile):
        return [profile(i / (KNOTS - 1)) for i in range(KNOTS)]
    points = [profile[0], *profile, profile[-1]]
    values = []
    for i in range(KNOTS):
        t = i / (KNOTS - 1) * (len(profile) - 1)
        k = min(int(t), len(profile) - 2)
        f = t - k
        a, b, c, d = points[k : k + 4]
        values.append(b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a))))
    return values


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _unit(a: Vector) -> Vector:
    n = math.sqrt(sum(v * v for v in a))
    return (a[0] / n, a[1] / n, a[2] / n)
