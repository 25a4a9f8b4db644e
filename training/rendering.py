"""What training looks at: objects photographed as cutouts are, from drawn cameras.

View 0 of a *framed* object is what a cutout shows: the camera is zoomed until the object's longest side fills 200/256
of the frame, and view 0 is recentred when it serves as the condition. All views of an object share that zoom, so that
the pose "nothing changed" means "the same picture", which is what reconstruction assumes. Cameras: REFERENCE section 2
and the starter's conventions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.cameras import Camera
from core.errors import UnreadablePhoto
from core.parameters import Parameters

if TYPE_CHECKING:
    from torch import Tensor

    from training.procedural import ObjectTable

FRAME = 200 / 256
"""Share of the frame that a cutout's longest side fills."""


class DataConfig(Parameters):
    """What the views are."""

    size: int = 64
    views: int = 12
    objects_per_shard: int = 256
    first_seed: int = 0
    """Of the procedural objects to train on: another round sees others."""
    framed_share: float = 0.7
    """Objects seen as cutouts are; their view 0 is the condition in ``anchor_share`` of their pairs."""
    anchor_share: float = 0.9
    moved_share: float = 0.25
    """Objects whose cameras differ in radius by up to 0.2."""
    elevation: tuple[float, float] = (-20.0, 80.0)
    condition_elevation: tuple[float, float] = (-10.0, 60.0)
    radius: tuple[float, float] = (1.4, 2.2)
    render_size: int = 96
    """Pixels of the renders from which views are framed; one ray each."""
    meshes: str | None = None
    """A folder of real meshes with their licences (:mod:`training.meshes`) beside what is trained on otherwise."""
    mesh_share: float = Field(0.2, ge=0, le=0.2)
    """Share of the drawn objects that are real meshes, where there are any."""


@dataclass(frozen=True)
class CameraBatch:
    """Cameras of ``N`` objects with ``V`` views, degrees and dataset units; every array ``(N, V)`` float32."""

    azimuth: NDArray[np.float32]
    elevation: NDArray[np.float32]
    radius: NDArray[np.float32]
    framed: NDArray[np.bool_]
    """``(N,)``: seen as a cutout is."""


def draw_cameras(count: int, config: DataConfig, seed: int) -> CameraBatch:
    """Cameras for ``count`` objects; the same seed draws the same cameras."""
    rng = np.random.default_rng([seed, 11])
    shape = (count, config.views)
    elevation = rng.uniform(*config.elevation, shape)
    elevation[:, 0] = rng.uniform(*config.condition_elevation, count)
    radius = np.repeat(rng.uniform(*config.radius, (count, 1)), config.views, 1)
    moved = rng.random(count) < config.moved_share
    radius += moved[:, None] * rng.uniform(-0.2, 0.2, shape)
    framed = rng.random(count) < config.framed_share
    azimuth = rng.uniform(0, 360, shape)
    return CameraBatch(azimuth.astype(np.float32), elevation.astype(np.float32), radius.astype(np.float32), framed)


def shoot(large: Tensor, framed: NDArray[np.bool_], size: int) -> Tensor:
    """Frame larger renders: ``(B, V, 4, R, R)`` straight RGBA in 0..1 -> ``(B, V + 1, S, S, 4)`` uint8."""
    import torch

    alpha = large[:, :, 3:]
    layers = torch.cat([large[:, :, :3] * alpha, alpha], 2)
    zoom, first_zoom, centre = framing(alpha[:, 0, 0], framed)
    plain = _crop(layers.flatten(0, 1), zoom.repeat_interleave(large.shape[1]), centre.new_zeros(1, 2), size)
    first = _crop(layers[:, 0], first_zoom, centre, size)
    out = torch.cat([plain.view(*large.shape[:2], 4, size, size), first[:, None]], 1)
    coverage = out[:, :, 3:]
    rgb = torch.where(coverage > 1e-4, out[:, :, :3] / coverage.clamp(min=1e-4), 1.0)
    straight = torch.cat([rgb, coverage], 2).clamp(0, 1).permute(0, 1, 3, 4, 2)
    return (straight * 255).round().to(torch.uint8)


