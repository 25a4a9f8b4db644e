"""Weights of the published size and names, random, through the whole line: photo to GLB, at the smallest sizes."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.stages import STAGE_NAMES

ROOT = Path(__file__).resolve().parents[2]
SKU = "enamel-mug-green"
NEEDS_MEMORY, NEEDS_DISK = 8 * 2**30, 4 * 10**9
SMALLEST = (
    'views.rings=[{"elevation":10,"count":2}]', "views.steps=2", "views.batch=1",
    "reconstruct.steps=4", "reconstruct.score_every=2", "reconstruct.score_cameras=1", "reconstruct.grid=32",
    "reconstruct.rays=512", "finish.faces=1000", "finish.lods=[300]", "finish.texture=128", "finish.turntable=2",
    "finish.usdz=false",
)  # fmt: skip


def write_random_weights(path: Path) -> None:
    """A file as the published ones are: the original's names, half precision."""
    from safetensors.torch import save_file

    from tests.published_size import random_original

    save_file({name: tensor.half().contiguous() for name, tensor in random_original().items()}, path)


def available_memory() -> int:
    """Bytes that the system would give away, caches included."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) * 1024 if found else 0


def process(folder: Path, *words: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MESHMILL_", "PREFECT_"))}
    surroundings = kept | {"MESHMILL_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *words], env=surroundings, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), (words, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.huge
@pytest.mark.timeout(5400)  # 860 million parameters on two cores
def test_weights_of_the_published_size_become_a_glb_with_their_licence(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < NEEDS_DISK:
        pytest.skip("4 GB of disk are needed for the weights")
    if available_memory() < NEEDS_MEMORY:
        pytest.skip("8 GiB of free memory are needed")
    process(tmp_path, __file__, str(tmp_path / "zero123-xl.safetensors"))
    process(
        tmp_path, "-m", "cli.main", "models", "add", "zero123-xl", "zero123-xl.safetensors",
        "--licence", "CC-BY-NC-4.0", "--non-commercial", "--attribution", "random numbers",
    )  # fmt: skip
    words = [word for setting in SMALLEST for word in ("--set", setting)]
    photo = str(ROOT / "examples" / "photos" / f"{SKU}.png")
    document: dict[str, Any] = json.loads(
        process(tmp_path, "-m", "cli.main", "run", photo, "--recipe", "zero123-xl-fast", *words, "--json")
    )
    (asset,) = document["assets"]
    database = sqlite3.connect(tmp_path / "home" / "meshmill.db")
    ran = database.execute("SELECT stage, seconds, peak_memory FROM stage_run WHERE state = 'finished'").fetchall()
    database.close()
    print(*ran, sep="\n")  # noqa: T201 - for the record
    assert asset["glb"] is not None, asset
    assert {stage for stage, *_ in ran} == set(STAGE_NAMES)
    process(tmp_path, "-m", "cli.main", "fetch", asset["asset_id"], "-o", "fetched.glb")
    glb = (tmp_path / "fetched.glb").read_bytes()
    words_of_glb = json.loads(glb[20 : 20 + int.from_bytes(glb[12:16], "little")])
    assert "CC-BY-NC-4.0" in json.dumps(words_of_glb["asset"])


if __name__ == "__main__":
    write_random_weights(Path(sys.argv[1]))
