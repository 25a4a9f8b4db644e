"""How well the gate's score orders assets by their true quality: procedural objects through the real line, cheaply.

    python bench/gate.py make DIR --objects 90 --first-seed 800000        # assets as the line makes them (resumes)
    python bench/gate.py make DIR --objects 40 --first-seed 700000 --photos 4
    python bench/gate.py fit DIR [DIR ...] > fitted.json                  # calibration.csv, and weights fitted to it
    python bench/gate.py report OTHER [OTHER ...] [--params fitted.json]  # how well the score orders other assets
    python bench/gate.py make ONE --poses given; python bench/gate.py make FOUR --photos 4 --poses given
    python bench/gate.py compare ONE FOUR                                 # what several photos bring over one

Each object is photographed from a height that the line is not told, cut out, and goes through views, reconstruction,
mesh, texture and gate as in the factory, with small grids and few faces. Several photos come in one of :data:`POSES`.
With ``--spoilt`` a single photo's views are the truth's, spoilt as a view model without a lift spoils them: blurred
towards their mean, noisy, from the wrong elevation, too few, the front repeated all round. True quality is
:func:`evaluation.protocol.true_quality` of the asset's shape and of its renders from six cameras that nothing was made
from. Objects for fitting and for reporting must not share seeds.
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

SPOILT = ("clean", "blurred", "noisy", "tilted", "few", "mean", "front", "starter", "starter", "starter tilted")
"""With ``--spoilt``: how the views come about; an object's mode follows from its seed."""

POSES = ("given", "given", "named", "turned")
"""Several photos, by the seed: heights and angles given; named sides, off by up to ten degrees in both; one of these
taken from another side than its name says. ``--poses`` makes all of one kind; ``cropped`` is named rightly, without
heights and without the photos' own frames."""

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


def mode_of(seed, photos, spoilt, poses=None):
    """How an object's pictures come about, by its seed unless all have the same ``poses``."""
    if poses:
        return poses
    if photos > 1:
        return POSES[seed % len(POSES)]
    return SPOILT[seed % len(SPOILT)] if spoilt else "line"


def one_photo(seed, mode, table, model, recipe):
    """Cutout, view set, no photo set, the field's model, and what :func:`measured_truth` wants of the photo."""
    from core.artifacts import Photo, ViewSet
    from core.cameras import Camera
    from core.reports import ElevationFound, ViewsInfo
    from core.segment import segment
    from core.zero123 import make_view_set
    from core.zero123.views import ring_cameras
    from evaluation.frames import zoom_of

    rng = np.random.default_rng(seed)
    elevation = float(rng.uniform(0, 45))
    tilt = float(rng.choice([-1, 1]) * rng.uniform(12, 45)) if mode.endswith("tilted") else 0.0
    photo = pictures(table, [(0.0, elevation, 2.0)], 192)[0]
    cutout = segment(Photo(photo, True, "PNG"), recipe.segment, segmenter=None)
    seen = ([photo], [Camera(0.0, elevation)])
    if mode in ("line", "given"):
        params = recipe.views.model_copy(update={"elevation": elevation}) if mode == "given" else recipe.views
        return cutout, make_view_set(model, cutout, params, recipe.seed), None, model, seen
    believed = float(np.clip(elevation - tilt, -20, 80))
    if mode.startswith("starter"):  # its lift then has its say in the shape, too
        params = recipe.views.model_copy(update={"elevation": believed})
        return cutout, make_view_set(model, cutout, params, recipe.seed), None, model, seen
    cameras = ring_cameras(recipe.views)
    if mode == "few":
        cameras = tuple(cameras[i] for i in sorted(rng.choice(len(cameras), rng.integers(2, 6), replace=False)))
    zoom = zoom_of(cutout.source_box, 192)
    images = spoilt(mode, rng, table, [(c.azimuth, c.elevation) for c in cameras], elevation - believed, zoom)
    view_set = ViewSet(images, cameras, Camera(0.0, believed), ViewsInfo(elevation=ElevationFound(confidence=1.0)))
    return cutout, view_set, None, None, seen


