"""Two evaluations side by side, object by object: is the difference more than chance?"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.errors import InputError

FIGURES = (
    ("novel_view", "psnr", 1),
    ("novel_view", "ssim", 1),
    ("novel_view", "lpips", -1),
    ("novel_view", "mask_iou", 1),
    ("shape", "iou", 1),
    ("shape", "chamfer", -1),
    ("shape", "fscore_1", 1),
    ("shape", "fscore_2", 1),
    ("asset_view", "psnr", 1),
    ("asset_view", "lpips", -1),
    ("asset_view", "mask_iou", 1),
    ("segmentation", "white", 1),
    ("segmentation", "textured", 1),
)
"""What is compared, and whether more (1) or less (-1) is better."""


def compare_results(a: dict[str, Any], b: dict[str, Any], seed: int = 0, draws: int = 10_000) -> list[dict[str, Any]]:
    """Paired differences B - A over the objects that both have: means, wins of B, 95 % bootstrap interval.

    ``better`` says ``a``, ``b`` or ``neither`` (the interval holds 0). Raises :class:`InputError` where the two
    evaluations were not made by the same protocol on the same objects.
    """
    for part in ("version", "objects", "elevation"):
        if a["protocol"].get(part) != b["protocol"].get(part):
            raise InputError(f"The two evaluations differ in their protocol's {part}: they cannot be compared.")
    rows = []
    for group, name, sign in FIGURES:
        pairs = [
            (x[group][name], y[group][name])
            for x, y in zip(a["objects"], b["objects"], strict=True)
            if (x.get(group) or {}).get(name) is not None and (y.get(group) or {}).get(name) is not None
        ]
        if not pairs:
            continue
        first, second = np.array(pairs).T
        difference = second - first
        rng = np.random.default_rng(seed)
        means = difference[rng.integers(0, len(difference), (draws, len(difference)))].mean(1)
        low, high = np.quantile(means, [0.025, 0.975])
        sure = int(low > 0) - int(high < 0)
        rows.append(
            {
                "figure": f"{group}.{name}",
                "a": round(float(first.mean()), 6),
                "b": round(float(second.mean()), 6),
                "difference": round(float(difference.mean()), 6),
                "low": round(float(low), 6),
                "high": round(float(high), 6),
                "wins_of_b": int((difference * sign > 0).sum()),
                "objects": len(pairs),
                "better": {0: "neither", 1: "b", -1: "a"}[sure * sign],
            }
        )
    return rows
