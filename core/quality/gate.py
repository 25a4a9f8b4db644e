"""The gate: is this asset good enough to publish? Judged from its own data, without a ground truth.

Every check is a measured value on a ramp from bad (0) to good (1); the score is their weighted geometric mean, so
that one hopeless value cannot be bought off by the others. Checks below ``params.named`` are listed as reasons, worst
first, each with a sentence for a person.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import exp, log
from typing import Any

from core.artifacts import Cutout, ViewSet
from core.quality.evidence import measure
from core.quality.params import QualityParams

FLOOR = 0.02
"""A check is never worse than this, so that the score still orders assets that fail one check completely."""


@dataclass(frozen=True)
class Check:
    """One measured value with the ramp that turns it into 0..1."""

    metric: str
    bad: float
    good: float
    weight: float
    sentence: str
    """For a person; ``{value}`` is filled in as the metric's number."""


CHECKS = (
    Check("input_mask_iou", 0.55, 0.95, 3, "From the photo's side the outline differs (overlap {value:.0%})."),
    Check("input_psnr", 11, 22, 2, "From the photo's side the colours differ from the photo ({value:.1f} dB)."),
    Check("views_mask_iou", 0.45, 0.88, 3, "The synthesized views disagree about the shape (overlap {value:.0%})."),
    Check("worst_view_mask_iou", 0.2, 0.75, 1, "One side is far off its synthesized view (overlap {value:.0%})."),
    Check("views_psnr", 9, 18, 2, "The colours differ from the synthesized views ({value:.1f} dB)."),
    Check("sharpness", 0.05, 0.5, 1, "The texture is blurred: only {value:.0%} of the photo's detail is left."),
    Check("cutout_confidence", 0.3, 0.9, 1, "The outline in the photo is uncertain (confidence {value:.0%})."),
    Check("soft_edge", 0.35, 0.08, 1, "The cutout is half transparent in places ({value:.0%} of its pixels)."),
    Check("stray_share", 0.2, 0.02, 1, "The cutout holds several separate things ({value:.0%} outside the largest)."),
    Check("closed", 0.0, 1.0, 1, "The mesh is not closed."),
    Check("largest_part", 0.5, 0.95, 1, "The mesh has loose parts (the largest holds {value:.0%} of the volume)."),
    Check("depth_ratio", 0.02, 0.2, 1, "The shape is nearly flat: {value:.0%} as deep as it is wide."),
    Check("box_fill", 0.01, 0.08, 1, "The mesh encloses almost no volume ({value:.1%} of its box)."),
    Check("unseen_texture", 0.8, 0.2, 0.5, "{value:.0%} of the texture was seen in no view and is made up."),
    Check("elevation_confidence", 0.0, 0.4, 0.5, "The camera's height is a guess (confidence {value:.0%})."),
)  # fmt: skip
"""What is checked, between which bounds, with what weight. Where a metric is missing its check is left out."""


@dataclass(frozen=True)
class Reason:
    """Why an asset is not perfect."""

    name: str
    sentence: str
    quality: float
    """The check's own 0..1."""

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class Assessment:
    """What the gate says of one asset."""

    score: float
    """0 hopeless .. 1 as good as the gate can tell."""
    verdict: str
    """``finished``, ``review`` or ``failed``."""
    reasons: tuple[Reason, ...]
    """Worst first; empty when nothing stands out."""
    metrics: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON and the database."""
        return asdict(self) | {"reasons": [asdict(reason) for reason in self.reasons]}

    def sentence(self) -> str:
        """The worst reason, or that there is none."""
        return self.reasons[0].sentence if self.reasons else "Nothing stands out."


def assess(cutout: Cutout, view_set: ViewSet, glb: bytes, report: dict[str, Any], params: QualityParams) -> Assessment:
    """Judge a finished GLB (azimuth 0 = +Z = the photo's side) by the cutout and the views it was made from.

    ``report`` is the finish stage's; its ``placement`` (scale and offset of the GLB against the field's world) is used
    where present, else the GLB is fitted to the cutout's outline. Raises nothing for a bad asset: an unreadable or
    empty GLB has score 0 and the verdict ``failed``.
    """
    try:
        metrics = measure(cutout, view_set, glb, report)
    except (ValueError, KeyError, IndexError) as error:
        reason = Reason("unreadable", f"The GLB cannot be judged: {error}.", 0.0)
        return Assessment(0.0, "failed", (reason,), {})
    qualities = {check.metric: ramp(metrics[check.metric], check) for check in CHECKS if check.metric in metrics}
    score = round(combine(qualities), 4)
    named = [(q, check) for check in CHECKS if (q := qualities.get(check.metric, 1.0)) < params.named]
    reasons = [
        Reason(check.metric, check.sentence.format(value=metrics[check.metric]), round(quality, 4))
        for quality, check in sorted(named, key=lambda item: item[0])
    ]
    reasons += [Reason("photo", warning, params.named) for warning in cutout.warnings]
    return Assessment(score, verdict(score, params), tuple(reasons), {k: round(v, 5) for k, v in metrics.items()})


def ramp(value: float, check: Check) -> float:
    """0 at ``bad``, 1 at ``good``, straight between; either may be the larger."""
    return min(1.0, max(0.0, (value - check.bad) / (check.good - check.bad)))


def combine(qualities: dict[str, float]) -> float:
    """Weighted geometric mean of the checks that were made, each floored; 0 for none."""
    made = [(check.weight, max(FLOOR, qualities[check.metric])) for check in CHECKS if check.metric in qualities]
    total = sum(weight for weight, _ in made)
    return exp(sum(weight * log(quality) for weight, quality in made) / total) if total else 0.0


def verdict(score: float, params: QualityParams) -> str:
    """``finished``, ``review`` or ``failed`` by the recipe's thresholds."""
    return "finished" if score >= params.finished else "review" if score >= params.review else "failed"
