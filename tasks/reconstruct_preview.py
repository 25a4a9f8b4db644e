"""What a running reconstruction looks like: a picture beside its checkpoint, renewed with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.progress import Progress
from core.whole_file import whole_file


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
            with whole_file(path) as partial:
                Image.fromarray(picture).save(partial, "PNG")
        progress(step, done, total, **figures)

    return listen
