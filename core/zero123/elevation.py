"""The photo's elevation, found by asking at which one the synthesized silhouettes agree on one solid.

Zero-1-to-3 takes relative cameras only, so views around the product can be synthesized without knowing the elevation.
Where they stand in the world, however, depends on it: for a wrong candidate the cameras are misplaced and the solid
carved from all silhouettes no longer fills them. (One-2-3-45 asks the same of matched features; at 64 pixels
silhouettes are steadier than matches.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, radians, sqrt, tan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout
from core.cameras import Camera
from core.progress import Progress, no_progress
from core.zero123.model import Zero123
from core.zero123.params import ViewsParams
from core.zero123.sampling import view_seed
from core.zero123.synthesis import ViewRequest, synthesize

if TYPE_CHECKING:
    from torch import Tensor

OFFSETS = ((45, 0), (-45, 0), (90, 0), (-90, 0), (180, 0), (0, 30), (0, -25), (120, 25), (-120, 25))
"""Azimuth and elevation of the probe views relative to the photo, degrees."""

CANDIDATES = tuple(range(-20, 81, 10))
"""Elevations that are tried, degrees; a spline through their coverage finds what lies between."""

PRIOR_SPREAD = 25.0
"""Standard deviation, degrees, of the elevation of product photos around the prior."""

SHARPNESS = 100.0
"""How many nats a full loss of coverage is worth against the prior."""

MASK_SIZE = 32
SAMPLES = 24
HALF_DEPTH = 0.7
"""Rays are searched this far before and behind the product's centre; its longest side is about 1."""


@dataclass(frozen=True)
class ElevationEstimate:
    """An elevation in degrees with how sure it is."""

    degrees: float
    confidence: float
    """0 to 1: the posterior mass within 10 degrees of the estimate."""
    candidates: tuple[float, ...]
    coverage: tuple[float, ...]
    """How much of the silhouettes the carved solid fills, per candidate, 0 to 1."""


def assumed_elevation(prior: float) -> ElevationEstimate:
    """What is known without looking: product photos are taken from about ``prior`` degrees, give or take.

    For models with a lift, which are told the elevation: their views agree on whatever they were told, so that
    :func:`estimate_elevation` gave 18.0 degrees of error where the prior alone has 18.6 (procedural objects).
    """
    return ElevationEstimate(prior, erf(10 / PRIOR_SPREAD / sqrt(2)), (), ())


def estimate_elevation(
    model: Zero123, cutout: Cutout, params: ViewsParams, seed: int, progress: Progress = no_progress
) -> ElevationEstimate:
    """The elevation from which the cutout's photo was taken. Costs ``len(OFFSETS)`` synthesized views."""
    assumed = params.elevation_prior  # only matters to Stable-Zero123, which is told the elevation
    targets = tuple(Camera(azimuth, assumed + offset) for azimuth, offset in OFFSETS)
    seeds = tuple(view_seed(seed, -1 - i) for i in range(len(targets)))
    request = ViewRequest(cutout.rgba, Camera(0.0, assumed), targets, seeds)
    images = synthesize(model, [request], params, progress)[0]
    masks = [cutout.rgba[..., 3] / 255.0, *(white_distance(image) for image in images)]
    return elevation_from_masks(masks, ((0, 0), *OFFSETS), prior=params.elevation_prior)


def white_distance(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A soft silhouette ``(H, W)`` in 0..1 of a picture ``(H, W, 3)`` over white."""
    distance = (255 - image.astype(np.float64)).max(-1)
    return np.asarray(np.clip((distance - 8) / 24, 0, 1))


def elevation_from_masks(
    masks: Sequence[NDArray[np.floating]], offsets: Sequence[tuple[float, float]], *, prior: float
) -> ElevationEstimate:
    """The elevation at which silhouettes taken at ``offsets`` (azimuth, elevation from the photo's) fit one solid."""
    import torch
    import torch.nn.functional as F
    from scipy.interpolate import CubicSpline

    stack = [torch.from_numpy(np.ascontiguousarray(mask, np.float32))[None, None] for mask in masks]
    soft = torch.cat([F.interpolate(mask, (MASK_SIZE, MASK_SIZE), mode="area") for mask in stack])
    coverage = np.array([_coverage(soft, offsets, elevation) for elevation in CANDIDATES])
    fine = np.arange(CANDIDATES[0], CANDIDATES[-1] + 0.5)
    curve = CubicSpline(CANDIDATES, coverage)(fine)
    log_posterior = SHARPNESS * (curve - curve.max()) - 0.5 * ((fine - prior) / PRIOR_SPREAD) ** 2
    posterior = np.exp(log_posterior - log_posterior.max())
    posterior /= posterior.sum()
    best = float(fine[posterior.argmax()])
    near = np.abs(fine - best) <= 10
    degrees = float((posterior * fine)[near].sum() / posterior[near].sum())
    return ElevationEstimate(degrees, float(posterior[near].sum()), CANDIDATES, tuple(coverage.tolist()))


def _coverage(masks: Tensor, offsets: Sequence[tuple[float, float]], elevation: float) -> float:
    """The mean share of each silhouette ``(V, 1, S, S)`` that is explained by points inside the others.

    A point counts as far as the mean of its two least silhouettes: one bad view among ten does not decide, while a
    true minimum over all of them was three times less exact with one view wrong (measured).
    """
    import torch
    import torch.nn.functional as F

    cameras = [Camera(azimuth, elevation + offset) for azimuth, offset in offsets]
    poses = torch.from_numpy(np.stack([camera.camera_to_world() for camera in cameras])).float()
    slope = tan(radians(cameras[0].fov) / 2)
    size = masks.shape[-1]
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(-axis * slope, axis * slope, indexing="ij")
    depth = torch.linspace(-HALF_DEPTH, HALF_DEPTH, SAMPLES) + cameras[0].radius
    rays = torch.stack([x, y, -torch.ones_like(x)], -1).reshape(-1, 3)
    filled = []
    for i in range(len(cameras)):
        seen = masks[i, 0].reshape(-1) > 0.5
        if not bool(seen.any()):
            continue
        points = (rays[seen][:, None] * depth[:, None]) @ poses[i, :3, :3].T + poses[i, :3, 3]  # (P, D, 3), world
        others = [j for j in range(len(cameras)) if j != i]
        rotations, eyes = poses[others][:, :3, :3], poses[others][:, :3, 3]
        local = torch.einsum("pdk,jkl->jpdl", points, rotations)
        local = local - torch.einsum("jk,jkl->jl", eyes, rotations)[:, None, None]
        where = torch.stack([local[..., 0], -local[..., 1]], -1) / -local[..., 2:] / slope
        inside = F.grid_sample(masks[others], where, align_corners=False)[:, 0]
        least = inside.topk(min(2, len(others)), 0, largest=False).values.mean(0)
        filled.append(least.amax(1).mean())
    return float(torch.stack(filled).mean()) if filled else 0.0
