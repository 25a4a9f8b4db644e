"""The starter's autoencoder: small, trained on the same views, its scaling factor measured at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.parameters import Parameters
from core.progress import Progress, no_progress
from training.dataset import Shard, step_rng, to_tensor
from training.unet import TrainState, load_state, named_parameters, save_state, update_ema


class AutoencoderTrainConfig(Parameters):
    """How the autoencoder is trained."""

    seed: int = 1
    batch: int = 12
    steps: int = 1000
    learning_rate: float = 1.5e-3
    warmup: int = 50
    decay_from: float = 0.5
    """Share of the steps after which the learning rate falls linearly to zero."""
    kl: float = 3e-4
    """Weight of the mean KL divergence of a latent element."""
    object_weight: float = 3.0
    """Extra weight of the object's own pixels: most of a frame is white."""
    ema_decay: float = 0.99
    only_decoder: bool = False
    """Sharpen the decoder of a finished autoencoder: latents, and every U-Net trained on them, stay valid."""
    bf16: bool = False
    checkpoint_seconds: float = 180.0


def autoencoder_loss(vae: Any, rgba: Any, config: AutoencoderTrainConfig, generator: Any) -> tuple[Any, float]:
    """L1 on pixels and on their differences, and KL, of ``(B, S, S, 4)`` uint8 tensors. Also the PSNR in dB."""
    import torch
    import torch.nn.functional as F

    device = next(vae.parameters()).device
    pixels = to_tensor(rgba).to(device)
    alpha = rgba[..., 3].to(device)[:, None].float() / 255
    near = F.max_pool2d(alpha, 5, 1, 2)
    weight = (1 + config.object_weight * near) / (1 + config.object_weight * near.mean())
    posterior = vae.encode(pixels, return_dict=False)[0]
    noise = torch.randn(posterior.mean.shape, generator=generator).to(device)
    error = vae.decode(posterior.mean + posterior.std * noise, return_dict=False)[0].float() - pixels
    edges = (error.diff(dim=-1).abs() * weight[..., 1:]).mean() + (error.diff(dim=-2).abs() * weight[..., 1:, :]).mean()
    kl = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()
    loss = (error.abs() * weight).mean() + 0.5 * edges + config.kl * kl
    return loss, float(-10 * torch.log10(error.detach().square().mean() / 4))


def train_autoencoder(
    vae: Any,
    shards: Sequence[Shard],
    out_dir: Path,
    config: AutoencoderTrainConfig,
    *,
    resume: bool = True,
    minutes: float = float("inf"),
    progress: Progress = no_progress,
    reopen: Callable[[], Sequence[Shard]] | None = None,
) -> bool:
    """Train ``vae`` in place; True when all steps are done, with the averages loaded and the scaling factor set.

    ``reopen`` (while views are still being rendered) is asked for the shards every 100 steps; without it a run that
    was killed resumes exactly.
    """
    import torch

    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / ("decoder.pt" if config.only_decoder else "vae.pt")
    parts = {"vae": vae.train().requires_grad_(True)}
    if config.only_decoder:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    learning = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=config.learning_rate, weight_decay=0.0, fused=True)
    state = TrainState(0, optimizer, {name: p.detach().clone() for name, p in named_parameters(parts)})
    if resume and path.exists():
        load_state(path, parts, state)
    started = saved = time.monotonic()
    while state.step < config.steps and time.monotonic() - started < minutes * 60:
        if reopen is not None and state.step % 100 == 0:
            shards = reopen()
        rng, generator = step_rng(config.seed, state.step, 0)
        rgba = _draw(shards, config.batch, rng)
        device = next(vae.parameters()).device.type
        with torch.autocast(device, torch.bfloat16, enabled=config.bf16):
            loss, psnr = autoencoder_loss(vae, rgba, config, generator)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        left = (config.steps - state.step) / (config.steps * (1 - config.decay_from))
        optimizer.param_groups[0]["lr"] = config.learning_rate * min(1.0, (state.step + 1) / config.warmup, left)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        update_ema(state.ema, parts, config.ema_decay, state.step)
        state.step += 1
        state.history.append((state.step, psnr))
        progress("autoencoder", state.step, config.steps, psnr=psnr)
        if time.monotonic() - saved > config.checkpoint_seconds:
            save_state(path, parts, state, {})
            saved = time.monotonic()
    save_state(path, parts, state, {})
    with torch.no_grad():
        for name, parameter in named_parameters(parts):
            parameter.copy_(state.ema[name])
    vae.eval().requires_grad_(False)
    if not config.only_decoder:
        vae.register_to_config(scaling_factor=measure_scaling(vae, shards, config.seed))
    return state.step >= config.steps


def measure_scaling(vae: Any, shards: Sequence[Shard], seed: int, count: int = 192) -> float:
    """One over the standard deviation of the latents of random views, for unit variance."""
    import torch

    rng, _ = step_rng(seed, 0, 1)
    with torch.no_grad():
        pixels = to_tensor(_draw(shards, count, rng)).to(next(vae.parameters()).device)
        mean = vae.encode(pixels, return_dict=False)[0].mean
    return round(float(1 / mean.std()), 5)


def _draw(shards: Sequence[Shard], count: int, rng: np.random.Generator) -> Any:
    import torch

    which = rng.integers(0, len(shards), count)
    items = [shards[s].images for s in which]
    chosen = [images[rng.integers(len(images)), rng.integers(images.shape[1])] for images in items]
    return torch.stack([torch.from_numpy(np.array(image)) for image in chosen])
