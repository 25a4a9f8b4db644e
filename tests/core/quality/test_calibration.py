"""The gate's weights follow from assets of known quality, and from what people decided."""

from __future__ import annotations

import numpy as np
import pytest

from core.quality import QualityParams
from core.quality.calibration import Decision, Example, fit, ordering, shipped_examples
from core.quality.checks import EVIDENCE, SEVERAL
from core.quality.gate import combine, ramp

PARAMS = QualityParams()
PSNR = next(check for check in SEVERAL if check.metric == "views_psnr")


def drawn(rng: np.random.Generator) -> dict[str, float]:
    """Metrics somewhere on their ramps."""
    return {check.metric: float(check.bad + rng.random() * (check.good - check.bad)) for check in EVIDENCE}


def known(count: int, noise: float = 0.0) -> list[Example]:
    """Assets whose quality is .1 + .4 views_mask_iou + .2 compactness of their ramps."""
    rng = np.random.default_rng(0)
    truth = QualityParams(weights={"views_mask_iou": 2, "compactness": 1}, low=0.1, high=0.7)
    rows = [drawn(rng) for _ in range(count)]
    return [Example(row, combine(row, truth) + noise * float(rng.normal())) for row in rows]


def test_a_linear_truth_is_found_again():
    fitted = fit(known(400), [], PARAMS)
    scores = [combine(example.metrics, fitted) for example in known(400)]
    assert np.abs(np.array(scores) - [example.truth for example in known(400)]).mean() < 0.06
    ranked = sorted(fitted.weights, key=lambda name: -fitted.weights[name])
    assert ranked[:2] == ["views_mask_iou", "compactness"]
    assert sum(fitted.weights.values()) == pytest.approx(1, abs=2e-3)
    assert fit(known(400), [], PARAMS) == fitted


def test_weights_are_never_negative():
    rows = [Example(example.metrics, 1 - example.truth) for example in known(60)]
    fitted = fit(rows, [], PARAMS)
    assert min(fitted.weights.values()) >= 0
    assert fitted.low <= fitted.high


def test_assets_that_fail_every_check_may_be_worth_nothing():
    rng = np.random.default_rng(0)
    mean = [(row := drawn(rng), float(np.mean([ramp(row[c.metric], c) for c in EVIDENCE]))) for _ in range(200)]
    fitted = fit([Example(row, max(0.0, 2 * q - 0.7)) for row, q in mean], [], PARAMS)
    assert fitted.low < -0.3
    assert combine({check.metric: check.bad for check in EVIDENCE}, fitted) == 0


def test_decisions_pull_the_score_over_its_threshold():
    params = QualityParams(finished=0.6, review=0.3)
    examples = known(60, 0.05)
    liked = {check.metric: check.bad for check in EVIDENCE} | {"misplaced": 20.0}
    before = combine(liked, fit(examples, [], params))
    after = combine(liked, fit(examples, [Decision(liked, True)] * 20, params))
    assert before < 0.4
    assert after > before + 0.1
    good = {check.metric: check.good for check in EVIDENCE} | {"misplaced": 0.0}
    refused = [Decision(good, False)] * 20
    assert combine(good, fit(examples, refused, params)) < combine(good, fit(examples, [], params)) - 0.1


def test_decisions_that_the_score_already_respects_change_nothing():
    params = QualityParams(finished=0.5, review=0.2)
    best = {check.metric: check.good for check in EVIDENCE}
    assert fit(known(60), [Decision(best, True)], params) == fit(known(60), [], params)


def test_one_photo_and_several_are_fitted_each_to_their_own_assets():
    rng = np.random.default_rng(1)
    rows = [{c.metric: float(c.bad + rng.random() * (c.good - c.bad)) for c in SEVERAL} for _ in range(200)]
    four = [Example(row | {"photos": 4.0}, 0.8 * ramp(row["views_psnr"], PSNR)) for row in rows]
    fitted = fit(known(200) + four, [], PARAMS)
    assert max(fitted.several_weights, key=lambda name: fitted.several_weights[name]) == "views_psnr"
    assert fitted.weights == fit(known(200), [], PARAMS).weights
    assert fit(known(200), [], PARAMS).several_weights == PARAMS.several_weights
    worst = {check.metric: check.bad for check in SEVERAL} | {"photos": 4.0}
    liked = fit(known(200) + four, [Decision(worst, True)] * 50, PARAMS)
    assert combine(worst, liked) > combine(worst, fitted) + 0.1
    assert liked.weights == fitted.weights, "a decision about several photos says nothing of one"


def test_a_check_that_nobody_made_does_not_raise_the_score():
    rows = [Example({k: v for k, v in e.metrics.items() if k != "seed_agreement"}, e.truth) for e in known(400)]
    fitted = fit(rows, [], PARAMS)
    assert fitted.weights["seed_agreement"] == pytest.approx(1 / len(EVIDENCE), abs=1e-3)
    error = [combine(row.metrics, fitted) - row.truth for row in rows]
    assert np.mean(error) == pytest.approx(0, abs=0.005)


def test_the_shipped_weights_are_the_fit_of_the_shipped_assets():
    fitted = fit(shipped_examples(), [], PARAMS)
    assert fitted.weights == pytest.approx(PARAMS.weights, abs=1e-3)
    assert fitted.several_weights == pytest.approx(PARAMS.several_weights, abs=1e-3)
    levels = (fitted.low, fitted.high, fitted.several_low, fitted.several_high)
    assert levels == pytest.approx((PARAMS.low, PARAMS.high, PARAMS.several_low, PARAMS.several_high), abs=1e-3)


def test_ordering_counts_ranks_and_the_worst_fifth():
    truth = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    same = ordering(truth, truth, finished=0.35)
    assert (same["rank_correlation"], same["worst_fifth_caught"]) == (pytest.approx(1), 1)
    assert (same["held_back"], same["recall"], same["precision"]) == (0.3, 1, pytest.approx(2 / 3))
    assert ordering(truth[::-1], truth)["rank_correlation"] == pytest.approx(-1)
    assert ordering([0.5] * 10, truth)["rank_correlation"] == 0
    assert ordering(truth, truth, finished=0)["precision"] is None
