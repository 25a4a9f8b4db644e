"""Views of a whole table: rays through the distance grid, exact paint at the hits, soft studio light.

Cameras are those of :mod:`core.cameras` (Y up, azimuth 0 = +Z, field of view 49.13 degrees, looking at the origin).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, tan

import torch
from torch import Tensor

from core.cameras import FIELD_OF_VIEW
from core.procedural.grid import Grid, build_grid, gradient, sample
from core.procedural.shapes import evaluate
from core.procedural.table import ObjectTable
from core.procedural.texture import paint

BOUND = 0.88
"""Radius of a ball around every object: half the diagonal of the unit cube."""


@dataclass(frozen=True)
class Cameras:
    """``V`` cameras for each of ``B`` objects, all looking at the origin. Degrees and dataset units."""

    azimuth: Tensor
    """``(B, V)``."""
    elevation: Tensor
    """``(B, V)``."""
    radius: Tensor
    """``(B, V)``."""
    fov: float = FIELD_OF_VIEW

    def camera_to_world(self) -> Tensor:
        """``(B, V, 4, 4)``, OpenGL axes, as :meth:`core.cameras.Camera.camera_to_world`."""
        az, el = torch.deg2rad(self.azimuth), torch.deg2rad(self.elevation)
        zero = torch.zeros_like(az)
        back = torch.stack([el.cos() * az.sin(), el.sin(), el.cos() * az.cos()], -1)
        right = torch.stack([az.cos(), zero, -az.sin()], -1)
        up = torch.linalg.cross(back, right)
        pose = torch.zeros(*az.shape, 4, 4, device=az.device)
        pose[..., :3, 0], pose[..., :3, 1], pose[..., :3, 2] = right, up, back
        pose[..., :3, 3] = back * self.radius[..., None]
        pose[..., 3, 3] = 1
        return pose

    def to(self, device: torch.device | str) -> Cameras:
        return Cameras(self.azimuth.to(device), self.elevation.to(device), self.radius.to(device), self.fov)


@dataclass(frozen=True)
class Light:
    """Studio light fixed to the object: a key, a fill and a rim over an ambient sky. One set for each object."""

    direction: Tensor
    """``(B, 3, 3)`` unit vectors towards the lights."""
    color: Tensor
    """``(B, 3, 3)`` linear RGB of each."""
    ambient: Tensor
    """``(B, 3)`` linear RGB."""


@dataclass(frozen=True)
class Renders:
    """What ``V`` cameras see of ``B`` objects."""

    rgb: Tensor
    """``(B, V, 3, H, W)`` sRGB in 0..1, straight (not multiplied by alpha); white where nothing is."""
    alpha: Tensor
    """``(B, V, 1, H, W)`` coverage in 0..1."""
    depth: Tensor
    """``(B, V, 1, H, W)`` distance along the camera's axis, 0 where nothing is."""
    normal: Tensor
    """``(B, V, 3, H, W)`` in the world, 0 where nothing is."""

    def over(self, background: Tensor | float = 1.0) -> Tensor:
        """Composited over a colour or an image, ``(B, V, 3, H, W)``."""
        return self.rgb * self.alpha + background * (1 - self.alpha)


def studio_light(objects: int, device: torch.device | str = "cpu", generator: torch.Generator | None = None) -> Light:
    """The default light; with a (CPU) generator, one drawn for each object around it."""
    direction = torch.tensor([[0.55, 0.75, 0.65], [-0.8, 0.35, 0.5], [0.1, 0.6, -0.9]]).repeat(objects, 1, 1)
    color = torch.tensor([0.62, 0.26, 0.30])[None, :, None].repeat(objects, 1, 3)
    ambient = torch.full((objects, 3), 0.42)
    if generator is not None:
        direction = direction + 0.35 * torch.randn(objects, 3, 3, generator=generator)
        direction[..., 1] = direction[..., 1].abs()
        color = color * (0.6 + 0.8 * torch.rand(objects, 3, 1, generator=generator))
        color = color * (0.95 + 0.1 * torch.rand(objects, 3, 3, generator=generator))
        ambient = ambient * (0.75 + 0.5 * torch.rand(objects, 1, generator=generator))
    direction = torch.nn.functional.normalize(direction, dim=-1)
    return Light(direction.to(device), color.to(device), ambient.to(device))


