"""Space carving: where the object can be, from soft silhouettes, before any optimisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.cameras import Camera, intrinsics
from core.sjc.evidence import View

if TYPE_CHECKING:
    import torch


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


def carve(views: Sequence[View], points: torch.Tensor, blur: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """How many views object to each of ``points (N, 3)``, and its mean colour where they do not.

    Returns ``misses (N,)``, the trusted view's objection counting for all, and ``color (N, 3)`` in 0..1.
    An objection is one minus the silhouette there, widened by ``blur`` pixels of a 64-pixel view.
    """
    import torch
    import torch.nn.functional as F

    misses = torch.zeros(len(points), device=points.device)
    color = torch.zeros((len(points), 3), device=points.device)
    weight = torch.full((len(points), 1), 1e-6, device=points.device)
    for view in views:
        where = image_coordinates(points, view.camera)
        pad = blur * view.size // 64
        mask = F.max_pool2d(view.mask[None], 2 * pad + 1, stride=1, padding=pad) if pad else view.mask[None]
        both = sampled(torch.cat([mask, view.image]), where)
        objection = 1 - both[:, 0]
        if view.trusted:
            misses += objection * len(views)
        else:  # what a synthesized view leaves out of its frame it says nothing about
            misses += objection * (where.abs().amax(1) < 1)
        color += both[:, :1] * both[:, 1:]
        weight += both[:, :1]
    return misses, color / weight


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
