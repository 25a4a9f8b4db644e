"""The renderer's fused kernels (Triton): a program takes one object and a block of its rays or points through all rows.

The formulas are those of :mod:`training.procedural.shapes`, the algorithm that of :mod:`training.renderer`, term by
term; tests compare them, on a CPU by Triton's interpreter (``TRITON_INTERPRET=1``).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
import triton
import triton.language as tl
from torch import Tensor

from training.procedural.shade import Light
from training.procedural.table import KNOTS, SIZES, ObjectTable
from training.renderer import CAUTION, LEAST, LIFTED, STEPS, TILT, TOUCH, Rays, Seen, enter

FIELDS = tl.constexpr(12 + SIZES + 3)
"""Floats of a packed row: place, sizes, blend, mirrors."""

BLOCK = 128
N_KNOTS, N_STEPS = tl.constexpr(KNOTS), tl.constexpr(STEPS)
K_CAUTION, K_LEAST, K_TOUCH = tl.constexpr(CAUTION), tl.constexpr(LEAST), tl.constexpr(TOUCH)
K_TILT, K_LIFTED, TURN = tl.constexpr(TILT), tl.constexpr(LIFTED), tl.constexpr(2 * pi)


@dataclass(frozen=True)
class Packed:
    """A table as the kernels read it."""

    rows: Tensor
    """``(B, P, FIELDS)`` float32."""
    codes: Tensor
    """``(B, P, 2)`` int32: kind and operation."""
    knots: Tensor
    """``(B, P, KNOTS)`` float32."""
    frame: Tensor
    """``(B, 4)`` float32: centre, scale."""
    count: Tensor
    """``(B,)`` int32: rows in use."""


def pack(table: ObjectTable) -> Packed:
    mirror = table.mirror.float()
    rows = torch.cat([table.place, table.size, table.blend.clamp(min=1e-6)[..., None], mirror], -1)
    return Packed(
        rows.contiguous(),
        torch.stack([table.kind, table.op], -1).int().contiguous(),
        table.knots.contiguous(),
        torch.cat([table.center, table.scale[:, None]], 1).contiguous(),
        (table.kind >= 0).sum(1).int(),
    )


@triton.jit
def _length(x, y):
    return tl.sqrt(x * x + y * y)


@triton.jit
def _plan(x, z, half_x, half_z, corner):
    a, b = tl.abs(x) - (half_x - corner), tl.abs(z) - (half_z - corner)
    return _length(tl.maximum(a, 0.0), tl.maximum(b, 0.0)) + tl.minimum(tl.maximum(a, b), 0.0) - corner


@triton.jit
def _cap(profile, y, height, edge):
    a, b = profile + edge, tl.abs(y) - height + edge
    return _length(tl.maximum(a, 0.0), tl.maximum(b, 0.0)) + tl.minimum(tl.maximum(a, b), 0.0) - edge


@triton.jit
def _shell(profile, wall):
    return tl.where(wall > 0, tl.abs(profile + wall) - wall, profile)


@triton.jit
def _unit(x):
    return tl.minimum(tl.maximum(x, -1.0), 1.0)


@triton.jit
def _atan2(y, x):
    """To 2e-7: the octant's arc tangent by its Taylor-like minimax polynomial (Abramowitz and Stegun 4.4.49)."""
    a, b = tl.abs(x), tl.abs(y)
    q = tl.minimum(a, b) / tl.maximum(tl.maximum(a, b), 1e-30)
    s = q * q
    p = 0.0028662257
    p = p * s - 0.0161657367
    p = p * s + 0.0429096138
    p = p * s - 0.0752896400
    p = p * s + 0.1065626393
    p = p * s - 0.1420889944
    p = p * s + 0.1999355085
    p = p * s - 0.3333314528
    p = q + q * s * p
    p = tl.where(b > a, 1.5707963267948966 - p, p)
    p = tl.where(x < 0, 3.141592653589793 - p, p)
    return tl.where(y < 0, -p, p)


