"""Several photos of one product: the model's lifts of all of them, fused in one frame, within all outlines.

The mean of the lifts' logits, each after its own beam step, cut by every photo's outline. Lower and higher than the
outlines ask for there is hardly any: cameras above a product leave a cone under its base and a roof over its top.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.photo_set import PhotoSet, Place, PosedPhoto
from core.sjc.carve import sampled, voxel_centers
from core.sjc.occupancy import beams, met

if TYPE_CHECKING:
    import torch

    from core.zero123.lift import Volume
    from core.zero123.model import Zero123

FACING = 6.0
"""How much the photo that looks at a point from outside decides of its colour: log-weight a unit of the cosine."""

UNASKED = 8.0
"""Logits that matter loses below and above what the outlines ask for. A beam that meets nothing else keeps it."""

SHARE = 0.5
"""Share of the fused lifts in where matter is, beside the fit to all photos: either alone is worse."""


def lifts(model: Zero123, photos: PhotoSet) -> list[Volume]:
    """What the model's lift sees in each photo. It looks at the cutout in the cutout's own frame: the network has
    learnt products of that size only. Raises ValueError for weights without a lift."""
    import torch

    from core.zero123.conditioning import encode_photo, to_pixels

    volumes = []
    for photo in photos.photos:
        with torch.no_grad():
            pixels = to_pixels(photo.cutout.rgba, model.image_size).to(model.device)
            volume = encode_photo(model, pixels, photo.camera, photo.cutout.rgba).volume
        if volume is None:
            raise ValueError("several photos are fused by weights with a lift only")
        volumes.append(volume)
    return volumes


def fused_occupancy(
    volumes: Sequence[Volume], photos: PhotoSet, size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Probability of matter ``(Z, Y, X)`` and colour ``(Z, Y, X, 3)`` in 0..1 on a grid of ``size`` cubed voxels, and
    which of them lie between the heights that the outlines ask for, bool. ``volumes``: the photos' :func:`lifts`."""
    import torch

    points = voxel_centers(size, volumes[0].density.device)
    logits = torch.zeros(len(points), device=points.device)
    color = torch.zeros((len(points), 3), device=points.device)
    weight = torch.zeros((len(points), 1), device=points.device)
    outward = torch.nn.functional.normalize(points, dim=1)
    met_by, everywhere = [], torch.ones(len(points), dtype=torch.bool, device=points.device)
    for photo, volume in zip(photos.photos, volumes, strict=True):
        own, shade, where = _one(volume, photo, points)
        alpha = torch.from_numpy(photo.cutout.rgba[..., 3].astype("float32") / 255).to(points.device)
        everywhere &= sampled(alpha[None], where)[:, 0] > 0.5
        met_by.append(beams(where))
        logits += own
        eye = torch.tensor(photo.camera.eye() / photo.camera.radius, dtype=points.dtype, device=points.device)
        seen = (FACING * (outward @ eye))[:, None].exp()
        color += seen * shade
        weight += seen
    logits /= len(photos.photos)
    bottom, top = heights(photos.photos)
    asked = (points[:, 1] >= bottom) & (points[:, 1] <= top)
    logits -= UNASKED * ~asked
    occupied = torch.sigmoid(logits) * everywhere
    for beam in met_by:
        # Voxels outside of another photo's outline are surely empty: the beam is as long as what is left of it.
        occupied = met(occupied, beam, (occupied > 0).to(occupied.dtype), size)
    grid = (size, size, size)
    return occupied.view(grid), (color / weight).view(*grid, 3), asked.view(grid)


def _one(volume: Volume, photo: PosedPhoto, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a photo's lift says of points: logits ``(N,)``, colours ``(N, 3)``, and where they lie in its cutout
    ``(N, 2)``."""
    import torch

    from core.zero123.lift import occupancy, shade

    with torch.no_grad():
        at = own_frustum(points, photo.place, volume)
        return occupancy(volume, at)[0], shade(volume, at)[0], at[0, :, :2]


def own_frustum(points: torch.Tensor, place: Place, volume: Volume) -> torch.Tensor:
    """World points ``(N, 3)`` in the frustum of a photo's own cutout, ``(1, N, 3)`` of u, v, depth.

    The cutout shows the product ``zoom`` times as large as the common frame, so also ``zoom`` times as deep.
    """
    import torch

    from core.zero123.lift import to_frustum

    turn = torch.deg2rad(points.new_tensor(place.camera.azimuth))
    x, y, z = points.T
    turned = torch.stack([x * turn.cos() - z * turn.sin(), y, x * turn.sin() + z * turn.cos()], 1)
    at = to_frustum(turned[None] / place.camera.radius, volume.elevation) * place.camera.magnification
    shift = at.new_tensor([*place.shift, 0.0])
    return (at - shift) * place.zoom


def heights(photos: Sequence[PosedPhoto]) -> tuple[float, float]:
    """Between which heights the outlines ask for a product: its bottom lies no higher than the first, its top no lower
    than the second. Every ray of an outline's rim touches the product, at some point within all the other outlines. One
    photo asks for nothing.

    Flat bottoms and tops lie there, within .02 on the development scans; a bulb under its shade may reach lower.
    """
    import torch

    if len(photos) < 2:
        return -1.0, 1.0
    from core.placing.frame import placed_photos
    from core.placing.outlines import depth_in_others, outline_of, rim_points

    outlines = [outline_of(photo.cutout.rgba[..., 3], 400) for photo in photos]
    placed = placed_photos([photo.place for photo in photos])
    with torch.no_grad():
        points = rim_points(outlines, placed, 160)
        slack = torch.tensor([photo.place.slack for photo in photos])[:, None, None, None]
        allowed = (depth_in_others(points, outlines, placed) + slack).amin(0) >= 0
        highest = points[..., 1].masked_fill(~allowed, -torch.inf).amax(-1)
        lowest = points[..., 1].masked_fill(~allowed, torch.inf).amin(-1)
        touched = highest.isfinite()
        return (float(highest[touched].min()), float(lowest[touched].max())) if bool(touched.any()) else (-1.0, 1.0)
