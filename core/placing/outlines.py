"""Outlines as signed distances and as rays, for placing photos against each other."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, tan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

SIZE = 128
"""Pixels along one side at which outlines are compared."""


@dataclass(frozen=True)
class Outline:
    """A cutout's silhouette in its own frame of [-1, 1]."""

    distance: Tensor
    """``(SIZE, SIZE)``: to the outline, positive inside, in halves of the frame's side."""
    rim: Tensor
    """``(N, 2)`` pixels along the inside of the outline, u and v."""


def outline_of(alpha: NDArray[np.uint8], count: int = 160) -> Outline:
    """The outline of ``alpha (S, S)``, S a multiple of :data:`SIZE`, with ``count`` pixels of its rim.

    Raises ValueError where nothing is opaque.
    """
    import torch
    from scipy.ndimage import binary_erosion, distance_transform_edt

    step = alpha.shape[0] // SIZE
    cover = alpha.reshape(SIZE, step, SIZE, step).mean((1, 3)) / 255
    inside = cover > 0.5
    if not inside.any():
        raise ValueError("A cutout without anything in it has no outline.")
    distance = np.where(inside, distance_transform_edt(inside) - 0.5, 0.5 - distance_transform_edt(~inside))
    distance = np.where(np.abs(distance) < 1, cover - 0.5, distance)  # within a pixel its coverage knows better
    rows, columns = np.nonzero(inside & ~binary_erosion(inside, np.ones((3, 3), bool)))
    around = np.argsort(np.arctan2(rows - rows.mean(), columns - columns.mean()), kind="stable")
    chosen = around[np.linspace(0, len(around) - 1, count).round().astype(int)]
    rim = np.stack([columns[chosen], rows[chosen]], 1)
    return Outline(
        torch.from_numpy((distance * 2 / SIZE).astype(np.float32)),
        torch.from_numpy(((rim + 0.5) * 2 / SIZE - 1).astype(np.float32)),
    )


@dataclass(frozen=True)
class Placed:
    """``K`` outlines with cameras and frames, differentiable."""

    axes: Tensor
    """``(K, 3, 3)``: right, up and backward in columns."""
    radius: Tensor
    """``(K,)``."""
    fov: tuple[float, ...]
    zoom: Tensor
    """``(K,)``."""
    shift: Tensor
    """``(K, 2)``."""

    def tangents(self) -> Tensor:
        """``(K,)`` half the common frame's side at distance 1."""
        return self.radius.new_tensor([tan(radians(fov) / 2) for fov in self.fov])


def rim_points(outlines: list[Outline], placed: Placed, samples: int, reach: float = 1.1) -> Tensor:
    """World points ``(K, N, samples, 3)`` along the rays of every outline's rim, front to back."""
    import torch

    rims = torch.stack([outline.rim for outline in outlines])
    common = rims / placed.zoom[:, None, None] + placed.shift[:, None]
    across = common * placed.tangents()[:, None, None]
    local = torch.stack([across[..., 0], -across[..., 1], -torch.ones_like(across[..., 0])], -1)
    directions = local @ placed.axes.transpose(1, 2)
    away = placed.radius[:, None] + torch.linspace(-reach, reach, samples)
    eyes = placed.radius[:, None] * placed.axes[:, :, 2]
    return eyes[:, None, None] + directions[:, :, None] * away[:, None, :, None]


def depth_in_others(points: Tensor, outlines: list[Outline], placed: Placed) -> Tensor:
    """How far inside every other outline points ``(K, N, samples, 3)`` on the rays of each are, ``(K, K, N, samples)``:
    by outline, by the rays' own; infinitely inside their own."""
    import torch

    count, rays, samples = points.shape[:3]
    inside = depth_inside(points.reshape(-1, 3), outlines, placed).view(count, count, rays, samples)
    return inside.masked_fill(torch.eye(count, dtype=torch.bool)[:, :, None, None], torch.inf)


def seen_in(points: Tensor, placed: Placed) -> tuple[Tensor, Tensor]:
    """Where world points ``(M, 3)`` lie in each of ``K`` cutouts, ``(K, M, 2)``, and their distances ``(K, M)``."""
    import torch

    eyes = placed.radius[:, None] * placed.axes[:, :, 2]
    local = (points - eyes[:, None]) @ placed.axes
    away = (-local[..., 2]).clamp(min=1e-3)
    common = torch.stack([local[..., 0], -local[..., 1]], -1) / (away * placed.tangents()[:, None])[..., None]
    return (common - placed.shift[:, None]) * placed.zoom[:, None, None], away


def depth_inside(points: Tensor, outlines: list[Outline], placed: Placed) -> Tensor:
    """How far inside each outline points ``(M, 3)`` are, ``(K, M)``, in halves of the common frame's side."""
    import torch
    import torch.nn.functional as F

    where, _ = seen_in(points, placed)
    distances = torch.stack([outline.distance for outline in outlines])[:, None]
    found = F.grid_sample(distances, where[:, None], padding_mode="border", align_corners=False)[:, 0, 0]
    beyond = (where.abs() - 1).clamp(min=0).norm(dim=-1)
    inside: Tensor = (found - beyond) / placed.zoom[:, None]
    return inside
