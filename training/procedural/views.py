"""Views of a whole table: rays through the distance grid, exact paint at the hits, soft studio light.

Cameras are those of :mod:`core.cameras` (Y up, azimuth 0 = +Z, field of view 49.13 degrees, looking at the origin).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.cameras import FIELD_OF_VIEW
from training.procedural.grid import Grid, build_grid, gradient
from training.procedural.march import Hits, trace_rays
from training.procedural.shade import Light, shade, studio_light
from training.procedural.shapes import evaluate
from training.procedural.table import ObjectTable
from training.procedural.texture import paint


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

    ``cameras`` may be camera-to-world matrices ``(B, V, 4, 4)``. ``grid`` reuses
    :func:`training.procedural.build_grid`.
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
        grid = build_grid(table, 80 if size <= 80 else 96 if size <= 160 else 160 if size <= 320 else 192)
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
    hits = trace_rays(grid, pose, n, fov)
    rows, hits = _settle(table, hits)
    base = hits.owner * grid.resolution**3
    normals = gradient(grid, base, *hits.points)
    albedo, gloss = paint(table, hits.owner, rows, hits.points)
    color = shade(grid, base, light, hits, normals, albedo, gloss, shadows)
    depth = hits.t * hits.slant
    layers = torch.stack([*color, torch.ones_like(depth), depth, *normals], -1)
    full = layers.new_zeros(objects * views * n * n, 8)
    full[hits.ray] = layers
    full = full.view(objects, views, size, supersample, size, supersample, 8).mean((3, 5)).permute(0, 1, 4, 2, 3)
    alpha = full[:, :, 3:4]
    seen = alpha > 0
    weight = alpha.clamp(min=1e-6)
    rgb = torch.where(seen, full[:, :, :3] / weight, 1.0).clamp(0, 1)
    normal = torch.nn.functional.normalize(full[:, :, 5:], dim=2)
    return rgb, alpha, torch.where(seen, full[:, :, 4:5] / weight, 0.0), normal


def _settle(table: ObjectTable, hits: Hits) -> tuple[Tensor, Hits]:
    """Exact distance at the hits: the row that shows there, and the points moved onto the surface along their rays."""
    owner = hits.owner
    if not len(owner):
        return owner, hits
    counts = torch.bincount(owner, minlength=len(table))
    first = torch.cumsum(counts, 0) - counts
    slot = torch.arange(len(owner), device=owner.device) - first[owner]
    padded = hits.t.new_zeros(len(table), int(counts.max()), 3)
    padded[owner, slot] = torch.stack(hits.points, -1)
    distance, rows = evaluate(table, padded, materials=True)
    assert rows is not None
    move = distance[owner, slot].clamp(-0.01, 0.01)
    points = [p + d * move for p, d in zip(hits.points, hits.direction, strict=True)]
    return rows[owner, slot], replace(hits, points=(points[0], points[1], points[2]), t=hits.t + move)
