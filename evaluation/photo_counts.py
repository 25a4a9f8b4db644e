"""What several photos bring, over objects with a known truth: pose errors, and each count against one photo.

Rows are an object's figures by count of photos, as :mod:`evaluation.photos` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.cameras import Camera

Row = Mapping[str, Any]

RECALLS = (5, 15, 30)
"""Degrees."""

OPPOSITE = 135.0
"""Degrees of azimuth from which a photo counts as taken for one of the other side."""

CLEARLY = 0.05
"""IoU by which a set is clearly worse than its one photo."""


def angle_between(one: Camera, other: Camera) -> float:
    """Degrees between two cameras' directions from the product's middle."""
    eyes = [np.asarray(camera.eye()) / camera.radius for camera in (one, other)]
    return float(np.degrees(np.arccos(np.clip(eyes[0] @ eyes[1], -1, 1))))


def pose_errors(placements: Sequence[Row], truths: Mapping[str, Camera]) -> list[dict[str, Any]]:
    """What became of every further photo: ``{"used", "error", "opposite"}``, degrees; None where it is not used.

    ``truths`` are the cameras by the photos' names, their azimuths relative to the main photo's.
    """
    errors: list[dict[str, Any]] = []
    for row in placements:
        if row["name"] not in truths:
            continue
        truth = truths[row["name"]]
        if not row["used"]:
            errors.append({"used": False, "error": None, "opposite": False})
            continue
        found = Camera(row["azimuth"], row["elevation"])
        turn = abs((found.azimuth - truth.azimuth + 180) % 360 - 180)
        errors.append({"used": True, "error": angle_between(found, truth), "opposite": turn > OPPOSITE})
    return errors


def pose_summary(errors: Sequence[Row]) -> dict[str, float | None] | None:
    """Over further photos; the recalls count a photo that is not used as missed. None without further photos."""
    if not errors:
        return None
    known = [row["error"] for row in errors if row["used"]]
    recalls = {f"recall_{limit}": sum(error <= limit for error in known) / len(errors) for limit in RECALLS}
    return {
        "photos": len(errors),
        "used_share": len(known) / len(errors),
        "median_error": float(np.median(known)) if known else None,
        **recalls,
        "opposite": sum(bool(row["opposite"]) for row in errors),
    }


def against_one(rows: Sequence[Mapping[str, Row]], count: str) -> dict[str, Any] | None:
    """How ``count`` photos do against one over the same objects: differences of the means, sets that are clearly worse,
    the time's ratio, and the three thirds of the objects by their IoU of one photo. None without both."""
    both = [(row["1"], row[count]) for row in rows if "1" in row and count in row]
    if not both or count == "1":
        return None
    gains = [_iou(many) - _iou(one) for one, many in both]
    hardest_first = sorted(range(len(both)), key=lambda i: _iou(both[i][0]))
    thirds = [[both[i] for i in part] for part in np.array_split(hardest_first, min(3, len(both)))]
    return {
        "sets": len(both),
        "iou_gain": float(np.mean(gains)),
        "better": sum(gain > 0 for gain in gains),
        "clearly_worse": sum(gain < -CLEARLY for gain in gains),
        "seconds_ratio": _ratio(both, "cpu_seconds"),
        "reconstruct_seconds_ratio": _ratio(both, "reconstruct_cpu_seconds"),
        "thirds": [
            {"sets": len(part), **{name: _pair(part, *path) for name, path in _COMPARED.items()}} for part in thirds
        ],
    }


_COMPARED = {
    "iou": ("shape", "iou"),
    "chamfer": ("shape", "chamfer"),
    "psnr": ("asset_view", "psnr"),
    "lpips": ("asset_view", "lpips"),
}


def _iou(row: Row) -> float:
    return float(row["shape"]["iou"])


def _pair(part: Sequence[tuple[Row, Row]], group: str, name: str) -> list[float | None]:
    """The mean with one photo and with several."""
    means: list[float | None] = []
    for side in (0, 1):
        values = [value for pair in part if (value := (pair[side].get(group) or {}).get(name)) is not None]
        means.append(float(np.mean(values)) if values else None)
    return means


def _ratio(both: Sequence[tuple[Row, Row]], name: str) -> float | None:
    taken = [[(row.get("asset") or {}).get(name) for row in pair] for pair in both]
    known = [pair for pair in taken if None not in pair]
    return float(np.sum([many for _, many in known]) / np.sum([one for one, _ in known])) if known else None
