"""The released loop's emptiness in the form that Score Jacobian Chaining for text has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.cameras import intrinsics
from core.sjc.field import released_voxels
from core.sjc.released import Draw, InputView, ReleasedSettings, look_at, released_gradients


def test_emptiness_of_the_text_form_clears_fog_harder_in_the_second_half() -> None:
    voxels = released_voxels(12, 4, torch.Generator().manual_seed(0))
    for tensor in voxels.tensors():
        tensor.requires_grad_(True)
    pose = look_at(np.array([0.0, 0.5, 1.9]), (0, 1, 0))
    draw, white = Draw(pose, pose, 1.0, torch.zeros(4, 8, 8)), torch.ones(4, 8, 8)
    settings = ReleasedSettings(smooth_weight=0, near_weight=0, train_view=False, text_emptiness_weight=10.0)

    def term(step: int, **changes: float) -> float | None:
        trace = released_gradients(
            voxels,
            draw,
            InputView(pose, torch.ones(1, 3, 8, 8)),
            intrinsics(8, 8, 49.1),
            white,
            lambda z, *_: torch.zeros_like(z),
            lambda y: y,
            replace(settings, **changes),
            step,
            10,
        )
        return trace.losses.get("emptiness_text")

    first, last = term(4), term(5)
    assert first is not None
    assert last == pytest.approx(20 * first)
    assert term(5, text_emptiness_weight=0.0) is None
    for tensor in voxels.tensors():
        tensor.grad = None
    term(9)
    assert voxels.density.grad is not None
    assert float(voxels.density.grad.sum()) > 0, "a step down the gradient takes matter away"
