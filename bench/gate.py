"""How well the gate's score orders assets by their true quality: procedural objects through the real line, cheaply.

    python bench/gate.py make DIR --objects 90 --first-seed 800000     # assets of very different quality (resumes)
    python bench/gate.py fit DIR > fitted.json                         # calibration.csv, and weights fitted to it
    python bench/gate.py report OTHER [--params fitted.json]           # how well the score orders other assets

Each object is photographed, cut out, and its views are either the starter's or the truth's, spoilt as a view model
spoils them: blurred towards their mean, noisy, from the wrong elevation, too few, the front repeated all round. Then
reconstruction, mesh, texture and gate run as in the factory, with small grids and few faces. True quality is
:func:`evaluation.protocol.true_quality` of the asset's shape and of its renders from six cameras that nothing was
made from. Objects for fitting and for reporting must not share seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import lru_cache
from pathlib import Path
from unittest.mock import patch

import numpy as np

SIZE = 64
"""Pixels a side of the views, as the starter's."""

MODES = ("clean", "blurred", "noisy", "tilted", "few", "mean", "front", "starter", "starter", "starter tilted")
"""How the views come about; an object's mode follows from its seed."""

HELD_OUT = ((25, 15), (100, 0), (170, 30), (215, 10), (280, 45), (330, 60))
"""Azimuths and elevations of the cameras of the true appearance, degrees."""


def cheap_recipe():
    """The starter recipe with everything that only costs time made small."""
    from core.recipes import load_recipe

    small = (
        "reconstruct.steps=40", "reconstruct.grid=40", "reconstruct.rays=1024", "reconstruct.score_weight=0",
        "finish.faces=1000", "finish.lods=[]", "finish.texture=128", "finish.small=false", "finish.usdz=false",
        "finish.turntable=0",
    )  # fmt: skip
    return load_recipe("starter", small)


@lru_cache(maxsize=1)
def _grid(table):
    from training.procedural import build_grid

    return build_grid(table, 80)


def pictures(table, cameras, size, zoom=1.0):
    """Straight-alpha pictures ``(V, size, size, 4)`` uint8, magnified about their middle."""
    import torch

    from core.cameras import FIELD_OF_VIEW
    from training.procedural import Cameras, render

    fov = float(np.degrees(2 * np.arctan(np.tan(np.radians(FIELD_OF_VIEW) / 2) / zoom)))
    columns = [torch.tensor([[float(value) for value in column]]) for column in zip(*cameras, strict=True)]
    made = render(table, Cameras(*columns, fov=fov), size, supersample=1, grid=_grid(table))
    rgba = torch.cat([made.rgb, made.alpha], 2)[0].permute(0, 2, 3, 1)
    return (rgba * 255).round().to(torch.uint8).numpy()


def spoilt(mode, rng, table, targets, tilt, zoom):
    """Views ``(V, 64, 64, 3)`` over white of ``targets`` (azimuth, elevation), spoilt by ``mode``."""
    from scipy import ndimage

    from core.quality.images import over_white

    def views(cameras):
        return np.stack([over_white(p) for p in pictures(table, cameras, SIZE, zoom)]).astype(float)

    true = views([(azimuth, np.clip(elevation + tilt, -85, 85), 2.0) for azimuth, elevation in targets])
    if mode == "blurred":
        true = ndimage.gaussian_filter(true, (0, *(rng.uniform(1, 4),) * 2, 0), mode="nearest")
    if mode == "noisy":
        true += rng.normal(0, rng.uniform(10, 60), true.shape) * (true.min(-1, keepdims=True) < 250)
        shifts = rng.integers(-4, 5, (len(true), 2))
        true = np.stack([np.roll(v, s, (0, 1)) for v, s in zip(true, shifts, strict=True)])
    if mode == "mean":  # a model that hardly looks at the pose
        around = views([(a, e, 2.0) for a in range(0, 360, 60) for e in (10, 40)]).mean(0)
        true += rng.uniform(0.4, 1.0) * (around - true)
    if mode == "front":
        true += rng.uniform(0.7, 1.0) * (views([(0, 20 + tilt, 2.0)]) - true)
    return np.clip(np.rint(true), 0, 255).astype(np.uint8)


