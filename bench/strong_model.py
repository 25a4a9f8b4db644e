"""Score Jacobian Chaining with a strong view model: an exact stand-in (training.procedural.oracle) by every method.

python bench/strong_model.py --objects 8 --draws 2 [--latent models/starter] [--out FILE.json] [--sheet FILE.png]
python bench/strong_model.py --run DIR --first-seed 700000   a network over-fitted to these very objects instead,
each shown by the one photo that it was trained with
python bench/strong_model.py --set-helping score_silhouette=2 --only "fit + score that helps"

One row an object, draw of views and method: IoU, Chamfer, F-scores, the photo's own view and views that nothing was
fitted to (dB on the picture), passes of the denoiser, CPU seconds. The same views for every method of a draw.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from reconstruct import FAMILIES, PHOTO, framed, look, over_white, procedural, shape_metrics, shots

from core.cameras import Camera
from core.errors import MeshmillError

FIRST_SEED = 1_700_000_000
"""No training, gate or other bench draws from here."""

HELPING: dict[str, Any] = {
    "score_from": 0.1,
    "score_every": 1,
    "score_weight": 4.0,
    "score_silhouette": 1.0,
    "guidance": 1.0,
    "input_weight": 12.0,
    "noise_first": (0.4, 0.85),
    "noise_last": (0.2, 0.5),
    "noise_settles": 0.33,
}
"""What a strong model's score deserves: chosen on five of these objects, one draw each (docs/lab)."""

RELEASED = "released, its own steps"
RELEASED_SIZE = 32
"""Latents of the released loop, as with the published weights."""

JUDGED = tuple(Camera(azimuth, elevation) for azimuth, elevation in ((35, 5), (95, 35), (160, 0), (215, 25), (290, 50)))
"""Cameras of the views that judge: none of them is a ring camera or the photo's."""


