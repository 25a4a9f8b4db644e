"""Example product photos: ``python -m training.procedural.examples [FOLDER]`` writes ``photos`` and ``four-photos``.

Each is a procedural object, so the repository ships photos that are its own. The same code gives the same pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ExamplePhoto:
    """One example photo."""

    name: str
    family: str
    seed: int
    azimuth: float
    elevation: float
    ground: str
    """``alpha`` (transparent PNG) or one of :data:`training.procedural.backdrops.KINDS`."""
    size: int = 640
    radius: float = 1.75


SHOTS = (
    ExamplePhoto("enamel-mug-green.png", "mug", 500, -28, 22, "alpha", 512),
    ExamplePhoto("desk-lamp-blue.png", "lamp", 500, 30, 15, "alpha", 512),
    ExamplePhoto("toy-car-blue.jpg", "vehicle", 500, 35, 22, "white"),
    ExamplePhoto("studio-headphones-white.jpg", "headphones", 502, 25, 14, "white"),
    ExamplePhoto("teddy-bear.jpg", "plush", 500, 15, 12, "studio"),
    ExamplePhoto("wooden-chair.jpg", "chair", 500, 35, 18, "studio", 768),
    ExamplePhoto("toaster-red.jpg", "toaster", 503, 25, 20, "wood"),
    ExamplePhoto("compact-camera.jpg", "camera", 502, 20, 15, "cloth"),
)

FOUR_SIDES = tuple(
    ExamplePhoto(f"toy-truck_{side}.png", "vehicle", 502, azimuth, 20, "alpha", 512)
    for side, azimuth in (("front", 0), ("right", 90), ("back", 180), ("left", 270))
)
"""One product from four sides, as docs/photographing.md asks for them: ``examples/four-photos``."""


def make_photo(shot: ExamplePhoto) -> torch.Tensor:
    """The picture, ``(3 or 4, S, S)`` uint8; four channels (straight alpha) for transparent shots."""
    import torch

    from training.procedural import Cameras, composite, generate_objects, render

    table = generate_objects([shot.seed], shot.family)
    azimuth, elevation, radius = (torch.full((1, 1), v) for v in (shot.azimuth, shot.elevation, shot.radius))
    views = render(table, Cameras(azimuth, elevation, radius), shot.size, supersample=2)
    rgb, alpha = views.rgb[:, 0], views.alpha[:, 0]
    if shot.ground == "alpha":
        picture = torch.cat([rgb, alpha], 1)
    else:
        generator = torch.Generator().manual_seed(shot.seed + shot.size)
        picture = composite(rgb, alpha, generator, kind=shot.ground, place=False, grade=False).image
    return (picture[0] * 255).round().to(torch.uint8)


def write_photos(folder: Path, shots: Sequence[ExamplePhoto] = SHOTS) -> list[Path]:
    """Write every shot to ``folder``; returns the paths."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for shot in shots:
        pixels = make_photo(shot).permute(1, 2, 0).numpy()
        path = folder / shot.name
        if path.suffix == ".jpg":
            Image.fromarray(pixels).save(path, quality=92)
        else:
            Image.fromarray(pixels).save(path, optimize=True)
        written.append(path)
    return written


if __name__ == "__main__":
    examples = Path(sys.argv[1] if len(sys.argv) > 1 else "examples")
    write_photos(examples / "photos")
    write_photos(examples / "four-photos", FOUR_SIDES)
