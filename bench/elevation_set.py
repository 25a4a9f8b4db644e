"""An evaluation folder whose photos stand at several heights: scans rendered again, five photos of each.

python bench/elevation_set.py ../shared/eval-dev SET [--elevations -20 0 20 40 60] [--limit N]   write the set (resumes)
python bench/surfaces.py SET --guess                                  shapes by height; the line is not told the height
meshmill evaluate SET --recipe starter --stages shape --estimate-elevation                       the whole line, an hour

``SET`` has the format of the evaluation set: an object ``ID@HEIGHT`` has the scan's mesh and views, and a photo
``(512, 512)`` of the same side from that height, drawn by the project's own rasteriser under a light fixed to the scan.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from core.cameras import Camera
from core.render import render_mesh
from evaluation.folder import list_objects, read_object

SIDE = 512
LIGHT = np.array([0.43, 0.73, 0.53])
"""Towards the light, in the scan's frame."""


def studio(normals: np.ndarray, _: Camera) -> np.ndarray:
    """A wrapped light: the same side is bright from everywhere."""
    return np.asarray(0.6 + 0.4 * np.clip(normals @ LIGHT * 0.5 + 0.5, 0, 1), np.float32)


def write(folder: Path, out: Path, elevations: list[float], limit: int | None) -> None:
    for name in list_objects(folder)[:limit]:
        item = read_object(folder, name)
        for elevation in elevations:
            home = out / f"{name}@{elevation:+03.0f}"
            if (home / "cameras.json").is_file():
                continue
            shutil.copytree(folder / name, home, ignore=shutil.ignore_patterns("photo_*", "cameras.json"))
            camera = Camera(item.camera.azimuth, elevation, item.camera.radius, item.camera.fov)
            seen = render_mesh(*item.truth, camera, SIDE, supersample=2, shade=studio, **item.paint)
            Image.fromarray(np.dstack([seen.rgb, seen.alpha])).save(home / "photo_rgba.png")
            about = json.loads((folder / name / "cameras.json").read_text("utf-8"))
            about["photo"] |= {"elevation_deg": elevation}
            (home / "cameras.json").write_text(json.dumps(about), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--elevations", type=float, nargs="+", default=[-20, 0, 20, 40, 60])
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    write(options.folder, options.out, options.elevations, options.limit)


if __name__ == "__main__":
    main()
