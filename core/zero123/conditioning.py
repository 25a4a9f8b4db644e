"""What the denoiser is told: CLIP embedding, pose, condition latent; and the way into and out of latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import radians
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera, relative_pose
from core.zero123.lift import Volume, lift, lifted_views
from core.zero123.model import PoseEntry, Zero123

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def to_pixels(rgba: NDArray[np.uint8], size: int) -> Tensor:
    """An image ``(H, W, 3 or 4)`` uint8 over white as ``(1, 3, size, size)`` float32 in [-1, 1], contiguous.

    Shrinks by exact area averages (the frame is composited first, so that hidden colours never bleed).
    """
    import torch
    import torch.nn.functional as F

    image = rgba.astype(np.float32) / 255
    if image.shape[-1] == 4:
        image = image[..., :3] * image[..., 3:] + (1 - image[..., 3:])
    # Contiguous: permuted HWC arrays reach the VAE as channels_last, where CPU GroupNorm loses three digits.
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    height, width = tensor.shape[-2:]
    if (height, width) != (size, size):
        shrinks = height % size == 0 and width % size == 0
        tensor = (
            F.interpolate(tensor, (size, size), mode="area")
            if shrinks
            else F.interpolate(tensor, (size, size), mode="bilinear", antialias=True, align_corners=False)
        )
    return (tensor * 2 - 1).contiguous()


def to_images(pixels: Tensor) -> NDArray[np.uint8]:
    """``(B, 3, S, S)`` in [-1, 1] as ``(B, S, S, 3)`` uint8, clamped and rounded."""
    import torch

    unit = (pixels.float() / 2 + 0.5).clamp(0, 1)
    array: NDArray[np.uint8] = (unit * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return array


def clip_pixels(images: Tensor, size: int = 224) -> Tensor:
    """CLIP's view of ``(B, 3, S, S)`` images in [-1, 1]: ``(B, 3, size, size)``, as the original computes it.

    Bicubic (a = -0.75) with aligned corners and no antialiasing, then to 0..1 **without clamping**, then mean and
    standard deviation. Values overshoot 0..1; that is what the weights were trained with.
    """
    import torch.nn.functional as F

    resized = F.interpolate(images.float(), (size, size), mode="bicubic", align_corners=True, antialias=False)
    mean = resized.new_tensor(CLIP_MEAN).view(1, 3, 1, 1)
    std = resized.new_tensor(CLIP_STD).view(1, 3, 1, 1)
    return ((resized + 1) / 2 - mean) / std


def embed_image(model: Zero123, images: Tensor) -> Tensor:
    """Projected CLIP image embeddings ``(B, clip)`` of images ``(B, 3, S, S)``, not normalised, in CLIP's precision."""
    pixels = clip_pixels(images, model.clip_size).to(model.image_encoder.dtype)
    out: Tensor = model.image_encoder(pixel_values=pixels).image_embeds
    return out.float()


def encode_condition(model: Zero123, images: Tensor) -> Tensor:
    """Condition latents ``(B, C, s, s)``: the posterior's mode, **not scaled** (REFERENCE section 1)."""
    mode: Tensor = _posterior(model, images).mode()
    return mode.float()


