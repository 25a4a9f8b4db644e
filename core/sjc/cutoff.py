"""Where the surface lies in a density field: chosen for every asset by matching silhouettes, never a constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.artifacts import Cutout, Field
from core.errors import ReconstructionFailed

if TYPE_CHECKING:
    import torch

    from core.sjc.views import View

CANDIDATES = 24

MET = 0.5
"""Soft IoU above which an outline is met at all: below, a fuller solid is only more fog."""


def choose_cutoff(field: Field, cutout: Cutout, slack: float = 0.0) -> float:
    """The isovalue whose solid, seen by the photo's camera, matches the photo's silhouette best (soft IoU); with
    ``slack`` the lowest that is no more than this worse.

    Raises :class:`ReconstructionFailed` where no isovalue leaves a solid.
    """
    import torch

    from core.sjc.views import photo_view

    return best_cutoff(torch.from_numpy(field.density), [photo_view(cutout, field.camera)], slack=slack)[0]


def best_cutoff(
    density: torch.Tensor, views: list[View], weights: list[float] | None = None, slack: float = 0.0
) -> tuple[float, float]:
    """The isovalue of ``density (Z, Y, X)`` that matches ``views`` best, and its mean soft IoU (min over max); with
    ``slack`` the lowest that is no more than this worse."""
    import torch

    from core.sjc.views import rays_of

    top = float(density.max())
    if not np.isfinite(top) or top <= 0:
        raise ReconstructionFailed("The reconstruction is empty: no part of the field became solid.")
    share = np.asarray([1.0] * len(views) if weights is None else weights)
    peaks = []
    for view in views:
        origins, directions = rays_of(view.camera, view.size, density.device)
        peaks.append(peak_along(density, origins, directions).view(view.size, view.size))
    values = np.exp(np.linspace(np.log(top * 2e-3), np.log(top * 0.9), CANDIDATES))
    scores = []
    for value in values:
        matched = []
        for view, peak in zip(views, peaks, strict=True):
            # one voxel of softness: a pixel that only grazes the solid counts in part
            seen = torch.sigmoid((peak.clamp(min=1e-9) / value).log() * 4)
            matched.append(float(torch.minimum(seen, view.mask).sum() / torch.maximum(seen, view.mask).sum()))
        scores.append(float((np.asarray(matched) * share).sum() / share.sum()))
    best = max(scores)
    if best <= 0:
        raise ReconstructionFailed("The reconstruction is empty: its silhouette nowhere meets the photo's.")
    if slack and best > MET:
        first = next(i for i, value in enumerate(scores) if value >= best - slack)
        return float(values[first]), scores[first]
    # the plateau's middle: neighbours that do as well make the choice robust to one noisy candidate
    near = [i for i, value in enumerate(scores) if value >= best - 0.002]
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
