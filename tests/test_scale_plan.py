"""The plan on paper and the simulation say the same where one resource is full."""

from __future__ import annotations

import pytest

from bench.scale_plan import Times, planned, simulated

CASES = {
    "gpus": (20_000, 16, Times(start=0)),
    "store": (20_000, 2_000, Times(compute=0.5, start=0, dispatch=0)),
    "prefect": (20_000, 2_000, Times(compute=0.5, start=0, dispatch=0, store=0.01)),
    "database": (20_000, 2_000, Times(compute=0.5, start=0, dispatch=0, database=8.0)),
    "dispatch": (20_000, 2_000, Times(compute=0.01, start=0, dispatch=30, prefect=0.001, store=0.001, database=0.001)),
}


@pytest.mark.parametrize("full", CASES)
def test_a_night_takes_as_long_as_what_is_full(full: str) -> None:
    assets, gpus, times = CASES[full]
    plan = planned(assets, gpus, times, in_flight=10_000)
    assert max(plan, key=lambda name: plan[name]) == full
    assert simulated(assets, gpus, times, in_flight=10_000) == pytest.approx(plan[full], rel=0.08)


def test_more_gpus_than_shards_in_flight_bring_nothing() -> None:
    assert simulated(50_000, 64, Times(), in_flight=32) == simulated(50_000, 32, Times(), in_flight=32)
    assert simulated(50_000, 64, Times(), in_flight=64) < 0.6 * simulated(50_000, 64, Times(), in_flight=32)
