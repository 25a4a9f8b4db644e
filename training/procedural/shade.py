"""Soft studio light on hits: three wide lights, a sky, occlusion and one soft shadow from the distance grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.procedural.grid import Grid, sample
from training.procedural.march import Hits, Triple


@dataclass(frozen=True)
class Light:
    """Studio light fixed to the object: a key, a fill and a rim over an ambient sky. One set for each object."""

    direction: Tensor
    """``(B, 3, 3)`` unit vectors towards the lights."""
    color: Tensor
    """``(B, 3, 3)`` linear RGB of each."""
    ambient: Tensor
    """``(B, 3)`` linear RGB."""


def studio_light(objects: int, device: torch.device | str = "cpu", generator: torch.Generator | None = None) -> Light:
    """The default light; with a (CPU) generator, one drawn for each object around it."""
    direction = torch.tensor([[0.55, 0.75, 0.65], [-0.8, 0.35, 0.5], [0.1, 0.6, -0.9]]).repeat(objects, 1, 1)
    color = torch.tensor([0.62, 0.26, 0.30])[None, :, None].repeat(objects, 1, 3)
    ambient = torch.full((objects, 3), 0.42)
    if generator is not None:
        direction = direction + 0.35 * torch.randn(objects, 3, 3, generator=generator)
        direction[..., 1] = direction[..., 1].abs()
        color = color * (0.6 + 0.8 * torch.rand(objects, 3, 1, generator=generator))
        color = color * (0.95 + 0.1 * torch.rand(objects, 3, 3, generator=generator))
        ambient = ambient * (0.75 + 0.5 * torch.rand(objects, 1, generator=generator))
    direction = torch.nn.functional.normalize(direction, dim=-1)
    return Light(direction.to(device), color.to(device), ambient.to(device))


def shade(
    grid: Grid, base: Tensor, light: Light, hits: Hits, normals: Triple, albedo: Tensor, gloss: Tensor, shadows: bool
) -> list[Tensor]:
    """sRGB ``3 x (M,)``: Lambert with wrapped (area-like) lights, sky with occlusion, a weak highlight, gamma 2."""
    nx, ny, nz = normals
    px, py, pz = hits.points
    dx, dy, dz = hits.direction
    open_sky = torch.ones_like(nx)
    for reach, weight in ((0.04, 0.45), (0.12, 0.55)):
        near = sample(grid, base, px + nx * reach, py + ny * reach, pz + nz * reach)
        open_sky = open_sky - weight * (1 - near / reach).clamp(0, 1)
    sky = (0.75 + 0.25 * ny) * (0.35 + 0.65 * open_sky)
    twice = 2 * (dx * nx + dy * ny + dz * nz)
    rx, ry, rz = dx - twice * nx, dy - twice * ny, dz - twice * nz
    total = [channel[hits.owner] * sky for channel in light.ambient.unbind(-1)]
    shine = torch.zeros_like(nx)
    for index in range(3):
        lx, ly, lz = light.direction[:, index][hits.owner].unbind(-1)
        red, green, blue = light.color[:, index][hits.owner].unbind(-1)
        facing = nx * lx + ny * ly + nz * lz
        wide = ((facing + 0.15) / 1.15).clamp(min=0)
        if shadows and index == 0:
            wide = wide * _visible(grid, base, hits, normals, (lx, ly, lz))
        total = [t + c * wide for t, c in zip(total, (red, green, blue), strict=True)]
        mirror = (rx * lx + ry * ly + rz * lz).clamp(min=0)
        mirror = mirror * mirror
        mirror = mirror * mirror
        mirror = mirror * mirror
        shine = shine + green * mirror * mirror * mirror
    shine = gloss * shine
    return [(a * a * t + shine).clamp(1e-5, 1).sqrt() for a, t in zip(albedo.unbind(-1), total, strict=True)]


def _visible(grid: Grid, base: Tensor, hits: Hits, normals: Triple, towards: Triple) -> Tensor:
    """Soft shadow ``(M,)``: the smallest ratio of distance to path towards the light (penumbra of a wide source)."""
    lift = 1.5 * grid.cell
    x, y, z = (p + n * lift for p, n in zip(hits.points, normals, strict=True))
    lx, ly, lz = towards
    seen = torch.ones_like(x)
    for step in (0.03, 0.08, 0.17, 0.34):
        distance = sample(grid, base, x + lx * step, y + ly * step, z + lz * step)
        seen = torch.minimum(seen, 0.5 + 4.0 * distance / (step + 0.05))
    return seen.clamp(0.15, 1)
