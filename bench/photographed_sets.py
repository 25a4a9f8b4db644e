"""Photographs of one product from four sides through the whole line, before and after: the front alone, and all four.

python bench/photographed_sets.py --out DIR [--first-seed 1400000] [--sets 6]

Procedural products on drawn grounds, every photo under an exposure and a colour cast of its own, cut out by the
segmentation model; sides are named, heights are not told. The truth is known, so that the shape is scored as
``bench/gate.py`` scores it. ``DIR/sheet.jpg`` has three rows a product: its photos (front, right, back, left), the
model of the front alone from the same sides, and that of all four.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from gate import measured_truth
from numpy.typing import NDArray
from real_photos import SIDE, SMALL, squared

from core.artifacts import Photo
from core.cameras import Camera
from core.errors import MeshmillError
from core.placing.align import PhotoToPlace
from core.progress import no_progress
from core.recipes import load_recipe
from core.render import over, render_mesh
from core.render.sheet import rows_of_pictures
from evaluation.folder import read_painted
from flows.evaluation_models import load_models

SIDES = {"front": 0.0, "right": 90.0, "back": 180.0, "left": 270.0}

GROUNDS = ("studio", "wood", "white", "cloth")
"""A set's ground, by its number: see :data:`training.procedural.backdrops.KINDS`."""

SIZE, RADIUS = 512, 2.0
"""Pixels of a photo; distance of its camera from a product whose longest side is 1."""

Picture = NDArray[np.uint8]


def photographs(seed: int, ground: str) -> tuple[Any, list[Camera], list[Picture], list[Picture]]:
    """The product's table, its cameras, its photos ``(S, S, 3)`` and their exact masks ``(S, S)``."""
    import torch

    from training.procedural import Cameras, composite, generate_objects, render

    height = float(np.random.default_rng(seed).uniform(5, 30))
    cameras = [Camera(azimuth, height, RADIUS) for azimuth in SIDES.values()]
    table = generate_objects([seed])
    columns = (list(SIDES.values()), [height] * len(SIDES), [RADIUS] * len(SIDES))
    seen = render(table, Cameras(*(torch.tensor([column]) for column in columns)), SIZE, supersample=2)
    generator = torch.Generator().manual_seed(seed)
    made = composite(seen.rgb[0], seen.alpha[0], generator, kind=ground, place=False)
    pixels = (made.image * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return table, cameras, list(pixels), list((made.mask[:, 0] * 255).round().to(torch.uint8).numpy())


def from_the_sides(glb: bytes) -> list[Picture]:
    (vertices, faces), paint = read_painted(glb)
    seen = [render_mesh(vertices, faces, Camera(a, 15, 1.6), SIDE, supersample=2, **paint) for a in SIDES.values()]
    return [over(one.rgb, one.alpha) for one in seen]


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first-seed", type=int, default=1_400_000)
    parser.add_argument("--sets", type=int, default=6)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe("starter", SMALL)
    models = load_models(recipe, ("segmentation", "shape"))
    assert models.segment is not None
    assert models.build is not None
    rows: list[list[Picture]] = []
    for number in range(options.sets):
        seed, ground = options.first_seed + number, GROUNDS[number % len(GROUNDS)]
        table, cameras, pixels, masks = photographs(seed, ground)
        try:
            cut = [models.segment(Photo(np.dstack([p, np.full_like(p[..., 0], 255)]), False, "PNG")) for p in pixels]
            further = [
                PhotoToPlace(cutout, role, azimuth, None, role, (SIZE, SIZE))
                for cutout, (role, azimuth) in zip(cut[1:], list(SIDES.items())[1:], strict=True)
            ]
            found: dict[str, Any] = {"seed": seed, "family": str(table.names[0]), "ground": ground}
            rows.append([squared(pixels[0]), *map(squared, pixels[1:])])
            for name, shots in (("one", []), ("four", further)):
                made = models.build(cut[0], None, recipe, no_progress, shots, (SIZE, SIZE))
                given = 1 + len(shots)
                exact = [np.dstack([p, m]) for p, m in zip(pixels, masks, strict=True)][:given]
                truth = measured_truth(table, made.glb, exact, cameras[:given])
                found[name] = {key: round(truth[key], 4) for key in ("iou", "chamfer", "fscore_2", "psnr")}
                found[name] |= {"used": made.facts.used, "verdict": made.facts.verdict, "score": made.facts.score}
                rows.append(from_the_sides(made.glb))
            found["placed"] = {p.role: p.note or p.why or p.used for p in made.facts.placements}
        except MeshmillError as error:
            found = {"seed": seed, "ground": ground, "refused": str(error)}
        print(json.dumps(found), flush=True)
        rows_of_pictures(rows, SIDE).convert("RGB").save(options.out / "sheet.jpg", quality=88)


if __name__ == "__main__":
    main()
