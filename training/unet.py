"""The paper's objective and the loop that minimises it: AdamW, EMA, condition dropout, exact resume.

Every step draws its batch, noise, timesteps and dropout from generators seeded by ``(seed, step)``. A run that was
killed and resumed therefore has the weights of an unbroken one, bit for bit, and nothing but weights, moments and the
step number needs storing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import CheckpointError
from core.parameters import Parameters
from core.progress import Progress, silent
from core.whole_file import whole_file
from core.zero123.attention import use_single_token_shortcut
from core.zero123.conditioning import embed_image, posed_clip
from core.zero123.lift import lift, lifted_views
from core.zero123.model import Schedule, Zero123, denoise
from core.zero123.sampling import add_noise
from training.dataset import Shard, draw_pairs, pair_cameras, pair_poses, pick, placed_on, step_rng, to_tensor
from training.rendering import DataConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class TrainConfig(Parameters):
    """How the U-Net (and, where it is small, the CLIP tower) is trained. Defaults: the starter's."""

    seed: int = 0
    batch: int = 24
    targets: int = 1
    """Pairs in a row that share object and condition, so that a lift runs once for all of them."""
    accumulate: int = 1
    """Micro-batches a step; the batch is split among them."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """The paper's, or :class:`training.muon.Muon`."""
    learning_rate: float = 5e-4
    projection_factor: float = 10.0
    """The projection's learning rate over the others' (the paper)."""
    warmup: int = 100
    decay_share: float = 0.0
    """The learning rate falls to zero over this last share of ``steps``; 0 holds it, as the paper."""
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    ema_projection: bool = True
    """The original leaves the projection out of its average."""
    noisy_share: float = 0.5
    """Share of timesteps drawn from the noisiest third; 0 is the paper's uniform draw."""
    drop: float = 0.05
    """5% of samples lose CLIP alone, 5% both, 5% the image alone (REFERENCE section 1)."""
    train_clip: bool = True
    bf16: bool = False
    checkpoint_seconds: float = 180.0
    steps: int = 1_000_000


def published_train_config() -> TrainConfig:
    """The paper's settings, for fine-tuning the published architecture (their batch is 1536)."""
    return TrainConfig(
        batch=64,
        accumulate=8,
        learning_rate=1e-4,
        ema_decay=0.9999,
        ema_projection=False,
        noisy_share=0.0,
        train_clip=False,
        bf16=True,
    )


READ_EVERY = 20
"""Steps between two looks at a GPU's losses."""


@dataclass
class TrainState:
    """What changes while training, beside the weights in the model."""

    step: int
    optimizer: Any
    ema: dict[str, Tensor]
    """Averages by ``part.parameter``."""
    history: list[tuple[int, float]] = field(default_factory=list)
    """``(step, loss)`` of every step."""
    samples: int = 0
    unread: list[tuple[int, Tensor]] = field(default_factory=list)
    """Losses that are still on the device."""

    def note(self, loss: Tensor) -> float:
        """Remember the loss of the step just taken; returns the last one read.

        A GPU's are read :data:`READ_EVERY` at a time: reading one waits for its step, and the next could not be queued.
        """
        self.unread.append((self.step, loss.detach()))
        if loss.device.type == "cpu" or len(self.unread) >= READ_EVERY:
            self.read()
        return self.history[-1][1] if self.history else nan

    def read(self) -> None:
        """Bring all losses into the history."""
        self.history += [(step, float(loss)) for step, loss in self.unread]
        self.unread.clear()


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


def trained_parts(model: Zero123, config: TrainConfig) -> dict[str, Any]:
    """The modules that learn, by folder name."""
    parts = {"unet": model.unet, "cc_projection": model.projection}
    return parts | ({"image_encoder": model.image_encoder} if config.train_clip else {})


