"""The gate: is this asset good enough to publish? Judged from its own data, without a ground truth.

Every check is a measured value on a ramp from bad (0) to good (1). The score foretells the asset's true quality
(:func:`evaluation.protocol.true_quality`): a weighted mean with weights fitted to assets of known quality
(:mod:`core.quality.calibration`), times vetoes, which nothing makes up for. Visible faults leave the score alone and
keep an asset from being published. Checks below ``params.named`` become
reasons for a person (:mod:`core.quality.reasons`): what blocks, what affects, then notes, each worst first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from core.artifacts import Cutout, ViewSet
from core.photo_set import PhotoSet
from core.quality.checks import FLOOR, HELD, NOTES, SEEN, VETOES, VISIBLE, Check, forecasting
from core.quality.measurement import UnreadableGlb, measure
from core.quality.params import QualityParams
from core.quality.reasons import Detail, Reason, in_order, reason, share
from core.quality.several import not_asked, of_photos, photos_as_views
from core.reports import FinishReport


@dataclass(frozen=True)
class Assessment:
    """What the gate says of one asset."""

    score: float
    """0 hopeless .. 1 as good as the gate can tell."""
    verdict: str
    """``finished``, ``review`` or ``failed``."""
    reasons: tuple[Reason, ...]
    """What blocks, what affects, then notes, each worst first; of a finished asset notes alone."""
    metrics: dict[str, float]


def assess(
    cutout: Cutout,
    view_set: ViewSet,
    glb: bytes,
    report: FinishReport,
    params: QualityParams,
    photos: PhotoSet | None = None,
) -> Assessment:
    """Judge a finished GLB (azimuth 0 = +Z = the photo's side) by the cutout and the views it was made from.

    ``report`` is the finish stage's; its ``placement`` (scale and offset of the GLB against the field's world) is used
    where present, else the GLB is fitted to the cutout's outline. Of several ``photos`` the further ones are the views.
    Raises nothing for a bad asset: an unreadable or empty GLB has score 0 and the verdict ``failed``.
    """
    try:
        metrics = measured(cutout, view_set, glb, report, photos)
    except UnreadableGlb as error:
        logging.getLogger(__name__).warning("The GLB cannot be judged: %s", error)
        return Assessment(0.0, "failed", (reason("unreadable_file", "blocks"),), {})
    score = round(combine(metrics, params), 4)
    decided = verdict(score, params, visible_faults(metrics))
    found = named(metrics, params)
    found += [reason("photo_warning", "affects", place="cutout", sentence=warning) for warning in cutout.warnings]
    if decided == "finished":  # it was found good enough: what is left is good to know, no complaint
        found = [replace(item, severity="note") for item in found]
    return Assessment(score, decided, tuple(in_order(found)), {k: round(v, 5) for k, v in metrics.items()})


def measured(
    cutout: Cutout, view_set: ViewSet, glb: bytes, report: FinishReport, photos: PhotoSet | None = None
) -> dict[str, float]:
    """All metrics of an asset from one photo or from several. Raises :class:`UnreadableGlb`."""
    if photos is None:
        return measure(cutout, view_set, glb, report)
    metrics, left_out = measure(cutout, photos_as_views(photos, view_set), glb, report), not_asked(photos)
    return {name: value for name, value in metrics.items() if name not in left_out} | of_photos(photos)


def named(metrics: Mapping[str, float], params: QualityParams) -> list[Reason]:
    """The reasons that the metrics give: what fails an asset before what only holds it back."""
    weights = params.formula(metrics).weights
    counted = [check for check in forecasting(metrics) if weights.get(check.metric, 0) > 0]
    return [
        *_named(VETOES, metrics, params.named),
        *_named(VISIBLE, metrics, max(params.named, HELD)),
        *_named([*counted, *NOTES], metrics, params.named),
    ]


def _named(checks: Sequence[Check], metrics: Mapping[str, float], below: float) -> list[Reason]:
    """The checks whose 0..1 is less than ``below``, worst first."""
    found = [(ramp(metrics[check.metric], check), check) for check in checks if check.metric in metrics]
    return [
        _reason_of(check, metrics[check.metric], below)
        for quality, check in sorted(found, key=lambda item: item[0])
        if quality < below
    ]


def _reason_of(check: Check, value: float, below: float) -> Reason:
    limit = check.bad + (check.good - check.bad) * below
    detail = Detail(round(value, 4), round(limit, 4), check.unit, check.metric)
    return reason(check.code, check.severity, detail, place=check.place, share=share(value))


def ramp(value: float, check: Check) -> float:
    """0 at ``bad``, 1 at ``good``, straight between; either may be the larger."""
    return min(1.0, max(0.0, (value - check.bad) / (check.good - check.bad)))


def combine(metrics: Mapping[str, float], params: QualityParams) -> float:
    """The score 0..1: weighted mean of the checks that were made, between ``low`` and ``high``, times the vetoes."""
    weights, low, high = params.formula(metrics)
    checks = [check for check in forecasting(metrics) if check.metric in metrics]
    made = [(weights.get(check.metric, 0.0), ramp(metrics[check.metric], check)) for check in checks]
    total = sum(weight for weight, _ in made)
    if not total:
        return 0.0
    mean = sum(weight * quality for weight, quality in made) / total
    return max(0.0, low + (high - low) * mean) * vetoes(metrics)


def vetoes(metrics: Mapping[str, float]) -> float:
    """What nothing else makes up for, 0..1; never 0, so that the score still orders what fails a check completely."""
    return prod(max(FLOOR, ramp(metrics[check.metric], check)) for check in VETOES if check.metric in metrics)


def visible_faults(metrics: Mapping[str, float]) -> float:
    """What visible faults leave of the score when it is decided whether to publish, 0..1."""
    return prod(max(SEEN, ramp(metrics[check.metric], check)) for check in VISIBLE if check.metric in metrics)


def verdict(score: float, params: QualityParams, faults: float = 1.0) -> str:
    """``finished``, ``review`` or ``failed`` by the recipe's thresholds. Visible ``faults`` (0..1, 1 is none) keep an
    asset from being published, and fail none."""
    if score * faults >= params.finished:
        return "finished"
    return "review" if score >= params.review else "failed"
