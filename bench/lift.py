"""How well a lift knows where matter is: IoU with the generator's own solids, by threshold, and the lift's losses.

    python bench/lift.py [--model models/starter] [--first-seed 1000000064] [--objects 256] [--views 6] [--draws 8]

Objects from 1,000,000,000 on are held out; the seeds that trained the shipped weights stand in their model card, so
that the two can be compared. Every draw is 32 photos, framed as cutouts nine times in ten. IoU by volume over random
points of the photo's frustum, meaned over photos.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from training.dataset import HELD_OUT_SEED

THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
PHOTOS = 32
POINTS = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/starter"))
    parser.add_argument("--first-seed", type=int, default=HELD_OUT_SEED + 64)
    parser.add_argument("--objects", type=int, default=256)
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--draws", type=int, default=8)
    options = parser.parse_args()

    import torch

    from core.zero123 import load_model
    from training.dataset import build_cache, open_shards
    from training.rendering import DataConfig

    net = load_model(options.model).lift
    data = DataConfig(views=options.views, objects_per_shard=options.objects)
    with tempfile.TemporaryDirectory() as folder:
        build_cache(Path(folder), range(options.first_seed, options.first_seed + options.objects), data)
        shards = open_shards(Path(folder))
        with torch.no_grad():
            found = [judged(net, shards, data, draw) for draw in range(options.draws)]
    losses, ious = (torch.stack(values).mean(0).tolist() for values in zip(*found, strict=True))
    print(
        "  ".join(f"{name} {value:.4f}" for name, value in zip(("colour", "coverage", "matter"), losses, strict=True))
    )
    print("IoU at " + "  ".join(f"{at}: {value:.4f}" for at, value in zip(THRESHOLDS, ious, strict=True)))


def judged(net: Any, shards: list[Any], data: Any, draw: int) -> tuple[Any, Any]:
    """The three losses, and the mean IoU at every threshold, of one draw of photos."""
    import torch

    from core.zero123.lift import HALF_DEPTH, lift, occupancy
    from training.lift import PARTIAL_FRUSTUM, LiftTrainConfig, draw_lift_batch, lift_losses, true_occupancy

    config = LiftTrainConfig(batch=PHOTOS, seed=777, permute_share=0.0, reframe_share=0.0, points=8192)
    batch = draw_lift_batch(shards, data, config, draw)
    generator = torch.Generator().manual_seed(draw)
    losses = torch.stack(list(lift_losses(net, batch, config, generator).values()))
    elevation = batch.cameras[torch.arange(PHOTOS), batch.condition, 1]
    points = (torch.rand(PHOTOS, POINTS, 3, generator=generator) * 2 - 1) * PARTIAL_FRUSTUM
    truth = true_occupancy(batch, points, elevation) > 0.5
    likely = torch.sigmoid(occupancy(lift(net, batch.image * 2 - 1, elevation), points))
    volume = (1 + points[..., 2] * HALF_DEPTH) ** 2  # a frustum widens with the distance
    ious = []
    for threshold in THRESHOLDS:
        solid = likely > threshold
        both, either = ((volume * where).sum(1) for where in (solid & truth, solid | truth))
        ious.append((both / either.clamp(min=1e-6)).mean())
    return losses, torch.stack(ious)


if __name__ == "__main__":
    main()
