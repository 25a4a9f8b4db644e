"""What several photos bring, over objects with a known truth: pose errors, and each count against one photo.

Rows are an object's figures by count of photos, as :mod:`evaluation.photos` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from core.cameras import Camera
from core.placing.align import Placement
from evaluation.records import AgainstOne, ObjectFigures, Pair, PoseError, Third

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


def pose_errors(placements: Sequence[Placement], truths: Mapping[str, Camera]) -> list[PoseError]:
    """What became of every further photo.

    ``truths`` are the cameras by the photos' names, their azimuths relative to the main photo's.
    """
    errors: list[PoseError] = []
    for placed in placements:
        if placed.name not in truths:
            continue
        truth = truths[placed.name]
        if not placed.used or placed.azimuth is None or placed.elevation is None:
            errors.append(PoseError(False, None, False))
            continue
        found = Camera(placed.azimuth, placed.elevation)
        turn = abs((found.azimuth - truth.azimuth + 180) % 360 - 180)
        errors.append(PoseError(True, angle_between(found, truth), turn > OPPOSITE))
    return errors


def pose_summary(errors: Sequence[PoseError]) -> dict[str, float | None] | None:
    """Over further photos; the recalls count a photo that is not used as missed. None without further photos."""
    if not errors:
        return None
    known = [each.error for each in errors if each.error is not None]
    recalls = {f"recall_{limit}": sum(error <= limit for error in known) / len(errors) for limit in RECALLS}
    return {
        "photos": len(errors),
        "used_share": len(known) / len(errors),
        "median_error": float(np.median(known)) if known else None,
        **recalls,
        "opposite": sum(each.opposite for each in errors),
    }


def against_one(rows: Sequence[Mapping[str, ObjectFigures]], count: str) -> AgainstOne | None:
    """How ``count`` photos do against one over the same objects: differences of the means, sets that are clearly worse,
    the time's ratio, and the three thirds of the objects by their IoU of one photo. None without both."""
    both = [(row["1"], row[count]) for row in rows if "1" in row and count in row]
    if not both or count == "1":
        return None
    gains = [_iou(many) - _iou(one) for one, many in both]
    hardest_first = sorted(range(len(both)), key=lambda i: _iou(both[i][0]))
    thirds = [[both[i] for i in part] for part in np.array_split(hardest_first, min(3, len(both)))]
    return AgainstOne(
        sets=len(both),
        iou_gain=float(np.mean(gains)),
        better=sum(gain > 0 for gain in gains),
        clearly_worse=sum(gain < -CLEARLY for gain in gains),
        seconds_ratio=_ratio(both, "cpu_seconds"),
        reconstruct_seconds_ratio=_ratio(both, "reconstruct_cpu_seconds"),
        thirds=tuple(
            Third(
                len(part),
                iou=_pair(part, "shape", "iou"),
                chamfer=_pair(part, "shape", "chamfer"),
                psnr=_pair(part, "asset_view", "psnr"),
                lpips=_pair(part, "asset_view", "lpips"),
            )
            for part in thirds
        ),
    )


def _iou(row: ObjectFigures) -> float:
    return float((row.shape or {}).get("iou") or 0)


def _pair(part: Sequence[tuple[ObjectFigures, ObjectFigures]], group: str, name: str) -> Pair:
    def mean(side: int) -> float | None:
        values = [value for pair in part if (value := (getattr(pair[side], group) or {}).get(name)) is not None]
        return float(np.mean(values)) if values else None

    return mean(0), mean(1)


def _ratio(both: Sequence[tuple[ObjectFigures, ObjectFigures]], name: str) -> float | None:
    taken = [[getattr(row.asset, name, None) for row in pair] for pair in both]
    known = [pair for pair in taken if None not in pair]
    return float(np.sum([many for _, many in known]) / np.sum([one for one, _ in known])) if known else None
