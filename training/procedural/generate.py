"""Seeds to objects: choose a family, let its grammar write rows, give it a little variety, bring it to unit size."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from training.procedural import assorted, electronics, furniture, toys, vessels
from training.procedural.shapes import signed_distance
from training.procedural.table import ObjectTable, Row, build_table
from training.procedural.wild import wild

Distance = Callable[[ObjectTable, Tensor], Tensor]
"""Signed distances ``(B, N)`` of a table at points ``(B, N, 3)``."""

FAMILIES: dict[str, tuple[Callable[[random.Random], list[Row]], float]] = {
    "mug": (vessels.mug, 5),
    "bottle": (vessels.bottle, 5),
    "can": (vessels.can, 2),
    "jar": (vessels.jar, 3),
    "bowl": (vessels.bowl, 3),
    "vase": (vessels.vase, 4),
    "teapot": (vessels.teapot, 3),
    "pan": (vessels.pan, 3),
    "carton": (electronics.carton, 6),
    "gift": (electronics.gift, 2),
    "book": (electronics.book, 2),
    "screen": (electronics.screen, 4),
    "headphones": (electronics.headphones, 3),
    "camera": (electronics.camera, 3),
    "speaker": (electronics.speaker, 3),
    "toaster": (electronics.toaster, 3),
    "clock": (electronics.clock, 2),
    "lamp": (electronics.lantern, 4),
    "chair": (furniture.chair, 6),
    "sofa": (furniture.sofa, 3),
    "table": (furniture.table, 3),
    "cupboard": (furniture.cupboard, 3),
    "plush": (toys.plush, 5),
    "quadruped": (toys.quadruped, 3),
    "vehicle": (toys.vehicle, 4),
    "shoe": (toys.shoe, 5),
    "bag": (toys.bag, 4),
    "food": (toys.food, 3),
    "figure": (assorted.figure, 4),
    "robot": (assorted.robot, 3),
    "plane": (assorted.plane, 3),
    "gamepad": (assorted.gamepad, 2),
    "guitar": (assorted.guitar, 2),
    "watch": (assorted.watch, 2),
    "dryer": (assorted.dryer, 3),
    "hat": (assorted.hat, 3),
    "tool": (assorted.tool, 3),
    "house": (assorted.house, 3),
    "bed": (assorted.bed, 2),
    "lookout": (assorted.lookout, 2),
    "watering_can": (assorted.can_with_spout, 2),
    "wild": (wild, 33),
}
"""Every family with its weight; the wild fifth stands last."""


def generate_objects(
    seeds: Sequence[int], family: str | None = None, device: torch.device | str = "cpu"
) -> ObjectTable:
    """One object a seed, as a table, normalised on ``device``: box centred, longest side 1, Y up, front +Z.

    ``family`` forces one of :data:`FAMILIES`. The same seed gives the same object in any batch and process. Writing the
    rows takes about 0.4 ms an object on a CPU core, measuring its box about 20 ms there and next to nothing on a GPU.
    """
    return normalize(draft_objects(seeds, family).to(device))


def draft_objects(seeds: Sequence[int], family: str | None = None) -> ObjectTable:
    """The rows of :func:`generate_objects`, not yet brought to unit size: plain Python, for any process."""
    names, objects = [], []
    for seed in seeds:
        rng = random.Random(int(seed))  # noqa: S311 - reproducible, not secret
        picked = rng.choices(list(FAMILIES), [weight for _, weight in FAMILIES.values()])[0]
        name = family if family is not None else picked
        names.append(name)
        objects.append(FAMILIES[name][0](rng))
    return build_table(seeds, names, objects)


def normalize(table: ObjectTable, distance: Distance = signed_distance) -> ObjectTable:
    """Measure every object's bounding box and set ``center`` and ``scale`` from it.

    ``distance`` may be another way to compute :func:`training.procedural.shapes.signed_distance`.
    """
    low, high = measure(table, distance)
    return replace(table, center=(low + high) / 2, scale=(high - low).amax(-1).clamp(min=1e-3))


def measure(
    table: ObjectTable, distance_of: Distance = signed_distance, half: float = 1.4, resolution: int = 28
) -> tuple[Tensor, Tensor]:
    """Bounding boxes ``(B, 3)`` low and high in the object's frame.

    A coarse lattice finds where the object is, a finer one its outermost parts, Newton steps their exact reach.
    """
    raw = replace(table, center=torch.zeros_like(table.center), scale=torch.ones_like(table.scale))
    objects, device = len(table), table.device
    low, high = torch.full((objects, 3), -half, device=device), torch.full((objects, 3), half, device=device)
    for count in (20, resolution):
        unit = unit_lattice(count, device)
        lattice = low[:, None] + unit * (high - low)[:, None]
        cell = ((high - low) / count)[:, None]
        distance = distance_of(raw, lattice)
        reach = 0.9 * cell.amax(-1)
        close = (distance < torch.maximum(reach, distance.amin(1, keepdim=True) + 1e-6))[..., None]
        low, high = (
            torch.where(close, lattice, 9.0).amin(1) - cell[:, 0],
            torch.where(close, lattice, -9.0).amax(1) + cell[:, 0],
        )
    outer = []
    for side in range(6):
        ahead = (-1.0, 1.0)[side // 3] * lattice[..., side % 3]
        score = torch.where(close[..., 0], ahead - distance, -1e9)
        best = torch.topk(score, 48, dim=1).indices
        outer.append(torch.gather(lattice, 1, best[..., None].expand(-1, -1, 3)))
    points = torch.cat(outer, 1)
    for _ in range(4):
        points = points - _newton(raw, points, distance_of)
    settled = (distance_of(raw, points).abs() < 0.003).view(objects, 6, 48)
    points = points.view(objects, 6, 48, 3)
    sides = []
    for side in range(6):
        sign, dim = (-1.0, 1.0)[side // 3], side % 3
        reached = torch.where(settled[:, side], sign * points[:, side, :, dim], -1e9).amax(1)
        limit = sign * (low, high)[side // 3][:, dim]
        # Nothing settled (a part thinner than the lattice sees): the lattice's own bound, less half a cell.
        reached = torch.where(reached > -10, torch.minimum(reached, limit), limit - 0.5 * cell[:, 0, dim])
        sides.append(sign * reached)
    return torch.stack(sides[:3], -1), torch.stack(sides[3:], -1)


def unit_lattice(count: int, device: torch.device) -> Tensor:
    """Cell centres ``(count^3, 3)`` of the unit cube, x fastest."""
    axis = (torch.arange(count, device=device, dtype=torch.float32) + 0.5) / count
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    return torch.stack([x, y, z], -1).reshape(-1, 3)


def _newton(table: ObjectTable, points: Tensor, distance_of: Distance, step: float = 2e-3) -> Tensor:
    """The move ``(B, N, 3)`` that brings points onto the surface: distance over slope, along the slope."""
    count = points.shape[1]
    shifts = torch.tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], dtype=points.dtype, device=points.device)
    around = torch.cat([points, *(points + step * shift for shift in shifts)], 1)
    values = distance_of(table, around).view(len(table), 5, count)
    slope = torch.zeros_like(points)
    for i in range(4):
        slope = slope + values[:, i + 1, :, None] * shifts[i] / (4 * step)
    squared = (slope * slope).sum(-1, keepdim=True).clamp(min=0.05)
    return values[:, 0, :, None] * slope / squared
