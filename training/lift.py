"""How the lift learns: rays of other views must show what those views show, and matter is where it is.

Three terms, all on a few rays and points an object: the colour over white and the coverage of rays through the volume
(mean squared error), and the density at random points of the frustum against the object's own matter (binary
cross-entropy), which says where matter is long before ray colours do. Where shards hold pictures alone, the visual hull
of all cached views stands for the matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.parameters import Parameters
from core.progress import Progress, no_progress
from core.zero123.lift import HALF_DEPTH, TAN, camera_axes, lift, occupancy, pixel_grid, render_view
from training.dataset import Shard, draw_conditions, pick, placed_on, step_rng
from training.occupancy import Placed, occupancy_at
from training.rendering import FRAME, DataConfig, boxes
from training.unet import TrainState, load_state, named_parameters, save_state, update_ema

if TYPE_CHECKING:
    import torch
    from torch import Tensor

COVERAGE_WEIGHT = 0.3
MATTER_WEIGHT = 0.5

PARTIAL_FRUSTUM = 0.8
"""Points are drawn from this share of the frustum along every axis; objects fill no more."""

ZOOM = (0.7, 1.8)
"""Limits of a view's own zoom when it conditions."""

BACKGROUND_SHARE = 0.08
"""How often rays far from the object are drawn, relative to rays near it."""


class LiftTrainConfig(Parameters):
    """Defaults: the starter's on a CPU."""

    seed: int = 0
    batch: int = 16
    targets: int = 4
    """Views of every object whose rays are compared."""
    rays: int = 96
    """Rays of each of those views."""
    points: int = 2048
    samples: int = 32
    """Along a ray."""
    learning_rate: float = 1.2e-3
    warmup: int = 100
    decay_share: float = 0.4
    """The learning rate falls to zero over this last share of the steps."""
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    permute_share: float = 0.5
    """Share of objects whose colour channels are swapped at random; half of all are mirrored."""
    reframe_share: float = 0.5
    """Share of objects whose condition is any view, framed as a cutout, instead of the one framed in the shards."""
    bf16: bool = False
    """Convolutions in bfloat16: 1.5 times faster where the processor has such units, 20 times slower elsewhere."""
    steps: int = 3500
    checkpoint_seconds: float = 180.0


@dataclass(frozen=True)
class LiftBatch:
    """``B`` objects, each with a condition, ``T`` views to compare and the silhouettes of all ``V``."""

    image: Tensor
    """``(B, 3, S, S)`` in 0..1 over white: the condition."""
    zoom: Tensor
    """``(B,)``: how much larger the condition shows the object than the other views do."""
    views: Tensor
    """``(B, T, S, S, 3)`` over white, 0..1."""
    coverage: Tensor
    """``(B, V, S, S)``."""
    cameras: Tensor
    """``(B, V, 3)``: azimuth from the condition's and elevation in degrees, radius in the condition's distance."""
    condition: Tensor
    """``(B,)``: which camera took the condition."""
    targets: Tensor
    """``(B, T)``: which cameras took the views."""
    solid: Tensor | None = None
    """``(B, R, R, R / 8)`` bits: where matter is, if the shards know."""
    placed: Placed | None = None


