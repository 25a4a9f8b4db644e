"""Random numbers for weights, as many and under the names of the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def random_original() -> dict[str, Tensor]:
    """Every tensor of an original file, float32, from a fixed seed: four gigabytes."""
    import torch

    from core.zero123.ldm import to_original
    from core.zero123.model import assemble, empty_parts, published_config
    from core.zero123.weights import materialise_positions

    config = published_config()
    with torch.device("meta"):
        parts = empty_parts(config)
    generator = torch.Generator().manual_seed(0)
    for part in parts.values():
        part.to_empty(device="cpu")
        for tensor in part.state_dict().values():
            tensor.uniform_(-0.03, 0.03, generator=generator)
    materialise_positions(parts["image_encoder"])
    return to_original(assemble(config, parts))
