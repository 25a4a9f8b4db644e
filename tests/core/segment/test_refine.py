"""Sharpening: against definitions computed the slow way."""

from __future__ import annotations

import numpy as np
import pytest

from core.segment.framing import foreground
from core.segment.refine import guided_filter, sharpen, steepen, weigh_colors


def disc(side: int = 120, radius: float = 35) -> np.ndarray:
    return (np.hypot(*(np.mgrid[:side, :side] - side / 2 + 0.5)) < radius).astype(np.float32)


def test_guided_filter_equals_ridge_regression_in_every_window() -> None:
    rng = np.random.default_rng(0)
    rgb, mask = rng.integers(0, 256, (17, 17, 3)).astype(np.uint8), rng.random((17, 17)).astype(np.float32)
    radius, epsilon = 2, 1e-2
    colors = rgb / 255.0
    slopes, offsets = np.zeros((17, 17, 3)), np.zeros((17, 17))
    for y in range(2, 15):
        for x in range(2, 15):
            window = colors[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)
            values = mask[y - 2 : y + 3, x - 2 : x + 3].ravel()
            centered = window - window.mean(0)
            slopes[y, x] = np.linalg.solve(
                centered.T @ centered / 25 + epsilon * np.eye(3), centered.T @ (values - values.mean()) / 25
            )
            offsets[y, x] = values.mean() - slopes[y, x] @ window.mean(0)
    result = guided_filter(rgb, mask, radius, epsilon)
    for y, x in ((8, 8), (6, 9), (10, 5)):
        near = (slice(y - 2, y + 3), slice(x - 2, x + 3))
        expected = slopes[near].mean((0, 1)) @ colors[y, x] + offsets[near].mean()
        assert result[y, x] == pytest.approx(np.clip(expected, 0, 1), abs=2e-5)


def test_colours_overrule_a_doubtful_network_but_not_a_sure_one() -> None:
    truth = disc()
    rgb = np.where(truth[..., None] > 0, (200, 40, 40), (90, 120, 90)).astype(np.uint8)
    doubtful = np.where(truth > 0, 0.7, 0.3).astype(np.float32)
    doubtful[58:62, 58:62] = 0.4  # a hole that the product's colour contradicts
    posterior = weigh_colors(rgb, doubtful)
    assert ((posterior > 0.5) == (truth > 0)).all()
    sure = np.where(truth > 0, 0.99, 0.01).astype(np.float32)
    sure[58:62, 58:62] = 0.01
    assert (weigh_colors(rgb, sure)[58:62, 58:62] < 0.5).all()


def test_a_blurred_mask_snaps_to_the_edge() -> None:
    from scipy.ndimage import gaussian_filter

    truth = disc(200, 60)
    rgb = np.where(truth[..., None] > 0, (200, 40, 40), (235, 235, 230)).astype(np.uint8)
    blurred = gaussian_filter(np.roll(truth, 4, 1), 5)
    before, after = blurred > 0.5, sharpen(rgb, blurred) > 0.5
    iou = [float((m & (truth > 0)).sum() / (m | (truth > 0)).sum()) for m in (before, after)]
    assert iou[0] < 0.93
    assert iou[1] > 0.985


def test_alpha_is_decided_where_the_mask_leans_and_whole_at_its_ends() -> None:
    mask = np.array([0, 0.2, 0.5, 0.8, 1], np.float32)
    alpha = steepen(mask)
    assert alpha[[0, 2, 4]] == pytest.approx([0, 0.5, 1], abs=1e-6)
    assert alpha[1] < 0.03
    assert alpha[3] > 0.97
    assert (np.diff(steepen(np.linspace(0, 1, 99, dtype=np.float32))) > 0).all()


def test_foreground_estimation_recovers_the_colour_before_mixing() -> None:
    alpha = np.clip((40 - np.hypot(*(np.mgrid[:160, :160] - 79.5))) / 10 + 0.5, 0, 1).astype(np.float32)
    front, back = np.array([180.0, 60, 30], np.float32), np.array([20.0, 200, 220], np.float32)
    mixed = (front * alpha[..., None] + back * (1 - alpha[..., None])).astype(np.float32)
    soft = (alpha > 0.15) & (alpha < 0.95)
    assert np.abs(mixed[soft] - front).mean() > 50
    assert np.abs(foreground(mixed, alpha)[soft] - front).mean() < 10