def draw_lift_batch(shards: Sequence[Shard], data: DataConfig, config: LiftTrainConfig, step: int) -> LiftBatch:
    """The batch of a step, where the shards are: a function of seed, step and shards alone.

    Mirrored and recoloured copies included.
    """
    import torch

    rng, _ = step_rng(config.seed, step, 1)
    drawn = draw_conditions(shards, config.batch, data, rng)
    taken = np.stack([shards[s].cameras[i] for s, i in zip(drawn.shard, drawn.item, strict=True)])
    count, views = taken.shape[:2]
    order = np.tile(np.arange(3), (count, 1))
    order = np.where(rng.random((count, 1)) < config.permute_share, rng.permuted(order, axis=1), order)
    flipped = rng.random(count) < 0.5
    targets = rng.random((count, views)).argsort(1)[:, : config.targets]
    own = rng.random(count) < config.reframe_share
    picture = np.where(own, rng.integers(0, views, count), drawn.picture)
    images = pick(shards, drawn, "images")
    device = images.device
    row = torch.arange(count, device=device)
    shown = placed_on(np.concatenate([picture[:, None], targets], 1), device)
    rgba = images[row[:, None], shown].float() / 255  # (B, 1 + T, S, S, 4): where colours matter
    cameras, mirrored = placed_on(taken, device), placed_on(flipped, device)
    at = placed_on(order, device)[:, None, None, None].expand(*rgba.shape[:4], 3)
    alpha = rgba[..., 3:]
    rgb = torch.gather(rgba[..., :3], -1, at) * alpha + 1 - alpha
    coverage = images[:, :views, :, :, 3].float() / 255
    flip = mirrored[:, None, None, None]
    rgb = torch.where(flip[..., None], rgb.flip(3), rgb)
    coverage = torch.where(flip, coverage.flip(3), coverage)
    silhouette = torch.where(flip[:, 0], alpha[:, 0, ..., 0].flip(2), alpha[:, 0, ..., 0])
    image, zoom = reframe(rgb[:, 0].permute(0, 3, 1, 2), silhouette, placed_on(own, device))
    condition = placed_on(picture % views, device)
    first = cameras[row, condition]
    turn = cameras[..., 0] - first[:, None, 0]
    turn = torch.where(mirrored[:, None], -turn, turn)
    solid = placed = None
    if all(shard.solids is not None for shard in shards):
        solid = pick(shards, drawn, "solids")
        frames = pick(shards, drawn, "frames")
        scale = torch.where(placed_on(picture == views, device), frames[:, 1], frames[:, 0])
        placed = Placed(zoom * scale, mirrored, first)
    return LiftBatch(
        image=image,
        zoom=zoom,
        views=rgb[:, 1:],
        coverage=coverage,
        cameras=torch.stack([turn, cameras[..., 1], cameras[..., 2] / first[:, None, 2]], -1),
        condition=condition,
        targets=shown[:, 1:],
        solid=solid,
        placed=placed,
    )


