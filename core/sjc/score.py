"""The score of a denoiser, chained through the renderer (Wang et al., CVPR 2023, equations 5 to 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Score:
    """One evaluation of the score at a rendered image."""

    denoised: torch.Tensor
    """``D(z; sigma)``, shape of the image."""
    gradient: torch.Tensor
    """``dL/dy``, to be back-propagated through the renderer."""
    eps: torch.Tensor
    """The guided noise estimate."""


def sigma_table(alphas_cumprod: NDArray[np.float64]) -> NDArray[np.float64]:
    """``sigma_t = sqrt((1 - abar_t) / abar_t)``, descending: entry ``j`` belongs to ``t = T - 1 - j``."""
    abar = np.asarray(alphas_cumprod, np.float64)
    return np.sqrt((1 - abar) / abar)[::-1].copy()


RELEASED_SLICE = slice(30, -10)
"""The part of the descending table from which the released loop draws uniformly: 960 values, 12.23 to 0.098."""


def guided(eps_unconditional: torch.Tensor, eps_conditional: torch.Tensor, scale: float) -> torch.Tensor:
    """``eps_u + s (eps_c - eps_u)`` (classifier-free guidance)."""
    return eps_unconditional + scale * (eps_conditional - eps_unconditional)


def perturb(image: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``z = y + sigma n`` and what the U-Net takes, ``z / sqrt(1 + sigma^2)``."""
    z = image + sigma * noise
    return z, z / (1 + sigma.square()).sqrt()


def chain(
    image: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor, eps: torch.Tensor, *, reduce_variance: bool = True
) -> Score:
    """``D = z - sigma eps``; ``dL/dy = (y - D) / sigma = eps - n``, or ``(z - D) / sigma = eps`` unreduced."""
    z, _ = perturb(image, noise, sigma)
    denoised = z - sigma * eps
    return Score(denoised, ((image if reduce_variance else z) - denoised) / sigma, eps)
