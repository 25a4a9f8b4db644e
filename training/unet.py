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
from typing import TYPE_CHECKING, Any

from core.errors import CheckpointError
from core.progress import Progress, no_progress
from core.whole_file import whole_file
from core.zero123.attention import use_single_token_shortcut
from core.zero123.model import Zero123
from training.dataset import Shard
from training.objective import draw_batch, objective
from training.rendering import DataConfig
from training.unet_config import TrainConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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
    progress: Progress = no_progress,
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
