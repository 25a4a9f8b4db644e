"""What Lift-S learns from: cutouts of procedural objects, where their matter is, and rays of other cameras.

Each photo is framed as a cutout is, by its own silhouette, and knows by how much: its frustum's cells are those of the
camera that took it, not of one that looks at the object's middle. A zoomed picture is read as that of an object as
much larger (as :mod:`training.occupancy` does): along a pixel's ray, depths from the middle are divided by the zoom.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from core.zero123.lift import HALF_DEPTH, TAN, camera_axes, pixel_grid
from core.zero123.lift_s import DEPTH, SIZE
from training.procedural import ObjectTable, normalize, studio_light
from training.renderer import Rays, colours
from training.renderers import Renderer
from training.rendering import FRAME, boxes

ELEVATION, RADIUS = (-20.0, 70.0), (1.4, 2.6)
"""Of the cameras that take photos, degrees and dataset units."""

OTHER_ELEVATION = (-30.0, 85.0)
"""Of the cameras whose rays are compared."""

RAYS = 256
"""Rays of other cameras an object."""

STEPS_A_CELL = 16
"""Distances are kept in sixteenths of a cell, up to eight cells."""

COARSE, WIDE = 48, 1.7
"""Pixels of the picture from which a photo is framed, and how much wider it looks."""


@dataclass(frozen=True)
class Photos:
    """``N`` photos and their truth."""

    image: Tensor
    """``(N, 4, 128, 128)`` uint8: colour over white, alpha."""
    elevation: Tensor
    """``(N,)`` degrees."""
    zoom: Tensor
    """``(N,)``: how much larger than the camera's whole picture the cutout shows things."""
    shift: Tensor
    """``(N, 2)``: the cutout's middle, right and down of the camera's axis, in halves of the cutout's side."""
    near: Tensor
    """``(N, 64, 64, 64)`` int8: distance to the surface at the frustum's cells, negative inside, in 16ths of a cell."""
    origin: Tensor
    """``(N, R, 3)`` float16: of rays, in the photo camera's axes and distances, from the middle."""
    direction: Tensor
    """``(N, R, 3)`` float16, unit."""
    colour: Tensor
    """``(N, R, 3)`` float16: what rays see over white, 0..1."""
    coverage: Tensor
    """``(N, R)`` float16."""
    family: Tensor
    """``(N,)`` int16: index into the names that the caller knows."""

    def __len__(self) -> int:
        return len(self.image)

    def map(self, change: Any) -> Photos:
        return Photos(**{f.name: change(getattr(self, f.name)) for f in fields(self)})


def photograph(drafts: ObjectTable, renderer: Renderer, generator: torch.Generator, family: Tensor) -> Photos:
    """One photo of each object of a draft, on its device; ``generator`` (CPU) draws cameras, light and rays."""
    device, count = drafts.device, len(drafts)
    table = normalize(drafts, renderer.distance)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return (torch.rand(count, *shape, generator=generator) * (high - low) + low).to(device)

    azimuth, elevation, radius = uniform(0, 360), uniform(*ELEVATION), uniform(*RADIUS)
    axes = camera_axes(azimuth, elevation)
    light = studio_light(count, device, generator)

    def seen_through(uv: Tensor, spread: Tensor) -> Rays:
        local = torch.stack([uv[..., 0] * TAN, -uv[..., 1] * TAN, -torch.ones_like(uv[..., 0])], -1)
        direction = torch.nn.functional.normalize(local @ axes.transpose(1, 2), dim=-1)
        return Rays((axes[:, None, :, 2] * radius[:, None, None]).expand_as(direction), direction, spread)

    grid = pixel_grid(COARSE, device).expand(count, -1, -1) * WIDE
    coarse = renderer.trace(table, seen_through(grid, uniform(1, 1) * 2 * TAN * WIDE / COARSE), light)
    centre, extent = boxes(coarse.coverage.view(count, COARSE, COARSE))
    zoom = FRAME / (extent * WIDE).clamp(min=0.02) * uniform(0.94, 1.06)
    middle = centre * WIDE + (uniform(-0.03, 0.03, 2) / zoom[:, None])
    uv = pixel_grid(SIZE, device) / zoom[:, None, None] + middle[:, None]
    rays = seen_through(uv, 2 * TAN / zoom / SIZE)
    seen = renderer.trace(table, rays, light)
    cover = seen.coverage[..., None]
    image = torch.cat([colours(table, rays, light, seen) * cover + 1 - cover, cover], -1)

    others = other_rays(count, generator, device)
    met = renderer.trace(table, others, light)
    covered = met.coverage[..., None]
    return Photos(
        image=(image * 255).round().to(torch.uint8).view(count, SIZE, SIZE, 4).permute(0, 3, 1, 2).contiguous(),
        elevation=elevation,
        zoom=zoom,
        shift=middle * zoom[:, None],
        near=cell_distances(table, renderer, axes, radius, zoom, middle),
        origin=((others.origin @ axes) / radius[:, None, None]).half(),
        direction=(others.direction @ axes).half(),
        colour=(colours(table, others, light, met) * covered + 1 - covered).half(),
        coverage=met.coverage.half(),
        family=family.to(device),
    )


