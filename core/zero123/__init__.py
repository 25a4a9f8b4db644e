"""Zero-1-to-3: the view-conditioned latent diffusion model, its checkpoints, sampling and training."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "Schedule": "model",
    "Zero123": "model",
    "Zero123Config": "model",
    "build_model": "model",
    "denoise": "model",
    "published_config": "model",
    "clip_pixels": "conditioning",
    "decode": "conditioning",
    "embed_image": "conditioning",
    "encode_condition": "conditioning",
    "encode_target": "conditioning",
    "pose_vector": "conditioning",
    "posed_clip": "conditioning",
    "to_images": "conditioning",
    "to_pixels": "conditioning",
    "add_noise": "sampling",
    "ddim": "sampling",
    "guided_epsilon": "sampling",
    "timesteps": "sampling",
    "use_single_token_shortcut": "attention",
    "ViewRequest": "synthesis",
    "make_view_set": "views",
    "novel_views": "views",
    "ring_cameras": "views",
    "synthesize": "synthesis",
    "estimate_elevation": "elevation",
    "verify_checkpoint": "inspection",
    "load_model": "checkpoints",
    "save_pretrained": "checkpoints",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Import the public functions when they are first used: torch and diffusers take seconds."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
