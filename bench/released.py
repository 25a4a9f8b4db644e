"""The `released` preset run to its end with the exact stand-in of a strong view model: curve, pictures, final figures.

python bench/released.py --family teapot --latent models/starter --out DIR [--pictures 4 --views 2 --set grid=64]

The loop is the original's: guidance 100, latents of 32 a side (with --latent those of pictures of 128 pixels, as the
original's are of 256; without, pixels). Over an hour on one core, with what stands in brackets less; killed, it goes on
where it was.

Writes DIR/FAMILY.json (every 500 steps: IoU at the cutoff that suits the truth best, at 64 cubed; the losses; at the
end the mesh that the product makes of it, judged like every other) and DIR/FAMILY.png (the photo and that
mesh; the photo's camera at those steps). Defaults of the preset hold without being told: 10,000 steps, grid 100.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from reconstruct import FAMILIES, over_white
from strong_model import FIRST_SEED, Subject, assignment, stand_ins, subject

from core.render.sheet import rows_of_pictures

SAMPLE_SIZE = 64
"""Voxels along one side at which the curve compares."""

ACROSS = 12
"""Pictures in a row of the sheet."""


def best_iou(voxels: Any, product: Subject) -> float:
    """IoU with the truth at the density that suits the truth best: what the field holds, whatever the cutoff."""
    import torch

    from core.sjc.carve import voxel_centers
    from core.sjc.field import sigma_at
    from training.procedural import signed_distance

    with torch.no_grad():
        points = voxel_centers(SAMPLE_SIZE, "cpu")
        sigma = sigma_at(voxels, points)
        true = signed_distance(product.table, points[None] * product.distance / 2)[0] < 0
    cutoffs = np.geomspace(max(float(sigma.max()) * 1e-3, 1e-6), float(sigma.max()) * 0.9, 24)
    return max(float(((sigma > q) & true).sum() / ((sigma > q) | true).sum()) for q in cutoffs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="teapot", choices=FAMILIES)
    parser.add_argument("--seed", type=int, default=FIRST_SEED + 100)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--pictures", type=int, default=45, help="pictures a camera that the stand-in knows")
    parser.add_argument("--views", type=int, default=5, help="cameras that they are distortions of")
    parser.add_argument("--latent", type=Path, help="a checkpoint folder whose autoencoder's latents are denoised")
    parser.add_argument("--set", action="append", default=[], help="a reconstruct parameter, name=value")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    from PIL import Image

    from core.mesh.params import MeshParams
    from core.mesh.surface import extract_mesh
    from core.sjc.params import ReconstructParams
    from core.sjc.released_run import ReleasedLoop
    from core.sjc.runner import run_to_end
    from core.zero123 import load_model, make_view_set
    from core.zero123.params import ViewsParams

    product = subject(options.seed, options.family)
    name, cutout = product.name, product.cutout
    vae = None if options.latent is None else load_model(options.latent, "cpu").vae
    whole, small = stand_ins(product, 0, vae, pictures=options.pictures, views=options.views)
    params = ReconstructParams(preset="released", **dict(assignment(item) for item in options.set))
    loop = ReleasedLoop(small, cutout, product.condition, params, 0)
    options.out.mkdir(parents=True, exist_ok=True)
    record = options.out / f"{name}.json"
    curve: list[dict[str, Any]] = json.loads(record.read_text())["curve"] if record.exists() else []

    def watch(step: str, done: int, total: int, *, eta_s: float, preview: Any = None, **terms: float) -> None:
        if done % options.every:
            return
        curve[:] = [row for row in curve if row["step"] < done]  # of a run that was killed after its last checkpoint
        curve.append({"step": done, "best_iou": best_iou(loop.voxels, product)} | terms)
        print(name, {key: round(value, 3) for key, value in curve[-1].items()}, flush=True)
        Image.fromarray(loop.preview()).save(options.out / f"{name}-{done:05d}.png")
        record.write_text(json.dumps({"object": name, "seed": options.seed, "curve": curve}, indent=1))

    field = run_to_end(loop, params.steps, f"{name} {params}", options.out / f"{name}.checkpoint", watch)
    views = make_view_set(whole, cutout, ViewsParams(elevation=product.photo.elevation, steps=50, guidance=1.0), 0)
    mesh = extract_mesh(field, cutout, views, MeshParams())
    end = product.judge(mesh)
    record.write_text(json.dumps({"object": name, "seed": options.seed, "curve": curve, "end": end}, indent=1))
    seen = [over_white(cutout), *product.turned(mesh)]
    ends = [(np.asarray(picture) * 255).round().astype(np.uint8) for picture in seen]
    runs = [np.asarray(Image.open(path)) for path in sorted(options.out.glob(f"{name}-*.png"))]
    rows_of_pictures([ends, *(runs[i : i + ACROSS] for i in range(0, len(runs), ACROSS))], 128).save(
        options.out / f"{name}.png"
    )
    print(name, end)


if __name__ == "__main__":
    main()
