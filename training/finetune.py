"""Where fine-tuning starts: a published checkpoint, or an image-variations Stable Diffusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.errors import CheckpointError
from core.zero123.model import POSE_SIZE, Schedule, Zero123


def load_base(path: Path, device: str = "cpu") -> Zero123:
    """The model of a checkpoint file or folder; an image-variations folder gets its condition channels and projection.

    Raises :class:`CheckpointError`.
    """
    if path.is_dir() and not any((path / name).is_dir() for name in ("cc_projection", "clip_camera_projection")):
        return load_image_variations(path).to(device)
    from core.zero123.checkpoints import load_model

    return load_model(path, device)


def load_image_variations(folder: Path) -> Zero123:
    """An image-variations Stable Diffusion as the paper starts from it (REFERENCE section 1).

    ``conv_in`` doubles, the new channels zero; the projection starts as identity on CLIP and default on the pose.
    Before the first step the model predicts exactly what the base predicts for the same CLIP embedding and pose zero.
    """
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPVisionModelWithProjection

    try:
        unet = UNet2DConditionModel.from_pretrained(folder / "unet", local_files_only=True)  # type: ignore[no-untyped-call]
        vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True)  # type: ignore[no-untyped-call]
        clip = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder", local_files_only=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{folder.name} is neither a Zero-1-to-3 folder nor an image-variations Stable Diffusion: {error}."
        ) from error
    if unet.config.in_channels == vae.config.latent_channels:
        widen_for_condition(unet)
    width = int(unet.config.cross_attention_dim)
    projection = torch.nn.Linear(clip.config.projection_dim + POSE_SIZE, width)
    with torch.no_grad():
        if clip.config.projection_dim == width:
            projection.weight[:, :width] = torch.eye(width)
        projection.bias.zero_()
    for part in (unet, vae, clip, projection):
        part.eval().requires_grad_(False)
    return Zero123(unet, vae, clip, projection, schedule=Schedule(), name=folder.name, info={"base": folder.name})


def widen_for_condition(unet: Any, channels: int | None = None) -> None:
    """Give ``conv_in`` more input channels in place (default: twice as many), the new ones zero: no output changes."""
    import torch

    old = unet.conv_in
    new: Any = torch.nn.Conv2d(
        channels or 2 * old.in_channels, old.out_channels, old.kernel_size, old.stride, old.padding
    )
    with torch.no_grad():
        new.weight.zero_()
        new.weight[:, : old.in_channels] = old.weight
        new.bias.copy_(old.bias)
    unet.conv_in = new.to(old.weight.device, old.weight.dtype)
    unet.register_to_config(in_channels=new.in_channels)
