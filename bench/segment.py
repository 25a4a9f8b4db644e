"""Measure a segmenter: mask IoU on the evaluation objects' photos, seconds a photo, memory.

python bench/segment.py FOLDER [--model starter|NAME|FILE.onnx] [--out DIR]

FOLDER is in the format of the evaluation set: one folder an object with photo_rgba.png (its alpha is the true mask),
photo_white.png, photo_textured.png and perhaps photo_white_overexposed.png. Nothing is tuned here.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
from PIL import Image

from core.errors import InputError
from core.photos import read_photo
from core.segment import SegmentParams, load_segmenter
from core.segment.cut import product_mask

PHOTOS = {"white": "photo_white.png", "textured": "photo_textured.png", "overexposed": "photo_white_overexposed.png"}


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
    for truth in sorted(arguments.folder.glob("*/photo_rgba.png")):
        mask = np.asarray(Image.open(truth))[..., 3] >= 128
        row: dict[str, object] = {"object": truth.parent.name}
        for name, file in PHOTOS.items():
            if not (truth.parent / file).is_file():
                continue
            photo = read_photo(truth.parent / file)
            clock, cpu = time.perf_counter(), time.process_time()
            try:
                found = product_mask(photo, SegmentParams(), segmenter=segmenter).alpha >= 0.5
            except InputError as error:
                found = np.zeros_like(mask)
                row[f"{name}_refused"] = type(error).__name__
            seconds.append((time.perf_counter() - clock, time.process_time() - cpu))
            row[name] = round(float((found & mask).sum() / (found | mask).sum()), 4)
            if arguments.out:
                arguments.out.mkdir(parents=True, exist_ok=True)
                pair = np.hstack([photo.rgba[..., :3], np.repeat(found[..., None] * 255, 3, 2).astype(np.uint8)])
                Image.fromarray(pair).save(arguments.out / f"{truth.parent.name}_{name}.jpg")
        rows.append(row)
    means = {name: round(float(np.mean([r[name] for r in rows if name in r])), 4) for name in PHOTOS}
    wall, cpu_seconds = np.median(seconds, 0)
    summary = {
        "model": segmenter.name,
        "sha256": segmenter.sha256,
        "objects": rows,
        "mean_iou": means,
        "median_wall_seconds": round(float(wall), 3),
        "median_cpu_seconds": round(float(cpu_seconds), 3),
        "load_seconds": round(loading, 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
