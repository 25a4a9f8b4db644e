"""How far estimated elevations are off, in degrees, beside the control that always says the prior.

python bench/elevation.py ../shared/eval-dev                    photos in the format of eval-dev (all at one elevation)
python bench/elevation.py procedural --objects 24               held-out objects, elevations of -10..60 degrees
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.artifacts import Cutout

FRAME = 512
HELD_OUT = 2_000_000_000
"""Seeds from a billion on are never trained on."""


def framed(rgba: np.ndarray) -> Cutout:
    """The picture as a cutout: longest side 200/256 of the frame, centred."""
    from PIL import Image

    ys, xs = np.nonzero(rgba[..., 3] > 127)
    side = max(np.ptp(xs) + 1, np.ptp(ys) + 1) * 256 / 200
    x, y = (xs.min() + xs.max() + 1) / 2, (ys.min() + ys.max() + 1) / 2
    box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    image = Image.fromarray(rgba).transform((FRAME, FRAME), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
    return Cutout(np.array(image), tuple(map(float, box)), "alpha")


def folder_photos(folder: Path) -> Iterator[tuple[str, Cutout, float]]:
    from PIL import Image

    for path in sorted(p for p in folder.iterdir() if (p / "cameras.json").is_file()):
        about = json.loads((path / "cameras.json").read_text())
        rgba = np.array(Image.open(path / "photo_rgba.png").convert("RGBA"))
        yield path.name, framed(rgba), float(about["photo"]["elevation_deg"])


def procedural_photos(objects: int) -> Iterator[tuple[str, Cutout, float]]:
    import torch

    from training.procedural import Cameras, generate_objects, render

    rng = np.random.default_rng(0)
    for i in range(objects):
        table = generate_objects([HELD_OUT + i])
        truth, azimuth = float(rng.uniform(-10, 60)), float(rng.uniform(0, 360))
        cameras = Cameras(*(torch.tensor([[value]]) for value in (azimuth, truth, 2.0)))
        views = render(table, cameras, 192, supersample=1)
        layers = torch.cat([views.rgb[0, 0], views.alpha[0, 0]]).permute(1, 2, 0)
        yield f"object {i}", framed((layers.clamp(0, 1) * 255).round().byte().numpy()), truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--checkpoint", default=str(Path(__file__).resolve().parents[1] / "models" / "starter"))
    parser.add_argument("--objects", type=int, default=24)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--guidance", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    import torch

    from core.zero123 import estimate_elevation, load_model
    from core.zero123.params import ViewsParams

    torch.set_num_threads(1)
    model = load_model(args.checkpoint)
    params = ViewsParams(steps=args.steps, guidance=args.guidance, batch=16)
    photos = procedural_photos(args.objects) if args.data == "procedural" else folder_photos(Path(args.data))
    rows: list[dict[str, Any]] = []
    for name, cutout, truth in photos:
        found = estimate_elevation(model, cutout, params, args.seed)
        rows.append(
            {
                "name": name,
                "truth": round(truth, 1),
                "estimate": round(found.degrees, 1),
                "confidence": found.confidence,
            }
        )
    truth = np.array([row["truth"] for row in rows])
    errors = np.abs(np.array([row["estimate"] for row in rows]) - truth)
    prior = np.abs(params.elevation_prior - truth)
    sure = np.array([row["confidence"] for row in rows]) >= 0.8
    summary = {
        "mean": errors.mean(),
        "median": np.median(errors),
        "p90": np.quantile(errors, 0.9),
        "mean_where_confidence_80": errors[sure].mean() if sure.any() else None,
        "share_confidence_80": sure.mean(),
        "control_prior_mean": prior.mean(),
    }
    rounded = {key: None if value is None else round(float(value), 2) for key, value in summary.items()}
    print(json.dumps({"objects": rows, "error_degrees": rounded}, indent=1))


if __name__ == "__main__":
    main()
