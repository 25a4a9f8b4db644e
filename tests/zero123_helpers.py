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


def outputs(model: Any) -> list[Any]:
    """Everything that a model computes, on fixed inputs."""
    import torch

    from core.zero123.conditioning import decode, embed_image, encode_condition, posed_clip
    from core.zero123.model import denoise

    generator = torch.Generator().manual_seed(9)
    size = model.image_size
    images = torch.rand(2, 3, size, size, generator=generator) * 2 - 1
    poses = torch.randn(2, 4, generator=generator)
    z = torch.randn(2, model.latent_channels, model.latent_size, model.latent_size, generator=generator)
    with torch.no_grad():
        clip = embed_image(model, images)
        context = posed_clip(model, clip, poses)
        concat = encode_condition(model, images)
        return [clip, context, concat, denoise(model, z, torch.tensor([3, 700]), context, concat), decode(model, z)]


def same(one: Any, other: Any) -> bool:
    import torch

    from core.zero123.attention import use_single_token_shortcut

    for model in (one, other):
        use_single_token_shortcut(model)
    return all(torch.equal(a, b) for a, b in zip(outputs(one), outputs(other), strict=True))


def write_original(model: Any, path: Path) -> Path:
    from safetensors.torch import save_file

    from core.zero123.ldm import EMA, UNET, to_original

    tensors = to_original(model)
    plain = {key: value for key, value in tensors.items() if key.startswith(UNET)}
    copy = {EMA + key.removeprefix("model.").replace(".", ""): value * 1.1 for key, value in plain.items()}
    save_file({key: value.contiguous() for key, value in (tensors | copy).items()}, path)
    return path


def settings() -> Any:
    from core.zero123.ldm import OriginalSettings

    return OriginalSettings(heads=4, latent_size=8, scaling_factor=0.3)
