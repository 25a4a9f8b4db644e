"""The README's moving picture: photos of the demo beside the models that were made of them, turning.

MESHMILL_HOME=demo-home python bench/readme_strip.py docs/pictures/turning.webp mug-green toaster-red …
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image, ImageOps, ImageSequence

from db import gallery as queries
from storage import read_bytes
from tasks.factory import Factory, open_factory
from tasks.names import find_asset

SIDE = 176
"""Pixels of a picture's side."""


def pictures(factory: Factory, sku: str) -> list[Image.Image]:
    """The cutout beside each frame of the turntable, ``(SIDE, 2 SIDE)``."""
    files = queries.files(factory.engine, find_asset(factory, sku))

    def opened(kind: str) -> Image.Image:
        return Image.open(io.BytesIO(read_bytes(factory.store, files[kind].key, files[kind].sha256)))

    photo = _on_white(opened("cutout.png"))
    frames = [_on_white(frame) for frame in ImageSequence.Iterator(opened("turntable.webp"))]
    pairs = []
    for frame in frames:
        pair = Image.new("RGB", (2 * SIDE, SIDE), "white")
        pair.paste(photo, (0, 0))
        pair.paste(frame, (SIDE, 0))
        pairs.append(pair)
    return pairs


def _on_white(picture: Image.Image) -> Image.Image:
    flat = Image.new("RGBA", picture.size, "white")
    flat.alpha_composite(picture.convert("RGBA"))
    return ImageOps.pad(flat.convert("RGB"), (SIDE, SIDE), color="white")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("skus", nargs="+")
    given = parser.parse_args()
    factory = open_factory()
    columns = [pictures(factory, sku) for sku in given.skus]
    factory.close()
    frames = []
    for number in range(min(map(len, columns))):
        frame = Image.new("RGB", (2 * SIDE * 2, SIDE * ((len(columns) + 1) // 2)), "white")
        for place, column in enumerate(columns):
            frame.paste(column[number], (2 * SIDE * (place % 2), SIDE * (place // 2)))
        frames.append(frame)
    frames[0].save(given.out, save_all=True, append_images=frames[1:], duration=120, loop=0, quality=70, method=6)
    print(f"{given.out}: {len(frames)} frames, {given.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
