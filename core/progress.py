"""How a long computation says where it is, without knowing who listens."""

from __future__ import annotations

from typing import Any, Protocol


class Progress(Protocol):
    """Called after every step: what is running, ``done`` of ``total`` steps, and figures worth showing (losses)."""

    def __call__(self, step: str, done: int, total: int, **figures: Any) -> None: ...


def no_progress(step: str, done: int, total: int, **figures: Any) -> None:
    """The default listener: nobody."""
