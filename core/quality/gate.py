"""The gate: is this asset good enough to publish? Judged from its own data, without a ground truth.

Every check is a measured value on a ramp from bad (0) to good (1). The score foretells the asset's true quality
(:func:`core.quality.protocol.true_quality`): a weighted mean with weights fitted to assets of known quality
(:mod:`core.quality.calibration`), times vetoes, which nothing makes up for. Checks below ``params.named`` are listed as
reasons, each with a sentence for a person: first what counts, then notes, each worst first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from core.artifacts import Cutout, ViewSet
from core.quality.evidence import measure
from core.quality.params import QualityParams

FLOOR = 0.02
"""A veto is never smaller than this."""


@dataclass(frozen=True)
class Check:
    """One measured value with the ramp that turns it into 0..1."""

    metric: str
    bad: float
    good: float
    sentence: str
    """For a person; ``{value}`` is filled in as the metric's number."""


EVIDENCE = (
    Check("views_mask_iou", 0.45, 0.9, "The synthesized views disagree about the shape (overlap {value:.0%})."),
    Check("worst_view_mask_iou", 0.2, 0.85, "One side is far off its synthesized view (overlap {value:.0%})."),
    Check("views_psnr", 9, 20, "The colours differ from the synthesized views ({value:.1f} dB)."),
    Check("nearest_view_iou", 0.3, 0.9, "Beside the photo's camera the views show another outline ({value:.0%})."),
    Check("views_in_outline", 0.5, 0.98, "The views' solid sticks out of the photo's outline ({value:.0%} inside)."),
    Check("views_palette", 0.3, 0.85, "The synthesized views have other colours than the photo ({value:.0%} shared)."),
    Check("views_firmness", 0.5, 0.98, "The synthesized views fade at their edges ({value:.0%} as firm as the photo)."),
    Check("views_variety", 0.05, 0.95, "The synthesized views are much alike: they repeat a side ({value:.0%} apart)."),
    Check("unseen_texture", 0.55, 0.15, "{value:.0%} of the texture was seen in no view and is made up."),
    Check("solidity", 0.25, 0.85, "The shape is branched or hollow: it fills {value:.0%} of its hull."),
    Check("convexity", 0.4, 0.95, "The product's outline has deep hollows: it fills {value:.0%} of its hull."),
    Check("compactness", 0.15, 0.8, "The product has thin parts, which seldom come out whole."),
    Check("photo_contrast", 0.4, 0.1, "The product's contrasts are strong: every misplaced edge shows."),
    Check("misplaced", 8, 13, "The product's pattern is coarse and strong: a shift shows ({value:.1f} dB)."),
    Check("seed_agreement", 10, 24, "With another seed the views come out differently ({value:.1f} dB alike)."),
)  # fmt: skip
"""What the score is made of, between which bounds; the weights are the recipe's. A missing metric is left out.

None depends on grid, face budget or texture size: what is learnt from cheap assets holds for the factory's.
"""

VETOES = (
    Check("closed", 0.0, 1.0, "The mesh is not closed."),
    Check("largest_part", 0.3, 0.8, "The mesh has loose parts (the largest holds {value:.0%} of the volume)."),
    Check("depth_ratio", 0.01, 0.08, "The shape is nearly flat: {value:.0%} as deep as it is wide."),
    Check("box_fill", 0.002, 0.02, "The mesh encloses almost no volume ({value:.1%} of its box)."),
    Check("input_mask_iou", 0.4, 0.7, "From the photo's side the outline differs (overlap {value:.0%})."),
    Check("input_psnr", 7, 11, "From the photo's side the colours differ from the photo ({value:.1f} dB)."),
    Check("soft_edge", 0.5, 0.25, "The cutout is half transparent in places ({value:.0%} of its pixels)."),
    Check("stray_share", 0.3, 0.1, "The cutout holds several separate things ({value:.0%} outside the largest)."),
)
"""What no other quality makes up for: the score is multiplied by each."""

NOTES = (
    Check("views_detail", 0.1, 0.8, "The synthesized views are blurred: {value:.0%} of the photo's detail."),
    Check("views_contrast", 0.4, 1.0, "The synthesized views are pale: {value:.0%} of the photo's contrast."),
    Check("sides_detail", 0.2, 0.9, "Away from the photo's side the texture is blurred ({value:.0%} of its detail)."),
    Check("sharpness", 0.1, 0.8, "The texture is blurred: only {value:.0%} of the photo's detail is left."),
    Check("seams", 0.08, 0.01, "Seams show in the texture (colours jump by {value:.0%})."),
    Check("parts", 4, 1, "The mesh falls into {value:.0f} parts."),
    Check("handles", 8, 0, "The mesh has {value:.0f} tunnels."),
    Check("hole_share", 0.2, 0.0, "The cutout has holes ({value:.0%} of its area)."),
    Check("frame_contact", 0.3, 0.0, "The product touches the frame's border ({value:.0%} of it)."),
    Check("cutout_confidence", 0.3, 0.95, "The outline in the photo is uncertain (confidence {value:.0%})."),
    Check("elevation_confidence", 0.0, 0.6, "The camera's height is a guess (confidence {value:.0%})."),
)
"""What a person is told, after what counts: faults that tell little about true quality, or whose scale moves with the
recipe's grid and texture size."""


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
    """What counts, then notes, each worst first; empty when nothing stands out."""
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
    score = round(combine(metrics, params), 4)
    counted = [check for check in EVIDENCE if params.weights.get(check.metric, 0) > 0] + list(VETOES)
    reasons = _named(counted, metrics, params.named) + _named(NOTES, metrics, params.named)
    reasons += [Reason("photo", warning, params.named) for warning in cutout.warnings]
    return Assessment(score, verdict(score, params), tuple(reasons), {k: round(v, 5) for k, v in metrics.items()})


def _named(checks: Sequence[Check], metrics: Mapping[str, float], below: float) -> list[Reason]:
    """The checks whose 0..1 is less than ``below``, worst first."""
    found = [(ramp(metrics[check.metric], check), check) for check in checks if check.metric in metrics]
    return [
        Reason(check.metric, check.sentence.format(value=metrics[check.metric]), round(quality, 4))
        for quality, check in sorted(found, key=lambda item: item[0])
        if quality < below
    ]


def ramp(value: float, check: Check) -> float:
    """0 at ``bad``, 1 at ``good``, straight between; either may be the larger."""
    return min(1.0, max(0.0, (value - check.bad) / (check.good - check.bad)))


def combine(metrics: Mapping[str, float], params: QualityParams) -> float:
    """The score 0..1: weighted mean of the checks that were made, between ``low`` and ``high``, times the vetoes."""
    made = [(params.weights.get(c.metric, 0.0), ramp(metrics[c.metric], c)) for c in EVIDENCE if c.metric in metrics]
    total = sum(weight for weight, _ in made)
    if not total:
        return 0.0
    mean = sum(weight * quality for weight, quality in made) / total
    return max(0.0, params.low + (params.high - params.low) * mean) * vetoes(metrics)


def vetoes(metrics: Mapping[str, float]) -> float:
    """What nothing else makes up for, 0..1; never 0, so that the score still orders what fails a check completely."""
    return prod(max(FLOOR, ramp(metrics[check.metric], check)) for check in VETOES if check.metric in metrics)


def verdict(score: float, params: QualityParams) -> str:
    """``finished``, ``review`` or ``failed`` by the recipe's thresholds."""
    return "finished" if score >= params.finished else "review" if score >= params.review else "failed"