def named_parameters(parts: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for part, module in parts.items():
        for name, parameter in module.named_parameters():
            yield f"{part}.{name}", parameter


def begin(model: Zero123, config: TrainConfig) -> TrainState:
    """Make the parts trainable and start optimiser and averages."""
    import torch

    from training.muon import Muon

    parts = trained_parts(model, config)
    for module in parts.values():
        module.train().requires_grad_(True)
    groups = [
        {
            "params": list(module.parameters()),
            "factor": config.projection_factor if name == "cc_projection" else 1.0,
        }
        for name, module in parts.items()
    ]
    optimizer: torch.optim.Optimizer
    if config.optimizer == "muon":
        optimizer = Muon(groups, config.learning_rate, config.weight_decay, bf16=config.bf16)
    else:
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    averaged = parts if config.ema_projection else {k: v for k, v in parts.items() if k != "cc_projection"}
    ema = {name: parameter.detach().clone() for name, parameter in named_parameters(averaged)}
    return TrainState(0, optimizer, ema)


def train_step(
    model: Zero123, state: TrainState, shards: Sequence[Shard], data: DataConfig, config: TrainConfig
) -> float:
    """One optimiser step; returns the last loss known."""
    import torch

    parts = trained_parts(model, config)
    total = torch.zeros((), device=model.device)
    for part in range(config.accumulate):
        batch = draw_batch(model, shards, data, config, state.step, part)
        with autocast(model, config.bf16):
            loss = objective(model, batch) / config.accumulate
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    torch.nn.utils.clip_grad_norm_([p for _, p in named_parameters(parts)], config.clip_norm)
    for group in state.optimizer.param_groups:
        group["lr"] = group["factor"] * learning_rate(config, state.step)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    update_ema(state.ema, parts, config.ema_decay, state.step)
    state.step += 1
    state.samples += config.batch
    return state.note(total)


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, constant, and a linear fall over the last ``decay_share`` of the steps."""
    left = (config.steps - step) / (config.decay_share * config.steps) if config.decay_share else 1.0
    return config.learning_rate * min(1.0, (step + 1) / max(1, config.warmup), left)


def autocast(model: Zero123, bf16: bool) -> AbstractContextManager[Any]:
    import torch

    return torch.autocast(model.device.type, torch.bfloat16) if bf16 else nullcontext()


def update_ema(ema: dict[str, Tensor], parts: dict[str, Any], decay: float, step: int) -> None:
    """``ema += (1 - d)(weights - ema)`` with a horizon that grows with the run: ``d = min(decay, (1+n)/(10+n))``."""
    import torch

    d = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        pairs = [(ema[name], parameter.detach()) for name, parameter in named_parameters(parts) if name in ema]
        torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1 - d)


def save_state(path: Path, parts: dict[str, Any], state: TrainState, extra: dict[str, Any]) -> None:
    """Weights, averages and moments in one file, written beside and renamed: kill -9 never leaves half a file."""
    import torch

    state.read()
    payload = {
        "step": state.step,
        "samples": state.samples,
        "parts": {name: module.state_dict() for name, module in parts.items()},
        "ema": state.ema,
        "optimizer": state.optimizer.state_dict(),
        "history": state.history,
        "extra": extra,
    }
    with whole_file(path) as partial:
        torch.save(payload, partial)


def load_state(path: Path, parts: dict[str, Any], state: TrainState) -> dict[str, Any]:
    """Fill ``parts`` and ``state`` from a file of :func:`save_state`; returns its ``extra``."""
    import torch

    try:
        payload = torch.load(path, map_location="cpu", weights_only=True)
        for name, module in parts.items():
            module.load_state_dict(payload["parts"][name])
    except (RuntimeError, KeyError, EOFError) as error:
        raise CheckpointError(f"The training state {path.name} does not fit this architecture: {error}.") from error
    state.optimizer.load_state_dict(payload["optimizer"])
    for name, value in payload["ema"].items():
        state.ema[name].copy_(value)
    state.step, state.samples = payload["step"], payload["samples"]
    state.history = [(int(step), float(loss)) for step, loss in payload["history"]]
    extra: dict[str, Any] = payload["extra"]
    return extra


def train_unet(
    model: Zero123,
    shards: Sequence[Shard],
    data: DataConfig,
    out_dir: Path,
    config: TrainConfig,
    *,
    resume: bool = True,
    minutes: float = float("inf"),
    progress: Progress = silent,
    at_checkpoint: Callable[[TrainState], None] = lambda state: None,
) -> TrainState:
    """Train until ``config.steps`` or for ``minutes``; ``out_dir/unet.pt`` is the state to resume from.

    A resumed run keeps the shards with which it began unless the caller opens more; shards must hold latents.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / "unet.pt"
    use_single_token_shortcut(model)
    parts = trained_parts(model, config)
    state = begin(model, config)
    if resume and path.exists():
        load_state(path, parts, state)
    extra = {"config": config.model_dump(mode="json"), "shards": len(shards)}
    started = saved = time.monotonic()
    while state.step < config.steps and time.monotonic() - started < minutes * 60:
        loss = train_step(model, state, shards, data, config)
        progress("train", state.step, config.steps, loss=loss)
        if time.monotonic() - saved > config.checkpoint_seconds:
            save_state(path, parts, state, extra)
            at_checkpoint(state)
            saved = time.monotonic()
    save_state(path, parts, state, extra)
    at_checkpoint(state)
    return state


def with_averages(model: Zero123, state: TrainState) -> Zero123:
    """A copy of the model that holds the averaged weights, in evaluation mode; what is exported and measured."""
    import copy
    from dataclasses import replace

    import torch

    twin = replace(
        model,
        unet=copy.deepcopy(model.unet),
        projection=copy.deepcopy(model.projection),
        image_encoder=copy.deepcopy(model.image_encoder),
    )
    with torch.no_grad():
        for name, parameter in named_parameters(twin.parts):
            if name in state.ema:
                parameter.copy_(state.ema[name])
    for module in twin.parts.values():
        module.eval().requires_grad_(False)
    return twin
