"""Where matter is, told the photo's outline: by a field's density, and by the model's lift as a second opinion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.sjc.carve import image_coordinates, sampled, voxel_centers

if TYPE_CHECKING:
    import torch

    from core.sjc.views import View
    from core.zero123.lift import Volume

CELLS = 48
"""Beams of rays across the photo whose matter is judged together."""

THICKNESS = 6
"""Voxels of a 96-voxel grid along a ray that are solid or empty together."""

LIKELY = 0.3
"""Probability of matter above which a voxel counts as solid: ``J / (1 + J)`` maximises the IoU where ``J`` is to be
had, some .45 when this was chosen. With .58 anything from .25 to .4 is as good (docs/decisions.md)."""


def outlined(occupied: torch.Tensor, points: torch.Tensor, photo: View) -> torch.Tensor:
    """Probability of matter ``occupied (Z, Y, X)`` at the voxel centres ``points (N, 3)``, told the photo's outline:
    none outside of it, and inside of it every beam meets some (:func:`met`).

    A cutoff that keeps thin parts, which a field draws faint, keeps fog elsewhere; this keeps them where it is.
    """
    import torch

    where = image_coordinates(points, photo.camera)
    inside = occupied.flatten() * (sampled(photo.mask[None], where)[:, 0] > 0.5)
    return met(inside, beams(where), torch.ones_like(inside), occupied.shape[-1]).view(occupied.shape)


def lifted_occupancy(volume: Volume, photo: View, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Probability of matter ``(Z, Y, X)``, :func:`outlined`, and colour ``(Z, Y, X, 3)`` in 0..1 on a grid of ``size``
    cubed voxels."""
    import torch

    from core.zero123.lift import occupancy, shade, to_frustum

    points = voxel_centers(size, photo.image.device)
    at = to_frustum(points[None] / photo.camera.radius, volume.elevation)
    grid = (size, size, size)
    occupied = torch.sigmoid(occupancy(volume, at)[0]).view(grid)
    return outlined(occupied, points, photo), shade(volume, at)[0].view(*grid, 3)


def beams(where: torch.Tensor) -> torch.Tensor:
    """The beam ``(N,)`` that each point lies in, by its place ``(N, 2)`` in [-1, 1] of the photo's frame."""
    cell = ((where + 1) * (CELLS / 2)).floor().long().clamp(0, CELLS - 1)
    return cell[:, 1] * CELLS + cell[:, 0]


def met(occupied: torch.Tensor, beam: torch.Tensor, counted: torch.Tensor, size: int) -> torch.Tensor:
    """``occupied (N,)`` once it is known that every beam of rays meets some.

    With ``n`` independent pieces along a beam, of which piece i is solid with ``p_i``, Bayes divides each by the
    probability that one is, ``1 - prod(1 - p_i)``. ``counted (N,)`` is 1 for the voxels that make a beam's length.
    """
    import torch

    empty = torch.zeros(CELLS * CELLS, device=occupied.device)
    miss = empty.scatter_add(0, beam, -torch.log1p(-occupied.clamp(max=0.999)))
    across = (empty.scatter_add(0, beam, counted) / size).clamp(min=1)
    hit = 1 - torch.exp(-miss / across * 96 / (THICKNESS * size))
    return (occupied / hit.clamp(min=0.02)[beam]).clamp(max=1)


def averaged(sigma: torch.Tensor, isovalue: float, occupied: torch.Tensor, share: float) -> torch.Tensor:
    """The mean of two opinions ``(Z, Y, X)``, ``share`` being that of ``occupied``, whose surface is at :data:`LIKELY`;
    each is .5 at its own surface."""
    return (1 - share) * sigma / (sigma + isovalue) + share * occupied / (2 * LIKELY)
