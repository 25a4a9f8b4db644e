"""Volume rendering, exactly as the released reconstruction does it: fixed steps, and colour only where it counts.

``alpha_j = 1 - exp(-sigma_j * step)``, ``w_j = alpha_j * prod_{i<j} (1 - alpha_i)``,
``y = sum_j w_j c_j + (1 - sum_j w_j) background`` (NeRF, equation 3; REFERENCE section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.sjc.field import Voxels, color_at, sigma_at

if TYPE_CHECKING:
    import torch

WEIGHT_THRESHOLD = 1e-4
"""Samples that weigh less have no colour (and no gradient through it)."""

BACKGROUND_DEPTH = 10.0
"""Where the background stands in depth maps, lengths of the world."""

STEP_RATIO = 0.5
"""Step length in mean voxel edges."""


@dataclass(frozen=True)
class Rendering:
    """What one camera sees, differentiable."""

    image: torch.Tensor
    """``(C, h, w)``."""
    depth: torch.Tensor
    """``(h, w)``, along the ray; the background at :data:`BACKGROUND_DEPTH`."""
    weights: torch.Tensor
    """``(k, h, w)``, the k-th step along each ray."""


def step_length(voxels: Voxels) -> float:
    """Half a mean voxel edge of the box [-1, 1]^3."""
    edges = [2.0 / n for n in voxels.density.shape[2:]]
    return STEP_RATIO * sum(edges) / 3


def box_interval(origins: torch.Tensor, directions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where rays ``(N, 3)`` enter and leave [-1, 1]^3, ``(N,)`` each, clamped at 0; leave <= enter on a miss."""
    import torch

    tiny = torch.finfo(directions.dtype).tiny
    inverse = 1 / torch.where(directions == 0, torch.full_like(directions, tiny), directions)
    a, b = (-1 - origins) * inverse, (1 - origins) * inverse
    enter = torch.minimum(a, b).amax(1).clamp(min=0)
    leave = torch.maximum(a, b).amin(1).clamp(min=0)
    return enter, leave


def render(
    voxels: Voxels, origins: torch.Tensor, directions: torch.Tensor, height: int, width: int, background: torch.Tensor
) -> Rendering:
    """Render unit rays ``(h*w, 3)``, row-major from the top left, over ``background (C, h, w)``."""
    return render_cameras(voxels, origins[None], directions[None], height, width, background)[0]


def render_cameras(
    voxels: Voxels, origins: torch.Tensor, directions: torch.Tensor, height: int, width: int, background: torch.Tensor
) -> list[Rendering]:
    """:func:`render` for the rays ``(cameras, h*w, 3)`` of several cameras at once.

    Looking up is what costs, and its gradient as large as the grid: once for all cameras, the same numbers.
    """
    import torch

    step = step_length(voxels)
    cameras, rays = origins.shape[:2]
    origins, directions = origins.reshape(-1, 3), directions.reshape(-1, 3)
    enter, leave = box_interval(origins, directions)
    span = leave - enter
    longest = span.view(cameras, rays).amax(1) / step
    counts = [int(floor) + 1 for floor in torch.floor(longest).tolist()]
    offsets = torch.arange(max(counts), dtype=origins.dtype, device=origins.device) * step
    inside = offsets[:, None] < span[None]
    t = enter[None] + offsets[:, None]  # (k, N)
    points = origins[None] + t[..., None] * directions[None]
    # masked_scatter keeps the graph small: densities are looked up only where a ray is inside the box
    sigma = torch.zeros_like(t).masked_scatter(inside, sigma_at(voxels, points[inside]))
    weights = ray_weights(sigma * step)
    lit = weights > WEIGHT_THRESHOLD
    ray = torch.arange(t.shape[1], device=t.device).expand_as(t)[lit]
    contribution = weights[lit][:, None] * color_at(voxels, points[lit])
    channels = voxels.color.shape[1]
    image = torch.zeros((t.shape[1], channels), dtype=t.dtype, device=t.device).index_add(0, ray, contribution)
    through = 1 - weights.sum(0)
    depth = (weights * t).sum(0) + through * BACKGROUND_DEPTH
    flat = image.T.view(channels, cameras, rays) + through.view(1, cameras, rays) * background.reshape(channels, 1, -1)
    return [
        Rendering(
            flat[:, i].reshape(channels, height, width),
            depth.view(cameras, height, width)[i],
            weights.view(-1, cameras, rays)[:count, i].reshape(count, height, width),
        )
        for i, count in enumerate(counts)
    ]


def ray_weights(optical_depth: torch.Tensor) -> torch.Tensor:
    """``w_j = (1 - exp(-tau_j)) * prod_{i<j} exp(-tau_i)`` for ``tau (k, ...)`` along the first axis."""
    import torch

    alpha = 1 - torch.exp(-optical_depth)
    through = torch.cumprod(1 - alpha, 0)
    return alpha * torch.cat([torch.ones_like(through[:1]), through[:-1]])
