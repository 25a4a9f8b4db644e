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

NOISE = (0.001, 0.03)
"""Least and greatest distance from white that a picture's background is taken to have."""

GLOSS = 0.08
"""An enclosed white patch whose rim is no further from white fades out of the object: a highlight, not a hole."""

RAMP = 5.0
"""A pixel that far above the background's noise, in multiples of it, surely is object."""


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
    """Soft silhouette ``(S, S)`` of ``image (3, S, S)`` over white: distance from white, beyond the background's noise.

    Pixels among object pixels are object, however white. On the rim a dark object's pixel that is covered by a quarter
    is a quarter, not one: the distance is relative to the largest in its 3x3 neighbourhood. The noise is read off the
    picture's border: exact pictures over pure white keep their white products, a model's noisy ones do not gain a halo.
    """
    import torch
    import torch.nn.functional as F

    rim, distance, solid = _off_white(image)
    filled = without_highlights(distance.cpu(), solid.cpu()).to(image.device).float()
    inner = -F.max_pool2d(-filled[None], 3, stride=1, padding=1)[0]
    return torch.maximum(rim, inner)


def quick_silhouette(image: torch.Tensor) -> torch.Tensor:
    """:func:`white_distance_mask` without filling highlights: stays on the image's device, for every score step."""
    import torch
    import torch.nn.functional as F

    rim, _, solid = _off_white(image)
    inner = -F.max_pool2d(-solid.float()[None], 3, stride=1, padding=1)[0]
    return torch.maximum(rim, inner)


def _off_white(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of ``(3, S, S)``: the soft rim, the distance from white, and where that surely is object; each ``(S, S)``."""
    import torch
    import torch.nn.functional as F

    distance = (1 - image).amax(0)
    border = torch.cat([distance[0], distance[-1], distance[:, 0], distance[:, -1]])
    floor = (2 * border.quantile(0.75)).clamp(*NOISE)
    ceiling = floor * RAMP
    around = F.max_pool2d(distance[None], 3, stride=1, padding=1)[0].maximum(ceiling)
    rim = ((distance - floor) / (around - floor)).clamp(0, 1)
    return rim, distance, distance > (floor + ceiling) / 2


def without_highlights(distance: torch.Tensor, solid: torch.Tensor) -> torch.Tensor:
    """``solid (S, S)`` with the enclosed patches filled that a white surface's highlight leaves: one such patch, taken
    for a hole, bores a tunnel through the whole object. A hole ends sharply, a highlight fades."""
    import torch
    from scipy.ndimage import binary_dilation, label

    filled = solid.numpy().copy()
    patches, count = label(~filled)
    border = np.concatenate([patches[0], patches[-1], patches[:, 0], patches[:, -1]])
    for patch in np.setdiff1d(np.arange(1, count + 1), border):
        inside = patches == patch
        rim = binary_dilation(inside, np.ones((3, 3), bool)) & ~inside
        if np.median(distance.numpy()[rim]) < GLOSS:
            filled |= inside
    return torch.from_numpy(filled)


def to_device(view: View, device: torch.device | str) -> View:
    """The same view with its pictures on ``device``."""
    return View(view.camera, view.image.to(device), view.mask.to(device), view.trusted)
