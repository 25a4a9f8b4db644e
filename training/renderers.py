"""Which of the two renderers of procedural objects computes here: plain torch, or one kernel launch on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from training import renderer
from training.procedural.shade import Light
from training.procedural.table import ObjectTable
from training.renderer import Rays, Seen

Trace = Callable[[ObjectTable, Rays, Light], Seen]
Distance = Callable[[ObjectTable, Tensor], Tensor]


@dataclass(frozen=True)
class Renderer:
    """One of the two ways to compute the same."""

    name: str
    trace: Trace
    distance: Distance
    """Signed distances ``(B, N)`` in dataset units at ``(B, N, 3)``, as :func:`training.procedural.signed_distance`."""


def renderer_for(device: torch.device | str) -> Renderer:
    """The fused kernels on a GPU, plain torch elsewhere."""
    if torch.device(device).type == "cuda":
        from training import kernels

        return Renderer("triton", kernels.trace, kernels.distance)
    return Renderer("torch", renderer.trace, renderer.distance)
