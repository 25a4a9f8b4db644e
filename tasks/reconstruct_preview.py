"""What a running reconstruction looks like: a picture beside its checkpoint, renewed with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from core.progress import Progress


def preview_path(checkpoint: Path) -> Path:
    """Where the picture of the run with this checkpoint stands while the run lasts."""
    return checkpoint.with_suffix(".png")


def with_preview(progress: Progress, checkpoint: Path | None) -> Progress:
    """``progress``, but pictures go into a file and figures on to the listener: only those cross a process border."""

    def listen(step: str, done: int, total: int, **figures: Any) -> None:
        picture = figures.pop("preview", None)
        if picture is not None and checkpoint is not None:
            from PIL import Image

            path = preview_path(checkpoint)
            partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
            Image.fromarray(picture).save(partial, "PNG")
            partial.replace(path)
        progress(step, done, total, **figures)

    return listen
