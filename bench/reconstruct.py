"""The reconstruct stage measured: exact views, the methods side by side, and where the seconds go.

python bench/reconstruct.py oracle  [--objects 12]            exact views, no model: IoU, Chamfer, CPU seconds
python bench/reconstruct.py compare --model models/starter [--objects 12] [--drawn | --eval-dev DIR] [--ablate]
python bench/reconstruct.py split   [--model models/starter] [--full-size] [--device cuda] [--released] [--out FILE]

Procedural objects have seeds no training uses; shapes are compared centred with longest side 1 (evaluation.shape),
without alignment. CPU seconds are of this process; use OMP_NUM_THREADS=1 for figures of one core.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from stopwatch import clock_of, forget_peak, gib, peak, teller, watched

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.errors import MeshmillError
from core.memory import peak_memory
from core.sjc.params import ReconstructParams

HELD_OUT = 1_500_000_000
"""First seed of the objects measured here, unless told otherwise."""

FAMILIES = (
    "chair",
    "table",
    "mug",
    "teapot",
    "headphones",
    "lamp",
    "bag",
    "camera",
    "pan",
    "quadruped",
    "sofa",
    "shoe",
)
"""Objects with handles, legs and holes."""

ELEVATION = 20.0

PHOTO = Camera(0.0, ELEVATION)

SHEET = 128
"""Pixels along one side of a picture, for the contact sheet and for the PSNR of the input view."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["oracle", "compare", "split"])
    parser.add_argument("--objects", type=int, default=12)
    parser.add_argument("--first-seed", type=int, default=HELD_OUT, help="of the procedural objects")
    parser.add_argument("--views", type=int, default=32)
    parser.add_argument("--size", type=int, default=96, help="pixels of the exact views")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--eval-dev", type=Path)
    parser.add_argument(
        "--drawn", action="store_true", help="compare objects as the generator draws them, not the hard"
    )
    parser.add_argument("--ablate", action="store_true", help="the default without one term each, not the methods")
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="compare these methods, as the table names them")
    parser.add_argument("--sheet", type=Path, help="where compare draws every object by every method")
    parser.add_argument("--full-size", action="store_true", help="the published architecture with random weights")
    parser.add_argument("--released-steps", type=int, default=100)
    parser.add_argument(
        "--released", action="store_true", help="split: the released preset too, --released-steps of it"
    )
    parser.add_argument("--out", type=Path, help="split: a JSON file, written anew after every figure")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", action="append", default=[], help="a reconstruct parameter, name=value")
    parser.add_argument("--shape", choices=["quick", "full"], default="quick", help="IoU at 64 a side, or all metrics")
    options = parser.parse_args()
    {"oracle": oracle, "compare": compare, "split": split}[options.what](options)


def oracle(options: argparse.Namespace) -> None:
    """Exact views in, shapes out; the gate is mean IoU .80 and Chamfer .016."""
    rows = []
    for number in range(options.objects):
        family = FAMILIES[number % len(FAMILIES)]
        name, cutout, view_set, truth = procedural(options.first_seed + number, options.views, options.size, family)
        row = measure(
            name, cutout, truth, lambda c=cutout, v=view_set: fitted(None, c, v, options, rays=2048), options.shape
        )
        rows.append(row)
    report("exact views", rows)


def compare(options: argparse.Namespace) -> None:
    """Every method on the same views of the same objects."""
    from core.zero123 import load_model, make_view_set
    from core.zero123.params import ViewsParams
    from evaluation.controls import extruded_hull

    model = load_model(options.model, options.device)
    table: dict[str, list[dict[str, Any]]] = {}
    sheet: list[np.ndarray] = []
    for name, cutout, truth, elevation in subjects(options):
        began = time.process_time()
        view_set = make_view_set(model, cutout, ViewsParams(elevation=elevation), 0)
        print(f"# {name}: views {time.process_time() - began:.1f} CPU s", flush=True)
        rows = {"extruded hull": lambda c=cutout, e=elevation: extruded_hull(c.rgba[..., 3], Camera(0, e))}
        for label, changes in methods(options).items():
            if options.only and label not in options.only:
                continue
            rows[label] = lambda c=cutout, v=view_set, k=changes: fitted(model, c, v, options, **k)
        strip = [over_white(cutout)]
        for label, work in rows.items():
            row = measure(f"{name} {label}", cutout, truth, work, options.shape, elevation, strip)
            table.setdefault(label, []).append(row)
        sheet.append(np.concatenate(strip, 1))
    for label, results in table.items():
        report(label, results)
    if options.sheet:
        from PIL import Image

        Image.fromarray((np.concatenate(sheet) * 255).round().astype(np.uint8)).quantize(64).save(options.sheet)


