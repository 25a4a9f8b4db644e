"""A dense voxel radiance field in the box [-1, 1]^3: density and feature grids, and what they are at a point.

``sigma(x) = softplus(trilinear(density, x) * exp(scale) + shift)``, zero padding outside (REFERENCE section 4).
Grids are ``(1, C, Z, Y, X)``, points ``(N, 3)`` are ``[x, y, z]``; voxel centres at ``-1 + (i + .5) * 2 / n``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DENSITY_SHIFT = -1.0
"""Added before the softplus, so that a zero grid is thin fog (0.31 per unit length) that every gradient can move."""


@dataclass(frozen=True)
class Voxels:
    """The trainable tensors of a field."""

    density: torch.Tensor
    """``(1, 1, Z, Y, X)``, before the activation."""
    color: torch.Tensor
    """``(1, C, Z, Y, X)``: the rendered feature itself, latent channels or RGB."""
    scale: torch.Tensor
    """``()``: logarithm of the learned factor on the density."""

    def tensors(self) -> list[torch.Tensor]:
        return [self.density, self.color, self.scale]


def released_voxels(size: int, channels: int, generator: torch.Generator) -> Voxels:
    """The released initialisation: density 0, feature N(0, 1), scale 0; ``size`` cubed voxels."""
    import torch

    color = torch.randn((1, channels, size, size, size), generator=generator)
    return Voxels(torch.zeros(1, 1, size, size, size), color, torch.zeros(()))


def trilinear(grid: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Values ``(N, C)`` of ``grid (1, C, Z, Y, X)`` at ``points (N, 3)``; zero outside (``align_corners=False``)."""
    import torch.nn.functional as F

    values = F.grid_sample(grid, points.view(1, -1, 1, 1, 3), mode="bilinear", align_corners=False)
    return values.view(grid.shape[1], -1).T


def activate(raw: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """``sigma = softplus(raw * exp(scale) - 1)``, per unit length."""
    import torch.nn.functional as F

    return F.softplus(raw * scale.exp() + DENSITY_SHIFT)


def sigma_at(voxels: Voxels, points: torch.Tensor) -> torch.Tensor:
    """Density ``(N,)`` per unit length at ``points (N, 3)``."""
    return activate(trilinear(voxels.density, points)[:, 0], voxels.scale)


def color_at(voxels: Voxels, points: torch.Tensor) -> torch.Tensor:
    """Features ``(N, C)`` at ``points (N, 3)``."""
    return trilinear(voxels.color, points)


def resized(grid: torch.Tensor, size: int) -> torch.Tensor:
    """``grid (1, C, n, n, n)`` on ``size`` cubed voxels, trilinear with replicated borders: coarse to fine."""
    import torch.nn.functional as F

    return F.interpolate(grid, size=(size,) * 3, mode="trilinear", align_corners=False)
