"""Exposure and white balance of several photos, matched where two of them show the same places of the surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from core.mesh.sources import Source, look

SHARED = 100
"""Points of some ten thousand that two photos must both show well before they are compared."""

SPREAD = 0.35
"""Between which the middle half of their ratios must lie, in natural logarithms: more is a shape that is off, where one
photo's label meets the other's side."""

FACING = 0.35
"""Least cosine at which a photo shows a point well enough for that: a quarter turn leaves .7 at best."""

LEAST = 0.12
"""Gains that all lie below this are the light's own: nothing is done. Photos of one exposure of thirty drawn products
differed by .1 at most."""

MOST = 0.7
"""Gains beyond this, a factor of two, are no exposure: such a photo shows something of another colour."""


@dataclass(frozen=True)
class Matched:
    """Photos as bright and as warm as the first of them."""

    photos: tuple[Source, ...]
    gains: list[list[float]]
    """What each photo's red, green and blue were multiplied by; empty where there was nothing to do."""
    strangers: int
    """How many photos keep their own colours because those are quite other ones."""


def matched(photos: Sequence[Source], points: NDArray[np.float64], normals: NDArray[np.float64]) -> Matched:
    """The photos matched by what two of them show of the same ``points (N, 3)``; gains by least squares over all pairs.

    A photo that shares no points with the others keeps its own colours.
    """
    count = len(photos)
    rows, steps = _differences(photos, points, normals) if count > 1 else ([], [])
    if not rows:
        return Matched(tuple(photos), [], 0)
    # The first photo's gain is one; a little weight on none at all settles those that nothing ties to it.
    system = np.concatenate([rows, 1e3 * np.eye(count)[:1], 1e-3 * np.eye(count)])
    known = np.concatenate([steps, np.zeros((1 + count, 3))])
    gains = np.linalg.lstsq(system, known, rcond=None)[0]
    strange = np.abs(gains).max(1) > MOST
    gains[strange] = 0
    if np.abs(gains).max() < LEAST:
        return Matched(tuple(photos), [], int(strange.sum()))
    scaled = [
        replace(photo, image=np.clip(np.rint(photo.image * np.exp(gain)), 0, 255).astype(np.uint8))
        for photo, gain in zip(photos, gains, strict=True)
    ]
    told = [[round(float(x), 3) for x in np.exp(gain)] for gain in gains]
    return Matched((photos[0], *scaled[1:]), told, int(strange.sum()))


def _differences(
    photos: Sequence[Source], points: NDArray[np.float64], normals: NDArray[np.float64]
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Of every two photos that show enough of the same: which they are ``(K,)``, -1 and 1, and the median of how much
    brighter the one is, in logarithms ``(3,)``; both times the root of how many points that is."""
    seen = [look(photo, points, normals) for photo in photos]
    rows, steps = [], []
    for i, j in combinations(range(len(photos)), 2):
        both = np.all([(cosine > FACING) & (trust > 0.9) for _, cosine, trust in (seen[i], seen[j])], axis=0)
        if both.sum() < SHARED:
            continue
        ratio = np.log(np.maximum(seen[i][0][both], 4)) - np.log(np.maximum(seen[j][0][both], 4))
        low, middle, high = np.percentile(ratio, (25, 50, 75), axis=0)
        if (high - low).max() > SPREAD:
            continue
        row = np.zeros(len(photos))
        row[i], row[j] = -1, 1
        rows.append(row * np.sqrt(both.sum()))
        steps.append(middle * np.sqrt(both.sum()))
    return rows, steps
