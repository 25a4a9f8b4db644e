"""Mutated manifests end as products, as named lines or as a sentence; long ones take no memory (bench/manifests.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import load_script

BENCH = Path(__file__).resolve().parents[2] / "bench" / "manifests.py"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thousand_mutated_manifests_never_crash_or_hang_and_lose_no_product(seed: int) -> None:
    outcomes = load_script("bench/manifests.py").run(1000, seed=seed)["outcomes"]
    assert sum(outcomes.values()) == 1000
    assert sum(count for name, count in outcomes.items() if not name.startswith("refused")) > 500
    assert not any("without" in name for name in outcomes)


def test_memory_does_not_grow_with_the_rows() -> None:
    """In processes of their own, whose peak is then only theirs."""
    grown = []
    for rows in (2_000, 60_000):
        command = [sys.executable, BENCH, "--rows", str(rows)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(BENCH.parents[1])}
        )
        assert done.returncode == 0, done.stderr[-2000:]
        result = json.loads(done.stdout)
        assert result["products"] == rows // 2
        grown.append(result["grown_mib"])
    assert grown[1] - grown[0] < 24, grown
