"""How good a view model is on objects it never saw: pictures against ground truth and against four controls.

PSNR and SSIM are those of the object's bounding box in the ground truth; a mask is what differs from white. Controls:
copy the input, the mean of all targets, white, and the model itself told another view's pose.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera
from core.quality.images import mask_iou, over_white
from core.render.likeness import decibels
from core.render.sheet import rows_of_pictures
from core.zero123.model import Zero123
from training.dataset import Shard, to_tensor
from training.rendering import shoot

if TYPE_CHECKING:
    from torch import Tensor

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Cases:
    """``M`` views to predict of ``K`` objects."""

    names: tuple[str, ...]
    conditions: Image
    """``(K, S, S, 4)``."""
    owner: NDArray[np.int64]
    """``(M,)``: row of ``conditions``."""
    photos: tuple[Camera, ...]
    """``K`` cameras of the conditions."""
    cameras: tuple[Camera, ...]
    """``M`` cameras of the targets."""
    targets: Image
    """``(M, S, S, 4)``."""


def procedural_cases(shard: Shard, objects: int = 64, views: int = 4) -> Cases:
    """The first views of held-out procedural objects, each seen from its anchor, framed where it is."""
    objects = min(objects, len(shard.cameras))
    last = shard.cameras.shape[1]
    item = np.repeat(np.arange(objects), views)
    target = np.tile(np.arange(1, views + 1), objects)
    rows = np.arange(objects)
    conditions = shard.images[rows, np.where(shard.framed[:objects], last, 0)]
    photos = tuple(Camera(*map(float, shard.cameras[i, 0])) for i in rows)
    cameras = tuple(Camera(*map(float, shard.cameras[i, v])) for i, v in zip(item, target, strict=True))
    return Cases(tuple(f"object {i}" for i in rows), conditions, item, photos, cameras, shard.images[item, target])


def folder_cases(folder: Path, size: int, framed: bool = True, views: Sequence[int] = tuple(range(1, 12))) -> Cases:
    """Objects in the format of ``eval-dev``: photo and ground-truth views with cameras.

    ``framed`` zooms photo and views alike until the photo's object fills a cutout's frame, as the pipeline does.
    """
    import torch
    import torch.nn.functional as F
    from PIL import Image as Pillow

    def read(path: Path) -> Tensor:
        rgba = np.asarray(Pillow.open(path).convert("RGBA"), np.float32) / 255
        layers = torch.from_numpy(np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], -1)).permute(2, 0, 1)
        small = F.interpolate(layers[None], (2 * size, 2 * size), mode="area")[0]
        return torch.cat([small[:3] / small[3:].clamp(min=1e-4), small[3:]])

    names: list[str] = []
    conditions: list[Any] = []
    owner: list[int] = []
    targets: list[Any] = []
    photos: list[Camera] = []
    cameras: list[Camera] = []
    for path in sorted(p for p in folder.iterdir() if (p / "cameras.json").is_file()):
        about = json.loads((path / "cameras.json").read_text())
        photos.append(_camera(about["photo"]))
        chosen = [about["views"][i] for i in views]
        large = torch.stack([read(path / "photo_rgba.png"), *(read(path / "views" / f"{i:02d}.png") for i in views)])
        images = shoot(large[None], np.array([framed]), size)[0].numpy()
        conditions.append(images[-1] if framed else images[0])
        targets.extend(images[1:-1])
        cameras.extend(map(_camera, chosen))
        owner.extend([len(names)] * len(chosen))
        names.append(path.name)
    everything = np.stack(conditions), np.array(owner), tuple(photos), tuple(cameras), np.stack(targets)
    return Cases(tuple(names), *everything)


def _camera(about: dict[str, Any]) -> Camera:
    return Camera(float(about["azimuth_deg"]), float(about["elevation_deg"]), float(about["radius"]))


def predict(
    model: Zero123, cases: Cases, *, steps: int = 20, guidance: float = 2.0, seed: int = 0, batch: int = 32
) -> Image:
    """The views of all cases, ``(M, S, S, 3)``; every row's noise follows from ``seed`` and its number."""
    import torch

    from core.zero123.conditioning import conditions, decode, encode_photo, to_images
    from core.zero123.sampling import ddim, seeded_noise, timesteps, view_seed

    visited = timesteps(model.schedule, steps, "trailing")
    pixels = to_tensor(cases.conditions).to(model.device)
    out = []
    with torch.no_grad():
        photos = [encode_photo(model, pixels[i : i + 1], camera) for i, camera in enumerate(cases.photos)]
        told = [conditions(model, photos[k], [c]) for k, c in zip(cases.owner, cases.cameras, strict=True)]
        context, concat = (torch.cat(parts) for parts in zip(*told, strict=True))
        for first in range(0, len(cases.owner), batch):
            rows = slice(first, min(first + batch, len(cases.owner)))
            start, _ = seeded_noise(model, [view_seed(seed, i) for i in range(rows.start, rows.stop)])
            latents = ddim(model, start, context[rows], concat[rows], visited=visited, guidance=guidance)
            out.append(to_images(decode(model, latents)))
    return np.concatenate(out)