def methods(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    helping = HELPING | dict(assignment(item) for item in options.set_helping)
    rows = {
        "fit of the views": {"score_weight": 0.0},
        "fast, 30 score steps": {"guidance": 3.0},
        "fit + score that helps": helping,
        "SJC alone": helping | {"fit_weight": 0.0, "score_from": 0.0},
    }
    if options.released:
        rows[RELEASED] = {"preset": "released"}
    if options.ablate:
        whole = rows["fit + score that helps"]
        terms = ("score_weight", "score_silhouette", "near_weight", "smooth_weight", "input_weight", "emptiness_weight")
        rows = {"fit + score that helps": whole} | {f"without {name}": whole | {name: 0.0} for name in terms}
    return {name: row for name, row in rows.items() if not options.only or name in options.only}


def assignment(text: str) -> tuple[str, Any]:
    """``name=value`` as a name and a JSON value."""
    name, _, value = text.partition("=")
    return name, json.loads(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=8)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--run", type=Path, help="a training run on the drawn objects of --first-seed")
    parser.add_argument("--latent", type=Path, help="a checkpoint folder whose autoencoder's latents are denoised")
    parser.add_argument("--steps", type=int, default=50, help="denoising steps a view")
    parser.add_argument("--set", action="append", default=[], help="a reconstruct parameter of every method")
    parser.add_argument("--set-helping", action="append", default=[], help="a parameter of the score that helps")
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--released", action="store_true", help="also the released loop for its 10,000 steps")
    parser.add_argument("--ablate", action="store_true", help="the score that helps without one term each")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    strips: list[np.ndarray[Any, Any]] = []
    for number in range(options.objects):
        for draw in range(options.draws):
            strips.append(measure_object(options, number, draw, rows))
            if options.out:
                options.out.write_text(json.dumps(rows, indent=1))
    summarise(rows)
    if options.sheet:
        from PIL import Image

        Image.fromarray((np.concatenate(strips) * 255).round().astype(np.uint8)).quantize(64).save(options.sheet)


@dataclass(frozen=True)
class Subject:
    """A procedural product, its photo, and whatever judges what is made of it."""

    name: str
    cutout: Any
    truth: Any
    table: Any
    grid: Any
    distance: float
    photo: Camera
    """Its azimuth is 0 in everything that is made of the photo."""

    def shoot(self, cameras: list[Camera], size: int) -> Any:
        """Pictures ``(N, 4, size, size)`` of the product."""
        first = self.photo.azimuth
        moved = [Camera(first + c.azimuth, c.elevation, c.radius / 2 * self.distance, c.fov) for c in cameras]
        return shots(self.table, self.grid, moved, size)[0].permute(0, 3, 1, 2).contiguous()

    def judge(self, mesh: Any) -> dict[str, float]:
        """Shape against the truth, and dB of the photo's own view and of views that nothing was fitted to."""
        from evaluation.shape import normalised

        surface, colors = (mesh.vertices, mesh.faces), [] if mesh.colors is None else [mesh.colors]
        figures = shape_metrics((normalised(mesh.vertices), mesh.faces), self.truth, "full")
        judged = self.shoot(list(JUDGED), 128).permute(0, 2, 3, 1).numpy()
        seen = [decibels(look(*surface, colors, camera), true) for camera, true in zip(JUDGED, judged, strict=True)]
        photo = decibels(look(*surface, colors, self.condition), over_white(self.cutout))
        return dict(figures) | {"input_db": photo, "novel_db": float(np.mean(seen))}

    def turned(self, mesh: Any) -> list[Any]:
        """The mesh from the front, a side and behind."""
        colors = [] if mesh.colors is None else [mesh.colors]
        return [look(mesh.vertices, mesh.faces, colors, Camera(turn, self.photo.elevation)) for turn in (0, 90, 180)]

    @property
    def condition(self) -> Camera:
        """The photo's camera in the world that the photo faces."""
        return Camera(0.0, self.photo.elevation)


def subject(seed: int, family: str | None, photo: Camera = PHOTO) -> Subject:
    name, cutout, _, truth = procedural(seed, 1, 64, family, photo)
    return Subject(name, cutout, truth, *framed(seed, family, photo), photo)


def trained_photo(run: Path, seed: int) -> Camera:
    """Where the one photo was taken from with which a training run knows this object of its first shard."""
    shard = run / "data" / "train" / "shard-0000"
    number = seed - int(json.loads((shard / "config.json").read_text())["first_seed"])
    azimuth, elevation, _ = np.load(shard / "cameras.npy")[number, 0].tolist()
    return Camera(azimuth, elevation)


def stand_ins(product: Subject, seed: int, vae: Any = None, **released_loop: int) -> tuple[Any, Any]:
    """The oracle of one product as a loaded model, and another for the released loop: with latents of its size, halves
    that agree where there is little noise, and other settings if it should be cheaper."""
    from training.procedural.oracle import Oracle, oracle_model

    double = Oracle(product.shoot, seed=seed)
    shrink = 1 if vae is None else 2 ** (len(vae.config.block_out_channels) - 1)
    changes: dict[str, Any] = {"size": RELEASED_SIZE * shrink, "unconditional": "broad"} | released_loop
    small = replace(double, settings=replace(double.settings, **changes))
    own, released = (oracle_model(one, product.condition, vae) for one in (double, small))
    return own, released


def measure_object(options: argparse.Namespace, number: int, draw: int, rows: list[dict[str, Any]]) -> Any:
    """Every method on one draw of views of one object; the strip of its pictures."""
    from core.mesh.params import MeshParams
    from core.mesh.surface import extract_mesh
    from core.sjc import reconstruct
    from core.sjc.params import ReconstructParams
    from core.zero123 import load_model, make_view_set
    from core.zero123.params import ViewsParams

    seed = options.first_seed + number
    if options.run:
        product = subject(seed, None, trained_photo(options.run, seed))
        model = released = load_model(options.run / "export", "cpu")
    else:
        product = subject(seed, FAMILIES[number % len(FAMILIES)])
        vae = None if options.latent is None else load_model(options.latent, "cpu").vae
        model, released = stand_ins(product, 1000 * draw + number, vae)
    name, cutout, elevation = product.name, product.cutout, product.photo.elevation
    passes = counted(model) if model is released else counted(model, released)
    views = make_view_set(model, cutout, ViewsParams(elevation=elevation, steps=options.steps, guidance=1.0), draw)
    strip = [over_white(cutout)]
    for label, changes in methods(options).items():
        passes.clear()
        began = time.process_time()
        settings = dict(assignment(item) for item in options.set) | changes
        row: dict[str, Any] = {"object": name, "draw": draw, "method": label}
        try:
            field = reconstruct(
                released if label == RELEASED else model, cutout, views, ReconstructParams(**settings), draw
            )
            mesh = extract_mesh(field, cutout, views, MeshParams())
        except MeshmillError as error:
            rows.append(row | {"iou": 0.0, "chamfer": 0.5, "error": str(error)})
            continue
        row |= product.judge(mesh) | {"passes": len(passes), "cpu_s": time.process_time() - began}
        rows.append(row)
        shown = {key: round(value, 4) for key, value in row.items() if isinstance(value, float)}
        print(f"{name} {draw} {label:24s} {shown}", flush=True)
        strip += product.turned(mesh)
    width = 128 * (1 + 3 * len(methods(options)))
    line = np.concatenate(strip, 1)
    return np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0)), constant_values=1.0)


def decibels(picture: Any, true: Any) -> float:
    return float(-10 * np.log10(max(float(np.square(picture - true).mean()), 1e-8)))


def counted(*models: Any) -> list[int]:
    """Grows by one with each pass of a denoiser."""
    passes: list[int] = []
    for model in models:
        model.unet.register_forward_hook(lambda module, inputs, output: passes.append(len(inputs[0])))
    return passes


def summarise(rows: list[dict[str, Any]]) -> None:
    keys = ("iou", "chamfer", "fscore_1", "fscore_2", "input_db", "novel_db", "passes", "cpu_s")
    for label in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == label]
        means = {key: float(np.nanmean([row.get(key, np.nan) for row in mine])) for key in keys}
        print(f"{label} ({len(mine)}): " + "  ".join(f"{key} {value:.4f}" for key, value in means.items()))


if __name__ == "__main__":
    main()
