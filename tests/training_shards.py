"""Small shards of views for tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.dataset import write_shard
from training.rendering import CameraBatch, DataConfig, Rendered

DATA = DataConfig(size=16, views=4, objects_per_shard=6)


def make_shards(folder: Path) -> Path:
    """Two shards of random pictures and latents: training does not care what they show."""
    rng = np.random.default_rng(5)
    for index in range(2):
        shape = (6, 4)
        azimuth, elevation, radius = rng.uniform(0, 360, shape), rng.uniform(-20, 80, shape), rng.uniform(1, 2, shape)
        cameras = [item.astype(np.float32) for item in (azimuth, elevation, radius)]
        shot = CameraBatch(*cameras, framed=rng.random(6) < 0.5)
        path = folder / f"shard-{index:04d}"
        write_shard(path, Rendered(rng.integers(0, 256, (6, 5, 16, 16, 4), np.uint8), shot), DATA)
        np.save(path / "latents.npy", rng.normal(size=(6, 5, 8, 4, 4)).astype(np.float16))
    return folder
