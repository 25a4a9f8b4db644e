"""From assets whose quality is known, and from people's decisions, to the weights of the gate's checks.

The gate's score is ``low + (high - low) * sum(w q) / sum(w)`` over the checks' 0..1: linear, with weights that are
never negative, so that they are a least-squares fit and a better check never lowers a score. ``low`` may be negative:
assets that fail most checks are worth nothing. People say only yes or no: an
approved asset pulls as long as it scores below ``finished``, a rejected one as long as it scores above ``review``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.quality.checks import EVIDENCE, SEVERAL, Check, forecasting
from core.quality.gate import ramp, vetoes
from core.quality.params import Formula, QualityParams

SHIPPED = Path(__file__).with_name("calibration.csv")
"""Procedural assets of every quality that ``bench/gate.py`` made: what the gate measured, and ``truth``."""

EVENNESS = 2.0
"""How strongly the fit prefers equal weights: little beside hundreds of assets, much beside a few."""

DECISION = 3.0
"""How many procedural assets one person's decision is worth."""

ROUNDS = 20


@dataclass(frozen=True)
class Example:
    """An asset as the gate measured it, and its true quality 0..1."""

    metrics: Mapping[str, float]
    truth: float


@dataclass(frozen=True)
class Decision:
    """An asset as the gate measured it, and what a person said."""

    metrics: Mapping[str, float]
    approved: bool


def shipped_examples(path: Path = SHIPPED) -> list[Example]:
    """The rows of a calibration file: a column a metric, empty where it was not measured, and ``truth``."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(stream)]
    return [Example({name: row[name] for name in row if name != "truth"}, row["truth"]) for row in rows]


def fit(examples: Sequence[Example], decisions: Sequence[Decision], params: QualityParams) -> QualityParams:
    """``params`` with the weights, ``low`` and ``high`` that explain the examples and respect the decisions: those of
    one photo and those of several, each from its own assets. Those of several stay where no such asset is known.

    Assets that a veto pulls down are left out: their score is not the weights' doing. Raises ValueError for fewer
    than two examples.
    """
    usable = [example for example in examples if vetoes(example.metrics) == 1]
    people = [decision for decision in decisions if vetoes(decision.metrics) == 1]
    one = [example for example in usable if forecasting(example.metrics) is EVIDENCE]
    more = [example for example in usable if forecasting(example.metrics) is SEVERAL]
    if len(one) < 2:
        raise ValueError("A fit needs at least two assets of known quality.")
    found = _formula(EVIDENCE, one, [d for d in people if forecasting(d.metrics) is EVIDENCE], params)
    update: dict[str, Any] = {"weights": found.weights, "low": found.low, "high": found.high}
    if len(more) >= 2:
        found = _formula(SEVERAL, more, [d for d in people if forecasting(d.metrics) is SEVERAL], params)
        update |= {"several_weights": found.weights, "several_low": found.low, "several_high": found.high}
    return params.model_copy(update=update)


def _formula(
    checks: Sequence[Check], examples: Sequence[Example], people: Sequence[Decision], params: QualityParams
) -> Formula:
    """Weights, ``low`` and ``high`` of one kind of assets. A check that none of the examples has made gets the mean
    weight of the others, and no part in ``high``."""
    from scipy.optimize import nnls

    made = [check for check in checks if any(check.metric in example.metrics for example in examples)]
    known = _qualities([example.metrics for example in examples], made)
    base = _design(known)
    truth = np.array([example.truth for example in examples])
    asked = _design(_qualities([decision.metrics for decision in people], made, known.mean(0)))
    wanted = np.array([params.finished if decision.approved else params.review for decision in people])
    sign = np.array([1.0 if decision.approved else -1.0 for decision in people])

    count = len(made)
    even = np.hstack([np.zeros((count, 2)), np.eye(count) - 1 / count]) * np.sqrt(EVENNESS)
    pulling = np.zeros(len(people), bool)
    for _ in range(ROUNDS):
        rows = np.vstack([base, even, np.sqrt(DECISION) * asked[pulling]])
        goal = np.concatenate([truth, np.zeros(count), np.sqrt(DECISION) * wanted[pulling]])
        found, _ = nnls(rows, goal)
        unhappy = sign * (wanted - asked @ found) > 0 if len(people) else pulling
        if (unhappy <= pulling).all():
            break
        pulling |= unhappy
    low, weights = float(found[0] - found[1]), found[2:]
    total = float(weights.sum())
    found_for = dict(zip((check.metric for check in made), weights, strict=True))
    full = [float(found_for.get(check.metric, total / count)) for check in checks]
    shares = {check.metric: round(w / sum(full), 4) if total else 0.0 for check, w in zip(checks, full, strict=True)}
    return Formula(shares, round(low, 4), round(min(1.0, low + total), 4))


def _qualities(
    metrics: Sequence[Mapping[str, float]], checks: Sequence[Check], fill: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """``(N, checks)`` ramps; what an asset lacks takes the mean of those that have it."""
    table = np.array([[ramp(m[c.metric], c) if c.metric in m else np.nan for c in checks] for m in metrics])
    table = table.reshape(len(metrics), len(checks))
    if fill is None:
        there = np.isfinite(table)
        fill = np.where(there, table, 0).sum(0) / np.maximum(there.sum(0), 1)
    return np.asarray(np.where(np.isfinite(table), table, fill), np.float64)


def _design(qualities: NDArray[np.float64]) -> NDArray[np.float64]:
    one = np.ones((len(qualities), 1))  # forth and back: ``low`` alone may be negative
    return np.hstack([one, -one, qualities])


def ordering(
    scores: Iterable[float], truths: Iterable[float], finished: float | None = None
) -> dict[str, int | float | None]:
    """How well scores order assets by their true quality: Spearman's correlation, and the worst fifth.

    ``worst_fifth_caught``: which share of the truly worst fifth is among the fifth with the lowest scores. With
    ``finished`` also what a gate at that score does: the share of the worst fifth that it holds back (``recall``), and
    the share of the worst fifth among what it holds back (``precision``).
    """
    from scipy.stats import spearmanr

    score, truth = np.array(list(scores)), np.array(list(truths))
    fifth = max(1, len(score) // 5)
    worst = set(np.argsort(truth, kind="stable")[:fifth].tolist())
    lowest = set(np.argsort(score, kind="stable")[:fifth].tolist())
    constant = np.ptp(score) == 0 or np.ptp(truth) == 0
    found: dict[str, int | float | None] = {
        "objects": len(score),
        "rank_correlation": 0.0 if constant else float(spearmanr(score, truth).statistic),
        "worst_fifth_caught": len(worst & lowest) / fifth,
    }
    if finished is not None:
        held = set(np.flatnonzero(score < finished).tolist())
        found["held_back"] = len(held) / len(score)
        found["recall"] = len(worst & held) / fifth
        found["precision"] = len(worst & held) / len(held) if held else None
    return found
