"""The fast renderer: the same quadrature as :mod:`core.sjc.renderer`, looked up only where space is occupied.

Rays are marched between the first and the last occupied voxel they meet, with one random offset a ray; samples in
empty voxels cost a lookup in a bool grid and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.sjc.field import Voxels, activate, trilinear
from core.sjc.renderer import box_interval, ray_weights

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Marched:
    """What rays see."""

    color: torch.Tensor
    """``(N, C)``, over white."""
    alpha: torch.Tensor
    """``(N,)``."""
    depth: torch.Tensor
    """``(N,)``: sum of weight times distance, not divided by alpha."""
    weights: torch.Tensor
    """``(k, N)``."""


def occupied_at(occupied: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Whether the voxel that holds each of ``points (..., 3)`` is occupied; False outside."""
    size = occupied.shape[0]
    cell = ((points + 1) * (size / 2)).floor()
    inside = ((cell >= 0) & (cell < size)).all(-1)
    i = cell.clamp(0, size - 1).long()
    return occupied.view(-1)[(i[..., 2] * size + i[..., 1]) * size + i[..., 0]] & inside


def occupied_interval(
    occupied: torch.Tensor, origins: torch.Tensor, directions: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """First and last distance ``(N,)`` at which rays ``(N, 3)`` meet occupied space, on steps of one voxel.

    ``leave <= enter`` where they never do.
    """
    import torch

    step = 2 / occupied.shape[0]
    enter, leave = box_interval(origins, directions)
    first = torch.full_like(enter, float("inf"))
    last = torch.full_like(enter, float("-inf"))
    hit = leave > enter
    if not bool(hit.any()):
        return first, last
    low = float(enter[hit].min())
    for j in range(int((float(leave.max()) - low) / step) + 1):
        t = torch.full_like(enter, low + (j + 0.5) * step)
        there = occupied_at(occupied, origins + t[:, None] * directions)
        first = torch.where(there & (t < first), t, first)
        last = torch.where(there, t, last)
    return (first - step).clamp(min=0), last + step


def march(
    voxels: Voxels,
    occupied: torch.Tensor,
    origins: torch.Tensor,
    directions: torch.Tensor,
    interval: tuple[torch.Tensor, torch.Tensor],
    step: float,
    jitter: torch.Tensor | None = None,
) -> Marched:
    """Render rays ``(N, 3)`` over white; ``interval`` from :func:`occupied_interval`, ``jitter (N,)`` in 0..1."""
    import torch

    enter, leave = interval
    count, channels = len(origins), voxels.color.shape[1]
    spans = torch.where(leave > enter, leave - enter, torch.zeros_like(leave))
    k = max(1, int(float(spans.max()) / step + 0.999)) if count else 1
    offset = (torch.full_like(enter, 0.5) if jitter is None else jitter) + torch.arange(
        k, device=enter.device, dtype=enter.dtype
    ).unsqueeze(1)
    t = torch.where(spans > 0, enter, torch.zeros_like(enter)) + offset * step  # (k, N)
    points = origins + t[..., None] * directions
    inside = (offset * step < spans) & occupied_at(occupied, points)
    values = trilinear(torch.cat([voxels.density, voxels.color], 1), points[inside])
    sigma = torch.zeros_like(t).masked_scatter(inside, activate(values[:, 0], voxels.scale))
    weights = ray_weights(sigma * step)
    rays = torch.arange(count, device=t.device).expand_as(t)[inside]
    contribution = weights[inside][:, None] * values[:, 1:]
    color = torch.zeros((count, channels), dtype=t.dtype, device=t.device).index_add(0, rays, contribution)
    alpha = weights.sum(0)
    return Marched(color + (1 - alpha)[:, None], alpha, (weights * t).sum(0), weights)
