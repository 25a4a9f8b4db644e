"""A sampled distance grid per object, evaluated exactly only near the surface, shared by all views of the object."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.procedural.shapes import evaluate
from core.procedural.table import ObjectTable

HALF = 0.53
"""Half side of the sampled cube, dataset units; objects reach to 0.5."""


@dataclass(frozen=True)
class Grid:
    """Distances at the ``R^3`` cell centres of the cube ``[-HALF, HALF]^3``."""

    values: Tensor
    """``(B, R, R, R)``, indexed ``[z, y, x]``, dataset units."""

    @property
    def resolution(self) -> int:
        return self.values.shape[-1]

    @property
    def cell(self) -> float:
        return 2 * HALF / self.resolution


def build_grid(table: ObjectTable, resolution: int = 96, half: float = HALF) -> Grid:
    """Blocks of 4^3 cells: exact inside those that can hold the surface, the block's distance elsewhere."""
    if resolution % 4:
        raise ValueError(f"the grid's resolution must be a multiple of 4, not {resolution}")
    device, objects, blocks = table.device, len(table), resolution // 4
    cell = 2 * half / resolution
    centers = _lattice(blocks, half, device)
    coarse = evaluate(table, centers.expand(objects, -1, -1))[0]
    reach = 4 * cell * 0.87 * 1.15 + 1.5 * cell
    near = coarse.abs() < reach
    most = int(near.sum(1).max())
    # Objects in a batch own different numbers of near blocks; the nearest `most` cover every object's own.
    chosen = torch.topk(coarse.abs(), most, dim=1, largest=False, sorted=False).indices
    offsets = _lattice(4, 2 * cell, device)
    points = centers[chosen][:, :, None] + offsets
    exact = evaluate(table, points.reshape(objects, -1, 3))[0].view(objects, most, 64)
    filled = coarse.sign() * (coarse.abs() - reach / 2)
    values = filled[:, :, None].expand(-1, -1, 64).contiguous()
    # Blocks beyond an object's own reach keep the coarse value: the result must not depend on its neighbours.
    own = torch.gather(near, 1, chosen)[:, :, None]
    kept = torch.where(own, exact, torch.gather(values, 1, chosen[:, :, None].expand(-1, -1, 64)))
    values.scatter_(1, chosen[:, :, None].expand(-1, -1, 64), kept)
    values = values.view(objects, blocks, blocks, blocks, 4, 4, 4).permute(0, 1, 4, 2, 5, 3, 6)
    return Grid(values.reshape(objects, resolution, resolution, resolution).contiguous())


def _lattice(count: int, half: float, device: torch.device) -> Tensor:
    """Cell centres ``(count^3, 3)`` of a cube, x fastest."""
    axis = (torch.arange(count, device=device, dtype=torch.float32) + 0.5) * (2 * half / count) - half
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    return torch.stack([x, y, z], -1).reshape(-1, 3)


def sample(grid: Grid, owner: Tensor, points: Tensor) -> Tensor:
    """Trilinear distances ``(M,)`` of ``points (M, 3)`` in the grids of objects ``owner (M,)``; clamped at the border."""
    r = grid.resolution
    at = ((points + HALF) * (1 / grid.cell) - 0.5).clamp(0, r - 1.001)
    low = at.floor()
    f = at - low
    i = low.long()
    base = ((owner * r + i[:, 2]) * r + i[:, 1]) * r + i[:, 0]
    flat = grid.values.view(-1)
    fx, fy, fz = f.unbind(-1)

    def edge(offset: int) -> Tensor:
        a = flat[base + offset]
        return a + fx * (flat[base + (offset + 1)] - a)

    near, far = edge(0), edge(r * r)
    near = near + fy * (edge(r) - near)
    far = far + fy * (edge(r * r + r) - far)
    return near + fz * (far - near)


def gradient(grid: Grid, owner: Tensor, points: Tensor) -> Tensor:
    """Central differences over one cell, normalised, ``(M, 3)``."""
    step = grid.cell
    sides = []
    for axis in range(3):
        shift = torch.zeros(3, device=points.device)
        shift[axis] = step
        sides.append(sample(grid, owner, points + shift) - sample(grid, owner, points - shift))
    return torch.nn.functional.normalize(torch.stack(sides, -1), dim=-1)
