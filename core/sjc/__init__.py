"""Score Jacobian Chaining: from views and a diffusion prior to a voxel field."""

from typing import Any

__all__ = ["choose_cutoff", "reconstruct"]


def __getattr__(name: str) -> Any:
    """The public functions, imported when first asked for: torch stays out of ``import core``."""
    if name == "reconstruct":
        from core.sjc.stage import reconstruct

        return reconstruct
    if name == "choose_cutoff":
        from core.sjc.cutoff import choose_cutoff

        return choose_cutoff
    raise AttributeError(name)