def reframe(image: Tensor, silhouette: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """The ``chosen (B,)`` of ``image (B, 3, S, S)`` recentred and scaled as a cutout is, and by how much ``(B,)``."""
    import torch
    import torch.nn.functional as F

    centre, extent = boxes(silhouette)
    zoom = torch.where(chosen, (FRAME / extent).clamp(*ZOOM), torch.ones_like(extent))
    theta = image.new_zeros(len(image), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / zoom
    theta[:, :, 2] = centre * chosen[:, None]
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    return 1 - F.grid_sample(1 - image, grid, align_corners=False), zoom


def lift_losses(net: Any, batch: LiftBatch, config: LiftTrainConfig, generator: torch.Generator) -> dict[str, Tensor]:
    """``colour``, ``coverage`` and ``matter``, differentiable scalars; ``generator`` lives where the batch does."""
    import torch
    import torch.nn.functional as F

    count, device = len(batch.image), batch.image.device
    row = torch.arange(count, device=device)
    elevation = batch.cameras[row, batch.condition, 1]
    with torch.autocast(device.type, torch.bfloat16, enabled=config.bf16):
        volume = lift(net, batch.image * 2 - 1, elevation)
    seen = batch.coverage[row[:, None], batch.targets]
    near = F.max_pool2d(seen, 9, 1, 4).flatten(0, 1).flatten(1) + BACKGROUND_SHARE
    at = torch.multinomial(near, config.rays, generator=generator).view(count, -1)
    which = torch.arange(config.targets, device=device).repeat_interleave(config.rays).expand(count, -1)
    uv = pixel_grid(batch.image.shape[-1], device)[at] * batch.zoom[:, None, None]
    cameras = batch.cameras[row[:, None], batch.targets[row[:, None], which]]
    jitter = torch.rand(at.shape, generator=generator, device=device)
    colour, coverage = render_view(volume, uv, cameras, config.samples, jitter)
    points = (torch.rand(count, config.points, 3, generator=generator, device=device) * 2 - 1) * PARTIAL_FRUSTUM
    return {
        "colour": (colour - batch.views.flatten(2, 3)[row[:, None], which, at]).square().mean(),
        "coverage": (coverage - seen.flatten(2)[row[:, None], which, at]).square().mean(),
        "matter": F.binary_cross_entropy_with_logits(
            occupancy(volume, points), true_occupancy(batch, points, elevation)
        ),
    }


def true_occupancy(batch: LiftBatch, points: Tensor, elevation: Tensor) -> Tensor:
    """Where matter is at ``points (B, N, 3)`` of the frustum, 0..1: exactly if the shards know, else the hull."""
    if batch.solid is None or batch.placed is None:
        return hull(batch, points, elevation)
    return occupancy_at(batch.solid, batch.placed, points)


def hull(batch: LiftBatch, points: Tensor, elevation: Tensor) -> Tensor:
    """How far ``points (B, N, 3)`` of the frustum lie inside every silhouette that shows them, ``(B, N)`` in 0..1."""
    import torch
    import torch.nn.functional as F

    away = 1 + points[..., 2] * HALF_DEPTH
    local = torch.stack([points[..., 0] * away * TAN, -points[..., 1] * away * TAN, 1 - away], -1)
    world = local @ camera_axes(torch.zeros_like(elevation), elevation).transpose(1, 2)
    seen = torch.einsum("bnd,bvdk->bvnk", world, camera_axes(batch.cameras[..., 0], batch.cameras[..., 1]))
    distance = (batch.cameras[..., 2:] - seen[..., 2]).clamp(min=0.05) * TAN * batch.zoom[:, None, None]
    at = torch.stack([seen[..., 0] / distance, -seen[..., 1] / distance], -1)
    count, views, amount, _ = at.shape
    masks = batch.coverage.flatten(0, 1)[:, None]
    inside = F.grid_sample(masks, at.view(count * views, amount, 1, 2), align_corners=False).view(count, views, amount)
    return torch.where(at.abs().amax(-1) < 1, inside, 1.0).amin(1)


def train_lift(
    net: Any,
    shards: Sequence[Shard],
    data: DataConfig,
    out_dir: Path,
    config: LiftTrainConfig,
    *,
    resume: bool = True,
    minutes: float = float("inf"),
    progress: Progress = no_progress,
    at_checkpoint: Callable[[TrainState], None] = lambda state: None,
) -> TrainState:
    """Train until ``config.steps`` or for ``minutes``; ``out_dir/lift.pt`` is the state to resume from.

    Leaves the averaged weights in ``net`` when the steps are done.
    """
    import torch

    from training.muon import Muon

    out_dir.mkdir(parents=True, exist_ok=True)
    path, parts = out_dir / "lift.pt", {"lift": net}
    net.train().requires_grad_(True)
    optimizer = Muon(net.parameters(), config.learning_rate, config.weight_decay, bf16=config.bf16)
    state = TrainState(0, optimizer, {name: p.detach().clone() for name, p in named_parameters(parts)})
    if resume and path.exists():
        load_state(path, parts, state)
    extra = {"config": config.model_dump(mode="json"), "shards": len(shards)}

    def keep() -> None:
        save_state(path, parts, state, extra)
        at_checkpoint(state)

    started = saved = time.monotonic()
    while state.step < config.steps and time.monotonic() - started < minutes * 60:
        loss = lift_step(net, state, shards, data, config)
        progress("lift", state.step, config.steps, loss=loss)
        if time.monotonic() - saved > config.checkpoint_seconds:
            keep()
            saved = time.monotonic()
    keep()
    with torch.no_grad():
        for name, parameter in named_parameters(parts):
            parameter.copy_(state.ema[name])
    net.eval().requires_grad_(False)
    return state


def on(value: Any, device: torch.device) -> Any:
    """A tensor, or a dataclass of tensors (and of None), on ``device``."""
    if value is None or hasattr(value, "to"):
        return None if value is None else value.to(device)
    return type(value)(**{name: on(item, device) for name, item in vars(value).items()})


def lift_step(net: Any, state: TrainState, shards: Sequence[Shard], data: DataConfig, config: LiftTrainConfig) -> float:
    """One optimiser step; returns the last loss known."""
    import torch

    device = next(net.parameters()).device
    drawn = draw_lift_batch(shards, data, config, state.step)
    batch = on(drawn, device)
    _, generator = step_rng(config.seed, state.step, 2, device)
    losses = lift_losses(net, batch, config, generator)
    loss = losses["colour"] + COVERAGE_WEIGHT * losses["coverage"] + MATTER_WEIGHT * losses["matter"]
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(net.parameters(), config.clip_norm)
    left = (config.steps - state.step) / max(1.0, config.decay_share * config.steps)
    for group in state.optimizer.param_groups:
        group["lr"] = config.learning_rate * min(1.0, (state.step + 1) / max(1, config.warmup), left)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    update_ema(state.ema, {"lift": net}, config.ema_decay, state.step)
    state.step += 1
    state.samples += config.batch
    return state.note(loss)
