"""What the field has to explain: the photo and the synthesized views, as rays with colours and soft silhouettes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera, camera_rays, intrinsics

if TYPE_CHECKING:
    import torch

PHOTO_SIZE = 128
"""Pixels along one side at which the photo is compared; the finisher bakes the full resolution later."""

MASK_FLOOR, MASK_CEILING = 0.03, 0.15
"""Distance from white below which a synthesized pixel is background, and from which it surely is object."""


@dataclass(frozen=True)
class View:
    """One picture and where it was taken."""

    camera: Camera
    image: torch.Tensor
    """``(3, S, S)`` in 0..1 over white."""
    mask: torch.Tensor
    """``(S, S)`` soft silhouette in 0..1."""
    trusted: bool
    """True for the photo."""

    @property
    def size(self) -> int:
        return int(self.image.shape[-1])


def rays_of(camera: Camera, size: int, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Origins and unit directions, ``(size * size, 3)`` float32, of a square view."""
    import torch

    rays = camera_rays(intrinsics(size, size, camera.fov), camera.camera_to_world(), size, size)
    return torch.from_numpy(rays[0]).float().to(device), torch.from_numpy(rays[1]).float().to(device)


def photo_view(cutout: Cutout, camera: Camera, size: int = PHOTO_SIZE) -> View:
    """The cutout over white at ``size`` pixels, with its own alpha as silhouette."""
    import torch
    import torch.nn.functional as F

    rgba = torch.from_numpy(cutout.rgba.astype(np.float32) / 255).permute(2, 0, 1)[None].contiguous()
    alpha = rgba[:, 3:]
    over = rgba[:, :3] * alpha + 1 - alpha
    small = F.interpolate(torch.cat([over, alpha], 1), (size, size), mode="area")[0]
    return View(camera, small[:3].contiguous(), small[3].contiguous(), True)


def synthesized_views(view_set: ViewSet) -> list[View]:
    """The view set's pictures with silhouettes read off their distance from white."""
    import torch

    views = []
    for image, camera in zip(view_set.images, view_set.cameras, strict=True):
        pixels = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1).contiguous()
        views.append(View(camera, pixels, white_distance_mask(pixels), False))
    return views


def white_distance_mask(image: torch.Tensor) -> torch.Tensor:
    """Soft silhouette ``(S, S)`` of ``image (3, S, S)`` over white: distance from white, relative to the neighbourhood.

    An edge pixel of a dark object that covers a quarter of it is a quarter, not one: dividing by the largest distance
    in its 3x3 neighbourhood keeps silhouettes from growing by half a pixel. Soft on purpose: a hard mask of an
    inconsistent view carves holes that nothing fills again.
    """
    import torch.nn.functional as F

    distance = (1 - image).amax(0)
    around = F.max_pool2d(distance[None], 3, stride=1, padding=1)[0].clamp(min=MASK_CEILING)
    return ((distance - MASK_FLOOR) / (around - MASK_FLOOR)).clamp(0, 1)


def to_device(view: View, device: torch.device | str) -> View:
    """The same view with its pictures on ``device``."""
    return View(view.camera, view.image.to(device), view.mask.to(device), view.trusted)
