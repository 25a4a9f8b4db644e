"""One run of either preset from its first step to its field: checkpoints, early stop, previews, time left."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Field
from core.errors import ReconstructionFailed
from core.progress import Progress
from core.sjc.checkpoint import load_checkpoint, save_checkpoint

CHECKPOINT_SECONDS = 3.0
"""Wall-clock seconds between two previews, and between two checkpoints of at most :data:`CHECKPOINT_BYTES`."""

CHECKPOINT_BYTES = 4_000_000
"""A larger checkpoint is written as much less often: the dense grids of `released` (48 MB) every 36 seconds."""


class Loop(Protocol):
    """What a preset gives: its state between two steps, and what becomes of it."""

    @property
    def step(self) -> int:
        """Steps taken."""

    @property
    def history(self) -> list[dict[str, float]]:
        """The terms of every step; the runner appends to it."""

    def take_step(self) -> dict[str, float]:
        """One update; returns the terms of the loss."""

    def settled(self) -> bool:
        """Whether further steps would change nothing worth their time."""

    def state(self) -> dict[str, Any]:
        """Everything the next step depends on: tensors and plain values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""

    def preview(self) -> NDArray[np.uint8]:
        """``(H, W, 3)``: what the field looks like now. Leaves the state alone."""

    def finish(self) -> Field:
        """The field as a value, judged."""


def run_to_end(loop: Loop, steps: int, inputs_digest: str, checkpoint_path: Path | None, progress: Progress) -> Field:
    """Take what is left of ``steps`` steps. Killed at any moment, the same call continues to the same field.

    ``progress`` hears the terms of every step, ``eta_s`` (seconds left at the pace so far), and now and then a
    ``preview``. Raises :class:`ReconstructionFailed` when a term is not finite.
    """
    saved = load_checkpoint(checkpoint_path, inputs_digest) if checkpoint_path else None
    if saved is not None:
        loop.restore(saved)
    began = latest = written = time.monotonic()
    first, pause = loop.step, CHECKPOINT_SECONDS
    while loop.step < steps and not loop.settled():
        terms = loop.take_step()
        broken = [name for name, value in terms.items() if not np.isfinite(value)]
        if broken:
            raise ReconstructionFailed(f"The reconstruction lost its numbers at step {loop.step}: {', '.join(broken)}.")
        loop.history.append(terms)
        now = time.monotonic()
        figures: dict[str, Any] = {"eta_s": (now - began) / (loop.step - first) * (steps - loop.step)}
        due = now - latest > CHECKPOINT_SECONDS
        if due:
            figures["preview"] = loop.preview()
        progress("reconstruct", loop.step, steps, **terms, **figures)
        if checkpoint_path and now - written > pause:
            save_checkpoint(checkpoint_path, inputs_digest, loop.state())
            pause = CHECKPOINT_SECONDS * max(1.0, checkpoint_path.stat().st_size / CHECKPOINT_BYTES)
            written = time.monotonic()
        if due:
            latest = time.monotonic()
    field = loop.finish()
    if checkpoint_path:
        checkpoint_path.unlink(missing_ok=True)
    return field


def thinned(history: list[dict[str, float]], most: int = 50) -> list[dict[str, float]]:
    """At most ``most`` entries, evenly spaced, rounded: the record that stays with the asset."""
    every = max(1, len(history) // most)
    return [{"step": i} | {k: round(v, 6) for k, v in history[i].items()} for i in range(0, len(history), every)]