def methods(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    if options.ablate:
        terms = ("smooth", "near", "input", "spread", "emptiness")
        return {"fit + SJC": {}} | {f"no {name}": {f"{name}_weight": 0.0} for name in terms}
    return {
        "fit only": {"score_weight": 0.0},
        "SJC only": {"fit_weight": 0.0, "score_from": 0.0, "score_every": 1},
        "fit + SJC": {},
        f"released, {options.released_steps} steps": {"preset": "released", "steps": options.released_steps},
    }


def fitted(model: Any, cutout: Cutout, view_set: ViewSet, options: argparse.Namespace, **changes: Any) -> Any:
    """The surface of a reconstruction, with its colours where it has any, in the field's world."""
    from core.mesh.params import MeshParams
    from core.mesh.surface import extract_mesh
    from core.sjc import reconstruct

    field = reconstruct(model, cutout, view_set, ReconstructParams(**(given(options) | changes)), 0)
    mesh = extract_mesh(field, cutout, view_set, MeshParams())  # what the product is made of: closed, no floaters
    return (mesh.vertices, mesh.faces) if mesh.colors is None else (mesh.vertices, mesh.faces, mesh.colors)


def given(options: argparse.Namespace) -> dict[str, Any]:
    """The parameters of ``--set``."""
    return {key: json.loads(value) for key, _, value in (item.partition("=") for item in options.set)}


def measure(
    name: str,
    cutout: Cutout,
    truth: Any,
    work: Callable[[], tuple[np.ndarray, ...]],
    shape: str,
    elevation: float = ELEVATION,
    strip: list[np.ndarray] | None = None,
) -> dict[str, Any]:
    """One method on one object: metrics and CPU seconds; a domain error is a row of its own, without pictures.

    ``strip`` gathers pictures of what came out, as the photo's camera and one beside it see it.
    """
    from evaluation.shape import normalised

    began = time.process_time()
    try:
        vertices, faces, *colors = work()
    except MeshmillError as error:
        print(f"{name:32s} {error}", flush=True)
        if strip is not None:
            strip.append(np.ones((SHEET, 2 * SHEET, 3)))
        return {"name": name, "iou": 0.0, "chamfer": float("nan"), "cpu_s": time.process_time() - began}
    seconds = time.process_time() - began
    figures = shape_metrics((normalised(vertices), faces), truth, shape)
    shown = [look(vertices, faces, colors, Camera(turn, elevation)) for turn in (0, 90)]
    if colors:
        figures["input_psnr"] = float(-10 * np.log10(np.square(shown[0] - over_white(cutout)).mean()))
    if strip is not None:
        strip.append(np.concatenate(shown, 1))
    row = {"name": name, **figures, "cpu_s": round(seconds, 2)}
    print(f"{name:32s} " + "  ".join(f"{k} {v:.4f}" for k, v in row.items() if k != "name"), flush=True)
    return row


def look(vertices: np.ndarray, faces: np.ndarray, colors: list[np.ndarray], camera: Camera) -> np.ndarray:
    """``(SHEET, SHEET, 3)`` in 0..1 over white; unlit colours, shaded grey without any."""
    from core.render import over, render_mesh, soft_light

    given: dict[str, Any] = {"colors": colors[0]} if colors else {"shade": soft_light}
    seen = render_mesh(vertices, faces, camera, SHEET, supersample=2, **given)
    return over(seen.rgb, seen.alpha) / 255.0


def over_white(cutout: Cutout) -> np.ndarray:
    """The photo as :func:`look` shows a surface."""
    from core.sjc.views import photo_view

    return np.asarray(photo_view(cutout, Camera(0, ELEVATION), SHEET).image.permute(1, 2, 0).numpy())


def shape_metrics(ours: Any, truth: Any, shape: str) -> dict[str, float]:
    """Against the truth's normalised surface: IoU at 64 a side and Chamfer, or every metric of evaluation."""
    from evaluation import shape as quality
    from evaluation import voxels
    from evaluation.surfaces import sample_surface

    if shape == "full":
        prepared = quality.prepared
        return dict(quality.compare(prepared(ours, 1), prepared(truth)).as_dict())
    points = [sample_surface(s, 30_000, seed) for seed, s in enumerate((ours, truth))]
    solid = [voxels.occupancy(s, 64) for s in (ours, truth)]
    return {"iou": voxels.voxel_iou(*solid), "chamfer": quality.chamfer(*points)}


def report(label: str, rows: list[dict[str, Any]]) -> None:
    keys = [key for key in rows[0] if key != "name"]
    means = {key: float(np.nanmean([row.get(key, np.nan) for row in rows])) for key in keys}
    print(f"{label} ({len(rows)}): " + "  ".join(f"{key} {value:.4f}" for key, value in means.items()), flush=True)


def subjects(options: argparse.Namespace) -> Iterator[tuple[str, Cutout, Any, float]]:
    """Objects with a photo and a truth: a folder in the format of eval-dev, or held-out procedural ones."""
    if options.eval_dev is None:
        for number in range(options.objects):
            family = None if options.drawn else FAMILIES[number % len(FAMILIES)]
            name, cutout, view_set, truth = procedural(options.first_seed + number, 1, 64, family)
            yield name, cutout, truth, view_set.condition.elevation
        return
    from core.photos import read_photo
    from core.segment import segment
    from core.segment.params import SegmentParams
    from evaluation.folder import list_objects, read_object
    from evaluation.shape import normalised, turned

    for name in list_objects(options.eval_dev)[: options.objects]:
        item = read_object(options.eval_dev, name)
        cutout = segment(read_photo(item.photo), SegmentParams(), segmenter=None)
        vertices, faces = item.truth
        truth = normalised(turned(vertices, -item.camera.azimuth))  # turning moves the box that is to have side 1
        yield name, cutout, (truth, faces), item.camera.elevation


def procedural(
    seed: int, views: int, size: int, family: str | None, photo: Camera = PHOTO
) -> tuple[str, Cutout, ViewSet, Any]:
    """A held-out object (of any family for None): framed photo, exact views on a spiral, true surface (normalised).

    Everything is turned with the photo, whose azimuth is 0 in what is returned.

    The camera stands where the object fills 200/256 of the frame; seen in the field's world, where it stands at
    radius 2, the object is larger by that factor, and so are the distances of the exact views.
    """
    import torch

    from evaluation.shape import normalised
    from training.procedural import to_mesh

    table, grid, radius = framed(seed, family, photo)
    color, alpha = shots(table, grid, [Camera(photo.azimuth, photo.elevation, radius)], 512)
    cover = alpha[0][..., None]
    straight = (color[0] - 1 + cover) / cover.clamp(min=1e-3)
    rgba = torch.cat([straight.clamp(0, 1), cover], -1)
    # a spiral from below to almost straight above: an opening has to be looked into, or nothing says it is one
    poses = [(137.508 * i % 360, -25 + 110 * (i + 0.5) / views) for i in range(views)]
    pictures, _ = shots(table, grid, [Camera(photo.azimuth + a, e, radius) for a, e in poses], size)
    mesh = to_mesh(table, 0, 192)
    cutout = Cutout((rgba * 255).round().byte().numpy(), (0.0, 0.0, 1.0, 1.0), "alpha")
    images = (pictures * 255).round().byte().contiguous().numpy()
    view_set = ViewSet(images, tuple(Camera(a, e) for a, e in poses), Camera(0.0, photo.elevation))
    faced = mesh.vertices @ Camera(photo.azimuth, 0).camera_to_world()[:3, :3]
    surface = normalised(faced), outer(mesh.vertices, mesh.faces)
    return f"{table.names[0]}-{seed}", cutout, view_set, surface


def framed(seed: int, family: str | None, photo: Camera = PHOTO) -> tuple[Any, Any, float]:
    """A held-out object, its distance grid, and the radius from which it fills 200/256 of the photo's frame."""
    import torch

    from training.procedural import build_grid, generate_objects

    table = generate_objects([seed], family)
    grid = build_grid(table, 160)
    near, far = 1.05, 2.6
    for _ in range(9):
        radius = (near + far) / 2
        _, alpha = shots(table, grid, [Camera(photo.azimuth, photo.elevation, radius)], 128)
        rows, columns = torch.where(alpha[0] > 0.5)
        side = int(max(rows.max() - rows.min(), columns.max() - columns.min())) + 1
        cut = {0, 127} & {int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())}
        near, far = (radius, far) if side > 100 or cut else (near, radius)  # a long shoe leaves the frame first
    return table, grid, radius