def several_photos(seed, mode, table, model, recipe, count):
    """The same of ``count`` photos, each cropped on its own and placed by ``align``, which may leave some out."""
    from core.artifacts import Photo
    from core.cameras import Camera
    from core.placing.align import PhotoToPlace, align
    from core.segment import segment
    from core.zero123 import make_view_set
    from evaluation.photos import AZIMUTHS

    rng = np.random.default_rng(seed)
    height = float(rng.uniform(0, 45))
    believed = [0.0, *AZIMUTHS[count]]
    cameras = [Camera(azimuth, height) for azimuth in believed]
    if mode not in ("given", "cropped"):
        off, lower = rng.uniform(-10, 10, (2, count))
        off[0] = lower[0] = 0
        if mode == "turned":
            off[rng.integers(1, count)] = rng.choice([-1, 1]) * rng.uniform(25, 60)
        cameras = [Camera((a + o) % 360, height + e) for a, o, e in zip(believed, off, lower, strict=True)]
    shown = [pictures(table, [(c.azimuth, c.elevation, 2.0)], 192)[0] for c in cameras]
    cutouts = [segment(Photo(photo, True, "PNG"), recipe.segment, segmenter=None) for photo in shown]
    given = mode == "given"
    shots = [
        PhotoToPlace(cutout, str(azimuth), azimuth, height if given else None, size=(192, 192) if given else None)
        for cutout, azimuth in zip(cutouts, believed, strict=True)
    ]
    params = recipe.views.model_copy(update={"elevation": height}) if given else recipe.views
    photos, _ = align(model, shots, params, recipe.seed)
    cutout = photos.main.framed() if len(photos.photos) > 1 else cutouts[0]
    photos = photos if len(photos.photos) > 1 else None
    view_set = make_view_set(model, cutout, params, recipe.seed, photos=photos)
    return cutout, view_set, photos, model, (shown, cameras)


def make(seed, table, model, recipe, folder, count=1, mode="line"):
    """One asset: cutout, views, photos, GLB, report and truth under ``folder``."""
    from core.mesh import AssetAbout, extract_mesh, finish_asset, previews
    from core.quality.gate import measured
    from core.records import to_json
    from core.sjc import reconstruct

    # Pictures for people cost a third of such a small asset.
    for name in ("hero", "contact_sheet"):
        patch.object(previews, name, lambda *_: b"").start()
    began = time.process_time()
    how = (seed, mode, table, model, recipe)
    cutout, view_set, photos, own, (shown, cameras) = one_photo(*how) if count == 1 else several_photos(*how, count)
    field = reconstruct(own, cutout, view_set, recipe.reconstruct, recipe.seed, photos=photos)
    mesh = extract_mesh(field, cutout, view_set, recipe.mesh, photos)
    about = AssetAbout(f"bench-{seed}", "bench", "bench", "bench", "")
    finished = finish_asset(mesh, field, cutout, view_set, recipe.finish, about, photos=photos)
    glb = finished.files["model.glb"]
    metrics = measured(cutout, view_set, glb, finished.report, photos)
    truth = measured_truth(table, glb, shown, cameras)
    seconds = time.process_time() - began
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cutout.npz").write_bytes(cutout.to_bytes())
    (folder / "views.npz").write_bytes(view_set.to_bytes())
    if photos is not None:
        (folder / "photos.npz").write_bytes(photos.to_bytes())
    (folder / "field.npz").write_bytes(field.to_bytes())
    (folder / "model.glb").write_bytes(glb)
    (folder / "report.json").write_text(json.dumps(to_json(finished.report)))
    about_it = {"seed": seed, "family": table.names[0], "mode": mode, "given": count, "cpu_seconds": round(seconds, 2)}
    row = about_it | truth | {"metrics": {name: round(value, 5) for name, value in metrics.items()}}
    (folder / "row.json").write_text(json.dumps(row))
    return about_it | truth