def encode_target(model: Zero123, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Target latents ``(B, C, s, s)``: a posterior sample times the scaling factor."""
    sample: Tensor = _posterior(model, images).sample(generator)
    return sample.float() * model.scaling_factor


def decode(model: Zero123, latents: Tensor) -> Tensor:
    """Images ``(B, 3, S, S)``, about [-1, 1], of scaled latents ``(B, C, s, s)``. Differentiable."""
    out: Tensor = model.vae.decode((latents / model.scaling_factor).to(model.vae.dtype), return_dict=False)[0]
    return out.float()


def _posterior(model: Zero123, images: Tensor) -> Any:
    return model.vae.encode(images.contiguous().to(model.vae.dtype), return_dict=False)[0]


def sees_alpha(net: Any) -> bool:
    """Whether the lift takes a cutout in its own size and with alpha: Lift-S does."""
    from core.zero123.lift_s import LiftS

    return isinstance(net, LiftS)


def cutout_pixels(rgba: NDArray[np.uint8]) -> Tensor:
    """A cutout ``(H, W, 3 or 4)`` uint8 as Lift-S sees it: ``(1, 3 or 4, 128, 128)`` in [-1, 1], alpha last."""
    import torch

    from core.zero123.lift_s import SIZE

    color = to_pixels(rgba, SIZE)
    if rgba.shape[-1] == 3:
        return color
    alpha = to_pixels(np.repeat(rgba[..., 3:], 3, -1), SIZE)
    return torch.cat([color, alpha[:, :1]], 1)


@dataclass(frozen=True)
class EncodedPhoto:
    """What a model computes once of a photo ``(1, 3, S, S)``, whatever is asked of it later."""

    camera: Camera
    clip: Tensor
    """``(1, clip)``."""
    latent: Tensor
    """``(1, C, s, s)``, unscaled."""
    volume: Volume | None
    """What the lift made of it, where the model has one."""


def encode_photo(model: Zero123, images: Tensor, camera: Camera, rgba: NDArray[np.uint8] | None = None) -> EncodedPhoto:
    """Embed, encode and lift one image ``(1, 3, S, S)`` in [-1, 1], taken by ``camera``.

    ``rgba`` is the cutout that ``images`` were made of: a lift that sees more pixels, and alpha, takes those.
    """
    volume = None
    if model.lift is not None:
        seen = images if rgba is None else cutout_pixels(rgba).to(images.device)
        volume = lift(model.lift, seen if sees_alpha(model.lift) else images, images.new_tensor([camera.elevation]))
    return EncodedPhoto(camera, embed_image(model, images), encode_condition(model, images), volume)


def conditions(model: Zero123, photo: EncodedPhoto, targets: Sequence[Camera]) -> tuple[Tensor, Tensor]:
    """What the denoiser is told of ``V`` targets: context ``(V, 1, D)`` and the concatenated part ``(V, C', s, s)``."""
    import torch

    context = posed_clip(model, photo.clip, pose_tensor(model, photo.camera, targets))
    concat = photo.latent.expand(len(targets), -1, -1, -1)
    if photo.volume is None:
        return context, concat
    rows = [(t.azimuth - photo.camera.azimuth, t.elevation, t.radius / photo.camera.radius) for t in targets]
    rough = lifted_views(photo.volume, concat.new_tensor([rows]), 2 * model.latent_size)
    return context, torch.cat([concat, rough], 1)


def pose_vector(condition: Camera, target: Camera, entry: PoseEntry = "radius") -> NDArray[np.float64]:
    """``T`` of the projection, ``(4,)``: the relative pose; Stable-Zero123 takes ``rad(90 - elevation_c)`` last."""
    pose = relative_pose(condition, target)
    if entry == "elevation":
        pose[3] = radians(90 - condition.elevation)
    return pose


def pose_tensor(model: Zero123, condition: Camera, targets: Sequence[Camera]) -> Tensor:
    """Poses of ``targets`` seen from ``condition``, ``(len(targets), 4)`` float32 on the model's device."""
    import torch

    poses = np.stack([pose_vector(condition, target, model.pose_entry) for target in targets])
    return torch.from_numpy(poses).to(model.device, torch.float32)


def posed_clip(model: Zero123, clip: Tensor, poses: Tensor) -> Tensor:
    """Context ``(B, 1, context_size)`` of embeddings ``(B, clip)`` and poses ``(B, 4)``: ``cc_projection([clip, T])``.

    One embedding serves many poses when ``clip`` has one row.
    """
    import torch

    clip = clip.expand(poses.shape[0], -1)
    out: Tensor = model.projection(torch.cat([clip, poses], -1).to(model.projection.weight.dtype))
    return out.float()[:, None]
