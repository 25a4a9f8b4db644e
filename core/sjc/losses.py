"""Every loss of the reconstruction, one formula each. Scalars out, unweighted (REFERENCE section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def input_view(predicted: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    """``mean((p - photo)^2)`` of equal shapes, in [-1, 1]."""
    return (predicted - photo).square().mean()


def depth_smoothness(depth: torch.Tensor) -> torch.Tensor:
    """``(mean|d[:, 1:] - d[:, :-1]| + mean|d[1:] - d[:-1]|) / 2`` of ``depth (..., h, w)``."""
    across = (depth[..., :, 1:] - depth[..., :, :-1]).abs().mean()
    down = (depth[..., 1:, :] - depth[..., :-1, :]).abs().mean()
    return (across + down) / 2


def near_view(image: torch.Tensor, near_image: torch.Tensor, depth: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """``mean|y' - y| + mean|d' - d|``; gradients flow to both views."""
    return (near_image - image).abs().mean() + (near - depth).abs().mean()


def emptiness(weights: torch.Tensor, progress: float, *, scale: float = 10.0, growth: float = 20.0) -> torch.Tensor:
    """``mean(log(1 + s w) * (-w / 2)) * (1 + g i / n)`` of ``weights (k, h, w)``, ``progress = i / n``."""
    import torch

    return (torch.log1p(scale * weights) * (-weights / 2)).mean() * (1 + growth * progress)


def emptiness_text(weights: torch.Tensor, *, scale: float = 10.0) -> torch.Tensor:
    """``mean(log(1 + s w))``: the form of Score Jacobian Chaining for text, section 4.3."""
    import torch

    return torch.log1p(scale * weights).mean()


def silhouette(alpha: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """``mean((a - m)^2)``: squares, so that a soft mask is its own minimum and never pushed to 0 or 1."""
    return (alpha - mask).square().mean()


def total_variation(grid: torch.Tensor) -> torch.Tensor:
    """``mean((g[i+1] - g[i])^2)`` summed over the three axes of ``grid (1, C, Z, Y, X)`` (Plenoxels, equation 3)."""
    import torch

    parts = [torch.diff(grid, dim=axis).square().mean() for axis in (2, 3, 4)]
    return parts[0] + parts[1] + parts[2]


def spread(alpha: torch.Tensor, depth: torch.Tensor, square: torch.Tensor) -> torch.Tensor:
    """``mean(sum_ij w_i w_j (t_i - t_j)^2 / 2) = mean(S0 S2 - S1^2)``: matter along a ray gathers in one surface.

    ``S_k`` are a ray's sums of ``w t^k``; the distortion of Mip-NeRF 360 (equation 15) with a squared distance.
    """
    return (alpha * square - depth.square()).mean()
