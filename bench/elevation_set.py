"""An evaluation folder whose photos stand at several heights: scans rendered again, five photos of each.

python bench/elevation_set.py ../shared/eval-dev SET [--elevations -20 0 20 40 60] [--limit N]   write the set (resumes)
meshmill evaluate SET --recipe starter --stages shape --estimate-elevation --json > FILE        the height is not told
python bench/elevation_set.py table FILE                                                        its figures by height

``SET`` has the format of the evaluation set: an object ``ID@HEIGHT`` has the scan's mesh and views, and a photo
``(512, 512)`` of the same side from that height, drawn by the project's own rasteriser under a light fixed to the scan.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.cameras import Camera
from core.render import render_mesh
from evaluation.folder import list_objects, read_object
from evaluation.protocol import mean_of

SIDE = 512
LIGHT = np.array([0.43, 0.73, 0.53])
"""Towards the light, in the scan's frame."""

FIGURES = (
    ("shape", "iou"),
    ("shape", "chamfer"),
    ("shape", "fscore_2"),
    ("asset_view", "psnr"),
    ("asset_view", "lpips"),
)


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


def table(document: dict[str, Any]) -> str:
    """A row a height: the mean figures, and how far the height that the line took for true was off."""
    lines = [f"{'height':>7} {'n':>3} " + " ".join(f"{b:>9}" for _, b in FIGURES) + f" {'taken':>7} {'off':>5}"]
    heights: dict[float, list[dict[str, Any]]] = {}
    for row in document["objects"]:
        heights.setdefault(float(row["id"].rpartition("@")[2]), []).append(row)
    for height, rows in sorted(heights.items()):
        mean = mean_of(rows_of_figures(rows))
        taken = np.array([row["asset"]["elevation"] for row in rows if row.get("asset")])
        cells = " ".join(f"{mean[a][b]:9.4f}" for a, b in FIGURES)
        off = np.abs(taken - height).mean()
        lines.append(f"{height:+7.0f} {len(rows):3} {cells} {taken.mean():7.1f} {off:5.1f}")
    return "\n".join(lines)


def rows_of_figures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what is no mean's business."""
    return [{a: row[a] for a in ("shape", "asset_view") if row.get(a)} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="scans, or `table`")
    parser.add_argument("out", type=Path, help="the set, or the evaluation's document")
    parser.add_argument("--elevations", type=float, nargs="+", default=[-20, 0, 20, 40, 60])
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    if options.folder == "table":
        print(table(json.loads(options.out.read_text("utf-8"))))
    else:
        write(Path(options.folder), options.out, options.elevations, options.limit)


if __name__ == "__main__":
    main()
