"""Views to train on: rendered once into memory-mapped shards, drawn as ordered pairs by step number alone.

A shard is a folder of arrays for ``N`` objects with ``V`` views each (:mod:`training.rendering`).
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

from core.errors import InputError, UnreadablePhoto
from core.progress import Progress, no_progress
from core.whole_file import whole_file
from training.rendering import DataConfig, Rendered, mesh_shard, procedural_shard

if TYPE_CHECKING:
    import torch
    from torch import Tensor

HELD_OUT_SEED = 1_000_000_000
"""Objects with this seed and above are never trained on."""


@dataclass(frozen=True)
class Shard:
    """Views of ``N`` objects; ``latents`` stay None until :func:`cache_latents` wrote them.

    The large arrays (Any) are memory-mapped, or tensors on a device (:class:`ShardInMemory`).
    """

    images: Any
    """``(N, V + 1, S, S, 4)`` uint8, straight RGBA; the last one is view 0 recentred (or a copy of it)."""
    cameras: NDArray[np.float32]
    """``(N, V, 3)``: azimuth, elevation, radius."""
    framed: NDArray[np.bool_]
    """``(N,)``."""
    latents: Any
    """``(N, V + 1, 2 C, s, s)`` float16: posterior mean and log variance, unscaled."""
    solids: Any = None
    """``(N, R, R, R / 8)`` bits (:mod:`training.occupancy`), where the generator knows."""
    frames: Any = None
    """``(N, 2)``: zoom of the views, and of view 0 recentred."""
    real: bool = False
    """Of real meshes, which are a share of what is drawn (:attr:`training.rendering.DataConfig.mesh_share`)."""


@dataclass(frozen=True)
class Pairs:
    """A batch of ordered pairs of views of one object each."""

    shard: NDArray[np.int64]
    item: NDArray[np.int64]
    condition: NDArray[np.int64]
    """View that conditions, ``V`` for the recentred one."""
    target: NDArray[np.int64]


def sources_of(data: str | Path, shards: int, config: DataConfig) -> tuple[Sequence[int | Path], Sequence[int | Path]]:
    """What to train on and what to hold out: seeds for ``procedural``, else every 20th GLB of a folder is held out."""
    if str(data) == "procedural":
        first, count = config.first_seed, shards * config.objects_per_shard
        if first < 0 or first + count > HELD_OUT_SEED:
            raise InputError(f"Seeds to train on lie between 0 and {HELD_OUT_SEED}, where those held out begin.")
        return range(first, first + count), range(HELD_OUT_SEED, HELD_OUT_SEED + 64)
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
    progress: Progress = no_progress,
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
        write_shard(
            path, mesh_shard(files, config, index) if files else procedural_shard(seeds, config, device), config
        )
        progress("render", index + 1, total)
    return total


def write_shard(path: Path, rendered: Rendered, config: DataConfig) -> None:
    """All arrays in a temporary folder, then one rename: a shard exists whole or not at all."""
    temporary = path.with_name(path.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, array in vars(shard_of(rendered)).items():
        if hasattr(array, "shape"):
            np.save(temporary / f"{name}.npy", array if isinstance(array, np.ndarray) else array.cpu().numpy())
    (temporary / "config.json").write_text(json.dumps(config.model_dump(mode="json"), sort_keys=True))
    temporary.rename(path)


def shard_of(rendered: Rendered) -> Shard:
    """What was rendered, where it is, ready to train on."""
    shot = rendered.shot
    cameras = np.stack([shot.azimuth, shot.elevation, shot.radius], -1)
    return Shard(rendered.images, cameras, shot.framed, None, rendered.solids, rendered.frames)


def open_shards(folder: Path, limit: int | None = None, real: bool = False) -> list[Shard]:
    """The shards of a folder, memory-mapped, in order; ``real`` ones are of real meshes."""

    def mapped(path: Path) -> Any:
        return np.load(path, mmap_mode="r") if path.exists() else None

    return [
        Shard(
            mapped(path / "images.npy"),
            np.load(path / "cameras.npy"),
            np.load(path / "framed.npy"),
            mapped(path / "latents.npy"),
            mapped(path / "solids.npy"),
            mapped(path / "frames.npy"),
            real,
        )
        for path in sorted(folder.glob("shard-????"))[:limit]
    ]


def cache_latents(
    folder: Path,
    vae: Any,
    *,
    batch: int = 52,
    progress: Progress = no_progress,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Write the frozen autoencoder's posteriors of every shard that has none; returns how many shards have them."""
    paths = sorted(folder.glob("shard-????"))
    done = 0
    for number, path in enumerate(paths):
        if not (path / "latents.npy").exists():
            if stop():
                return done
            images = np.load(path / "images.npy", mmap_mode="r")
            with whole_file(path / "latents.npy") as partial:
                np.save(partial, latents_of(images, vae, batch).cpu().numpy())
            progress("encode", number + 1, len(paths))
        done += 1
    return done


