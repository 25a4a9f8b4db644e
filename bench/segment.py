"""Measure a segmenter: mask IoU on the evaluation objects' photos, seconds a photo, memory.

python bench/segment.py FOLDER|composites [--model starter|NAME|FILE.onnx] [--out DIR]

FOLDER is in the format of the evaluation set: one folder an object with photo_rgba.png (its alpha is the true mask),
photo_white.png, photo_textured.png and perhaps photo_white_overexposed.png. Nothing is tuned there: choices are made on
``composites``, 96 training photos of 512² of 48 held-out procedural objects, 32 of each kind.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from core.artifacts import Photo
from core.errors import InputError
from core.memory import peak_memory
from core.photos import read_photo
from core.segment import SegmentParams, load_segmenter
from core.segment.composites import compose
from core.segment.cut import product_mask
from core.segment.products import HELD_OUT_SEEDS, render_products
from core.segment.stock import cropped
from core.segment.textures import make_texture
from core.segment.training import iou

PHOTOS = {"white": "photo_white.png", "textured": "photo_textured.png", "overexposed": "photo_white_overexposed.png"}


Case = tuple[str, dict[str, Photo], dict[str, np.ndarray]]
"""An object's name, its photos and their masks ``(H, W)``, both by kind."""


def evaluation(folder: Path) -> Iterator[Case]:
    for truth in sorted(folder.glob("*/photo_rgba.png")):
        mask = np.asarray(Image.open(truth))[..., 3] >= 128
        photos = {
            kind: read_photo(truth.parent / file) for kind, file in PHOTOS.items() if (truth.parent / file).is_file()
        }
        yield truth.parent.name, photos, dict.fromkeys(photos, mask)


def composites(objects: int = 48, kinds: tuple[str, ...] = ("studio", "room", "flat")) -> Iterator[Case]:
    """Two photos of each object, of kinds in turn."""
    rng = np.random.default_rng(2024)
    textures = [make_texture(rng, 512) for _ in range(32)]
    for i in range(objects):
        products = [cropped(p) for p in render_products([HELD_OUT_SEEDS[1000 + i]], 2, 448, i)]
        shots = {kinds[(2 * i + j) % 3]: compose(rng, products, textures, 512, kinds[(2 * i + j) % 3]) for j in (0, 1)}
        opaque = np.full((512, 512), 255, np.uint8)
        photos = {kind: Photo(np.dstack([shot.rgb, opaque]), False, "PNG") for kind, shot in shots.items()}
        yield f"object-{i}", photos, {kind: shot.alpha >= 0.5 for kind, shot in shots.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--out", type=Path, help="write the masks here")
    arguments = parser.parse_args()
    started = time.perf_counter()
    segmenter = load_segmenter(arguments.model)
    loading = time.perf_counter() - started
    rows, seconds = [], []
    for name, photos, masks in composites() if str(arguments.folder) == "composites" else evaluation(arguments.folder):
        row: dict[str, object] = {"object": name}
        for kind, photo in photos.items():
            mask = masks[kind]
            clock, cpu = time.perf_counter(), time.process_time()
            try:
                found = product_mask(photo, SegmentParams(), segmenter=segmenter).alpha >= 0.5
            except InputError as error:
                found = np.zeros_like(mask)
                row[f"{kind}_refused"] = type(error).__name__
            seconds.append((time.perf_counter() - clock, time.process_time() - cpu))
            row[kind] = round(iou(found, mask), 4)
            if arguments.out:
                arguments.out.mkdir(parents=True, exist_ok=True)
                pair = np.hstack([photo.rgba[..., :3], np.repeat(found[..., None] * 255, 3, 2).astype(np.uint8)])
                Image.fromarray(pair).save(arguments.out / f"{name}_{kind}.jpg")
        rows.append(row)
    kinds = sorted({kind for row in rows for kind, value in row.items() if isinstance(value, float)})
    means = {kind: round(float(np.mean([r[kind] for r in rows if kind in r])), 4) for kind in kinds}
    wall, cpu_seconds = np.median(seconds, 0)
    summary = {
        "model": segmenter.name,
        "sha256": segmenter.sha256,
        "objects": rows,
        "mean_iou": means,
        "median_wall_seconds": round(float(wall), 3),
        "median_cpu_seconds": round(float(cpu_seconds), 3),
        "load_seconds": round(loading, 2),
        "peak_mib": peak_memory() // 2**20,
    }
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