def render(
    table: ObjectTable,
    cameras: Cameras | Tensor,
    size: int,
    *,
    supersample: int = 2,
    light: Light | None = None,
    shadows: bool = True,
    grid: Grid | None = None,
    fov: float = FIELD_OF_VIEW,
) -> Renders:
    """``V`` views of each object, ``size x size`` pixels, each the mean of ``supersample^2`` rays.

    ``cameras`` may be camera-to-world matrices ``(B, V, 4, 4)``. ``grid`` reuses :func:`core.procedural.build_grid`.
    Deterministic for a device; runs in blocks of objects so that memory stays bounded.
    """
    if isinstance(cameras, Cameras):
        fov, pose = cameras.fov, cameras.camera_to_world()
    else:
        pose = cameras
    pose = pose.to(table.device, torch.float32)
    objects, views = pose.shape[:2]
    light = light if light is not None else studio_light(objects, table.device)
    if grid is None:
        grid = build_grid(table, 96 if size <= 160 else 160 if size <= 320 else 224)
    rays = views * (size * supersample) ** 2
    block = max(1, (2**18 if table.device.type == "cpu" else 2**25) // rays)
    parts = []
    for start in range(0, objects, block):
        cut = slice(start, min(start + block, objects))
        parts.append(
            _render_block(
                table.pick(cut.start, cut.stop),
                pose[cut],
                size,
                supersample,
                Light(light.direction[cut], light.color[cut], light.ambient[cut]),
                shadows,
                Grid(grid.values[cut]),
                fov,
            )
        )
    rgb, alpha, depth, normal = (torch.cat(items) for items in zip(*parts, strict=True))
    return Renders(rgb, alpha, depth, normal)


def _render_block(
    table: ObjectTable,
    pose: Tensor,
    size: int,
    supersample: int,
    light: Light,
    shadows: bool,
    grid: Grid,
    fov: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    objects, views = pose.shape[:2]
    n = size * supersample
    origin, direction, forward = _rays(pose, n, fov)
    owner = torch.arange(objects, device=pose.device).repeat_interleave(views * n * n)
    hit, t = _march(grid, owner, origin, direction)
    owner, points = owner[hit], origin[hit] + direction[hit] * t[:, None]
    points, rows = _settle(table, owner, points, direction[hit])
    normals = gradient(grid, owner, points)
    albedo, gloss = paint(table, owner, rows, points)
    color = _shade(grid, light, owner, points, normals, direction[hit], albedo, gloss, shadows)
    along = ((points - origin[hit]) * forward[hit]).sum(-1, keepdim=True)
    layers = torch.cat([color, torch.ones_like(along), along, normals], -1)
    full = layers.new_zeros(origin.shape[0], 8)
    full[hit] = layers
    full = full.view(objects, views, size, supersample, size, supersample, 8).mean((3, 5)).permute(0, 1, 4, 2, 3)
    alpha = full[:, :, 3:4]
    seen = alpha > 0
    weight = alpha.clamp(min=1e-6)
    rgb = torch.where(seen, full[:, :, :3] / weight, 1.0).clamp(0, 1)
    normal = torch.nn.functional.normalize(full[:, :, 5:], dim=2)
    return rgb, alpha, torch.where(seen, full[:, :, 4:5] / weight, 0.0), normal


def _rays(pose: Tensor, n: int, fov: float) -> tuple[Tensor, Tensor, Tensor]:
    """Origins, unit directions and camera axes, each ``(B*V*n*n, 3)``, row-major from the top-left pixel."""
    focal = n / 2 / tan(radians(fov) / 2)
    axis = (torch.arange(n, device=pose.device, dtype=torch.float32) + 0.5 - n / 2) / focal
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    x, y = x.reshape(1, 1, -1, 1), y.reshape(1, 1, -1, 1)
    right, up, back = (pose[:, :, None, :3, i] for i in range(3))
    direction = torch.nn.functional.normalize(x * right + y * up - back, dim=-1)
    origin = pose[:, :, None, :3, 3].expand_as(direction)
    forward = (-back).expand_as(direction)
    return origin.reshape(-1, 3), direction.reshape(-1, 3), forward.reshape(-1, 3)


def _march(grid: Grid, owner: Tensor, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the rays that hit and their distances: sphere tracing through the grid's cube."""
    near, far = _enter(origin, direction)
    live = torch.nonzero(near < far)[:, 0]
    t, far = near[live] + 1e-4, far[live]
    o, d, own = origin[live], direction[live], owner[live]
    hits, times = [], []
    threshold, least = 0.15 * grid.cell, 0.35 * grid.cell
    for step in range(96):
        distance = sample(grid, own, o + d * t[:, None])
        done = distance < threshold
        hits.append(live[done])
        times.append(t[done])
        t = t + torch.maximum(distance * 0.95, distance.new_tensor(least))
        stay = ~done & (t < far)
        live, t, far, o, d, own = live[stay], t[stay], far[stay], o[stay], d[stay], own[stay]
        if step % 4 == 3 and not len(live):
            break
    hit, time = torch.cat(hits), torch.cat(times)
    order = torch.argsort(hit)
    return hit[order], time[order]


def _enter(origin: Tensor, direction: Tensor, half: float = 0.515) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave the cube ``[-half, half]^3``."""
    inverse = 1 / torch.where(direction.abs() < 1e-9, 1e-9, direction)
    a, b = (-half - origin) * inverse, (half - origin) * inverse
    return torch.minimum(a, b).amax(-1).clamp(min=0), torch.maximum(a, b).amin(-1)


def _settle(table: ObjectTable, owner: Tensor, points: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Exact distance at the hits: the row that shows there, and the point moved onto the surface along its ray."""
    counts = torch.bincount(owner, minlength=len(table))
    most = int(counts.max()) if len(owner) else 0
    if not most:
        return points, owner.new_zeros(0)
    first = torch.cumsum(counts, 0) - counts
    slot = torch.arange(len(owner), device=owner.device) - first[owner]
    padded = points.new_zeros(len(table), most, 3)
    padded[owner, slot] = points
    distance, rows = evaluate(table, padded, materials=True)
    assert rows is not None
    moved = points + direction * distance[owner, slot].clamp(-0.01, 0.01)[:, None]
    return moved, rows[owner, slot]


def _shade(
    grid: Grid,
    light: Light,
    owner: Tensor,
    points: Tensor,
    normals: Tensor,
    direction: Tensor,
    albedo: Tensor,
    gloss: Tensor,
    shadows: bool,
) -> Tensor:
    """Lambert with wide (area-like) lights, hemisphere ambient with occlusion from the grid, a weak highlight."""
    lifted = points + normals * (1.5 * grid.cell)
    occlusion = torch.ones_like(gloss)
    for reach, weight in ((0.04, 0.45), (0.12, 0.55)):
        occlusion = occlusion - weight * (1 - sample(grid, owner, points + normals * reach) / reach).clamp(0, 1)
    sky = (0.75 + 0.25 * normals[:, 1:2]) * (0.35 + 0.65 * occlusion[:, None])
    total = light.ambient[owner] * sky
    shine = torch.zeros_like(total)
    mirrored = direction - 2 * (direction * normals).sum(-1, keepdim=True) * normals
    for index in range(3):
        towards, color = light.direction[owner, index], light.color[owner, index]
        facing = (normals * towards).sum(-1)
        wide = ((facing + 0.15) / 1.15).clamp(min=0)
        if shadows and index == 0:
            wide = wide * _visible(grid, owner, lifted, towards)
        total = total + color * wide[:, None]
        highlight = ((mirrored * towards).sum(-1).clamp(min=0)) ** 24
        shine = shine + color * (highlight * (facing > 0))[:, None]
    linear = albedo.clamp(0, 1) ** 2.2 * total + gloss[:, None] * shine
    return linear.clamp(1e-5, 1) ** (1 / 2.2)


def _visible(grid: Grid, owner: Tensor, points: Tensor, towards: Tensor) -> Tensor:
    """Soft shadow ``(M,)``: the smallest ratio of distance to path towards the light (penumbra of a wide source)."""
    seen = torch.ones_like(points[:, 0])
    for step in (0.02, 0.05, 0.1, 0.17, 0.27, 0.42):
        distance = sample(grid, owner, points + towards * step)
        seen = torch.minimum(seen, 0.5 + 4.0 * distance / (step + 0.05))
    return seen.clamp(0.15, 1)
