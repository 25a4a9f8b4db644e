"""In which precision a loaded model runs, and where its parts wait: what fits the card it is on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.zero123.model import Zero123

if TYPE_CHECKING:
    import torch

LARGE = 200_000_000
"""Parameters of a U-Net (the published one has 860 M, the starter's a few million) from which half precision pays."""

SMALL_CARD = 10 * 2**30
"""Bytes of a card below which what is used once a photo stays in the computer's memory."""


@dataclass(frozen=True)
class Card:
    """What a placement depends on."""

    memory: int
    """Bytes."""
    bf16: bool
    """Whether the card computes in bfloat16."""


@dataclass(frozen=True)
class Placement:
    """The U-Net's precision, and whether CLIP's tower stays on the CPU. The autoencoder is float32 always: its
    activations leave half precision's range."""

    dtype: torch.dtype
    tower_waits: bool = False


def place(parameters: int, card: Card | None) -> Placement:
    """For a U-Net of so many parameters; ``card`` is None on a CPU, where everything is float32."""
    import torch

    if card is None or parameters < LARGE:
        return Placement(torch.float32)
    return Placement(torch.bfloat16 if card.bf16 else torch.float16, card.memory < SMALL_CARD)


def precision_of(model: Zero123) -> dict[str, str]:
    """What a record says of a U-Net that does not run in float32."""
    name = str(model.dtype).removeprefix("torch.")
    return {} if name == "float32" else {"precision": name}


def card_of(device: str) -> Card | None:
    """The card behind a device's name; None for a CPU."""
    import torch

    if not device.startswith("cuda"):
        return None
    return Card(torch.cuda.get_device_properties(device).total_memory, torch.cuda.is_bf16_supported())


def load_on(path: str | Path, device: str) -> Zero123:
    """:func:`core.zero123.checkpoints.load_model`, placed as the device asks for."""
    from core.zero123.checkpoints import load_model

    model = load_model(path)
    chosen = place(sum(weight.numel() for weight in model.unet.parameters()), card_of(device))
    return model.to(device, chosen.dtype, tower_waits=chosen.tower_waits)
