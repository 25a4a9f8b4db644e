"""Real photographs through the whole line: what the gate says of each, and a sheet to look at.

python bench/real_photos.py ../shared/photos --out DIR [--recipe starter] [--set finish.texture=512]

FOLDER holds pictures alone: nobody knows their truth, so a person looks at ``DIR/sheet.jpg`` (a row a photo: photo,
cutout, the asset from the front, a side, the back and above, and its bare surface lit from the front, a side and the
back). ``DIR/NAME/`` keeps the GLB, its pictures and what the gate measured; what is there is not made again. The last
line counts the verdicts.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.cameras import Camera
from core.errors import MeshmillError
from core.photos import read_photo
from core.progress import no_progress
from core.recipes import Recipe, load_recipe
from core.render import over, render_mesh, soft_light
from core.render.sheet import rows_of_pictures
from evaluation.folder import read_painted
from evaluation.values import Models
from flows.evaluation_models import load_models

SMALL = ("finish.faces=10000", "finish.texture=512")
"""What the figures of the gate are measured with."""

PAINTED, BARE = ((0, 10), (90, 10), (180, 10), (30, 60)), ((0, 10), (60, 20), (180, 10))
"""Cameras: azimuth and elevation, degrees."""

SIDE, NEAR = 240, 1.6
"""Pixels of a picture; distance of the cameras from an asset whose longest side is 1."""

Picture = NDArray[np.uint8]


def squared(picture: Picture) -> Picture:
    """The picture in the middle of a white square."""
    side = max(picture.shape[:2])
    canvas = np.full((side, side, 3), 255, np.uint8)
    y, x = (side - picture.shape[0]) // 2, (side - picture.shape[1]) // 2
    canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return np.asarray(Image.fromarray(canvas).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def looks(glb: bytes) -> list[Picture]:
    """The asset from :data:`PAINTED`, unlit, and its surface from :data:`BARE`, lit."""
    (vertices, faces), paint = read_painted(glb)
    shown = [(camera, paint) for camera in PAINTED] + [(camera, {"shade": soft_light}) for camera in BARE]
    pictures = []
    for (azimuth, elevation), how in shown:
        seen = render_mesh(vertices, faces, Camera(azimuth, elevation, NEAR), SIDE, supersample=2, **how)
        pictures.append(over(seen.rgb, seen.alpha))
    return pictures


def built(path: Path, models: Models, recipe: Recipe, home: Path) -> dict[str, Any]:
    """The photo's asset under ``home``, and its row; a photo that is refused has a row with the sentence."""
    row: dict[str, Any] = {"photo": path.stem}
    pictures: list[Picture] = []
    home.mkdir(parents=True, exist_ok=True)
    try:
        photo = read_photo(path)
        alpha = photo.rgba[..., 3]
        pictures.append(squared(over(photo.rgba[..., :3], alpha)))
        cutout = models.cut_by_alpha(photo)
        pictures.append(squared(over(cutout.rgba[..., :3], cutout.rgba[..., 3], (255, 0, 255))))
        assert models.build is not None
        made = models.build(cutout, None, recipe, no_progress)
        (home / "model.glb").write_bytes(made.glb)
        pictures += looks(made.glb)
        row |= {"mask_confidence": cutout.confidence, "warnings": cutout.warnings} | made.facts.model_dump(mode="json")
    except MeshmillError as error:
        row |= {"verdict": "refused", "reasons": [str(error)]}
    rows_of_pictures([pictures or [np.full((SIDE, SIDE, 3), 255, np.uint8)]], SIDE).save(home / "row.png")
    (home / "row.json").write_text(json.dumps(row, indent=1, default=str), encoding="utf-8")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", default="starter")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="PART.NAME=VALUE")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, (*SMALL, *options.overrides))
    paths = sorted(p for p in options.folder.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
    models: Models | None = None
    counted: Counter[str] = Counter()
    for path in paths:
        home = options.out / path.stem
        if not (home / "row.json").is_file():
            models = models or load_models(recipe, ("segmentation", "shape"))
            built(path, models, recipe, home)
        row = json.loads((home / "row.json").read_text("utf-8"))
        counted[row["verdict"]] += 1
        reasons = "; ".join(row["reasons"])
        print(f"{path.stem:22} {row['verdict']:9} {row.get('score') or 0:.3f}  {reasons}", flush=True)
    rows = [np.asarray(Image.open(options.out / path.stem / "row.png").convert("RGB")) for path in paths]
    wide = max(row.shape[1] for row in rows)
    sheet = np.vstack([np.pad(row, ((0, 0), (0, wide - row.shape[1]), (0, 0)), constant_values=255) for row in rows])
    Image.fromarray(sheet).save(options.out / "sheet.jpg", quality=88)
    print(json.dumps({"photos": len(paths)} | dict(counted)))


if __name__ == "__main__":
    main()