@triton.jit
def _lookup(knots, position):
    low = tl.minimum(tl.maximum(tl.floor(position), 0.0), N_KNOTS - 2.0)
    cell = low.to(tl.int32)
    first = tl.load(knots + cell)
    slope = tl.load(knots + cell + 1) - first
    return first + slope * (position - low), slope


@triton.jit
def _box(x, y, z, s):
    half_x, half_y, half_z = tl.load(s), tl.load(s + 1), tl.load(s + 2)
    corner, edge, wall, taper = tl.load(s + 3), tl.load(s + 4), tl.load(s + 5), tl.load(s + 6)
    grow = 1 + taper * _unit(y / half_y)
    slope = taper * tl.maximum(half_x, half_z) / half_y
    flat = _plan(x / grow, z / grow, half_x, half_z, tl.maximum(corner, edge)) * grow / tl.sqrt(1 + slope * slope)
    return _cap(_shell(flat, wall), y, half_y, edge)


@triton.jit
def _ellipsoid(x, y, z, s):
    a, b, c = tl.load(s), tl.load(s + 1), tl.load(s + 2)
    x, y, z = x / a, y / b, z / c
    k0 = tl.sqrt(x * x + y * y + z * z)
    x, y, z = x / a, y / b, z / c
    k1 = tl.sqrt(x * x + y * y + z * z)
    inner = -tl.minimum(tl.minimum(a, b), c)
    return tl.where(k0 < 0.05, inner * (1 - k0), k0 * (k0 - 1) / tl.maximum(k1, 1e-6))


@triton.jit
def _lathe(x, y, z, s, knots):
    radius, half_y, ratio = tl.load(s), tl.load(s + 1), tl.load(s + 2)
    corner, edge, wall = tl.load(s + 3), tl.load(s + 4), tl.load(s + 5)
    r, slope = _lookup(knots, (_unit(y / half_y) + 1) * ((N_KNOTS - 1) / 2.0))
    r, slope = r * radius, slope * radius * (N_KNOTS - 1) / (2 * half_y)
    flat = _plan(x, z / ratio, r, r, r * corner) * tl.minimum(ratio, 1.0) / tl.sqrt(1 + slope * slope)
    return _cap(_shell(flat, wall), y, half_y, edge)


@triton.jit
def _polar(x, y, z, s, knots):
    radius, half_y, ratio = tl.load(s), tl.load(s + 1), tl.load(s + 2)
    edge, wall, taper = tl.load(s + 4), tl.load(s + 5), tl.load(s + 6)
    grow = 1 + taper * _unit(y / half_y)
    z = z / ratio
    rho = _length(x, z)
    r, slope = _lookup(knots, (_atan2(z, x) / TURN + 0.5) * (N_KNOTS - 1))
    r, slope = r * radius, slope * radius * ((N_KNOTS - 1) / TURN)
    steep = slope / r
    stretch = tl.sqrt(x * x + z * z / (ratio * ratio)) / tl.maximum(rho, 1e-6)
    flat = (rho / grow - r) * grow / (tl.maximum(stretch, 1e-3) * tl.sqrt(1 + steep * steep))
    return _cap(_shell(flat, wall), y, half_y, edge)


@triton.jit
def _capsule(x, y, z, s):
    half, low, high, ratio = tl.load(s), tl.load(s + 1), tl.load(s + 2), tl.load(s + 3)
    z = z / ratio
    t = (_unit(y / half) + 1) / 2
    y = y - (2 * t - 1) * half
    return (tl.sqrt(x * x + y * y + z * z) - low - (high - low) * t) * tl.minimum(ratio, 1.0)