def outer(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The faces of a closed surface without the walls of sealed cavities: no view can know of them."""
    from core.mesh.topology import face_components, signed_volumes

    labels = face_components(faces)
    return np.asarray(faces[(np.bincount(labels, signed_volumes(vertices, faces)) > 0)[labels]])


def shots(table: Any, grid: Any, cameras: list[Camera], size: int) -> tuple[Any, Any]:
    """Pictures over white ``(V, size, size, 3)`` and coverage ``(V, size, size)``."""
    import torch

    from training.procedural import Cameras, render

    angles = [torch.tensor([[getattr(c, key) for c in cameras]]) for key in ("azimuth", "elevation", "radius")]
    seen = render(table, Cameras(*angles), size, grid=grid)
    return seen.over(1.0)[0].permute(0, 2, 3, 1), seen.alpha[0, :, 0]


def split(options: argparse.Namespace) -> None:
    """One asset: seconds as the product takes them, then where they go, then the released loop, and the peak memory."""
    import torch

    model, size, count = None, 64, 16
    gpu = options.device.startswith("cuda")
    if options.full_size:
        from novel_view import random_model

        from core.zero123 import published_config, ring_cameras
        from core.zero123.params import ViewsParams

        model = random_model(published_config(), options.device, torch.bfloat16 if gpu else torch.float32)
        size, count = model.image_size, len(ring_cameras(ViewsParams()))
    elif options.model:
        from core.zero123 import load_model

        model = load_model(options.model, options.device)
    name, cutout, view_set, _ = procedural(options.first_seed, count, size, FAMILIES[0])
    tell = teller(options.out)
    tell(object=name, views=f"{count} of {size} px", device=torch.cuda.get_device_name() if gpu else "cpu")
    tell(ram_before_gib=gib(peak_memory()))
    if options.full_size and gpu:
        tell(views=views_seconds(model, cutout, options.device))
    fast = ReconstructParams(**({"early_stop": False} | given(options)))
    runs = {"fast": fast}
    if options.released and model is not None:
        runs["released"] = ReconstructParams(preset="released", steps=options.released_steps)
    for preset, params in runs.items():

        def run(params: ReconstructParams = params) -> dict[str, Any]:
            return timed(model, cutout, view_set, params, options.device)

        if gpu:  # a worker's first asset loads libraries and chooses kernels; timing the parts makes the GPU wait
            tell(**{f"{preset}_first": run()})
            tell(**{preset: run()})
        with watched(options.device) as spent:
            whole = run()
        spent["other"] = whole["seconds"] - sum(spent.values())
        tell(**{f"{preset}_split": whole | {key: round(value, 3) for key, value in spent.items()}})
    tell(peak_ram_gib=gib(peak_memory()))


def views_seconds(model: Any, cutout: Cutout, device: str) -> dict[str, float]:
    """Seconds of the views stage, the elevation's estimate included: as it is, and with the paper's fifty steps."""
    from core.zero123 import make_view_set
    from core.zero123.params import ViewsParams

    clock, seconds = clock_of(device), {}
    for label, params in {
        "first": ViewsParams(),
        "default": ViewsParams(),
        "50 guided steps": ViewsParams(steps=50, guidance=3.0),
    }.items():
        began = clock()
        make_view_set(model, cutout, params, 0)
        seconds[label] = round(clock() - began, 3)
    return seconds


def timed(model: Any, cutout: Cutout, view_set: ViewSet, params: ReconstructParams, device: str) -> dict[str, Any]:
    """Seconds of one reconstruction, and of a step in its second half; a field that fails to form has cost as much."""
    from core.sjc import reconstruct

    clock, ticks, figures = clock_of(device), [], {}
    forget_peak(device)
    began = clock()
    try:
        reconstruct(model, cutout, view_set, params, 0, progress=lambda *_, **__: ticks.append(clock()))
    except MeshmillError as error:  # random weights see nothing
        figures["failed"] = str(error)
    figures["seconds"] = round(clock() - began, 3)
    figures["steps"] = len(ticks)
    later = ticks[len(ticks) // 2 :]
    if len(later) > 1:
        figures["seconds_a_step"] = round((later[-1] - later[0]) / (len(later) - 1), 5)
    return figures | peak(device)


if __name__ == "__main__":
    main()
