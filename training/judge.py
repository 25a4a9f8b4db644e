"""How well a lift knows where matter is, on held-out photos: IoU by thick and thin, and the elevation's error.

    python -m training.judge [--model models/starter] [--objects 64] [--out SHEET.png]

Any lift of a checkpoint is judged, on photos of objects that nothing was trained on. The U-Net lift's frustum is that
of a camera that looks at the object's middle; it is asked there, which is what it learnt.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.zero123.lift import HALF_DEPTH, Volume, lift, occupancy, pixel_grid
from core.zero123.lift_s import DEPTH, LiftS
from training.families import MIX, THIN, draft
from training.photos import Photos, photograph
from training.renderers import renderer_for

HELD_OUT = 1_000_000_000
"""Objects with this seed and above are never trained on."""

THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6)


def held_out(count: int, device: str, block: int = 64) -> Iterator[Photos]:
    """Photos of the first held-out objects, the same on every device but for rounding."""
    renderer, names = renderer_for(device), list(MIX)
    for start in range(0, count, block):
        drafts = draft(range(HELD_OUT + start, HELD_OUT + min(count, start + block)))
        family = torch.tensor([names.index(name) for name in drafts.names], dtype=torch.int16)
        yield photograph(drafts.to(device), renderer, torch.Generator().manual_seed(HELD_OUT + start), family)


@torch.no_grad()
def judge(net: Any, batches: Iterator[Photos], part: int = 16) -> dict[str, float]:
    """Mean IoU by volume at the best of :data:`THRESHOLDS`, told the elevation; of Lift-S also where it is not."""
    told, untold, thin, off, guessed = [], [], [], [], []
    for photos in batches:
        for start in range(0, len(photos), part):
            some = photos.map(lambda value, start=start: value[start : start + part])
            thin += [list(MIX)[int(i)] in THIN for i in some.family]
            told.append(_ious(probability(net, some), some))
            if isinstance(net, LiftS):
                likely, guess = answered(net, some, known=False)
                untold.append(_ious(likely, some))
                off.append((90 * guess[:, 0] - some.elevation).abs().cpu())
                guessed.append((20 - some.elevation).abs().cpu())
    ious = torch.cat(told)
    best = int(ious.mean(0).argmax())
    is_thin = torch.tensor(thin)
    figures = {"objects": float(len(ious)), "threshold": THRESHOLDS[best], "iou": float(ious[:, best].mean())}
    figures |= {"iou_thick": float(ious[~is_thin, best].mean()), "iou_thin": float(ious[is_thin, best].mean())}
    if untold:
        figures["iou_untold"] = float(torch.cat(untold)[:, best].mean())
        figures["elevation_error"] = float(torch.cat(off).mean())
        figures["elevation_error_of_20"] = float(torch.cat(guessed).mean())
    return {name: round(value, 4) for name, value in figures.items()}


def probability(net: Any, photos: Photos) -> Tensor:
    """Of matter, at the photos' frustum cells ``(B, 64, 64, 64)``."""
    if isinstance(net, LiftS):
        return answered(net, photos, known=True)[0]
    size = net.config["sample_size"] * 4
    image = torch.nn.functional.interpolate(photos.image[:, :3].float() / 255, (size, size), mode="area")
    volume = lift(net, image * 2 - 1, photos.elevation)
    axis = (torch.arange(DEPTH, device=image.device) + 0.5) / DEPTH * 2 - 1
    w, v, u = torch.meshgrid(axis, axis, axis, indexing="ij")
    cells = torch.stack([u, v, w], -1).view(1, -1, 3).repeat(len(photos), 1, 1)
    cells[..., :2] += photos.shift[:, None]
    return torch.sigmoid(occupancy(volume, cells)).view(-1, DEPTH, DEPTH, DEPTH)


def answered(net: LiftS, photos: Photos, known: bool) -> tuple[Tensor, Tensor]:
    cutout = photos.image.float() / 255 * 2 - 1
    density, _, guess = net(cutout, photos.elevation, torch.full_like(photos.elevation, known) > 0, photos.shift)
    return torch.sigmoid(density[:, 0].float()), guess.float()


def _ious(likely: Tensor, photos: Photos) -> Tensor:
    """``(B, thresholds)``."""
    axis = (torch.arange(DEPTH, device=likely.device) + 0.5) / DEPTH * 2 - 1
    size = (1 + axis[None] * HALF_DEPTH / photos.zoom[:, None]).square()[:, :, None, None]
    truth = photos.near < 0
    found = []
    for threshold in THRESHOLDS:
        solid = likely > threshold
        both, either = (((a) * size).sum((1, 2, 3)) for a in ((solid & truth).float(), (solid | truth).float()))
        found.append(both / either.clamp(min=1e-6))
    return torch.stack(found, 1).cpu()


@torch.no_grad()
def sheet(net: LiftS, photos: Photos, turns: tuple[float, ...] = (0.0, 60.0, 120.0, 180.0)) -> Any:
    """A picture: each photo, then its volume from these azimuths beside the photo's."""
    from PIL import Image

    from core.zero123.lift import render_view

    some = photos.map(lambda value: value[:12])
    cutout = some.image.float() / 255
    known = torch.ones_like(some.elevation) > 0
    density, colour, _ = net(cutout * 2 - 1, some.elevation, known, torch.zeros_like(some.shift))
    volume = Volume(density.float(), colour.float(), cutout[:, :3], some.elevation)
    grid = pixel_grid(96, cutout.device).expand(len(some), -1, -1)
    columns = [torch.nn.functional.interpolate(cutout[:, :3], (96, 96), mode="area")]
    for turn in turns:
        camera = torch.stack([torch.full_like(some.elevation, turn), some.elevation, torch.ones_like(some.zoom)], -1)
        rays = camera[:, None].expand(-1, grid.shape[1], -1)
        seen, _ = render_view(volume, grid, rays, 64, torch.full_like(rays[..., 0], 0.5))
        columns.append(seen.view(-1, 96, 96, 3).permute(0, 3, 1, 2))
    picture = torch.stack(columns, 1).clamp(0, 1)  # (objects, columns, 3, 96, 96)
    rows = picture.permute(0, 3, 1, 4, 2).reshape(len(some) * 96, -1, 3)
    half = rows.shape[0] // 2 // 96 * 96
    wide = torch.cat([rows[:half], rows[half : 2 * half]], 1) if half else rows
    return Image.fromarray((wide * 255).round().to(torch.uint8).cpu().numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/starter"))
    parser.add_argument("--objects", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="of Lift-S: what it makes of twelve photos")
    options = parser.parse_args()

    from core.zero123.checkpoints import load_model

    net = load_model(options.model, options.device).lift
    print(json.dumps(judge(net, held_out(options.objects, options.device)), indent=1))  # noqa: T201
    if options.out and isinstance(net, LiftS):
        sheet(net, next(held_out(12, options.device))).save(options.out)


if __name__ == "__main__":
    main()
