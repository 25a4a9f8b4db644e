"""What CONTRIBUTING.md promises to a stranger, done to a copy of the tree: so many files are touched, and it works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import trimesh

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("cli", "core", "db", "examples", "flows", "gallery", "meshmill", "models", "storage", "tasks")

SKU = "toaster-red"

Edit = tuple[str, str, str]
"""A file, what stands in it, and what is written instead."""


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A copy of what builds assets."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def change(copy: Path, *edits: Edit) -> int:
    """The number of files that were touched."""
    for name, before, after in edits:
        text = (copy / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, (name, before)
        (copy / name).write_text(text.replace(before, after), encoding="utf-8")
    return len({name for name, _, _ in edits})


def python(copy: Path, *words: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MESHMILL_", "PREFECT_"))}
    surroundings = kept | {"PYTHONPATH": str(copy), "MESHMILL_HOME": str(copy / "home")}
    done = subprocess.run(
        [sys.executable, *words], env=surroundings, cwd=copy, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


CHECK = """
from core.quality.checks import VETOES
from core.quality.reasons import reason
import numpy as np
from core.artifacts import Cutout
from core.quality.gate import vetoes
from core.quality.measurement import mask_health

rgba = np.zeros((64, 64, 4), np.uint8)
rgba[..., 3] = 255
metrics = mask_health(Cutout(rgba, (0, 0, 64, 64), "alpha", 1.0))
assert metrics["fills_frame"] == 1.0
assert [check.code for check in VETOES].count("fills_frame") == 1
assert vetoes(metrics) < vetoes(metrics | {"fills_frame": 0.5})
print(reason("fills_frame", "blocks").message)
"""


def test_a_new_check_of_the_gate_touches_three_files(stranger: Path) -> None:
    assert (
        change(
            stranger,
            (
                "core/quality/measurement.py",
                '        "coverage": float(mask.mean()),\n',
                '        "coverage": float(mask.mean()),\n        "fills_frame": float(mask.mean()),\n',
            ),
            (
                "core/quality/checks.py",
                "VETOES = (\n",
                'VETOES = (\n    Check("fills_frame", 0.99, 0.9, "fills_frame", "blocks", place="cutout"),\n',
            ),
            (
                "core/quality/texts/en.json",
                '{\n "holes_in_surface": {\n',
                '{\n "fills_frame": {"message": "The product fills the photo.", "action": "Step back."},\n'
                ' "holes_in_surface": {\n',
            ),
        )
        == 3
    )
    assert python(stranger, "-c", CHECK).strip() == "The product fills the photo."


PARTS = """
from core.recipes import load_recipe
from tasks.keys import digest
from tasks.stages import STAGE

print(*(digest(STAGE[name].params_of(load_recipe("starter"))) for name in ("mesh", "finish")))
"""


def test_a_changed_default_touches_one_file_and_only_its_stage_runs_anew(stranger: Path) -> None:
    mesh, finish = python(stranger, "-c", PARTS).split()
    assert (
        change(stranger, ("core/mesh/params.py", "jpeg_quality: int = Field(88,", "jpeg_quality: int = Field(90,")) == 1
    )
    same, other = python(stranger, "-c", PARTS).split()
    assert same == mesh
    assert other != finish


STAGE = """    Stage("squash", version=1, params=MeshParams, inputs=("mesh",), outputs=("squashed",)),
    Stage(
        "finish",
"""

SQUASH = """def _squash(call: StageCall, progress: Progress) -> StageOutput:
    mesh = Mesh.from_bytes(call.inputs["mesh"])
    return StageOutput({"squashed.npz": replace(mesh, vertices=mesh.vertices * (1, 1, 0.5)).to_bytes()})


def _finish("""

WITH_SQUASHED = """        inputs=("squashed", "field", "cutout", "views", "thumbnail.png"),"""

SQUASHED = """        Mesh.from_bytes(call.inputs["squashed"]),
"""

SMALLEST = (
    'views.rings=[{"elevation":10,"count":4}]', "reconstruct.steps=40", "reconstruct.grid=32", "reconstruct.rays=512",
    "finish.faces=1000", "finish.lods=[300]", "finish.texture=128", "finish.turntable=2", "finish.usdz=false",
)  # fmt: skip


def depth_of_product(copy: Path) -> float:
    """Depth over width of what the line makes of a photo now."""
    words = [word for setting in SMALLEST for word in ("--set", setting)]
    document = json.loads(python(copy, "-m", "cli.main", "run", f"examples/photos/{SKU}.jpg", *words, "--json"))
    (asset,) = document["assets"]
    assert asset["status"] in ("finished", "review")
    width, _, depth = trimesh.load(unquote(urlsplit(asset["glb"]).path), force="scene").extents
    return float(depth / width)


@pytest.mark.slow
def test_a_new_stage_between_mesh_and_finish_touches_two_files(stranger: Path) -> None:
    """The table's row and what it computes: keys, order, storage, reuse and lineage follow."""
    before = depth_of_product(stranger)
    touched = change(
        stranger,
        ("tasks/stages.py", '    Stage(\n        "finish",\n', STAGE),
        ("tasks/stages.py", '        inputs=("mesh", "field", "cutout", "views", "thumbnail.png"),', WITH_SQUASHED),
        ("tasks/compute.py", "def _finish(", SQUASH),
        ("tasks/compute.py", "import sys\n", "import sys\nfrom dataclasses import replace\n"),
        ("tasks/compute.py", '        Mesh.from_bytes(call.inputs["mesh"]),\n', SQUASHED),
        ("tasks/compute.py", '    "finish": _finish,\n', '    "squash": _squash,\n    "finish": _finish,\n'),
    )
    assert touched == 2
    assert depth_of_product(stranger) < 0.6 * before
    lineage = json.loads(python(stranger, "-m", "cli.main", "show", SKU, "--json"))
    states = {stage["stage"]: stage["reused"] for stage in lineage["stages"]}
    assert list(states) == ["segment", "views", "reconstruct", "mesh", "squash", "finish", "assess"]
    assert [name for name, reused in states.items() if not reused] == ["squash", "finish", "assess"]
