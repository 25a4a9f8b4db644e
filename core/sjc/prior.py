"""The view-conditioned model as a judge of pictures: render, add noise, denoise, and see what it would change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.artifacts import Cutout
from core.cameras import Camera
from core.sjc.score import guided

if TYPE_CHECKING:
    import torch

    from core.zero123.conditioning import EncodedPhoto
    from core.zero123.model import Zero123


@dataclass(frozen=True)
class Prior:
    """A model that has seen the photo. Everything that does not change during a run is computed once."""

    model: Zero123
    photo: EncodedPhoto
    alphas_cumprod: torch.Tensor
    """``(T,)`` float64."""


def prior_of(model: Zero123, cutout: Cutout, condition: Camera) -> Prior:
    """Embed the photo once for all steps."""
    import torch

    from core.zero123.conditioning import encode_photo, to_pixels

    with torch.no_grad():
        pixels = to_pixels(cutout.rgba, model.image_size).to(model.device)
        photo = encode_photo(model, pixels, condition, cutout.rgba)
    return Prior(model, photo, model.schedule.alphas_cumprod())


@dataclass(frozen=True)
class Critic:
    """Anything that says what it would change in rendered pictures."""

    size: int
    """Pixels along one side at which it wants to be asked."""
    change: Callable[[torch.Tensor, Sequence[Camera], float, torch.Generator], torch.Tensor]
    """``(images (B, 3, S, S) in 0..1, cameras, noise level in 0..1, generator) -> (B, 3, S, S)``."""


def critic_of(prior: Prior, guidance: float) -> Critic:
    """The model's score as a critic; the noise level is a share of its timesteps."""

    def change(
        images: torch.Tensor, cameras: Sequence[Camera], level: float, generator: torch.Generator
    ) -> torch.Tensor:
        import torch

        model = prior.model
        shape = (len(images), model.latent_channels, model.latent_size, model.latent_size)
        noise = torch.randn(shape, generator=generator).to(images.device)
        timestep = int((len(prior.alphas_cumprod) - 1) * level)
        return denoising_residual(prior, images, cameras, timestep, noise, guidance)

    return Critic(prior.model.image_size, change)


def predicted_eps(prior: Prior, z_t: torch.Tensor, t: int, cameras: Sequence[Camera], guidance: float) -> torch.Tensor:
    """Guided noise estimate ``(B, C, s, s)`` at latents ``z_t`` (variance preserving) and timestep ``t``.

    One batched pass for both branches; the unconditional one sees zeros after the projection and as condition.
    """
    import torch

    from core.zero123.conditioning import conditions
    from core.zero123.model import denoise

    context, concat = conditions(prior.model, prior.photo, cameras)
    if guidance == 1:
        return _as_eps(prior, denoise(prior.model, z_t, t, context, concat), z_t, t)
    both = denoise(
        prior.model,
        torch.cat([z_t, z_t]),
        t,
        torch.cat([torch.zeros_like(context), context]),
        torch.cat([torch.zeros_like(concat), concat]),
    )
    without, with_photo = _as_eps(prior, both, torch.cat([z_t, z_t]), t).chunk(2)
    return guided(without, with_photo, guidance)


def _as_eps(prior: Prior, out: torch.Tensor, z_t: torch.Tensor, t: int) -> torch.Tensor:
    """``eps = sqrt(abar) v + sqrt(1 - abar) z_t`` where the model predicts v (Salimans & Ho 2022, appendix D)."""
    if prior.model.schedule.prediction == "epsilon":
        return out
    abar = float(prior.alphas_cumprod[t])
    return float(np.sqrt(abar)) * out + float(np.sqrt(1 - abar)) * z_t


def denoising_residual(
    prior: Prior, images: torch.Tensor, cameras: Sequence[Camera], t: int, noise: torch.Tensor, guidance: float
) -> torch.Tensor:
    """What the model would change in rendered ``images (B, 3, S, S)`` in 0..1: ``decode(D) - decode(encode(y))``.

    The score in image space: encoder and decoder carry no gradient, and subtracting the autoencoder's own round trip
    keeps its blur out of the residual, as the reduced variance keeps the noise out. ``S`` is any size.
    """
    import torch
    import torch.nn.functional as F

    from core.zero123.conditioning import decode, encode_condition

    size, model = prior.model.image_size, prior.model
    with torch.no_grad():
        pixels = images.detach() * 2 - 1
        if pixels.shape[-1] != size:
            pixels = F.interpolate(pixels, (size, size), mode="bilinear", align_corners=False, antialias=True)
        latents = encode_condition(model, pixels) * model.scaling_factor
        abar = float(prior.alphas_cumprod[t])
        signal, spread = float(np.sqrt(abar)), float(np.sqrt(1 - abar))
        z_t = signal * latents + spread * noise
        eps = predicted_eps(prior, z_t, t, cameras, guidance)
        denoised = (z_t - spread * eps) / signal
        both = decode(model, torch.cat([denoised, latents]))
        wanted, had = both.chunk(2)
        change = (wanted - had) / 2
        if change.shape[-1] != images.shape[-1]:
            change = F.interpolate(change, images.shape[-2:], mode="bilinear", align_corners=False, antialias=True)
        return change
