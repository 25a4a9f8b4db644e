"""Space carving: where the object can be, from soft silhouettes, before any optimisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.cameras import Camera, intrinsics
from core.sjc.views import View

if TYPE_CHECKING:
    import torch

DISSENT = 0.25
"""Share of the synthesized views that may be overruled where they contradict each other."""

CELLS = 48
"""Voxels along one side of the grid on which the views are asked whether they agree."""


def voxel_centers(size: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """``(size**3, 3)`` points ``[x, y, z]`` in the order of a ``[z, y, x]`` grid."""
    import torch

    axis = -1 + (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2 / size)
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    return torch.stack([x, y, z], -1).reshape(-1, 3)


def image_coordinates(points: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Where ``points (N, 3)`` fall in the image, ``(N, 2)`` in [-1, 1] as ``grid_sample`` counts it."""
    import torch

    pose = torch.from_numpy(camera.camera_to_world()).to(points.device, points.dtype)
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    focal = float(intrinsics(2, 2, camera.fov)[0, 0])
    return torch.stack([local[:, 0], -local[:, 1]], 1) * (focal / -local[:, 2:])


def sampled(image: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Bilinear values ``(N, C)`` of ``image (C, S, S)`` at ``where (N, 2)``; zero outside."""
    import torch.nn.functional as F

    values = F.grid_sample(image[None], where.view(1, -1, 1, 2), align_corners=False)
    return values.view(image.shape[0], -1).T


def carve(
    views: Sequence[View], points: torch.Tensor, outliers: int, widened: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """How strongly the views disagree with each of ``points (N, 3)``, and its mean colour where they do not.

    Returns ``disagreement (N,)`` and ``color (N, 3)``, both in 0..1. A view disagrees by one minus its silhouette,
    widened by ``widened`` units of the world; the ``outliers`` strongest of the synthesized views do not count, the
    photo does.
    """
    import torch
    import torch.nn.functional as F

    disagreements: list[torch.Tensor] = []
    disagreement = torch.zeros(len(points), device=points.device)
    color = torch.zeros((len(points), 3), device=points.device)
    weight = torch.full((len(points), 1), 1e-6, device=points.device)
    for view in views:
        where = image_coordinates(points, view.camera)
        focal = float(intrinsics(view.size, view.size, view.camera.fov)[0, 0])
        pad = round(widened * focal / view.camera.radius)
        mask = F.max_pool2d(view.mask[None], 2 * pad + 1, stride=1, padding=pad)
        both = sampled(torch.cat([mask, view.image]), where)
        if view.trusted:
            disagreement = disagreement.maximum(1 - both[:, 0])
        else:  # what a synthesized view leaves out of its frame it says nothing about
            disagreements.append((1 - both[:, 0]) * (where.abs().amax(1) < 1))
        color += both[:, :1] * both[:, 1:]
        weight += both[:, :1]
    if len(disagreements) > outliers:
        disagreement = disagreement.maximum(torch.stack(disagreements).topk(outliers + 1, dim=0).values[-1])
    return disagreement, color / weight


def outliers_among(views: Sequence[View]) -> int:
    """How many views may be overruled: none where what all of them leave explains every silhouette, as exact views do.

    Else :data:`DISSENT` of the synthesized ones. A pixel is explained by solid within a voxel of its ray.
    """
    import torch
    import torch.nn.functional as F

    others = [view for view in views if not view.trusted]
    points = voxel_centers(CELLS, views[0].image.device)
    solid = points[carve(views, points, 0, 1 / CELLS)[0] < 0.5]
    for view in others:
        cell = ((image_coordinates(solid, view.camera) + 1) * (CELLS / 2)).floor().long()
        cell = cell[((cell >= 0) & (cell < CELLS)).all(1)]
        seen = torch.zeros(CELLS * CELLS, device=points.device)
        seen[cell[:, 1] * CELLS + cell[:, 0]] = 1
        near = F.max_pool2d(seen.view(1, CELLS, CELLS), 3, stride=1, padding=1)[0] > 0
        if bool(((F.adaptive_avg_pool2d(view.mask[None], CELLS)[0] > 0.5) & ~near).any()):
            return int(DISSENT * len(others))
    return 0


def dilated(occupied: torch.Tensor) -> torch.Tensor:
    """``occupied (Z, Y, X)`` bool, grown by one voxel in every direction, corners included."""
    grown = occupied
    for axis in range(3):
        one = grown.clone()
        size = grown.shape[axis]
        one.narrow(axis, 1, size - 1).logical_or_(grown.narrow(axis, 0, size - 1))
        one.narrow(axis, 0, size - 1).logical_or_(grown.narrow(axis, 1, size - 1))
        grown = one
    return grown
