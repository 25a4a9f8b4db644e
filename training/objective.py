"""The training objective: what a batch is, how it is drawn, and its loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.zero123.conditioning import embed_image, posed_clip
from core.zero123.lift import lift, lifted_views
from core.zero123.model import Schedule, Zero123, denoise
from core.zero123.sampling import add_noise
from training.dataset import Shard, draw_pairs, pair_cameras, pair_poses, pick, placed_on, step_rng, to_tensor
from training.rendering import DataConfig
from training.unet_config import TrainConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """What one forward pass needs."""

    clean: Tensor
    """Scaled target latents ``(B, C, s, s)``: a posterior sample."""
    concat: Tensor
    """The posterior's mean of the condition, unscaled, and the lift's view: ``(B, channels, s, s)``."""
    images: Tensor
    """Condition images ``(B, 3, S, S)`` for CLIP."""
    pose: Tensor
    """``(B, 4)``."""
    noise: Tensor
    t: Tensor
    """``(B,)`` int64."""
    keep_clip: Tensor
    """``(B,)`` float, 0 where CLIP is dropped."""
    keep_image: Tensor
    """``(B,)`` float, 0 where the condition latent is dropped."""


def denoising_loss(model: Zero123, clean: Tensor, noise: Tensor, t: Tensor, context: Tensor, concat: Tensor) -> Tensor:
    """``E ||eps - eps_theta(z_t, t, c)||^2`` with ``z_t = sqrt(abar) z + sqrt(1 - abar) eps``; scalar, differentiable.

    Where the schedule predicts v, the target is ``sqrt(abar) eps - sqrt(1 - abar) z`` (Salimans and Ho 2022).
    """
    noisy = add_noise(model.schedule, clean, noise, t)
    target = noise
    if model.schedule.prediction == "v_prediction":
        abar = model.schedule.alphas_cumprod().to(clean.device, non_blocking=True)[t].float().view(-1, 1, 1, 1)
        target = abar.sqrt() * noise - (1 - abar).sqrt() * clean
    return (denoise(model, noisy, t, context, concat) - target).square().mean()


def objective(model: Zero123, batch: Batch, clip: Tensor | None = None) -> Tensor:
    """The paper's objective (section 3.2) on a batch of pairs, with its condition dropout; a differentiable scalar.

    The null of CLIP is taken before the projection, with the true pose kept; that of the image is a zero latent.
    ``clip`` are embeddings ``(B, D)`` computed before, where CLIP is frozen.
    """
    clip = embed_image(model, batch.images) if clip is None else clip
    context = posed_clip(model, clip * batch.keep_clip[:, None], batch.pose)
    concat = batch.concat * batch.keep_image[:, None, None, None]
    return denoising_loss(model, batch.clean, batch.noise, batch.t, context, concat)


def draw_timesteps(schedule: Schedule, count: int, noisy_share: float, generator: torch.Generator) -> Tensor:
    """``(count,)``: ``noisy_share`` from the noisiest third, the rest from the other two (0: uniform over all)."""
    import torch

    n = schedule.timesteps
    if noisy_share == 0:
        return torch.randint(0, n, (count,), generator=generator, device=generator.device)
    edge = n - n // 3
    noisy = torch.rand(count, generator=generator, device=generator.device) < noisy_share
    high = torch.randint(edge, n, (count,), generator=generator, device=generator.device)
    low = torch.randint(0, edge, (count,), generator=generator, device=generator.device)
    return torch.where(noisy, high, low)


def draw_keep(count: int, drop: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Keep-masks of CLIP and image: one uniform draw r; r < 2d drops CLIP, d <= r < 3d drops the image."""
    import torch

    r = torch.rand(count, generator=generator, device=generator.device)
    return (r >= 2 * drop).float(), ((r < drop) | (r >= 3 * drop)).float()


def draw_batch(
    model: Zero123, shards: Sequence[Shard], data: DataConfig, config: TrainConfig, step: int, part: int = 0
) -> Batch:
    """Micro-batch ``part`` of step ``step``: a function of the seed, the step and the shards alone."""
    import torch

    count = config.batch // config.accumulate
    rng, generator = step_rng(config.seed, step, part, model.device)
    pairs = draw_pairs(shards, count, data, rng, config.targets)
    first, second = pair_cameras(shards, pairs)
    images = to_tensor(pick(shards, pairs, "images", pairs.condition)).to(model.device)
    condition = pick(shards, pairs, "latents", pairs.condition).to(model.device).float()
    moments = pick(shards, pairs, "latents", pairs.target).to(model.device).float()
    mean, log_variance = moments.chunk(2, 1)
    std = (0.5 * log_variance.clamp(-30, 20)).exp()
    clean = (mean + std * torch.randn(mean.shape, generator=generator, device=mean.device)) * model.scaling_factor
    keep_clip, keep_image = draw_keep(count, config.drop, generator)
    return Batch(
        clean=clean,
        concat=with_lift(model, condition.chunk(2, 1)[0].contiguous(), images, first, second, config.targets),
        images=images,
        pose=placed_on(pair_poses(first, second), model.device),
        noise=torch.randn(clean.shape, generator=generator, device=clean.device),
        t=draw_timesteps(model.schedule, count, config.noisy_share, generator),
        keep_clip=keep_clip,
        keep_image=keep_image,
    )


def with_lift(
    model: Zero123,
    latents: Tensor,
    images: Tensor,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    targets: int,
) -> Tensor:
    """Condition latents ``(B, C, s, s)`` with the frozen lift's views beside them, where the model has a lift.

    ``first`` and ``second (B, 3)`` are the cameras of pairs; ``targets`` in a row share their condition.
    """
    import torch

    if model.lift is None:
        return latents
    turned = np.stack([second[:, 0] - first[:, 0], second[:, 1], second[:, 2] / first[:, 2]], -1)
    with torch.no_grad():
        elevation = placed_on(first[::targets, 1], images.device)
        volume = lift(model.lift, images[::targets], elevation)
        cameras = placed_on(turned, images.device).view(-1, targets, 3)
        return torch.cat([latents, lifted_views(volume, cameras, 2 * model.latent_size)], 1)
