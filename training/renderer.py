"""Rays and distances of procedural objects: sphere tracing of the primitive table itself, no grid between.

Plain torch, on any device; :mod:`training.kernels` computes the same in one kernel launch. Both answer with
:class:`Seen`; :func:`colours` paints that, whichever made it.

Rays that miss by less than half a pixel cover a part of theirs (cone tracing: the smallest distance over the pixel's
width there), so that one ray a pixel gives an outline without steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.procedural.shade import Light
from training.procedural.shapes import evaluate
from training.procedural.table import ObjectTable
from training.procedural.texture import paint

REACH = 0.512
"""Half side of the cube that holds every object, with a little room."""

STEPS = 96
"""At most, of a ray."""

CAUTION, LEAST, TOUCH = 0.9, 1.2e-3, 6e-4
"""Share of the distance that a ray advances, its smallest step, and the distance at which it has arrived."""

TILT = 1.5e-3
"""Offset of the four samples from which a normal is taken."""

OPEN = ((0.04, 0.45), (0.12, 0.55))
"""Reach and weight of the two samples along the normal that say how open the sky is."""

SHADOW, LIFTED = (0.03, 0.08, 0.17, 0.34), 0.019
"""Samples towards the key light, from a start so far above the surface."""

TETRAHEDRON = ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Rays:
    """``N`` rays for each of ``B`` objects, dataset frame."""

    origin: Tensor
    """``(B, N, 3)``."""
    direction: Tensor
    """``(B, N, 3)`` unit vectors."""
    spread: Tensor
    """``(B,)``: a pixel's width at distance 1."""


@dataclass(frozen=True)
class Seen:
    """What rays met; all ``(B, N)`` but the normals."""

    coverage: Tensor
    """0..1; 1 where the ray itself hits."""
    t: Tensor
    """Where along the ray it hit, or passed closest."""
    row: Tensor
    """int32: the row of the table whose paint shows there."""
    normal: Tensor
    """``(B, N, 3)``, 0 where nothing is covered."""
    sky: Tensor
    """How open the sky is above the surface, 0..1."""
    lit: Tensor
    """How much of the key light arrives, 0.15..1."""


def distance(table: ObjectTable, points: Tensor) -> Tensor:
    return evaluate(table, points)[0]


def trace(table: ObjectTable, rays: Rays, light: Light) -> Seen:
    """Every ray to the surface, then what shading asks of the distance there."""
    origin, direction = rays.origin, rays.direction
    near, far = enter(origin, direction)
    wide = rays.spread[:, None]
    t, live = near.clone(), near < far
    best, best_t, hit = torch.full_like(t, 1e9), near.clone(), torch.zeros_like(live)
    for _ in range(STEPS):
        if not live.any():
            break
        d = _only(table, origin + direction * t[..., None], live)
        closer = live & (d < best * (wide * t))
        best, best_t = torch.where(closer, d / (wide * t), best), torch.where(closer, t, best_t)
        arrived = live & (d < TOUCH)
        hit |= arrived
        live &= ~arrived
        t = torch.where(live, t + (CAUTION * d).clamp(min=LEAST), t)
        live &= t < far
    coverage = torch.where(hit, 1.0, (0.5 - best).clamp(0, 1))
    t = torch.where(hit, t, best_t)
    return _surface(table, origin + direction * t[..., None], coverage, t, light.direction[:, 0])


def enter(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave the cube ``[-REACH, REACH]^3``, ``(B, N)`` each."""
    inverse = 1 / torch.where(direction.abs() < 1e-9, 1e-9, direction)
    a, b = (-REACH - origin) * inverse, (REACH - origin) * inverse
    return torch.minimum(a, b).amax(-1).clamp(min=0), torch.maximum(a, b).amin(-1)


def _only(table: ObjectTable, points: Tensor, wanted: Tensor) -> Tensor:
    """Distances ``(B, N)`` where wanted, else 0: only the objects' wanted points are computed."""
    count = int(wanted.sum(1).max())
    order = torch.argsort(wanted.to(torch.int8), dim=1, descending=True, stable=True)[:, :count]
    found = evaluate(table, torch.gather(points, 1, order[..., None].expand(-1, -1, 3)))[0]
    return torch.zeros_like(points[..., 0]).scatter(1, order, found) * wanted


def _surface(table: ObjectTable, at: Tensor, coverage: Tensor, t: Tensor, towards: Tensor) -> Seen:
    """Row, normal, sky and shadow at ``at (B, N, 3)``, where anything is covered."""
    covered = coverage > 0
    _, rows = evaluate(table, at, materials=True)
    assert rows is not None
    normal = torch.zeros_like(at)
    for corner in TETRAHEDRON:
        offset = at.new_tensor(corner)
        normal = normal + _only(table, at + TILT * offset, covered)[..., None] * offset
    normal = normal / normal.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    sky = torch.ones_like(t)
    for reach, weight in OPEN:
        sky = sky - weight * (1 - _only(table, at + normal * reach, covered) / reach).clamp(0, 1)
    start, lit = at + normal * LIFTED, torch.ones_like(t)
    for step in SHADOW:
        free = _only(table, start + towards[:, None] * step, covered)
        lit = torch.minimum(lit, 0.5 + 4.0 * free / (step + 0.05))
    return Seen(
        coverage,
        t,
        torch.where(covered, rows, 0).to(torch.int32),
        normal * covered[..., None],
        torch.where(covered, sky, 0.0),
        torch.where(covered, lit.clamp(0.15, 1), 0.0),
    )


def colours(table: ObjectTable, rays: Rays, light: Light, seen: Seen) -> Tensor:
    """sRGB ``(B, N, 3)`` in 0..1, straight (not multiplied by coverage), white where nothing is.

    As :func:`training.procedural.shade.shade`: wrapped lights, sky with occlusion, a weak highlight, gamma 2.
    """
    out = torch.ones_like(rays.origin)
    owner, ray = torch.nonzero(seen.coverage > 0, as_tuple=True)
    if not len(owner):
        return out
    direction, normal = rays.direction[owner, ray], seen.normal[owner, ray]
    at = rays.origin[owner, ray] + direction * seen.t[owner, ray][:, None]
    albedo, gloss = paint(table, owner, seen.row[owner, ray].long(), at.unbind(-1))
    sky = (0.75 + 0.25 * normal[:, 1]) * (0.35 + 0.65 * seen.sky[owner, ray])
    mirror = direction - 2 * (direction * normal).sum(-1, keepdim=True) * normal
    total, shine = light.ambient[owner] * sky[:, None], torch.zeros_like(sky)
    for index in range(3):
        towards, color = light.direction[owner, index], light.color[owner, index]
        wide = (((normal * towards).sum(-1) + 0.15) / 1.15).clamp(min=0)
        if index == 0:
            wide = wide * seen.lit[owner, ray]
        total = total + color * wide[:, None]
        shine = shine + color[:, 1] * (mirror * towards).sum(-1).clamp(min=0) ** 24
    out[owner, ray] = (albedo.square() * total + (gloss * shine)[:, None]).clamp(1e-5, 1).sqrt()
    return out
