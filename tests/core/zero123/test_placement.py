"""Precision and place of a model's parts, by the card; nothing here needs one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch

from core.artifacts import Cutout
from core.sjc import reconstruct
from core.sjc.params import ReconstructParams
from core.zero123.model import Zero123
from core.zero123.params import ViewsParams
from core.zero123.placement import Card, place, precision_of
from core.zero123.views import make_view_set

PUBLISHED, STARTER = 859_530_000, 9_000_000


@pytest.mark.parametrize(
    ("parameters", "card", "dtype", "waits"),
    [
        (PUBLISHED, None, torch.float32, False),
        (PUBLISHED, Card(80 * 2**30, bf16=True), torch.bfloat16, False),
        (PUBLISHED, Card(8 * 2**30, bf16=True), torch.bfloat16, True),
        (PUBLISHED, Card(16 * 2**30, bf16=False), torch.float16, False),
        (STARTER, Card(8 * 2**30, bf16=True), torch.float32, False),
    ],
)
def test_half_precision_where_it_pays(parameters: int, card: Card | None, dtype: torch.dtype, waits: bool) -> None:
    chosen = place(parameters, card)
    assert (chosen.dtype, chosen.tower_waits) == (dtype, waits)


def moved(model: Zero123, *where: Any, **how: Any) -> Zero123:
    return deepcopy(model).to(*where, **how)


def test_the_tower_waits_where_it_is_and_the_unet_alone_is_narrowed(tiny: Zero123) -> None:
    model = moved(tiny, "meta", torch.bfloat16, tower_waits=True)
    found = {
        name: (weight.device.type, weight.dtype) for name, part in model.parts.items() for weight in part.parameters()
    }
    assert found == {
        "unet": ("meta", torch.bfloat16),
        "vae": ("meta", torch.float32),
        "image_encoder": ("cpu", torch.float32),
        "cc_projection": ("meta", torch.float32),
    }


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_draws_the_same_pictures_and_says_so(tiny: Zero123, cutout: Cutout, dtype: torch.dtype) -> None:
    params = ViewsParams(elevation=10.0, steps=4)
    whole = make_view_set(tiny, cutout, params, 0)
    half = make_view_set(moved(tiny, "cpu", dtype), cutout, params, 0)
    assert "precision" not in whole.info
    assert half.info["precision"] == str(dtype).removeprefix("torch.")
    assert 0 < np.abs(half.images.astype(int) - whole.images).mean() < 4


def test_a_reconstruction_scored_in_half_precision_says_so(tiny: Zero123, cutout: Cutout) -> None:
    model = moved(tiny, "cpu", torch.bfloat16)
    views = make_view_set(model, cutout, ViewsParams(elevation=10.0, steps=2), 0)
    params = ReconstructParams(grid=24, steps=6, score_from=0.0, score_every=1, score_weight=1.0)
    field = reconstruct(model, cutout, views, params, 0)
    assert field.info["precision"] == "bfloat16"
    assert precision_of(tiny) == {}
