"""A sampled distance grid per object, evaluated exactly only near the surface, shared by all views of the object."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.procedural.shapes import evaluate
from training.procedural.table import ObjectTable

HALF = 0.53
"""Half side of the sampled cube, dataset units; objects reach to 0.5."""

TOGETHER = 32
"""Objects whose grids are computed in one go."""


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
    cell = 2 * half / resolution
    centers = lattice(resolution // 4, half, table.device)
    coarse = evaluate(table, centers.expand(len(table), -1, -1))[0]
    # A cell's corners lie within 2.6 cells of the block's centre; samples for normals reach 2.5 cells further.
    near = coarse.abs() < 5.1 * cell
    # Each object is padded to its company's rows and near blocks: so sort, and refine those alike together.
    order = (near.sum(1) * (table.kind >= 0).sum(1)).argsort()
    values = coarse.new_empty(len(table), *[resolution] * 3)
    for alike in torch.split(order, TOGETHER):
        part = table.reordered(alike).pick(0, len(alike))
        values[alike] = _refined(part, coarse[alike], near[alike], centers, cell)
    return Grid(values)


def _refined(table: ObjectTable, coarse: Tensor, near: Tensor, centers: Tensor, cell: float) -> Tensor:
    """Distances ``(B, R, R, R)`` from those of blocks ``(B, (R / 4)^3)``, exact in the blocks that are ``near``."""
    objects, blocks = len(table), round(len(centers) ** (1 / 3))
    resolution = 4 * blocks
    most = int(near.sum(1).max())
    # Objects own different numbers of near blocks: take each one's nearest, then keep only its own.
    chosen = torch.topk(coarse.abs(), most, dim=1, largest=False, sorted=False).indices
    points = centers[chosen][:, :, None] + lattice(4, 2 * cell, table.device)
    exact = evaluate(table, points.reshape(objects, -1, 3))[0]
    spread = torch.nn.functional.interpolate(
        coarse.view(objects, 1, blocks, blocks, blocks), scale_factor=4, mode="trilinear", align_corners=False
    )
    values = _to_blocks(spread.view(objects, *[resolution] * 3), blocks)
    index = chosen[:, :, None].expand(-1, -1, 64)
    own = torch.gather(near, 1, chosen)[:, :, None]
    values.scatter_(1, index, torch.where(own, exact.view(objects, most, 64), torch.gather(values, 1, index)))
    values = values.view(objects, blocks, blocks, blocks, 4, 4, 4).permute(0, 1, 4, 2, 5, 3, 6)
    return values.reshape(objects, resolution, resolution, resolution)


def _to_blocks(values: Tensor, blocks: int) -> Tensor:
    """``(B, R, R, R)`` to ``(B, blocks^3, 64)``."""
    cut = values.view(len(values), blocks, 4, blocks, 4, blocks, 4).permute(0, 1, 3, 5, 2, 4, 6)
    return cut.reshape(len(values), blocks**3, 64).contiguous()


def lattice(count: int, half: float, device: torch.device) -> Tensor:
    """Cell centres ``(count^3, 3)`` of a cube, x fastest."""
    axis = (torch.arange(count, device=device, dtype=torch.float32) + 0.5) * (2 * half / count) - half
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    return torch.stack([x, y, z], -1).reshape(-1, 3)


def sample(grid: Grid, base: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Trilinear distances ``(M,)`` at points given by coordinate, clamped at the border.

    ``base (M,)`` is ``owner * R^3``. One contiguous tensor a coordinate and ``index_select`` make this three times
    faster on a CPU than indexing with ``(M, 3)`` points.
    """
    r = grid.resolution
    flat = grid.values.view(-1)
    per = 1 / grid.cell
    x, y, z = ((axis * per + (r / 2 - 0.5)).clamp(0, r - 1.001) for axis in (x, y, z))
    xi, yi, zi = x.int(), y.int(), z.int()
    corner = (zi * r + yi) * r + xi + base
    fx, fy, fz = x - xi, y - yi, z - zi

    def edge(offset: int) -> Tensor:
        first = torch.index_select(flat, 0, corner + offset)
        return torch.lerp(first, torch.index_select(flat, 0, corner + (offset + 1)), fx)

    near = torch.lerp(edge(0), edge(r), fy)
    return torch.lerp(near, torch.lerp(edge(r * r), edge(r * r + r), fy), fz)


def gradient(grid: Grid, base: Tensor, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Unit normals ``3 x (M,)`` from four samples on a tetrahedron around each point."""
    step = 0.8 * grid.cell
    a = sample(grid, base, x + step, y - step, z - step)
    b = sample(grid, base, x - step, y - step, z + step)
    c = sample(grid, base, x - step, y + step, z - step)
    d = sample(grid, base, x + step, y + step, z + step)
    nx, ny, nz = a - b - c + d, c - a - b + d, b - a - c + d
    inverse = torch.rsqrt((nx * nx + ny * ny + nz * nz).clamp(min=1e-20))
    return nx * inverse, ny * inverse, nz * inverse
