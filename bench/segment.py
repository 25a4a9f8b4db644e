"""Measure a segmenter: mask IoU on the evaluation objects' photos, seconds a photo, memory.

python bench/segment.py FOLDER|composites [--model starter|NAME|FILE.onnx] [--out DIR]
python bench/segment.py FOLDER --reference FILE.onnx [--out DIR]        real photos without a true mask

FOLDER is in the format of the evaluation set: one folder an object with photo_rgba.png (its alpha is the true mask),
photo_white.png, photo_textured.png and perhaps photo_white_overexposed.png. Nothing is tuned there: choices are made on
``composites``, training photos of 512² of held-out procedural objects, two of each in kinds that take turns.
With ``--reference`` FOLDER holds pictures alone, and another segmenter's masks are what is agreed with; a cut-out is
set on white first. ``soft`` is the share of the mask's pixels whose alpha lies between .05 and .95. ``--out`` takes one
picture a photo, the reference's cutout beside it, and all of them as ``sheet.png``.
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
from core.segment import Segmenter, SegmentParams, load_segmenter
from core.segment.cut import product_mask
from training.segmenter.composites import compose
from training.segmenter.products import HELD_OUT_SEEDS, render_products
from training.segmenter.stock import cropped
from training.segmenter.textures import make_texture
from training.segmenter.train import iou

PHOTOS = {"white": "photo_white.png", "textured": "photo_textured.png", "overexposed": "photo_white_overexposed.png"}
SCENES = ("studio", "room", "flat", "street", "shelf")
MAGENTA = np.array([255.0, 0, 255])

Case = tuple[str, dict[str, Photo], dict[str, np.ndarray]]
"""An object's name, its photos and their true alphas ``(H, W)`` in 0..1, both by kind."""


def evaluation(folder: Path) -> Iterator[Case]:
    for truth in sorted(folder.glob("*/photo_rgba.png")):
        alpha = np.asarray(Image.open(truth))[..., 3].astype(np.float32) / np.float32(255)
        photos = {
            kind: read_photo(truth.parent / file) for kind, file in PHOTOS.items() if (truth.parent / file).is_file()
        }
        yield truth.parent.name, photos, dict.fromkeys(photos, alpha)


def real(folder: Path, reference: Segmenter) -> Iterator[Case]:
    """Photos that have no true mask: the reference's stands for it."""
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"}):
        photo = read_photo(path)
        cover = photo.rgba[..., 3:].astype(np.float32) / np.float32(255)
        rgb = (photo.rgba[..., :3] * cover + 255 * (1 - cover)).astype(np.uint8)
        opaque = Photo(np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]), False, "PNG")
        yield path.stem, {"real": opaque}, {"real": masked(opaque, reference)[0]}


def masked(photo: Photo, segmenter: Segmenter) -> tuple[np.ndarray, str]:
    """The product's alpha ``(H, W)``, and why there is none where it was refused."""
    try:
        return product_mask(photo, SegmentParams(), segmenter=segmenter).alpha, ""
    except InputError as error:
        return np.zeros(photo.rgba.shape[:2], np.float32), type(error).__name__


def composites(objects: int = 48, kinds: tuple[str, ...] = SCENES) -> Iterator[Case]:
    """Two photos of each object, of kinds in turn."""
    rng = np.random.default_rng(2024)
    textures = [make_texture(rng, 512) for _ in range(32)]
    for i in range(objects):
        products = [cropped(p) for p in render_products([HELD_OUT_SEEDS[1000 + i]], 2, 448, i)]
        turn = [kinds[(2 * i + j) % len(kinds)] for j in (0, 1)]
        shots = {kind: compose(rng, products, textures, 512, kind) for kind in turn}
        opaque = np.full((512, 512), 255, np.uint8)
        photos = {kind: Photo(np.dstack([shot.rgb, opaque]), False, "PNG") for kind, shot in shots.items()}
        yield f"object-{i}", photos, {kind: shot.alpha for kind, shot in shots.items()}


def soft_share(alpha: np.ndarray) -> float:
    return float(((alpha > 0.05) & (alpha < 0.95)).sum() / max(1, (alpha > 0.05).sum()))


def side_by_side(photo: Photo, alphas: list[np.ndarray]) -> np.ndarray:
    """The photo, then a cutout on magenta for each alpha."""
    rgb = photo.rgba[..., :3]
    cutouts = [rgb * alpha[..., None] + MAGENTA * (1 - alpha[..., None]) for alpha in alphas]
    return np.hstack([rgb, *(cutout.clip(0, 255).astype(np.uint8) for cutout in cutouts)])


def contact_sheet(pictures: list[np.ndarray], columns: int = 3, width: int = 660) -> Image.Image:
    rows = [Image.fromarray(p).resize((width, max(1, round(width * p.shape[0] / p.shape[1])))) for p in pictures]
    high = max(picture.height for picture in rows)
    sheet = Image.new("RGB", (columns * width, -(-len(rows) // columns) * high), "white")
    for i, picture in enumerate(rows):
        sheet.paste(picture, (i % columns * width, i // columns * high))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--reference", help="a segmenter whose masks stand for the truth")
    parser.add_argument("--out", type=Path, help="write the masks here")
    arguments = parser.parse_args()
    started = time.perf_counter()
    segmenter = load_segmenter(arguments.model)
    loading = time.perf_counter() - started
    if arguments.reference:
        cases = real(arguments.folder, load_segmenter(arguments.reference))
    else:
        cases = composites() if str(arguments.folder) == "composites" else evaluation(arguments.folder)
    rows: list[dict[str, object]] = []
    scores: dict[str, list[tuple[float, float, float]]] = {}
    seconds, pictures = [], []
    for name, photos, truths in cases:
        row: dict[str, object] = {"object": name}
        for kind, photo in photos.items():
            truth = truths[kind]
            clock, cpu = time.perf_counter(), time.process_time()
            found, refused = masked(photo, segmenter)
            seconds.append((time.perf_counter() - clock, time.process_time() - cpu))
            if refused:
                row[f"{kind}_refused"] = refused
            score = iou(found >= 0.5, truth >= 0.5)
            row[kind] = round(score, 4)
            scores.setdefault(kind, []).append((score, float(np.abs(found - truth).mean()), soft_share(found)))
            if arguments.out:
                pictures.append(side_by_side(photo, [truth, found]))
                arguments.out.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pictures[-1]).save(arguments.out / f"{name}_{kind}.jpg")
        rows.append(row)
    if arguments.out:
        contact_sheet(pictures).save(arguments.out / "sheet.png")
    means = {kind: np.mean(values, 0) for kind, values in sorted(scores.items())}
    wall, cpu_seconds = np.median(seconds, 0)
    summary = {
        "model": segmenter.name,
        "sha256": segmenter.sha256,
        "objects": rows,
        "mean_iou": {kind: round(float(value[0]), 4) for kind, value in means.items()},
        "alpha_error": {kind: round(float(value[1]), 4) for kind, value in means.items()},
        "soft": {kind: round(float(value[2]), 4) for kind, value in means.items()},
        "median_wall_seconds": round(float(wall), 3),
        "median_cpu_seconds": round(float(cpu_seconds), 3),
        "load_seconds": round(loading, 2),
        "peak_mib": peak_memory() // 2**20,
    }
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
