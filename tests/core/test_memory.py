"""How much memory a process took, whoever started it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.memory import peak_memory

MIB = 2**20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a program's own peak")
def test_a_child_s_peak_does_not_begin_at_its_parent_s() -> None:
    ballast = np.ones(400 * MIB, np.uint8)
    code = "from core.memory import peak_memory; print(peak_memory())"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert 5 * MIB < int(done.stdout) < 200 * MIB
    assert peak_memory() > len(ballast)