@triton.jit
def _arc(x, y, z, s):
    radius, tube, angle, stretch, flat = tl.load(s), tl.load(s + 1), tl.load(s + 2), tl.load(s + 3), tl.load(s + 4)
    sine, cosine = tl.sin(angle), tl.cos(angle)
    x, z = tl.abs(x / stretch), z / flat
    k = tl.where(cosine * x > sine * y, sine * x + cosine * y, _length(x, y))
    squared = x * x + y * y + z * z + radius * radius - 2 * radius * k
    return (tl.sqrt(tl.maximum(squared, 1e-12)) - tube) * tl.minimum(tl.minimum(stretch, flat), 1.0)


@triton.jit
def _warp(x, y, z, s):
    half_x, half_y, half_z, corner = tl.load(s), tl.load(s + 1), tl.load(s + 2), tl.load(s + 3)
    twist, wave, number, phase, bumps = tl.load(s + 4), tl.load(s + 5), tl.load(s + 6), tl.load(s + 7), tl.load(s + 8)
    angle = twist * y
    c, n = tl.cos(angle), tl.sin(angle)
    u, w = c * x - n * z, n * x + c * z
    y = y - wave * tl.sin(number * u + phase) * tl.sin(number * w - phase)
    d = _cap(_plan(u, w, half_x, half_z, corner), y, half_y, corner)
    return 0.6 * (d + bumps * tl.sin(number * u) * tl.sin(number * y + phase) * tl.sin(number * w))


@triton.jit
def _fold(px, py, pz, rows, codes, knots, cx, cy, cz, scale, count, materials: tl.constexpr):
    """Distances in dataset units, and the row whose paint shows, of points of one object (pointers are its own)."""
    ox, oy, oz = px * scale + cx, py * scale + cy, pz * scale + cz
    total = tl.full(px.shape, 1e3, tl.float32)
    index = tl.zeros(px.shape, tl.int32)
    slot = 0
    while slot < count:
        m, s = rows + slot * FIELDS, rows + slot * FIELDS + 12
        kind, op = tl.load(codes + 2 * slot), tl.load(codes + 2 * slot + 1)
        if materials or op != 3:
            x = tl.where(tl.load(m + FIELDS - 2) > 0, tl.abs(ox), ox) - tl.load(m + 9)
            z = tl.where(tl.load(m + FIELDS - 1) > 0, tl.abs(oz), oz) - tl.load(m + 11)
            y = oy - tl.load(m + 10)
            u = tl.load(m) * x + tl.load(m + 1) * y + tl.load(m + 2) * z
            v = tl.load(m + 3) * x + tl.load(m + 4) * y + tl.load(m + 5) * z
            w = tl.load(m + 6) * x + tl.load(m + 7) * y + tl.load(m + 8) * z
            here = total
            if kind == 0:
                here = _box(u, v, w, s)
            elif kind == 1:
                here = _ellipsoid(u, v, w, s)
            elif kind == 2:
                here = _lathe(u, v, w, s, knots + slot * N_KNOTS)
            elif kind == 3:
                here = _polar(u, v, w, s, knots + slot * N_KNOTS)
            elif kind == 4:
                here = _capsule(u, v, w, s)
            elif kind == 5:
                here = _arc(u, v, w, s)
            else:
                here = _warp(u, v, w, s)
            if op == 3:
                index = tl.where(here < 0, slot, index)
            else:
                cut = (op == 1) | (op == 2)
                a = tl.where(cut, -total, total)
                b = tl.where(op == 2, -here, here)
                index = tl.where(b < a, slot, index)
                k = tl.load(m + FIELDS - 3)
                h = tl.maximum(k - tl.abs(a - b), 0.0)
                merged = tl.minimum(a, b) - h * h / (4 * k)
                total = tl.where(cut, -merged, merged)
        slot += 1
    return total / scale, index


