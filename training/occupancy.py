"""Where matter is in the objects of a shard, exactly: what a lift is told beside what the views show.

The visual hull of a dozen views fills mugs and bowls; the generator's own distance field does not. A frustum belongs
to a condition whose picture is zoomed; :func:`occupancy_at` undoes that along the rays. That a condition is also
recentred is left to the lift, as the other views are not: its frustum is that of a camera which looks at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.zero123.lift import HALF_DEPTH, TAN, camera_axes

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Placed:
    """How ``B`` conditions show their objects; all ``(B,)`` but where said."""

    zoom: Tensor
    """How much larger than the unzoomed camera would."""
    mirrored: Tensor
    """Whether the condition is a mirror image."""
    camera: Tensor
    """``(B, 3)``: azimuth and elevation in degrees, radius in dataset units."""


def pack_solids(distance: Tensor) -> Tensor:
    """Distances ``(N, R, R, R)`` at cell centres, indexed z, y, x, as bits ``(N, R, R, R / 8)``: 1 where inside.

    As ``numpy.packbits``: the first cell of eight is the highest bit, a last byte is filled up with zeros.
    """
    import torch
    import torch.nn.functional as F

    place = (1 << torch.arange(7, -1, -1, device=distance.device)).to(torch.uint8)
    inside = F.pad(distance < 0, (0, -distance.shape[-1] % 8))
    return (inside.view(*inside.shape[:-1], -1, 8) * place).sum(-1, dtype=torch.uint8)


def occupancy_at(solid: Tensor, placed: Placed, points: Tensor) -> Tensor:
    """1 where the objects ``solid (B, R, R, R / 8)`` are at ``points (B, N, 3)`` of their conditions' frustums, else 0.

    A zoomed picture is read as that of an object as much larger: along a pixel's ray depths from the middle are
    divided by the zoom.
    """
    import torch

    from training.procedural.grid import HALF

    count = solid.shape[1]
    pixel = points[..., :2] / placed.zoom[:, None, None]
    side = torch.where(placed.mirrored, -1.0, 1.0)[:, None]
    away = 1 + points[..., 2] * HALF_DEPTH / placed.zoom[:, None]
    local = torch.stack([pixel[..., 0] * side * away * TAN, -pixel[..., 1] * away * TAN, 1 - away], -1)
    world = local @ camera_axes(placed.camera[:, 0], placed.camera[:, 1]).transpose(1, 2)
    world = world * placed.camera[:, 2, None, None]
    cell = ((world + HALF) * (count / (2 * HALF))).floor().long()
    inside = ((cell >= 0) & (cell < count)).all(-1)
    x, y, z = cell.clamp(0, count - 1).unbind(-1)
    byte = torch.gather(solid.flatten(1), 1, (z * count + y) * solid.shape[-1] + x // 8)
    found: Tensor = (byte >> (7 - x % 8).to(torch.uint8) & 1).float() * inside
    return found