def latents_of(images: Any, vae: Any, batch: int) -> Tensor:
    """Posteriors ``(N, V + 1, 2 C, s, s)`` float16 of a shard's images, on the autoencoder's device."""
    import torch

    device = next(vae.parameters()).device
    flat = images.reshape(-1, *images.shape[2:])
    parts = []
    for start in range(0, len(flat), batch):
        with torch.no_grad():
            pixels = to_tensor(flat[start : start + batch]).to(device)
            parts.append(vae.encode(pixels, return_dict=False)[0].parameters.half())
    values = torch.cat(parts)
    return values.view(*images.shape[:2], *values.shape[1:])


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
    flat = _shared_out(rng.integers(0, sizes.sum(), batch), shards, config.mesh_share, rng)
    edges = np.cumsum(sizes)
    shard = np.searchsorted(edges, flat, side="right")
    item = flat - (edges - sizes)[shard]
    views = shards[0].cameras.shape[1]
    framed = np.array([shards[s].framed[i] for s, i in zip(shard, item, strict=True)])
    anchored = framed & (rng.random(batch) < config.anchor_share)
    view = np.where(anchored, 0, rng.integers(0, views, batch))
    return Conditions(shard, item, np.where(framed & (view == 0), views, view))


def _shared_out(
    flat: NDArray[np.int64], shards: Sequence[Shard], share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Numbers of objects, drawn of all; where real meshes stand beside others, ``share`` of those drawn are real."""
    real = np.repeat([shard.real for shard in shards], [len(shard.cameras) for shard in shards])
    if real.all() or not real.any():
        return flat
    wanted = rng.random(len(flat)) < share
    return np.where(wanted, rng.choice(np.flatnonzero(real), len(flat)), rng.choice(np.flatnonzero(~real), len(flat)))


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


def pick(
    shards: Sequence[Shard], rows: Conditions | Pairs, what: str, views: NDArray[np.int64] | None = None
) -> Tensor:
    """``images``, ``latents``, ``solids`` or ``frames`` of a batch's objects, ``(B, ...)``, where the shards are.

    Of all views, or of ``views (B,)`` or ``(B, T)``.
    """
    import torch

    arrays = [getattr(shard, what) for shard in shards]
    if isinstance(arrays[0], torch.Tensor):  # of a :class:`ShardInMemory`
        device = arrays[0].device
        item = placed_on(rows.item, device)
        if views is None:
            taken: Tensor = arrays[0][item]
        else:
            taken = arrays[0][item.view(-1, *[1] * (views.ndim - 1)), placed_on(views, device)]
        return taken
    of_views = [()] * len(rows.item) if views is None else [(v,) for v in views]
    found = [arrays[s][(i, *v)] for s, i, v in zip(rows.shard, rows.item, of_views, strict=True)]
    return torch.from_numpy(np.stack(found))


def placed_on(array: Any, device: torch.device) -> Tensor:
    """A small NumPy array on ``device``, without waiting for what the device still has to do."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)


class ShardInMemory:
    """A shard that grows in the memory of a device: a GPU never waits for a disk, and trains while others render."""

    def __init__(self, room: int, device: str) -> None:
        self.room, self.device, self.count = room, device, 0
        self._large: dict[str, Tensor] = {}
        self._small: dict[str, NDArray[Any]] = {}

    def add(self, part: Shard) -> None:
        """Copy objects (without latents) behind the others; what finds no room is left out."""
        import torch

        count = min(len(part.cameras), self.room - self.count)
        place = slice(self.count, self.count + count)
        for name in ("images", "solids", "frames"):
            found = getattr(part, name)[:count]
            found = found if isinstance(found, torch.Tensor) else torch.from_numpy(np.array(found))
            if name not in self._large:
                self._large[name] = torch.empty(self.room, *found.shape[1:], dtype=found.dtype, device=self.device)
            self._large[name][place] = found.to(self.device)
        for name in ("cameras", "framed"):
            array = getattr(part, name)[:count]
            if name not in self._small:
                self._small[name] = np.empty((self.room, *array.shape[1:]), array.dtype)
            self._small[name][place] = array
        self.count += count

    def shard(self, most: int | None = None) -> Shard:
        """The objects so far, at most the first ``most``, without copying them."""
        end = self.count if most is None else min(most, self.count)
        kept: dict[str, Any] = {name: values[:end] for name, values in (self._large | self._small).items()}
        return Shard(latents=None, **kept)


def step_rng(
    seed: int, step: int, stream: int, device: torch.device | str = "cpu"
) -> tuple[np.random.Generator, torch.Generator]:
    """The randomness of one training step: a function of its number, so that resuming needs no stored state."""
    import torch

    rng = np.random.default_rng([seed, step, stream])
    return rng, torch.Generator(device).manual_seed(int(rng.integers(0, 2**62)))
