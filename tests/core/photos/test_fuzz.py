"""Mutated files end as a photo or as one of our errors, in bounded time and memory (bench/fuzz_photos.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import load_script


@pytest.mark.filterwarnings("ignore")
def test_two_hundred_mutations_never_crash_or_hang() -> None:
    result = load_script("bench/fuzz_photos.py").run(200, seed=1, limit_seconds=20)
    assert sum(result["outcomes"].values()) == 200
    assert result["outcomes"].get("read", 0) > 10, "mutations so harsh that nothing is decoded test only headers"


@pytest.mark.timeout(300)
def test_two_thousand_more_stay_below_a_gibibyte() -> None:
    """In a process of its own, whose peak memory is then only theirs; 20 s a file and 1 GiB are the bench's limits."""
    bench = Path(__file__).resolve().parents[3] / "bench" / "fuzz_photos.py"
    done = subprocess.run([sys.executable, bench, "--count", "2000", "--seed", "2"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert sum(result["outcomes"].values()) == 2000
    assert result["peak_mib"] < 1024
