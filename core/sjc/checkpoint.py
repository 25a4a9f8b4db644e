"""Checkpoints of a running reconstruction: whole or not at all, and only for the inputs they were made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def save_checkpoint(path: Path, fingerprint: str, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors and plain values) so that a kill at any instruction leaves the old or the new file."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        torch.save({"fingerprint": fingerprint, "state": state}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """The state saved for the same inputs, or None where there is none, or it is of other inputs or unreadable."""
    import pickle

    import torch

    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        matches = content["fingerprint"] == fingerprint
    except (RuntimeError, OSError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError):
        return None  # a checkpoint only saves time: a damaged one means starting over
    return dict(content["state"]) if matches else None
