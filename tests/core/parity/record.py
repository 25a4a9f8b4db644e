"""Record `vectors.npz` again: `python -m tests.core.parity.record`, from the repository's root.

Only where the mathematics was meant to change, and only by code that the original implementation's numbers hold: the
parity tests against them run first, and nothing is written unless every one of them ran and passed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.core.parity.vectors import TOPICS, arrays

FILE = Path(__file__).with_name("vectors.npz")
HELD_BY = (
    "tests/core/test_cameras.py",
    "tests/core/zero123/test_zero123_parity.py",
    "tests/core/sjc/test_released_parity.py",
    "tests/core/sjc/test_released_loop.py",
)


def main() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-rs", *HELD_BY]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or " skipped" in done.stdout:
        sys.exit(f"Nothing is recorded: the parity tests did not all run and pass.\n{done.stdout[-2000:]}")
    recorded = {
        f"{topic}.{name}": values.astype(np.float32 if values.dtype != np.float64 else np.float64)
        for topic in TOPICS
        for name, values in arrays(topic).items()
    }
    np.savez_compressed(FILE, allow_pickle=False, **recorded)
    print(f"{FILE}: {len(recorded)} arrays, {FILE.stat().st_size / 1e3:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