def make(seed, table, model, recipe, folder):
    """One asset: cutout, views, GLB, report and truth under ``folder``."""
    from core.artifacts import Photo, ViewSet
    from core.cameras import Camera
    from core.mesh import AssetAbout, extract_mesh, finish_asset, previews
    from core.quality.measurement import measure
    from core.segment import segment
    from core.sjc import reconstruct
    from core.zero123 import make_view_set
    from core.zero123.views import ring_cameras
    from evaluation.frames import zoom_of

    # Pictures for people cost a third of such a small asset.
    for name in ("hero", "contact_sheet"):
        patch.object(previews, name, lambda *_: b"").start()
    began = time.process_time()
    rng = np.random.default_rng(seed)
    mode = MODES[seed % len(MODES)]
    elevation = float(rng.uniform(0, 45))
    tilt = float(rng.choice([-1, 1]) * rng.uniform(12, 45)) if mode.endswith("tilted") else 0.0
    photo = pictures(table, [(0.0, elevation, 2.0)], 192)[0]
    cutout = segment(Photo(photo, True, "PNG"), recipe.segment, segmenter=None)
    zoom = zoom_of(cutout.source_box, 192)
    believed = float(np.clip(elevation - tilt, -20, 80))
    starter = model if mode.startswith("starter") else None  # its lift then has its say in the shape, too
    if starter is not None:
        params = recipe.views.model_copy(update={"elevation": believed})
        view_set = make_view_set(starter, cutout, params, recipe.seed)
    else:
        cameras = ring_cameras(recipe.views)
        if mode == "few":
            cameras = tuple(cameras[i] for i in sorted(rng.choice(len(cameras), rng.integers(2, 6), replace=False)))
        images = spoilt(mode, rng, table, [(c.azimuth, c.elevation) for c in cameras], elevation - believed, zoom)
        view_set = ViewSet(images, cameras, Camera(0.0, believed), {"elevation": {"confidence": 1.0}})
    field = reconstruct(starter, cutout, view_set, recipe.reconstruct, recipe.seed)
    mesh = extract_mesh(field, cutout, view_set, recipe.mesh)
    about = AssetAbout(f"bench-{seed}", "bench", "bench", "bench", "")
    finished = finish_asset(mesh, field, cutout, view_set, recipe.finish, about)
    glb = finished.files["model.glb"]
    metrics = measure(cutout, view_set, glb, finished.report)
    truth = measured_truth(table, glb, photo[..., 3] >= 128, elevation)
    seconds = time.process_time() - began
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cutout.npz").write_bytes(cutout.to_bytes())
    (folder / "views.npz").write_bytes(view_set.to_bytes())
    (folder / "field.npz").write_bytes(field.to_bytes())
    (folder / "model.glb").write_bytes(glb)
    (folder / "report.json").write_text(json.dumps(finished.report))
    about_it = {"seed": seed, "family": table.names[0], "mode": mode, "tilt": tilt, "cpu_seconds": round(seconds, 2)}
    row = about_it | truth | {"metrics": {name: round(value, 5) for name, value in metrics.items()}}
    (folder / "row.json").write_text(json.dumps(row))
    return about_it | truth


def measured_truth(table, glb, mask, elevation):
    """Shape by the protocol's rules (64 voxels), appearance of renders from the held-out cameras, and both together."""
    from core.cameras import Camera
    from evaluation import protocol, shape
    from evaluation.folder import TruthView, read_painted
    from evaluation.surfaces import sample_surface
    from evaluation.voxels import occupancy, voxel_iou
    from training.procedural import to_mesh

    true = to_mesh(table, 0, resolution=48)
    theirs = (shape.normalised(true.vertices), true.faces)
    ours, paint = read_painted(glb)
    a, b = (sample_surface(surface, 5000, i) for i, surface in enumerate((ours, theirs)))
    world = protocol.where_photographed(ours, mask, Camera(0, elevation))
    expected = pictures(table, [(a_, e, 2.0) for a_, e in HELD_OUT], 2 * SIZE)
    truths = [TruthView(str(pose), Camera(*pose), shown) for pose, shown in zip(HELD_OUT, expected, strict=True)]
    renders, alphas = protocol.asset_renders(world, paint, truths)
    rendered = protocol.view_scores(renders, truths, None, alphas)
    iou = voxel_iou(occupancy(ours, 64), occupancy(theirs, 64))
    return {
        "quality": protocol.true_quality(iou, rendered["psnr"]),
        "iou": iou,
        "fscore_2": shape.fscore(shape.distances(a, b), shape.distances(b, a), 0.02),
        "psnr": rendered["psnr"],
        "ssim": rendered["ssim"],
    }


