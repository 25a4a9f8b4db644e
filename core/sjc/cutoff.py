"""Where the surface lies in a density field: chosen for every asset by matching silhouettes, never a constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import ReconstructionFailed

if TYPE_CHECKING:
    import torch

    from core.sjc.views import View

CANDIDATES = 24


def best_cutoff(density: torch.Tensor, views: list[View], weights: list[float] | None = None) -> tuple[float, float]:
    """The isovalue of ``density (Z, Y, X)`` that matches ``views`` best, and its mean soft IoU (min over max).

    Raises :class:`ReconstructionFailed` where no isovalue leaves a solid.
    """
    values = _candidates(density)
    share = np.asarray([1.0] * len(views) if weights is None else weights)
    matched = [[_overlap(seen, view.mask) for seen in _outlines(density, view, values)] for view in views]
    scores = (np.asarray(matched) * share[:, None]).sum(0) / share.sum()
    return _middle(values, [float(score) for score in scores])


def _candidates(density: torch.Tensor) -> NDArray[np.float64]:
    top = float(density.max())
    if not np.isfinite(top) or top <= 0:
        raise ReconstructionFailed("The reconstruction is empty: no part of the field became solid.")
    return np.asarray(np.exp(np.linspace(np.log(top * 2e-3), np.log(top * 0.9), CANDIDATES)))


def _outlines(density: torch.Tensor, view: View, values: NDArray[np.float64]) -> list[torch.Tensor]:
    """What ``view`` sees of the solid of each value, soft ``(S, S)``."""
    import torch

    from core.sjc.views import rays_of

    origins, directions = rays_of(view.camera, view.size, density.device)
    peak = peak_along(density, origins, directions).view(view.size, view.size)
    # one voxel of softness: a pixel that only grazes the solid counts in part
    return [torch.sigmoid((peak.clamp(min=1e-9) / value).log() * 4) for value in values]


def _overlap(seen: torch.Tensor, mask: torch.Tensor) -> float:
    import torch

    return float(torch.minimum(seen, mask).sum() / torch.maximum(seen, mask).sum())


def _middle(values: NDArray[np.float64], scores: list[float]) -> tuple[float, float]:
    """The best of ``values`` and its score: the middle of a plateau, so that one noisy candidate decides nothing."""
    best = max(scores)
    if best <= 0:
        raise ReconstructionFailed("The reconstruction is empty: its silhouette nowhere meets the photo's.")
    near = [i for i, score in enumerate(scores) if score >= best - 0.002]
    chosen = near[len(near) // 2] if near[-1] - near[0] + 1 == len(near) else int(np.argmax(scores))
    return float(values[chosen]), best


def peak_along(density: torch.Tensor, origins: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """The largest trilinear density ``(N,)`` met by rays ``(N, 3)``, in steps of half a voxel."""
    import torch

    from core.sjc.carve import dilated
    from core.sjc.march import bundle_rays, space_of

    space = space_of(dilated(density > density.max() * 1e-3))
    bundle = bundle_rays(space, origins, directions, torch.full_like(origins[:, 0], 0.5), 1 / density.shape[0])
    table = torch.cat([density[space.occupied], density.new_zeros(1)])
    met = (bundle.gather @ table[:, None])[:, 0]
    return torch.zeros_like(origins[:, 0]).scatter_reduce(0, bundle.ray, met, "amax")
