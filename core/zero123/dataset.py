"""Views to train on: rendered once into memory-mapped shards, drawn as ordered pairs by step number alone.

A shard is a folder of arrays for ``N`` objects with ``V`` views each. View 0 of a *framed* object is what a cutout
shows: the camera is zoomed until the object's longest side fills 200/256 of the frame, and view 0 is recentred when
it serves as the condition. All views of an object share that zoom, so that the pose "nothing changed" means "the
same picture", which is what reconstruction assumes. Cameras: REFERENCE section 2 and the starter's conventions.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera
from core.errors import UnreadablePhoto
from core.parameters import Parameters
from core.progress import Progress, silent

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FRAME = 200 / 256
"""Share of the frame that a cutout's longest side fills."""

HELD_OUT_SEED = 1_000_000_000
"""Objects with this seed and above are never trained on."""


class DataConfig(Parameters):
    """What the views are."""

    size: int = 64
    views: int = 12
    objects_per_shard: int = 256
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


@dataclass(frozen=True)
class Shot:
    """Cameras of ``N`` objects with ``V`` views, degrees and dataset units; every array ``(N, V)`` float32."""

    azimuth: NDArray[np.float32]
    elevation: NDArray[np.float32]
    radius: NDArray[np.float32]
    framed: NDArray[np.bool_]
    """``(N,)``: seen as a cutout is."""


@dataclass(frozen=True)
class Shard:
    """Memory-mapped views; ``latents`` stay None until :func:`cache_latents` wrote them."""

    images: Any
    """``(N, V + 1, S, S, 4)`` uint8, straight RGBA; the last one is view 0 recentred (or a copy of it)."""
    cameras: NDArray[np.float32]
    """``(N, V, 3)``: azimuth, elevation, radius."""
    framed: NDArray[np.bool_]
    """``(N,)``."""
    latents: Any
    """``(N, V + 1, 2 C, s, s)`` float16: posterior mean and log variance, unscaled."""


@dataclass(frozen=True)
class Pairs:
    """A batch of ordered pairs of views of one object each."""

    shard: NDArray[np.int64]
    item: NDArray[np.int64]
    condition: NDArray[np.int64]
    """View that conditions, ``V`` for the recentred one."""
    target: NDArray[np.int64]


def draw_cameras(count: int, config: DataConfig, seed: int) -> Shot:
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
    return Shot(azimuth.astype(np.float32), elevation.astype(np.float32), radius.astype(np.float32), framed)


def shoot(large: Tensor, framed: NDArray[np.bool_], size: int) -> NDArray[np.uint8]:
    """Frame larger renders: ``(B, V, 4, R, R)`` straight RGBA in 0..1 -> ``(B, V + 1, S, S, 4)`` uint8."""
    import torch

    alpha = large[:, :, 3:]
    layers = torch.cat([large[:, :, :3] * alpha, alpha], 2)
    centre, extent = boxes(alpha[:, 0, 0])
    is_framed = torch.from_numpy(framed).to(large.device)
    zoom = torch.where(is_framed, (FRAME / extent.clamp(min=0.05)).clamp(0.8, 1.8), torch.ones_like(extent))
    plain = _crop(layers.flatten(0, 1), zoom.repeat_interleave(large.shape[1]), centre.new_zeros(1, 2), size)
    # view 0 tightly framed: its own zoom, which differs from the others' only where that was limited
    first_zoom = torch.where(is_framed, FRAME / extent.clamp(min=0.05), torch.ones_like(extent))
    first = _crop(layers[:, 0], first_zoom, centre * is_framed[:, None], size)
    out = torch.cat([plain.view(*large.shape[:2], 4, size, size), first[:, None]], 1)
    coverage = out[:, :, 3:]
    rgb = torch.where(coverage > 1e-4, out[:, :, :3] / coverage.clamp(min=1e-4), 1.0)
    straight = torch.cat([rgb, coverage], 2).clamp(0, 1).permute(0, 1, 3, 4, 2)
    return (straight * 255).round().to(torch.uint8).cpu().numpy()


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


