"""Score Jacobian Chaining: from views and a diffusion prior to a voxel field."""

from typing import Any

__all__ = ["reconstruct"]


def __getattr__(name: str) -> Any:
    """The public function, imported when first asked for: torch stays out of ``import core``."""
    if name == "reconstruct":
        from core.sjc.stage import reconstruct

        return reconstruct
    raise AttributeError(name)
