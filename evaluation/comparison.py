"""Two evaluations side by side, object by object: is the difference more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.errors import InputError
from evaluation.records import EvaluationDocument

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


@dataclass(frozen=True)
class Paired:
    """A figure of the same things made in two ways."""

    figure: str
    a: float
    b: float
    difference: float
    """Mean of B - A."""
    low: float
    high: float
    """Its 95 % bootstrap interval."""
    wins_of_b: int
    objects: int
    better: Literal["a", "b", "neither"]
    """``neither`` where the interval holds 0."""


def paired(
    figure: str, sign: int, pairs: Sequence[tuple[float, float]], seed: int = 0, draws: int = 10_000
) -> Paired | None:
    """Paired difference over ``(A, B)``; ``sign`` says whether more (1) or less (-1) is better. None without a pair."""
    if not pairs:
        return None
    first, second = np.array(pairs).T
    difference = second - first
    rng = np.random.default_rng(seed)
    means = difference[rng.integers(0, len(difference), (draws, len(difference)))].mean(1)
    low, high = (round(float(value), 6) for value in np.quantile(means, [0.025, 0.975]))
    sure = (int(low > 0) - int(high < 0)) * sign
    return Paired(
        figure,
        a=round(float(first.mean()), 6),
        b=round(float(second.mean()), 6),
        difference=round(float(difference.mean()), 6),
        low=low,
        high=high,
        wins_of_b=int((difference * sign > 0).sum()),
        objects=len(pairs),
        better="b" if sure > 0 else "a" if sure < 0 else "neither",
    )


def compare_results(a: EvaluationDocument, b: EvaluationDocument) -> list[Paired]:
    """Paired differences B - A over the objects that both have. Raises :class:`InputError` where the two evaluations
    were not made by the same protocol on the same objects.
    """
    for part in ("version", "objects", "elevation"):
        if a.protocol.get(part) != b.protocol.get(part):
            raise InputError(f"The two evaluations differ in their protocol's {part}: they cannot be compared.")
    rows = []
    for group, name, sign in FIGURES:
        pairs = [
            (first, second)
            for x, y in zip(a.objects, b.objects, strict=True)
            if (first := (getattr(x, group) or {}).get(name)) is not None
            and (second := (getattr(y, group) or {}).get(name)) is not None
        ]
        if (found := paired(f"{group}.{name}", sign, pairs)) is not None:
            rows.append(found)
    return rows
