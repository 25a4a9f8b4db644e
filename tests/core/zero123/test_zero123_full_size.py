"""The published architecture at its real size with random weights: memory and counts (run with ``-m slow``)."""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT = 12 * 2**30
NEEDS_DISK = 11 * 10**9


def measure(folder: Path) -> dict[str, object]:
    """Write an original file, verify it, convert it, load the conversion; run in a process of its own."""
    from safetensors.torch import save_file

    from core.zero123.checkpoints import load_model, save_pretrained
    from core.zero123.inspection import verify_checkpoint
    from tests.published_size import random_original

    path = folder / "zero123.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in random_original().items()}, path)
    gc.collect()

    report = verify_checkpoint(path)
    keys = report.parameters
    original = load_model(path)
    converted = save_pretrained(original, folder / "zero123")
    differing = differences(original, load_model(converted))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"parameters": keys, "kind": report.kind, "checks": report.checks, "differing": differing, "peak": peak}


def differences(one: object, other: object) -> list[str]:
    import torch

    return [
        f"{name}.{key}"
        for name, part in one.parts.items()  # type: ignore[attr-defined]
        for key, value in part.state_dict().items()
        if not torch.equal(value, other.parts[name].state_dict()[key])  # type: ignore[attr-defined]
    ]


@pytest.mark.huge
@pytest.mark.timeout(1200)  # ten gigabytes go to disk and back
def test_full_size_saves_loads_converts_and_steps_within_12_gb(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < NEEDS_DISK:
        pytest.skip("11 GB of disk are needed for the two copies of the weights")
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if available < LIMIT * 0.8:
        pytest.skip(f"only {available / 2**30:.1f} GB of memory are free")
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)], check=False, capture_output=True, text=True, timeout=1100,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kind"] == "original"
    assert found["parameters"]["unet"] == pytest.approx(859.53e6, abs=0.01e6)
    assert found["parameters"]["vae"] == pytest.approx(83.65e6, abs=0.01e6)
    assert found["parameters"]["cc_projection"] == 772 * 768 + 768
    assert found["checks"]["finite"] is True
    assert found["differing"] == []
    assert found["peak"] < LIMIT
    print(f"peak {found['peak'] / 2**30:.1f} GB")  # noqa: T201


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    print(json.dumps(measure(Path(sys.argv[1]))))  # noqa: T201