def measured_truth(table, glb, shown, cameras):
    """Shape by the protocol's rules (64 voxels), appearance of renders from the held-out cameras, and both together, of
    an asset made from the photos ``shown`` by ``cameras``."""
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
    further = [TruthView("", camera, photo) for camera, photo in zip(cameras[1:], shown[1:], strict=True)]
    world = protocol.where_photographed(ours, shown[0][..., 3] >= 128, cameras[0], further)
    expected = pictures(table, [(a_, e, 2.0) for a_, e in HELD_OUT], 2 * SIZE)
    truths = [TruthView(str(pose), Camera(*pose), shown) for pose, shown in zip(HELD_OUT, expected, strict=True)]
    renders, alphas = protocol.asset_renders(world, paint, truths)
    rendered = protocol.view_scores(renders, truths, None, alphas)
    iou = voxel_iou(occupancy(ours, 64), occupancy(theirs, 64))
    return {
        "quality": protocol.true_quality(iou, rendered["psnr"]),
        "iou": iou,
        "chamfer": shape.chamfer(a, b),
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
    model, recipe = load_model(Path(options.weights), "cpu"), cheap_recipe()
    (folder,) = options.folders
    for seed in range(options.first_seed, options.first_seed + options.objects):
        home = folder / str(seed)
        if (home / "row.json").is_file():
            continue
        try:
            mode = mode_of(seed, options.photos, options.spoilt, options.poses)
            row = make(seed, generate_objects([seed]), model, recipe, home, options.photos, mode)
        except MeshmillError as error:
            row = {"seed": seed, "error": str(error)}
        print(json.dumps(row), file=sys.stderr, flush=True)


def rows_of(folders, again):
    """Of every asset under ``folders``: seed, mode, truth, metrics; measured ``again`` where the gate has changed."""
    from core.quality.gate import measured

    rows = []
    for path in sorted(path for folder in folders for path in folder.glob("*/row.json")):
        row = json.loads(path.read_text())
        if again:
            row["metrics"] = {name: round(value, 5) for name, value in measured(*stored(path.parent)).items()}
        rows.append(row)
    return rows


def stored(home):
    """Cutout, view set, GLB, report and photo set, if there is one, of an asset that `make` left."""
    from core.artifacts import Cutout, ViewSet
    from core.photo_set import PhotoSet
    from core.reports import FinishReport

    photos = home / "photos.npz"
    return (
        Cutout.from_bytes((home / "cutout.npz").read_bytes()),
        ViewSet.from_bytes((home / "views.npz").read_bytes()),
        (home / "model.glb").read_bytes(),
        FinishReport.model_validate_json((home / "report.json").read_text()),
        PhotoSet.from_bytes(photos.read_bytes()) if photos.is_file() else None,
    )


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
    for mode in dict.fromkeys(row["mode"] for row in rows):
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


def compare(one, many):
    """Print what several photos bring over one, for the objects that both folders hold, and by thirds of them, those
    that one photo finds hardest first."""
    from evaluation.photo_counts import CLEARLY

    theirs = {row["seed"]: row for row in rows_of([many], False)}
    pairs = [(row, theirs[row["seed"]]) for row in rows_of([one], False) if row["seed"] in theirs]
    pairs.sort(key=lambda pair: pair[0]["iou"])
    gains = np.array([b["iou"] - a["iou"] for a, b in pairs])
    thirds = np.array_split(np.array(pairs, object), 3)
    parts = {"all": pairs} | dict(zip(("hard", "middle", "easy"), thirds, strict=True))
    names = ("iou", "chamfer", "fscore_2", "psnr", "quality", "cpu_seconds")
    means = {
        part: {name: [round(float(np.mean([row[name] for row in rows])), 4) for rows in zip(*those, strict=True)]
               for name in names}
        for part, those in parts.items()
    }  # fmt: skip
    found = {"objects": len(pairs), "better": int((gains > 0).sum()), "clearly_worse": int((gains < -CLEARLY).sum())}
    print(json.dumps(found | means, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("make", "fit", "report", "compare"))
    parser.add_argument("folders", type=Path, nargs="+", help="where the assets are")
    parser.add_argument("--objects", type=int, default=120)
    parser.add_argument("--first-seed", type=int, default=800_000)
    parser.add_argument("--weights", default="models/starter")
    parser.add_argument("--params", type=Path, help="what `fit` printed, instead of the recipe's")
    parser.add_argument("--out", type=Path, default=Path("core/quality/calibration.csv"), help="what `fit` writes")
    parser.add_argument("--again", action="store_true", help="measure the stored assets again")
    parser.add_argument("--photos", type=int, default=1, choices=(1, 2, 3, 4, 6), help="photos of each object")
    parser.add_argument("--poses", choices=("given", "named", "turned", "cropped"), help="of all; default: by the seed")
    parser.add_argument("--spoilt", action="store_true", help="views of the truth, spoilt, instead of the line's own")
    options = parser.parse_args()
    if options.action == "make":
        make_all(options)
    elif options.action == "compare":
        compare(*options.folders)
    elif options.action == "fit":
        fit(rows_of(options.folders, options.again), options.out)
    else:
        from core.quality import QualityParams

        chosen = json.loads(options.params.read_text()) if options.params else {}
        report(rows_of(options.folders, options.again), QualityParams.model_validate(chosen))


if __name__ == "__main__":
    main()