def procedural_shard(seeds: Sequence[int], config: DataConfig, device: str = "cpu") -> tuple[NDArray[np.uint8], Shot]:
    """Views of the procedural objects of ``seeds``: ``(N, V + 1, S, S, 4)`` uint8 and their cameras."""
    import torch

    from core.procedural import Cameras, build_grid, generate_objects, render, studio_light

    shot = draw_cameras(len(seeds), config, seeds[0])
    parts = []
    for start in range(0, len(seeds), 16 if device == "cpu" else 256):
        cut = slice(start, start + (16 if device == "cpu" else 256))
        table = generate_objects(list(seeds[cut])).to(device)
        azimuth, elevation, radius = map(torch.from_numpy, (shot.azimuth[cut], shot.elevation[cut], shot.radius[cut]))
        cameras = Cameras(azimuth, elevation, radius)
        light = studio_light(len(table), device, torch.Generator().manual_seed(seeds[start]))
        grid = build_grid(table, config.render_size * 5 // 6)
        seen = render(table, cameras.to(device), config.render_size, supersample=1, light=light, grid=grid)
        parts.append(shoot(torch.cat([seen.rgb, seen.alpha], 2), shot.framed[cut], config.size))
    return np.concatenate(parts), shot


def mesh_shard(files: Sequence[Path], config: DataConfig, seed: int) -> tuple[NDArray[np.uint8], Shot]:
    """Views of GLB files, normalised to longest side 1 and centred, drawn by the project's own rasteriser."""
    import torch

    shot = draw_cameras(len(files), config, seed)
    parts = []
    for row, file in enumerate(files):
        draw = _mesh_camera(file)
        views = [
            draw(Camera(float(a), float(e), float(r)), config.render_size)
            for a, e, r in zip(shot.azimuth[row], shot.elevation[row], shot.radius[row], strict=True)
        ]
        large = torch.from_numpy(np.stack(views).astype(np.float32) / 255).permute(0, 3, 1, 2)[None]
        parts.append(shoot(large, shot.framed[row : row + 1], config.size))
    return np.concatenate(parts), shot


def _mesh_camera(file: Path) -> Callable[[Camera, int], NDArray[np.uint8]]:
    """A function that photographs one GLB (centred, longest side 1): camera, size -> ``(size, size, 4)`` uint8."""
    import trimesh

    from core.render import render_mesh

    try:
        mesh: Any = trimesh.load(file, force="mesh", process=False)
        low, high = mesh.bounds
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise UnreadablePhoto(f"The model {file.name} cannot be read: {error}.") from error
    vertices = (mesh.vertices - (low + high) / 2) / max(float((high - low).max()), 1e-9)
    material: Any = getattr(mesh.visual, "material", None)
    picture = getattr(material, "baseColorTexture", None)
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

    return draw


def sources_of(data: str | Path, shards: int, config: DataConfig) -> tuple[Sequence[int | Path], Sequence[int | Path]]:
    """What to train on and what to hold out: seeds for ``procedural``, else every 20th GLB of a folder is held out."""
    if str(data) == "procedural":
        return range(shards * config.objects_per_shard), range(HELD_OUT_SEED, HELD_OUT_SEED + 64)
    files = sorted(Path(data).rglob("*.glb"))
    if len(files) < 2:
        raise UnreadablePhoto(f"The folder {Path(data).name} holds fewer than two GLB files to train on.")
    held = set(files[::20])
    return [file for file in files if file not in held], files[::20]


def build_cache(
    folder: Path,
    sources: Sequence[int | Path],
    config: DataConfig,
    *,
    device: str = "cpu",
    progress: Progress = silent,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Render ``sources`` (seeds or GLB files) into shards; finished ones stay. Returns how many shards there are.

    Shard ``k`` holds sources ``k * objects_per_shard ...``, the same pictures on every run of a machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    per = config.objects_per_shard
    total = -(-len(sources) // per)
    for index in range(total):
        path = folder / f"shard-{index:04d}"
        if path.is_dir():
            continue
        if stop():
            return index
        mine = sources[index * per : (index + 1) * per]
        seeds = [item for item in mine if isinstance(item, int)]
        files = [item for item in mine if isinstance(item, Path)]
        images, shot = mesh_shard(files, config, index) if files else procedural_shard(seeds, config, device)
        write_shard(path, images, shot, config)
        progress("render", index + 1, total)
    return total


def write_shard(path: Path, images: NDArray[np.uint8], shot: Shot, config: DataConfig) -> None:
    """All arrays in a temporary folder, then one rename: a shard exists whole or not at all."""
    temporary = path.with_name(path.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    np.save(temporary / "images.npy", images)
    np.save(temporary / "cameras.npy", np.stack([shot.azimuth, shot.elevation, shot.radius], -1))
    np.save(temporary / "framed.npy", shot.framed)
    (temporary / "config.json").write_text(json.dumps(config.model_dump(mode="json"), sort_keys=True))
    temporary.rename(path)


def open_shards(folder: Path, limit: int | None = None) -> list[Shard]:
    """The shards of a folder, memory-mapped, in order."""
    out = []
    for path in sorted(folder.glob("shard-????"))[:limit]:
        latents = path / "latents.npy"
        out.append(
            Shard(
                np.load(path / "images.npy", mmap_mode="r"),
                np.load(path / "cameras.npy"),
                np.load(path / "framed.npy"),
                np.load(latents, mmap_mode="r") if latents.exists() else None,
            )
        )
    return out


def cache_latents(
    folder: Path, vae: Any, *, batch: int = 52, progress: Progress = silent, stop: Callable[[], bool] = lambda: False
) -> int:
    """Write the frozen autoencoder's posteriors of every shard that has none; returns how many shards have them."""
    import torch

    paths = sorted(folder.glob("shard-????"))
    device = next(vae.parameters()).device
    done = 0
    for number, path in enumerate(paths):
        if not (path / "latents.npy").exists():
            if stop():
                return done
            images = np.load(path / "images.npy", mmap_mode="r")
            flat = images.reshape(-1, *images.shape[2:])
            parts = []
            for start in range(0, len(flat), batch):
                with torch.no_grad():
                    pixels = to_tensor(flat[start : start + batch]).to(device)
                    moments = vae.encode(pixels, return_dict=False)[0].parameters
                parts.append(moments.float().cpu().numpy().astype(np.float16))
            values = np.concatenate(parts)
            np.save(path / "latents.partial.npy", values.reshape(*images.shape[:2], *values.shape[1:]))
            (path / "latents.partial.npy").replace(path / "latents.npy")
            progress("encode", number + 1, len(paths))
        done += 1
    return done


def to_tensor(rgba: NDArray[np.uint8] | Tensor) -> Tensor:
    """``(B, H, W, 4)`` straight uint8 over white as ``(B, 3, H, W)`` float32 in [-1, 1], contiguous."""
    import torch

    image = (
        torch.as_tensor(rgba if isinstance(rgba, torch.Tensor) else np.array(rgba))
        .permute(0, 3, 1, 2)
        .contiguous()
        .float()
        / 255
    )
    alpha = image[:, 3:]
    return (image[:, :3] * alpha + (1 - alpha)) * 2 - 1


@dataclass(frozen=True)
class Conditions:
    """A batch of objects, each with the picture that conditions."""

    shard: NDArray[np.int64]
    item: NDArray[np.int64]
    picture: NDArray[np.int64]
    """A view's number, ``V`` for view 0 recentred."""


def draw_conditions(shards: Sequence[Shard], batch: int, config: DataConfig, rng: np.random.Generator) -> Conditions:
    """Random objects and views; framed objects condition on their anchor more often."""
    sizes = np.array([len(shard.cameras) for shard in shards])
    flat = rng.integers(0, sizes.sum(), batch)
    edges = np.cumsum(sizes)
    shard = np.searchsorted(edges, flat, side="right")
    item = flat - (edges - sizes)[shard]
    views = shards[0].cameras.shape[1]
    framed = np.array([shards[s].framed[i] for s, i in zip(shard, item, strict=True)])
    anchored = framed & (rng.random(batch) < config.anchor_share)
    view = np.where(anchored, 0, rng.integers(0, views, batch))
    return Conditions(shard, item, np.where(framed & (view == 0), views, view))


def draw_pairs(
    shards: Sequence[Shard], batch: int, config: DataConfig, rng: np.random.Generator, targets: int = 1
) -> Pairs:
    """Ordered random pairs of different views; ``targets`` pairs in a row share object and condition."""
    drawn = draw_conditions(shards, batch // targets, config, rng)
    views = shards[0].cameras.shape[1]
    shard, item, picture = (np.repeat(x, targets) for x in (drawn.shard, drawn.item, drawn.picture))
    target = (picture % views + rng.integers(1, views, len(picture))) % views
    return Pairs(shard, item, picture, target)


def pair_cameras(shards: Sequence[Shard], pairs: Pairs) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Azimuth, elevation and radius ``(B, 3)`` of the condition and of the target of every pair."""
    rows = list(zip(pairs.shard, pairs.item, strict=True))
    views = shards[0].cameras.shape[1]
    first = np.stack([shards[s].cameras[i, c % views] for (s, i), c in zip(rows, pairs.condition, strict=True)])
    second = np.stack([shards[s].cameras[i, t] for (s, i), t in zip(rows, pairs.target, strict=True)])
    return first, second


def pair_poses(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """``T`` of camera pairs ``(B, 3)``, ``(B, 4)`` (:func:`core.cameras.relative_pose`)."""
    turn = np.radians(second[:, 0] - first[:, 0])
    tilt = np.radians(first[:, 1] - second[:, 1])
    return np.stack([tilt, np.sin(turn), np.cos(turn), second[:, 2] - first[:, 2]], -1).astype(np.float32)


def pick(shards: Sequence[Shard], pairs: Pairs, views: NDArray[np.int64], what: str) -> Tensor:
    """``images`` or ``latents`` of one view of every pair, ``(B, ...)``, where the shards are."""
    import torch

    arrays = [getattr(shard, what) for shard in shards]
    if isinstance(arrays[0], torch.Tensor):  # one shard that :func:`on_device` made
        return arrays[0][torch.from_numpy(pairs.item), torch.from_numpy(views)]
    return torch.from_numpy(np.stack([arrays[s][i, v] for s, i, v in zip(pairs.shard, pairs.item, views, strict=True)]))


def on_device(shards: Sequence[Shard], device: str) -> list[Shard]:
    """All shards as one whose images and latents are tensors on ``device``: a GPU then never waits for the disk."""
    import torch

    images = torch.cat([torch.from_numpy(np.array(shard.images)).to(device) for shard in shards])
    latents = torch.cat([torch.from_numpy(np.array(shard.latents)).to(device) for shard in shards])
    cameras = np.concatenate([shard.cameras for shard in shards])
    framed = np.concatenate([shard.framed for shard in shards])
    return [Shard(images, cameras, framed, latents)]


def step_rng(seed: int, step: int, stream: int) -> tuple[np.random.Generator, torch.Generator]:
    """The randomness of one training step: a function of its number, so that resuming needs no stored state."""
    import torch

    rng = np.random.default_rng([seed, step, stream])
    return rng, torch.Generator().manual_seed(int(rng.integers(0, 2**62)))
