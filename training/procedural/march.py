"""Rays through the distance grid. Cones first: one for 8 x 8 rays, then for 2 x 2, then the rays themselves.

A cone advances while the surface is further than it is wide, so most empty rays are never traced, and those that are
start next to the surface (cone marching after Lottes and Seven/Fulcrum, "Cone marching", 2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, sqrt, tan

import torch
from torch import Tensor

from training.procedural.grid import Grid, sample

Triple = tuple[Tensor, Tensor, Tensor]

REACH = 0.512
"""Half side of the cube that holds every object, with a little room."""


@dataclass(frozen=True)
class Hits:
    """Rays that met a surface, sorted by ray."""

    ray: Tensor
    """``(M,)``: ``((object * V + view) * n + row) * n + column``."""
    owner: Tensor
    """``(M,)`` object index."""
    points: Triple
    """World x, y, z, each ``(M,)``."""
    direction: Triple
    """Unit directions."""
    t: Tensor
    """``(M,)`` distance along the ray."""
    slant: Tensor
    """``(M,)`` cosine between the ray and the camera's axis."""


@dataclass(frozen=True)
class _Rays:
    """Live rays of one level: which view and cell, where they are, where they end."""

    view: Tensor
    row: Tensor
    column: Tensor
    t: Tensor


def trace_rays(grid: Grid, pose: Tensor, n: int, fov: float) -> Hits:
    """Hits of ``n x n`` rays for every camera-to-world matrix ``pose (B, V, 4, 4)``."""
    objects, views = pose.shape[:2]
    device = pose.device
    flat = pose.reshape(-1, 4, 4)
    focal = n / 2 / tan(radians(fov) / 2)
    levels = [step for step in (8, 2) if n % step == 0] + [1]
    m = n // levels[0]
    cells = torch.arange(objects * views * m * m, device=device)
    t0 = (flat[:, :3, 3].norm(dim=-1) - REACH * sqrt(3)).clamp(min=0.01)
    rays = _Rays(cells // (m * m), cells // m % m, cells % m, t0[cells // (m * m)])
    for level, step in enumerate(levels):
        spread = 0.0 if step == 1 else step * sqrt(0.5) / focal
        rays, place = _advance(grid, flat, views, rays, step, n, focal, spread)
        if step > 1:
            rays = _split(rays, step // levels[level + 1])
    origin, direction, slant = place
    points = [o + d * rays.t for o, d in zip(origin, direction, strict=True)]
    ray = (rays.view * n + rays.row) * n + rays.column
    order = torch.argsort(ray)
    return Hits(
        ray[order],
        (rays.view // views)[order],
        (points[0][order], points[1][order], points[2][order]),
        (direction[0][order], direction[1][order], direction[2][order]),
        rays.t[order],
        slant[order],
    )


def _split(rays: _Rays, factor: int) -> _Rays:
    """Every cone becomes ``factor^2`` narrower ones that start where it stopped."""
    parts = factor * factor
    child = torch.arange(parts, device=rays.t.device).repeat(len(rays.t))
    view, row, column, t = (value.repeat_interleave(parts) for value in (rays.view, rays.row, rays.column, rays.t))
    return _Rays(view, row * factor + child // factor, column * factor + child % factor, t)


def _advance(
    grid: Grid, pose: Tensor, views: int, rays: _Rays, step: int, n: int, focal: float, spread: float
) -> tuple[_Rays, tuple[list[Tensor], list[Tensor], Tensor]]:
    """March until the surface is within the cone (or, for rays, reached); the others leave."""
    x = ((rays.column + 0.5) * step - n / 2) / focal
    y = -((rays.row + 0.5) * step - n / 2) / focal
    shrink = torch.rsqrt(x * x + y * y + 1)
    axes = pose.view(-1, 16)
    entry = [axes[:, i].contiguous() for i in range(12)]

    def of_view(i: int) -> Tensor:
        return torch.index_select(entry[i], 0, rays.view)

    direction = [(x * of_view(4 * i) + y * of_view(4 * i + 1) - of_view(4 * i + 2)) * shrink for i in range(3)]
    origin = [of_view(4 * i + 3) for i in range(3)]
    base = rays.view // views * grid.resolution**3
    near, far = _enter(origin, direction, REACH + 3.0 * spread)
    t = torch.maximum(near, rays.t)
    live = torch.nonzero(t < far)[:, 0]
    state = [t, far, base, *origin, *direction]
    state = [torch.index_select(value, 0, live) for value in state]
    margin = 0.4 * grid.cell if spread else 0.15 * grid.cell
    least = 0.5 * grid.cell if spread else 0.35 * grid.cell
    ends, times = [], []
    for _ in range(40):
        t, far, base, ox, oy, oz, dx, dy, dz = state
        for _ in range(3):
            gap = sample(grid, base, ox + dx * t, oy + dy * t, oz + dz * t) - margin
            if spread:
                gap = gap - spread * t
            stop = gap < 0
            t = torch.where(stop, t, t + (gap * 0.95).clamp(min=least))
        stop = stop & (t < far)
        stay = torch.nonzero(~stop & (t < far))[:, 0]
        done = torch.nonzero(stop)[:, 0]
        ends.append(torch.index_select(live, 0, done))
        times.append(torch.index_select(t, 0, done))
        if not len(stay):
            break
        live = torch.index_select(live, 0, stay)
        state = [torch.index_select(value, 0, stay) for value in (t, far, base, ox, oy, oz, dx, dy, dz)]
    end = torch.cat(ends)

    def pick(values: list[Tensor]) -> list[Tensor]:
        return [torch.index_select(value, 0, end) for value in values]

    view, row, column = pick([rays.view, rays.row, rays.column])
    kept = _Rays(view, row, column, torch.cat(times))
    return kept, (pick(origin), pick(direction), torch.index_select(shrink, 0, end))


def _enter(origin: list[Tensor], direction: list[Tensor], half: float) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave the cube ``[-half, half]^3``."""
    near, far = torch.zeros_like(origin[0]), torch.full_like(origin[0], 1e9)
    for o, d in zip(origin, direction, strict=True):
        inverse = 1 / torch.where(d.abs() < 1e-9, 1e-9, d)
        a, b = (-half - o) * inverse, (half - o) * inverse
        near = torch.maximum(near, torch.minimum(a, b))
        far = torch.minimum(far, torch.maximum(a, b))
    return near, far