def other_rays(count: int, generator: torch.Generator, device: torch.device) -> Rays:
    """Rays of cameras anywhere around, each aimed at a point of the object's cube."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, RAYS, *shape, generator=generator) * (high - low) + low

    back = camera_axes(uniform(0, 360), uniform(*OTHER_ELEVATION))[..., 2]
    origin = back * uniform(*RADIUS)[..., None]
    direction = torch.nn.functional.normalize(uniform(-0.45, 0.45, 3) - origin, dim=-1)
    return Rays(origin.to(device), direction.to(device), torch.full((count,), 2 * TAN / SIZE, device=device))


def cell_distances(
    table: ObjectTable, renderer: Renderer, axes: Tensor, radius: Tensor, zoom: Tensor, middle: Tensor, part: int = 64
) -> Tensor:
    """Distances ``(B, 64, 64, 64)`` at the cells of the photos' frustums (depth, v, u), int8 in 16ths of a cell."""
    axis = (torch.arange(DEPTH, device=axes.device) + 0.5) / DEPTH * 2 - 1
    w, v, u = torch.meshgrid(axis, axis, axis, indexing="ij")
    cells = torch.stack([u, v, w], -1).view(1, -1, 3)
    out = []
    for start in range(0, len(table), part):
        cut = slice(start, start + part)
        local = from_cutout(cells.expand(len(radius[cut]), -1, -1), zoom[cut], middle[cut] * zoom[cut, None])
        world = (local @ axes[cut].transpose(1, 2)) * radius[cut, None, None]
        distance = renderer.distance(table.pick(start, min(start + part, len(table))), world)
        cell = (2 * HALF_DEPTH / DEPTH) * radius[cut] / zoom[cut]
        steps = distance / cell[:, None] * STEPS_A_CELL
        out.append(steps.clamp(-127, 127).round().to(torch.int8).view(-1, DEPTH, DEPTH, DEPTH))
    return torch.cat(out)


def from_cutout(at: Tensor, zoom: Tensor, shift: Tensor) -> Tensor:
    """Frustum coordinates ``(B, N, 3)`` of cutouts as points in their camera's axes, its distance 1."""
    away = 1 + at[..., 2] * HALF_DEPTH / zoom[:, None]
    pixel = (at[..., :2] + shift[:, None]) / zoom[:, None, None]
    return torch.stack([pixel[..., 0] * away * TAN, -pixel[..., 1] * away * TAN, 1 - away], -1)


def to_cutout(local: Tensor, zoom: Tensor, shift: Tensor) -> Tensor:
    """The other way: points ``(B, N, 3)`` in a camera's axes as its cutout's frustum coordinates."""
    away = (1 - local[..., 2]).clamp(min=1e-3)
    pixel = torch.stack([local[..., 0] / (away * TAN), -local[..., 1] / (away * TAN)], -1)
    across = pixel * zoom[:, None, None] - shift[:, None]
    return torch.cat([across, ((away - 1) * zoom[:, None] / HALF_DEPTH)[..., None]], -1)


class Pool:
    """The newest photos, as many as there is room for, on one device."""

    def __init__(self, room: int) -> None:
        self.room, self.count, self.next, self.total = room, 0, 0, 0
        self.photos: Photos | None = None

    def add(self, photos: Photos) -> None:
        if self.photos is None:
            self.photos = photos.map(lambda value: value.new_empty(self.room, *value.shape[1:]))
        size = min(len(photos), self.room)
        at = (torch.arange(size, device=photos.image.device) + self.next) % self.room
        for f in fields(photos):
            getattr(self.photos, f.name)[at] = getattr(photos, f.name)[:size]
        self.next = (self.next + size) % self.room
        self.count, self.total = min(self.room, self.count + size), self.total + size

    def draw(self, count: int, generator: torch.Generator) -> Photos:
        """Photos of a batch, each with its colours permuted and mirrored or not, as drawn (on the pool's device)."""
        assert self.photos is not None
        device = self.photos.image.device
        at = torch.randint(self.count, (count,), generator=generator, device=device)
        return varied(self.photos.map(lambda value: value[at]), generator)


def varied(photos: Photos, generator: torch.Generator) -> Photos:
    """Half of the photos mirrored, and their colour channels in any order, half the time."""
    count, device = len(photos), photos.image.device
    order = torch.rand(count, 3, generator=generator, device=device).argsort(1)
    own = torch.rand(count, 1, generator=generator, device=device) < 0.5
    order = torch.where(own, torch.arange(3, device=device), order)
    flip = torch.rand(count, generator=generator, device=device) < 0.5
    side = torch.where(flip, -1.0, 1.0)

    def mirrored(value: Tensor) -> Tensor:
        return torch.where(flip.view(-1, *[1] * (value.ndim - 1)), value.flip(-1), value)

    def across(value: Tensor) -> Tensor:
        return torch.cat([value[..., :1] * side.view(-1, *[1] * (value.ndim - 1)).to(value.dtype), value[..., 1:]], -1)

    rgb = torch.gather(photos.image[:, :3], 1, order[:, :, None, None].expand(-1, -1, SIZE, SIZE))
    return Photos(
        image=mirrored(torch.cat([rgb, photos.image[:, 3:]], 1)),
        elevation=photos.elevation,
        zoom=photos.zoom,
        shift=across(photos.shift),
        near=mirrored(photos.near),
        origin=across(photos.origin),
        direction=across(photos.direction),
        colour=torch.gather(photos.colour, 2, order[:, None].expand(-1, photos.colour.shape[1], -1)),
        coverage=photos.coverage,
        family=photos.family,
    )
