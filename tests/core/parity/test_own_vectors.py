"""The mathematics against numbers in this repository, recorded by code that the original's numbers hold: cameras,
conditioning, U-Net, autoencoder, DDIM, score, field, renderer, losses and a whole step of the released loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.parity.record import FILE
from tests.core.parity.vectors import TOPICS, arrays

FORWARD, GRADIENT = 1e-5, 1e-4
"""Relative to an array's largest value, as for the original's numbers."""


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    return dict(np.load(FILE))


@pytest.mark.parametrize("topic", TOPICS)
def test_numbers_are_those_recorded(recorded: dict[str, Any], topic: str) -> None:
    found = arrays(topic)
    expected = {name.partition(".")[2]: values for name, values in recorded.items() if name.startswith(f"{topic}.")}
    assert list(found) == list(expected)
    off = {}
    for name, values in found.items():
        assert values.shape == expected[name].shape, name
        largest = np.abs(expected[name]).max()
        assert largest > 0, f"{name} holds nothing"
        worst = float(np.abs(values.astype(np.float64) - expected[name]).max() / largest)
        if not worst <= (GRADIENT if name.startswith("d_") else FORWARD):
            off[name] = worst
    assert off == {}


def test_the_record_is_small() -> None:
    assert Path(FILE).stat().st_size < 300_000
