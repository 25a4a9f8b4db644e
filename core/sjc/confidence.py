"""How much to believe a shape: what the lift's own probabilities promise, and whether photos left out are foretold.

Measured on a grid of :data:`SIZE` whatever the reconstruction's, so that figures of cheap and dear recipes compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.photo_set import PhotoSet, PosedPhoto
from core.sjc.carve import image_coordinates, voxel_centers
from core.sjc.fused import fused_occupancy
from core.sjc.occupancy import LIKELY, beams, lifted_occupancy

if TYPE_CHECKING:
    import torch

    from core.sjc.views import View
    from core.zero123.lift import Volume

FUSED_LIKELY = 0.25
"""Probability of matter above which a voxel of several fused lifts counts as solid here: what the gate was fitted with.
"""

SIZE = 48
"""Voxels along one side; as many as there are beams across a picture."""


def expected_iou(occupied: torch.Tensor, likely: float) -> float:
    """The IoU that a shape made of all voxels above ``likely`` has with the truth, if their probabilities of matter are
    right: expected intersection over expected union, 0..1."""
    solid = occupied > likely
    inside = float(occupied[solid].sum())
    return inside / max(float(solid.sum()) + float(occupied[~solid].sum()), 1e-6)


def of_one(volume: Volume, photo: View) -> dict[str, float]:
    """``shape``: the expected IoU of what the lift makes of one photo."""
    occupied, _ = lifted_occupancy(volume, photo, SIZE)
    return {"shape": round(expected_iou(occupied, LIKELY), 5)}


def of_several(volumes: Sequence[Volume], photos: PhotoSet) -> dict[str, float]:
    """``shape``: the expected IoU of all lifts fused. ``left_out_outline`` and ``left_out_colours``: every photo
    against what the lifts of all others show from its camera, outlines as mean IoU, colours as mean likeness;
    ``worst_left_out``: the outline that is foretold worst."""
    occupied, _, _ = fused_occupancy(volumes, photos, SIZE)
    outlines, colours = [], []
    for left, photo in enumerate(photos.photos):
        others = [number for number in range(len(photos.photos)) if number != left]
        rest = PhotoSet(tuple(photos.photos[number] for number in others))
        foretold, shade, _ = fused_occupancy([volumes[number] for number in others], rest, SIZE)
        outline, likeness = _against(photo, foretold.reshape(-1), shade.reshape(-1, 3))
        outlines.append(outline)
        colours.append(likeness)
    return {
        "shape": round(expected_iou(occupied, FUSED_LIKELY), 5),
        "left_out_outline": round(sum(outlines) / len(outlines), 5),
        "worst_left_out": round(min(outlines), 5),
        "left_out_colours": round(sum(colours) / len(colours), 5),
    }


def _against(photo: PosedPhoto, occupied: torch.Tensor, shade: torch.Tensor) -> tuple[float, float]:
    """IoU of the outlines of ``occupied (N,)`` and of a photo from its camera, and how alike the nearest solid voxels'
    colours ``shade (N, 3)`` are to the photo's where both show the product, 0..1."""
    import torch
    import torch.nn.functional as F

    points = voxel_centers(SIZE, occupied.device)
    rgba = torch.from_numpy(photo.framed().rgba.astype("float32") / 255).permute(2, 0, 1).to(points.device)
    small = F.adaptive_avg_pool2d(torch.cat([rgba[:3] * rgba[3:], rgba[3:]]), SIZE)
    shown = small[3].reshape(-1) > 0.5
    solid = occupied > FUSED_LIKELY
    where = image_coordinates(points[solid], photo.camera)
    inside = where.abs().amax(1) < 1
    cell = beams(where[inside])
    seen = torch.zeros(SIZE * SIZE, dtype=torch.bool, device=points.device)
    seen[cell] = True
    either = int((seen | shown).sum())
    both = seen & shown
    if not bool(both.any()):
        return 0.0, 0.0
    eye = torch.tensor(photo.camera.eye(), dtype=points.dtype, device=points.device)
    far = (points[solid][inside] - eye).norm(dim=1)
    nearest = torch.full((SIZE * SIZE,), torch.inf, device=points.device).scatter_reduce(0, cell, far, "amin")
    front = far <= nearest[cell]
    colours = torch.zeros(SIZE * SIZE, 3, device=points.device)
    colours[cell[front]] = shade[solid][inside][front]
    wanted = (small[:3] / small[3:].clamp(min=1e-3)).reshape(3, -1).T
    off = float((colours - wanted)[both].abs().mean())
    return int(both.sum()) / either, 1 - off
