"""In which precision a network's layers are computed while it learns."""

from __future__ import annotations

from collections.abc import Mapping

import torch

UNITS = ("avx512_bf16", "amx_bf16", "bf16")
"""What a processor says that multiplies bfloat16 itself (`torch.cpu.get_capabilities`)."""


def half_precision(device: torch.device) -> torch.autocast:
    """bfloat16 on a GPU and on a processor that has units for it; elsewhere float32, since emulated convolutions take
    tens of times as long. Casts are not kept, so that a CUDA graph may hold the step."""
    # A PyTorch that cannot tell computes in float32.
    said: Mapping[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    has_units = device.type != "cpu" or any(said.get(name) for name in UNITS)
    return torch.autocast(device.type, torch.bfloat16, enabled=has_units, cache_enabled=False)