def shuffled(cases: Cases) -> Cases:
    """Every view asked for with the camera of the object's next one."""
    order = np.arange(len(cases.owner))
    for k in np.unique(cases.owner):
        rows = np.flatnonzero(cases.owner == k)
        order[rows] = np.roll(rows, -1)
    return replace(cases, cameras=tuple(cases.cameras[i] for i in order))


def score(predicted: Image, targets: Image) -> dict[str, float]:
    """Mean PSNR (dB), SSIM and mask IoU of predictions ``(M, S, S, 3)`` against RGBA targets ``(M, S, S, 4)``."""
    from skimage.metrics import structural_similarity

    rows = []
    for guess, truth in zip(predicted, targets, strict=True):
        inside = truth[..., 3] > 127
        if not inside.any():
            continue
        y, x = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        box = np.s_[_span(y, len(truth)), _span(x, len(truth))]
        a, b = guess[box].astype(np.float64), over_white(truth)[box].astype(np.float64)
        ssim = structural_similarity(a, b, channel_axis=-1, data_range=255, win_size=7)  # type: ignore[no-untyped-call]
        mask = white_mask(guess)
        rows.append((decibels(float(((a - b) ** 2).mean()), 1e-3), ssim, mask_iou(mask, inside)))
    psnr, ssim, iou = np.mean(rows, 0)
    return {"psnr": round(float(psnr), 3), "ssim": round(float(ssim), 4), "mask_iou": round(float(iou), 4)}


def _span(at: NDArray[np.int64], size: int, least: int = 7) -> slice:
    """From first to last, at least ``least`` pixels, inside the frame."""
    low, high = int(at[0]), int(at[-1]) + 1
    low = max(0, min(low, (low + high - least) // 2, size - least))
    return slice(low, max(high, low + least))


def white_mask(image: Image, threshold: int = 12) -> NDArray[np.bool_]:
    """Where a picture differs from white by more than ``threshold`` of 255 in a channel, holes filled."""
    from scipy.ndimage import binary_fill_holes

    return np.asarray(binary_fill_holes(image.min(-1) < 255 - threshold), bool)


def evaluate(model: Zero123, cases: Cases, *, steps: int = 20, guidance: float = 2.0, seed: int = 0) -> dict[str, Any]:
    """The model and its controls: ``{"model": {...}, "copy_input": {...}, ..., "protocol": {...}}``."""
    size = cases.targets.shape[1]
    truth = over_white(cases.targets)
    mean = np.broadcast_to(np.rint(truth.mean(0)).astype(np.uint8), truth.shape)
    with_pose = predict(model, cases, steps=steps, guidance=guidance, seed=seed)
    wrong_pose = predict(model, shuffled(cases), steps=steps, guidance=guidance, seed=seed)
    return {
        "model": score(with_pose, cases.targets),
        "copy_input": score(over_white(cases.conditions)[cases.owner], cases.targets),
        "mean_image": score(mean, cases.targets),
        "white": score(np.full_like(truth, 255), cases.targets),
        "shuffled_pose": score(wrong_pose, cases.targets),
        "protocol": {
            "objects": len(cases.names),
            "views": len(cases.owner),
            "size": size,
            "steps": steps,
            "guidance": guidance,
            "seed": seed,
        },
    }


def contact_sheet(cases: Cases, predicted: Image, path: Path, objects: int = 12, columns: int = 4) -> None:
    """A picture: a row an object, its condition, then prediction and truth in turns."""
    rows = []
    for k in range(min(objects, len(cases.names))):
        mine = np.flatnonzero(cases.owner == k)[:columns]
        pairs = [picture for i in mine for picture in (predicted[i], over_white(cases.targets[i]))]
        rows.append([over_white(cases.conditions[k]), *pairs])
    path.parent.mkdir(parents=True, exist_ok=True)
    rows_of_pictures(rows, predicted.shape[1]).save(path)


def loss_curve(history: Sequence[tuple[int, float]], path: Path, title: str = "loss") -> None:
    """The loss by step on a logarithmic scale: every step pale, a running mean dark."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    width, height, margin = 900, 420, 46
    canvas = Pillow.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    steps = np.array([step for step, _ in history], float)
    logs = np.log10(np.maximum([loss for _, loss in history], 1e-9))
    span = max(1, len(logs) // 50)
    if not len(logs):
        return
    smooth = np.convolve(logs, np.ones(span) / span, "valid")
    low, high = np.floor(logs.min() * 10) / 10, np.ceil(logs.max() * 10) / 10 + 1e-6

    def place(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[float, float]]:
        across = margin + (width - 2 * margin) * x / max(steps[-1], 1)
        down = height - margin - (height - 2 * margin) * (y - low) / (high - low)
        return list(zip(across.tolist(), down.tolist(), strict=True))

    for level in np.linspace(low, high, 6):
        (_, y), *_ = place(np.zeros(1), np.array([level]))
        draw.line([(margin, y), (width - margin, y)], fill=(230, 230, 230))
        draw.text((4, y - 6), f"{10**level:.3g}", fill="black")
    if len(logs) > 1:
        draw.line(place(steps, logs), fill=(190, 210, 240))
        draw.line(place(steps[span - 1 :], smooth), fill=(20, 60, 160), width=2)
    draw.text((margin, 10), f"{title}, {int(steps[-1])} steps", fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path)
