"""DDIM with guidance: free functions over timestep lists (Song et al. 2021, eq. 12), exact to the original sampler."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.zero123.model import Schedule, Zero123, denoise

if TYPE_CHECKING:
    from torch import Tensor

Spacing = Literal["original", "leading", "trailing", "linspace"]
"""Which timesteps are visited. ``original`` drops the largest, as the released sampler; others as diffusers."""


def timesteps(schedule: Schedule, steps: int, spacing: Spacing) -> list[int]:
    """Timesteps in the order of visiting, largest first.

    ``original`` strides through ``range(0, T, T // steps)`` plus one, which may give more than ``steps`` entries, and
    then leaves out the last: 50 gives 49 steps from 961, 75 gives 76 from 976. ``leading`` keeps exactly ``steps``
    of that stride, ``trailing`` starts at ``T - 1``, ``linspace`` reaches both ends.
    """
    total = schedule.timesteps
    steps = min(steps, total - 1)
    if spacing == "original":
        visited = [min(t + 1, total - 1) for t in range(0, total, total // steps)]
        return visited[:-1][::-1] or visited
    if spacing == "leading":
        return [i * (total // steps) + 1 for i in range(steps)][::-1]
    if spacing == "trailing":
        return [int(t) - 1 for t in np.round(np.arange(total, 0, -total / steps))]
    if steps == 1:
        return [total - 1]
    return [int(t) for t in np.linspace(0, total - 1, steps).round()[::-1]]


def to_epsilon(schedule: Schedule, prediction: Tensor, z_t: Tensor, alpha: Tensor | float) -> Tensor:
    """The noise that a prediction means at signal share ``alpha`` (scalar or broadcastable): eps, or from v.

    ``v = sqrt(a) eps - sqrt(1-a) x0`` (Salimans and Ho 2022).
    """
    if schedule.prediction == "epsilon":
        return prediction
    eps: Tensor = alpha**0.5 * prediction + (1 - alpha) ** 0.5 * z_t
    return eps


def add_noise(schedule: Schedule, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """``z_t = sqrt(a_t) x0 + sqrt(1 - a_t) eps`` (``q_sample``) for ``(B, C, s, s)`` at timesteps ``(B,)``."""
    alpha = schedule.alphas_cumprod().to(clean.device, non_blocking=True)[t].float().view(-1, 1, 1, 1)
    return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise


def guided_prediction(
    model: Zero123, z_t: Tensor, t: Tensor | int, context: Tensor, concat: Tensor, guidance: float
) -> Tensor:
    """The guided prediction ``u + guidance (c - u)``, ``(B, C, s, s)``; both halves in one pass of ``2 B``.

    Unconditional means zeros for the context *after* the projection and zeros for the condition latent. Guidance 1
    needs the conditional half alone.
    """
    import torch

    if guidance == 1:
        return denoise(model, z_t, t, context, concat)
    if isinstance(t, torch.Tensor) and t.ndim:
        t = torch.cat([t, t])
    return _guided(model, z_t, t, *with_null(context, concat), guidance)


def _guided(model: Zero123, z_t: Tensor, t: Tensor | int, contexts: Tensor, concats: Tensor, guidance: float) -> Tensor:
    """Guidance from conditions that :func:`with_null` has doubled."""
    unconditional, conditional = denoise(model, z_t.repeat(2, 1, 1, 1), t, contexts, concats).chunk(2)
    return unconditional + guidance * (conditional - unconditional)


def with_null(context: Tensor, concat: Tensor) -> tuple[Tensor, Tensor]:
    """Context and condition latents ``(2 B, ...)`` whose first half is the null condition."""
    import torch

    return torch.cat([torch.zeros_like(context), context]), torch.cat([torch.zeros_like(concat), concat])


def guided_epsilon(model: Zero123, z_t: Tensor, t: Tensor, context: Tensor, concat: Tensor, guidance: float) -> Tensor:
    """The guided noise estimate ``(B, C, s, s)`` at timesteps ``(B,)``, whatever the model predicts (for SJC)."""
    prediction = guided_prediction(model, z_t, t, context, concat, guidance)
    alpha = model.schedule.alphas_cumprod().to(z_t.device)[t].float().view(-1, 1, 1, 1)
    return to_epsilon(model.schedule, prediction, z_t, alpha)


def ddim_step(
    z_t: Tensor, eps: Tensor, alpha: float, alpha_previous: float, eta: float, noise: Tensor | None
) -> tuple[Tensor, Tensor]:
    """One step of DDIM (eq. 12): the latents at the next smaller timestep, and the predicted clean latents.

    ``sigma = eta sqrt((1 - a') / (1 - a)) sqrt(1 - a / a')``; ``noise`` is needed where ``eta`` is not 0.
    """
    clean = (z_t - (1 - alpha) ** 0.5 * eps) / alpha**0.5
    sigma = eta * ((1 - alpha_previous) / (1 - alpha) * (1 - alpha / alpha_previous)) ** 0.5
    z_next = alpha_previous**0.5 * clean + (1 - alpha_previous - sigma**2) ** 0.5 * eps
    if noise is not None and sigma > 0:
        z_next = z_next + sigma * noise
    return z_next, clean


def ddim(
    model: Zero123,
    start: Tensor,
    context: Tensor,
    concat: Tensor,
    *,
    visited: Sequence[int],
    guidance: float,
    eta: float = 0.0,
    noise: Callable[[int], Tensor] | None = None,
    watch: Callable[[int, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Latents ``(B, C, s, s)`` sampled from ``start`` (standard normal) down ``visited``.

    ``noise(i)`` gives step i's standard normal draw where ``eta`` is not 0. ``watch(i, latents, predicted)`` is called
    after every step. The last step goes to the alpha of timestep 0, as the original (not to 1).
    """
    import torch

    if eta > 0 and noise is None:
        raise ValueError("eta above 0 needs a source of noise")
    alphas = model.schedule.alphas_cumprod()
    context, concat = context.to(model.dtype), concat.to(model.dtype)
    # Doubled once: the short cut of cross-attention recognises the tensor that comes back at every step.
    contexts, concats = (context, concat) if guidance == 1 else with_null(context, concat)
    z = start
    with torch.no_grad():
        for i, t in enumerate(visited):
            alpha = float(alphas[t])
            before = float(alphas[visited[i + 1]] if i + 1 < len(visited) else alphas[0])
            prediction = (
                denoise(model, z, t, contexts, concats)
                if guidance == 1
                else _guided(model, z, t, contexts, concats, guidance)
            )
            eps = to_epsilon(model.schedule, prediction, z, alpha)
            z, clean = ddim_step(z, eps, alpha, before, eta, noise(i) if noise and eta > 0 else None)
            if watch:
                watch(i, z, clean)
    return z


def view_seed(seed: int, index: int) -> int:
    """The seed of a view of its own: batches can be cut anywhere without changing a result."""
    digest = hashlib.sha256(f"{seed}:{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seeded_noise(model: Zero123, seeds: Sequence[int]) -> tuple[Tensor, Callable[[int], Tensor]]:
    """Start latents ``(B, C, s, s)`` and a source of step noise, every row from a CPU generator of its own."""
    import torch

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    shape = (model.latent_channels, model.latent_size, model.latent_size)

    def draw(_: int) -> Tensor:
        return torch.stack([torch.randn(shape, generator=generator) for generator in generators]).to(model.device)

    return draw(-1), draw
