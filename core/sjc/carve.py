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


def carve(views: Sequence[View], size: int, blur: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """How many views object to each voxel, and its mean colour where they do not.

    Returns ``misses (Z, Y, X)``, the trusted view's objection counting for all, and ``color (3, Z, Y, X)`` in 0..1.
    An objection is one minus the silhouette there, widened by ``blur`` pixels.
    """
    import torch
    import torch.nn.functional as F

    device = views[0].image.device
    points = voxel_centers(size, device)
    misses = torch.zeros(len(points), device=device)
    color = torch.zeros((len(points), 3), device=device)
    weight = torch.full((len(points), 1), 1e-6, device=device)
    for view in views:
        where = image_coordinates(points, view.camera)
        pad = blur * view.size // 64
        mask = F.max_pool2d(view.mask[None], 2 * pad + 1, stride=1, padding=pad) if pad else view.mask[None]
        both = sampled(torch.cat([mask, view.image]), where)
        misses += (1 - both[:, 0]) * (len(views) if view.trusted else 1)
        color += both[:, :1] * both[:, 1:]
        weight += both[:, :1]
    shape = (size, size, size)
    return misses.view(shape), (color / weight).T.reshape(3, *shape)


def dilated(occupied: torch.Tensor, voxels: int = 1) -> torch.Tensor:
    """``occupied (Z, Y, X)`` bool, grown by ``voxels`` in every direction."""
    import torch.nn.functional as F

    grown = F.max_pool3d(occupied[None, None].float(), 2 * voxels + 1, stride=1, padding=voxels)
    return grown[0, 0] > 0