@triton.jit
def _distance_kernel(points, rows, codes, knots, frame, counts, out, n, slots, block: tl.constexpr):
    b = tl.program_id(0).to(tl.int64)
    i = tl.program_id(1) * block + tl.arange(0, block)
    inside = i < n
    at = points + (b * n + i) * 3
    x, y, z = (
        tl.load(at, mask=inside, other=0.0),
        tl.load(at + 1, mask=inside, other=0.0),
        tl.load(at + 2, mask=inside, other=0.0),
    )
    f = frame + 4 * b
    cx, cy, cz, scale = tl.load(f), tl.load(f + 1), tl.load(f + 2), tl.load(f + 3)
    own = b * slots
    d, _which = _fold(
        x, y, z, rows + own * FIELDS, codes + own * 2, knots + own * N_KNOTS, cx, cy, cz, scale,
        tl.load(counts + b), False,
    )  # fmt: skip
    tl.store(out + b * n + i, d, mask=inside)


@triton.jit
def _trace_kernel(
    origins, directions, enters, leaves, spreads, lights, rows, codes, knots, frame, counts,
    coverage_out, t_out, row_out, normal_out, sky_out, lit_out, n, slots, block: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0).to(tl.int64)
    i = tl.program_id(1) * block + tl.arange(0, block)
    inside = i < n
    at = (b * n + i) * 3
    ox, oy, oz = (
        tl.load(origins + at, mask=inside, other=0.0),
        tl.load(origins + at + 1, mask=inside, other=0.0),
        tl.load(origins + at + 2, mask=inside, other=0.0),
    )
    dx, dy, dz = (
        tl.load(directions + at, mask=inside, other=0.0),
        tl.load(directions + at + 1, mask=inside, other=0.0),
        tl.load(directions + at + 2, mask=inside, other=1.0),
    )
    near, far = (
        tl.load(enters + b * n + i, mask=inside, other=0.0),
        tl.load(leaves + b * n + i, mask=inside, other=-1.0),
    )
    f, own = frame + 4 * b, b * slots
    cx, cy, cz, scale = tl.load(f), tl.load(f + 1), tl.load(f + 2), tl.load(f + 3)
    count, wide = tl.load(counts + b), tl.load(spreads + b)
    rows, codes, knots = rows + own * FIELDS, codes + own * 2, knots + own * N_KNOTS

    t, live = near, (near < far).to(tl.int32)
    best, best_t, hit = tl.full((block,), 1e9, tl.float32), near, tl.zeros((block,), tl.int32)
    step = 0
    going = tl.max(live, 0)
    while (step < N_STEPS) & (going > 0):
        d, _which = _fold(ox + dx * t, oy + dy * t, oz + dz * t, rows, codes, knots, cx, cy, cz, scale, count, False)
        closer = (live > 0) & (d < best * (wide * t))
        best = tl.where(closer, d / (wide * t), best)
        best_t = tl.where(closer, t, best_t)
        arrived = (live > 0) & (d < K_TOUCH)
        hit = tl.where(arrived, 1, hit)
        live = tl.where(arrived, 0, live)
        t = tl.where(live > 0, t + tl.maximum(K_CAUTION * d, K_LEAST), t)
        live = tl.where(t < far, live, 0)
        going = tl.max(live, 0)
        step += 1
    coverage = tl.where(hit > 0, 1.0, _unit(tl.maximum(0.5 - best, 0.0)))
    t = tl.where(hit > 0, t, best_t)
    seen = coverage > 0
    row = tl.zeros((block,), tl.int32)
    nx, ny, nz = (
        tl.zeros((block,), tl.float32),
        tl.zeros((block,), tl.float32),
        tl.zeros((block,), tl.float32),
    )
    sky, lit = tl.zeros((block,), tl.float32), tl.zeros((block,), tl.float32)
    if tl.max(seen.to(tl.int32), 0) > 0:
        px, py, pz = ox + dx * t, oy + dy * t, oz + dz * t
        _there, row = _fold(px, py, pz, rows, codes, knots, cx, cy, cz, scale, count, True)
        lx, ly, lz = tl.load(lights + b * 9), tl.load(lights + b * 9 + 1), tl.load(lights + b * 9 + 2)
        sky, lit = sky + 1.0, lit + 1.0
        tap = 0
        while tap < 10:
            # Four corners of a tetrahedron, two places along the normal, four towards the key light.
            sx = tl.where((tap == 0) | (tap == 3), 1.0, -1.0)
            sy = tl.where((tap == 2) | (tap == 3), 1.0, -1.0)
            sz = tl.where((tap == 1) | (tap == 3), 1.0, -1.0)
            reach = tl.where(tap == 4, 0.04, 0.12)
            if tap == 4:
                size = tl.maximum(tl.sqrt(nx * nx + ny * ny + nz * nz), 1e-12)
                nx, ny, nz = nx / size, ny / size, nz / size
            ahead = tl.where(tap == 6, 0.03, tl.where(tap == 7, 0.08, tl.where(tap == 8, 0.17, 0.34)))
            qx, qy, qz = (
                px + nx * K_LIFTED + lx * ahead,
                py + ny * K_LIFTED + ly * ahead,
                pz + nz * K_LIFTED + lz * ahead,
            )
            if tap < 4:
                qx, qy, qz = px + K_TILT * sx, py + K_TILT * sy, pz + K_TILT * sz
            elif tap < 6:
                qx, qy, qz = px + nx * reach, py + ny * reach, pz + nz * reach
            d, _which = _fold(qx, qy, qz, rows, codes, knots, cx, cy, cz, scale, count, False)
            if tap < 4:
                nx, ny, nz = nx + d * sx, ny + d * sy, nz + d * sz
            elif tap < 6:
                sky -= tl.where(tap == 4, 0.45, 0.55) * tl.minimum(tl.maximum(1 - d / reach, 0.0), 1.0)
            else:
                lit = tl.minimum(lit, 0.5 + 4.0 * d / (ahead + 0.05))
            tap += 1
    to = b * n + i
    tl.store(coverage_out + to, coverage, mask=inside)
    tl.store(t_out + to, t, mask=inside)
    tl.store(row_out + to, tl.where(seen, row, 0), mask=inside)
    tl.store(normal_out + at, tl.where(seen, nx, 0.0), mask=inside)
    tl.store(normal_out + at + 1, tl.where(seen, ny, 0.0), mask=inside)
    tl.store(normal_out + at + 2, tl.where(seen, nz, 0.0), mask=inside)
    tl.store(sky_out + to, tl.where(seen, sky, 0.0), mask=inside)
    tl.store(lit_out + to, tl.where(seen, tl.minimum(tl.maximum(lit, 0.15), 1.0), 0.0), mask=inside)