def make_all(options):
    """Make what is not there yet."""
    import torch

    from core.errors import MeshmillError
    from core.zero123 import load_model
    from training.procedural import generate_objects

    torch.set_num_threads(1)
    model = None
    recipe = cheap_recipe()
    for seed in range(options.first_seed, options.first_seed + options.objects):
        folder = options.folder / str(seed)
        if (folder / "row.json").is_file() or (options.starter is not None and options.starter != is_starter(seed)):
            continue
        if is_starter(seed) and model is None:
            model = load_model(Path(options.weights), "cpu")
        try:
            row = make(seed, generate_objects([seed]), model, recipe, folder)
        except MeshmillError as error:
            row = {"seed": seed, "error": str(error)}
        print(json.dumps(row), file=sys.stderr, flush=True)


def is_starter(seed):
    return MODES[seed % len(MODES)].startswith("starter")


def measured(folder, again):
    """Of every asset under ``folder``: seed, mode, truth, metrics; measured ``again`` where the gate has changed."""
    from core.artifacts import Cutout, ViewSet
    from core.quality.measurement import measure

    rows = []
    for path in sorted(folder.glob("*/row.json")):
        row, home = json.loads(path.read_text()), path.parent
        if again:
            cutout = Cutout.from_bytes((home / "cutout.npz").read_bytes())
            views = ViewSet.from_bytes((home / "views.npz").read_bytes())
            report = json.loads((home / "report.json").read_text())
            metrics = measure(cutout, views, (home / "model.glb").read_bytes(), report)
            row["metrics"] = {name: round(value, 5) for name, value in metrics.items()}
        rows.append(row)
    return rows


def fit(rows, out):
    """Write the calibration file, and print the parameters fitted to it."""
    import csv

    from core.quality import QualityParams, calibration

    names = sorted({name for row in rows for name in row["metrics"]})
    with out.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*names, "truth"])
        writer.writerows([*(row["metrics"].get(n, "") for n in names), round(row["quality"], 5)] for row in rows)
    fitted = calibration.fit(calibration.shipped_examples(out), [], QualityParams())
    print(json.dumps(fitted.model_dump(mode="json"), indent=1))


def report(rows, params):
    """Print how well the score orders the assets: all, each mode, each metric alone."""
    from scipy.stats import spearmanr

    from core.quality.calibration import ordering
    from core.quality.gate import combine

    score = np.array([combine(row["metrics"], params) for row in rows])
    found = {"all": ordering(score, [row["quality"] for row in rows], params.finished)}
    for name in ("iou", "fscore_2", "psnr", "ssim"):
        found["all"][f"rank_correlation_{name}"] = float(spearmanr(score, [row[name] for row in rows]).statistic)
    for mode in dict.fromkeys(MODES):
        chosen = [i for i, row in enumerate(rows) if row["mode"] == mode]
        if chosen:
            found[mode] = ordering(score[chosen], [rows[i]["quality"] for i in chosen]) | {
                "mean_score": float(score[chosen].mean()),
                "mean_quality": float(np.mean([rows[i]["quality"] for i in chosen])),
            }
    found["metrics"] = {
        name: float(spearmanr([row["metrics"].get(name, np.nan) for row in rows], [row["quality"] for row in rows],
                              nan_policy="omit").statistic)
        for name in rows[0]["metrics"]
    }  # fmt: skip
    print(json.dumps(found, indent=1, default=str))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("make", "fit", "report"))
    parser.add_argument("folder", type=Path, help="where the assets are")
    parser.add_argument("--objects", type=int, default=120)
    parser.add_argument("--first-seed", type=int, default=800_000)
    parser.add_argument("--weights", default="models/starter")
    parser.add_argument("--params", type=Path, help="what `fit` printed, instead of the recipe's")
    parser.add_argument("--out", type=Path, default=Path("core/quality/calibration.csv"), help="what `fit` writes")
    parser.add_argument("--again", action="store_true", help="measure the stored assets again")
    parser.add_argument(
        "--starter", action=argparse.BooleanOptionalAction, help="only with, or only without, its views"
    )
    options = parser.parse_args()
    if options.action == "make":
        make_all(options)
    elif options.action == "fit":
        fit(measured(options.folder, options.again), options.out)
    else:
        from core.quality import QualityParams

        chosen = json.loads(options.params.read_text()) if options.params else {}
        report(measured(options.folder, options.again), QualityParams.model_validate(chosen))


if __name__ == "__main__":
    main()