def framing(alpha: Tensor, framed: NDArray[np.bool_]) -> tuple[Tensor, Tensor, Tensor]:
    """Of view 0's masks ``(B, n, n)``: the zoom of all views, that of view 0 recentred, and its centre ``(B, 2)``.

    The two zooms differ only where the former was limited.
    """
    import torch

    centre, extent = boxes(alpha)
    is_framed = torch.from_numpy(framed).to(alpha.device)
    own = FRAME / extent.clamp(min=0.05)
    one = torch.ones_like(extent)
    return (
        torch.where(is_framed, own.clamp(0.8, 1.8), one),
        torch.where(is_framed, own, one),
        centre * is_framed[:, None],
    )


def boxes(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Centre ``(B, 2)`` (x, y in [-1, 1]) and longest side (share of the frame) of masks ``(B, n, n)``."""
    import torch

    n = alpha.shape[-1]
    at = torch.arange(n, device=alpha.device)
    low, high = [], []
    for axis in (1, 2):  # columns, then rows
        seen = (alpha > 0.5).any(axis)
        low.append(torch.where(seen, at, n).amin(1).clamp(max=n - 1))
        high.append(torch.where(seen, at, -1).amax(1).clamp(min=0))
    a, b = torch.stack(low, 1).float(), torch.stack(high, 1).float() + 1
    return (a + b) / n - 1, ((b - a).amax(1) / n).clamp(min=1 / n)


def _crop(layers: Tensor, zoom: Tensor, centre: Tensor, size: int) -> Tensor:
    """``(B, C, R, R)`` seen through a camera ``zoom`` times longer that looks at ``centre``: ``(B, C, S, S)``."""
    import torch.nn.functional as F

    theta = layers.new_zeros(len(layers), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / zoom
    theta[:, :, 2] = centre
    grid = F.affine_grid(theta, [len(layers), layers.shape[1], 2 * size, 2 * size], align_corners=False)
    return F.avg_pool2d(F.grid_sample(layers, grid, align_corners=False), 2)


@dataclass(frozen=True)
class Rendered:
    """What becomes a shard (:class:`training.dataset.Shard`), on the device that rendered it."""

    images: Tensor
    shot: CameraBatch
    solids: Tensor | None = None
    frames: Tensor | None = None


def procedural_shard(
    seeds: Sequence[int], config: DataConfig, device: str = "cpu", drafts: ObjectTable | None = None
) -> Rendered:
    """Views of the procedural objects of ``seeds``, their cameras and where their matter is.

    ``drafts`` of those seeds (:func:`training.procedural.draft_objects`) may have been written before, by other
    processes.
    """
    import torch

    from training.occupancy import pack_solids
    from training.procedural import Cameras, build_grid, draft_objects, normalize, render, studio_light

    shot = draw_cameras(len(seeds), config, seeds[0])
    images, solids, frames = [], [], []
    block = 16 if device == "cpu" else 256
    for start in range(0, len(seeds), block):
        cut = slice(start, start + block)
        draft = drafts.pick(start, start + block) if drafts is not None else draft_objects(seeds[cut])
        table = normalize(draft.to(device))
        azimuth, elevation, radius = map(torch.from_numpy, (shot.azimuth[cut], shot.elevation[cut], shot.radius[cut]))
        cameras = Cameras(azimuth, elevation, radius)
        light = studio_light(len(table), device, torch.Generator().manual_seed(seeds[start]))
        grid = build_grid(table, config.render_size * 5 // 6)
        seen = render(table, cameras.to(device), config.render_size, supersample=1, light=light, grid=grid)
        images.append(shoot(torch.cat([seen.rgb, seen.alpha], 2), shot.framed[cut], config.size))
        zoom, first, _ = framing(seen.alpha[:, 0, 0], shot.framed[cut])
        frames.append(torch.stack([zoom, first], 1))
        solids.append(pack_solids(grid.values))
    return Rendered(torch.cat(images), shot, torch.cat(solids), torch.cat(frames))


def mesh_shard(files: Sequence[Path], config: DataConfig, seed: int) -> Rendered:
    """Views of mesh files, normalised to longest side 1 and centred, drawn by the project's own rasteriser, and where
    their matter is."""
    import torch

    shot = draw_cameras(len(files), config, seed)
    parts, solids, frames = [], [], []
    for row, file in enumerate(files):
        vertices, faces, draw = _mesh_camera(file)
        views = [
            draw(Camera(float(a), float(e), float(r)), config.render_size)
            for a, e, r in zip(shot.azimuth[row], shot.elevation[row], shot.radius[row], strict=True)
        ]
        large = torch.from_numpy(np.stack(views).astype(np.float32) / 255).permute(0, 3, 1, 2)[None]
        framed = shot.framed[row : row + 1]
        parts.append(shoot(large, framed, config.size))
        zoom, first, _ = framing(large[:, 0, 3], framed)
        frames.append(torch.stack([zoom, first], 1))
        solids.append(_mesh_solid(vertices, faces, config.render_size * 5 // 6))
    return Rendered(torch.cat(parts), shot, torch.cat(solids), torch.cat(frames))


def _mesh_solid(vertices: NDArray[np.float64], faces: NDArray[np.int64], resolution: int) -> Tensor:
    """Where the mesh is, ``(1, R, R, R / 8)`` bits: a generalised winding number of at least one half, so that scans
    with gaps are solid, too."""
    import igl
    import torch

    from training.occupancy import pack_solids
    from training.procedural.grid import HALF, lattice

    points = lattice(resolution, HALF, torch.device("cpu")).double().numpy().reshape(-1, 3)
    winding = igl.fast_winding_number(np.ascontiguousarray(vertices), np.ascontiguousarray(faces), points)
    outside = torch.from_numpy(0.5 - np.abs(winding)).view(1, resolution, resolution, resolution)
    return pack_solids(outside)


def _mesh_camera(
    file: Path,
) -> tuple[NDArray[np.float64], NDArray[np.int64], Callable[[Camera, int], NDArray[np.uint8]]]:
    """Vertices and faces of one mesh (centred, longest side 1), and a function that photographs it: camera, size ->
    ``(size, size, 4)`` uint8."""
    import trimesh

    from core.render import render_mesh

    try:
        mesh: Any = trimesh.load(file, force="mesh", process=False)
        low, high = mesh.bounds
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise UnreadablePhoto(f"The model {file.name} cannot be read: {error}.") from error
    vertices = (mesh.vertices - (low + high) / 2) / max(float((high - low).max()), 1e-9)
    material: Any = getattr(mesh.visual, "material", None)
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)  # of a GLB, an OBJ
    uv = getattr(mesh.visual, "uv", None)
    look: dict[str, Any] = {}
    if picture is not None and uv is not None:
        flipped = np.column_stack([uv[:, 0], 1 - uv[:, 1]])  # trimesh turns glTF's top-left origin upside down
        look = {"uv": flipped, "texture": np.asarray(picture.convert("RGB"))}
    elif material is None and hasattr(mesh.visual, "vertex_colors"):
        look = {"colors": np.asarray(mesh.visual.vertex_colors)[:, :3]}
    elif getattr(material, "main_color", None) is not None:
        look = {"colors": np.broadcast_to(np.asarray(material.main_color)[:3], vertices.shape)}

    towards = np.array([0.43, 0.73, 0.53])

    def studio(normals: NDArray[np.float32], _: Camera) -> NDArray[np.float32]:
        """Wrapped light fixed to the object: the same side is bright from everywhere."""
        return np.asarray(0.55 + 0.45 * np.clip(normals @ towards * 0.5 + 0.5, 0, 1), np.float32)

    def draw(camera: Camera, size: int) -> NDArray[np.uint8]:
        seen = render_mesh(
            vertices, mesh.faces, camera, size, normals=mesh.vertex_normals, shade=studio, supersample=2, **look
        )
        return np.concatenate([seen.rgb, seen.alpha[..., None]], -1)

    return np.asarray(vertices, np.float64), np.asarray(mesh.faces, np.int64), draw
