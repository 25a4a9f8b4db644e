"""Checkpoints of a running reconstruction: whole or not at all, and only for the inputs they were made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.whole_file import whole_file


def save_checkpoint(path: Path, inputs_digest: str, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors and plain values) so that a kill at any instruction leaves the old or the new file."""
    import torch

    with whole_file(path) as partial:
        torch.save({"inputs_digest": inputs_digest, "state": state}, partial)


def load_checkpoint(path: Path, inputs_digest: str) -> dict[str, Any] | None:
    """The state saved for the same inputs, or None where there is none, or it is of other inputs or unreadable."""
    import pickle

    import torch

    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        matches = content["inputs_digest"] == inputs_digest
    except (RuntimeError, OSError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError):
        return None  # a checkpoint only saves time: a damaged one means starting over
    return dict(content["state"]) if matches else None
