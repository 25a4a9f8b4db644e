"""What the tests of this room share: a tiny model, a tolerance, the reference's settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def relative(found: Any, expected: Any) -> float:
    """Largest absolute difference over the largest absolute value expected."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def tiny_config(**changes: Any) -> Any:
    """An architecture like the published one in everything but size."""
    from core.zero123.model import Zero123Config, clip_config, unet_config, vae_config

    parts: dict[str, Any] = {
        "unet": unet_config(latent_size=8, latent_channels=4, widths=(32, 64), attention=(1, 0), context=48, heads=4),
        "vae": vae_config(image_size=32, latent_channels=4, widths=(32, 32, 32), layers=1, scaling_factor=0.3),
        "image_encoder": clip_config(size=32, patch=16, width=64, layers=1, heads=1, projection=48),
        "name": "tiny",
    }
    return Zero123Config(**(parts | changes))


def scramble(model: Any, seed: int) -> Any:
    """Random values in every tensor: freshly built layers include zeros that would hide a mistake."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for part in model.parts.values():
        for tensor in part.state_dict().values():
            spread = tensor[0].numel() ** -0.5 if tensor.ndim > 1 else 0.1
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread + (0.5 if tensor.ndim == 1 else 0))
    return model


def original_settings(parity: Path) -> Any:
    from core.zero123.ldm import settings_from_ldm_config

    return settings_from_ldm_config(json.loads((parity / "a_model" / "config.json").read_text())["ldm_config"])
