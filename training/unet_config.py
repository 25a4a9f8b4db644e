"""The numbers of the U-Net's training."""

from __future__ import annotations

from typing import Literal

from core.parameters import Parameters


class TrainConfig(Parameters):
    """How the U-Net (and, where it is small, the CLIP tower) is trained. Defaults: the starter's."""

    seed: int = 0
    batch: int = 24
    targets: int = 1
    """Pairs in a row that share object and condition, so that a lift runs once for all of them."""
    accumulate: int = 1
    """Micro-batches a step; the batch is split among them."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """The paper's, or :class:`training.muon.Muon`."""
    learning_rate: float = 5e-4
    projection_factor: float = 10.0
    """The projection's learning rate over the others' (the paper)."""
    warmup: int = 100
    decay_share: float = 0.0
    """The learning rate falls to zero over this last share of ``steps``; 0 holds it, as the paper."""
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    ema_projection: bool = True
    """The original leaves the projection out of its average."""
    noisy_share: float = 0.5
    """Share of timesteps drawn from the noisiest third; 0 is the paper's uniform draw."""
    drop: float = 0.05
    """5% of samples lose CLIP alone, 5% both, 5% the image alone (REFERENCE section 1)."""
    train_clip: bool = True
    bf16: bool = False
    checkpoint_seconds: float = 180.0
    steps: int = 1_000_000