def distance(table: ObjectTable, points: Tensor) -> Tensor:
    """As :func:`training.renderer.distance`."""
    packed, points = pack(table), points.contiguous()
    objects, count = points.shape[:2]
    out = points.new_empty(objects, count)
    _distance_kernel[objects, triton.cdiv(count, BLOCK)](
        points, packed.rows, packed.codes, packed.knots, packed.frame, packed.count, out, count,
        table.kind.shape[1], BLOCK,
    )  # fmt: skip
    return out


def trace(table: ObjectTable, rays: Rays, light: Light) -> Seen:
    """As :func:`training.renderer.trace`."""
    packed = pack(table)
    origin, direction = rays.origin.contiguous(), rays.direction.contiguous()
    near, far = enter(origin, direction)
    objects, count = near.shape
    coverage, t, sky, lit = (torch.empty_like(near) for _ in range(4))
    row, normal = torch.empty_like(near, dtype=torch.int32), torch.empty_like(origin)
    _trace_kernel[objects, triton.cdiv(count, BLOCK)](
        origin, direction, near, far, rays.spread.contiguous(), light.direction.contiguous(),
        packed.rows, packed.codes, packed.knots, packed.frame, packed.count,
        coverage, t, row, normal, sky, lit, count, table.kind.shape[1], BLOCK,
    )  # fmt: skip
    return Seen(coverage, t, row, normal, sky, lit)
