"""One example photo through every real stage to what another team reads, by the commands that people type."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tasks.stages import STAGE_NAMES, VERSIONS

ROOT = Path(__file__).resolve().parents[2]
SKU = "toaster-red"
SMALLEST = (
    'views.rings=[{"elevation":10,"count":4}]',
    "reconstruct.steps=60",
    "reconstruct.grid=32",
    "reconstruct.rays=1024",
    "finish.faces=2000",
    "finish.lods=[500]",
    "finish.texture=256",
    "finish.turntable=2",
)
"""Seconds a stage: small pictures, few of them, a coarse field, a light mesh. Every file is still made."""


def meshmill(folder: Path, *words: str) -> Any:
    """A command as a process of its own: the document that it prints. Raises where it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MESHMILL_", "PREFECT_"))}
    surroundings = kept | {"MESHMILL_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cli.main", *words, "--json"]
    done = subprocess.run(
        command, env=surroundings, cwd=folder, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_a_photo_becomes_a_published_file_that_verifies_and_is_made_again_bit_for_bit(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(ROOT / "examples" / "photos" / f"{SKU}.jpg", tmp_path / "photos")
    document = meshmill(tmp_path, "run", "photos", *(word for setting in SMALLEST for word in ("--set", setting)))
    (asset,) = document["assets"]
    print(SKU, "ended as", asset["status"], "-", asset["reason"])  # noqa: T201 - for the record
    assert asset["status"] in ("finished", "review"), asset
    if asset["status"] == "review":  # the gate may ask a person; then a person's word publishes it
        meshmill(tmp_path, "review", SKU, "--approve", "--note", "a test of the line")

    database = sqlite3.connect(tmp_path / "home" / "meshmill.db")
    published = database.execute("SELECT sku, glb_uri, faces, bytes, model FROM finished_assets").fetchall()
    stages = dict(database.execute("SELECT stage, version FROM stage_run WHERE state = 'finished'").fetchall())
    database.close()
    ((sku, uri, faces, size, model),) = published
    assert sku == SKU
    assert model.startswith("starter@")
    assert 500 < faces <= 2000
    assert stages == {name: VERSIONS[name] for name in STAGE_NAMES}, "every stage ran, none was played back"

    fetched = tmp_path / "fetched.glb"
    meshmill(tmp_path, "fetch", SKU, "-o", str(fetched))
    sha256 = hashlib.sha256(fetched.read_bytes()).hexdigest()
    assert sha256 in uri, "stored under the hash of its bytes"
    assert fetched.stat().st_size == size
    verdict = meshmill(tmp_path, "verify", str(fetched))
    assert verdict["passed"]
    assert all(check["passed"] for check in verdict["checks"])

    again = meshmill(tmp_path, "reproduce", SKU)
    assert again["same"]
    made = {artifact["kind"]: artifact["sha256"] for artifact in again["artifacts"]}
    assert made["glb"] == sha256
    assert {"cutout", "views", "field", "mesh", "glb", "model.usdz", "report", "assessment"} <= set(made)

    spoiled = [Path(unquote(urlsplit(uri).path)), *objects_of(tmp_path, "views"), *objects_of(tmp_path, "photo")]
    for path in spoiled:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    mended = meshmill(tmp_path, "fsck", "--repair")
    assert (mended["damaged"], mended["repaired"], mended["unrepairable"]) == (3, 3, 0)
    assert hashlib.sha256(spoiled[0].read_bytes()).hexdigest() == sha256, "made again by its real stage, byte for byte"
    all_colours_in_one_file(tmp_path)


def all_colours_in_one_file(folder: Path) -> None:
    """A manifest's colour variant of the product that is built: only its colours are computed; one file verifies."""
    import numpy as np
    from PIL import Image

    with Image.open(folder / "photos" / f"{SKU}.jpg") as photo:
        pixels = np.asarray(photo.convert("RGB"))
    Image.fromarray(np.ascontiguousarray(pixels[..., ::-1])).save(folder / "photos" / "blue.png")
    table = folder / "photos" / "shop.csv"
    table.write_text(f"sku,photo,variant_of\nbase,{SKU}.jpg,\nblue,blue.png,base\n")
    document = meshmill(folder, "run", str(table), *(word for setting in SMALLEST for word in ("--set", setting)))
    for asset in document["assets"]:
        assert asset["status"] in ("finished", "review"), asset
        if asset["status"] == "review":
            meshmill(folder, "review", asset["sku"], "--approve", "--note", "a test of the line")
    database = sqlite3.connect(folder / "home" / "meshmill.db")
    counts = dict(database.execute("SELECT stage, count(*) FROM stage_run WHERE state = 'finished' GROUP BY stage"))
    database.close()
    assert (counts["reconstruct"], counts["mesh"], counts["recolour"]) == (1, 1, 1), "one shape for all of them"
    meshmill(folder, "fetch", "blue", "--kind", "variants", "-o", str(folder / "colours.glb"))
    verdict = meshmill(folder, "verify", str(folder / "colours.glb"))
    assert verdict["passed"], verdict
    assert b'"variants":[{"name":"base"},{"name":"blue"}]' in (folder / "colours.glb").read_bytes()


def objects_of(folder: Path, kind: str) -> list[Path]:
    database = sqlite3.connect(folder / "home" / "meshmill.db")
    found = database.execute("SELECT uri FROM artifact WHERE kind = ?", (kind,)).fetchall()
    database.close()
    return [Path(unquote(urlsplit(uri).path)) for (uri,) in found]


def test_four_photos_of_a_product_become_one_asset_that_is_made_again_bit_for_bit(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    photograph(tmp_path / "photos")
    document = meshmill(tmp_path, "run", "photos", *(word for setting in SMALLEST for word in ("--set", setting)))
    (asset,) = document["assets"]
    assert asset["status"] in ("finished", "review"), asset
    assert asset["photos"] == 4
    if asset["status"] == "review":
        meshmill(tmp_path, "review", "cupboard", "--approve", "--note", "a test of the line")

    database = sqlite3.connect(tmp_path / "home" / "meshmill.db")
    ((photos,),) = database.execute("SELECT photos FROM finished_assets").fetchall()
    counts = dict(database.execute("SELECT stage, count(*) FROM stage_run WHERE state = 'finished' GROUP BY stage"))
    database.close()
    assert photos == 4, "what other teams read"
    assert counts == dict.fromkeys(STAGE_NAMES, 1) | {"segment": 4, "align": 1}

    fetched = tmp_path / "fetched.glb"
    meshmill(tmp_path, "fetch", "cupboard", "-o", str(fetched))
    assert b'"photos":4' in fetched.read_bytes(), "the file says so itself"
    align = next(s for s in meshmill(tmp_path, "show", "cupboard")["stages"] if s["stage"] == "align")
    assert [photo["used"] for photo in align["figures"]["photos"]] == [True] * 4

    again = meshmill(tmp_path, "reproduce", "cupboard")
    assert again["same"], [item for item in again["artifacts"] if not item["same"]]
    assert sum(item["kind"] == "cutout" for item in again["artifacts"]) == 4


def photograph(folder: Path) -> None:
    """A drawn cupboard from its four sides, 20 degrees above it, on transparent ground."""
    import numpy as np
    import torch
    from PIL import Image

    from training.procedural import Cameras, build_grid, generate_objects, render

    table = generate_objects([1_600_000_000])
    grid = build_grid(table, 64)
    for side, azimuth in (("front", 0.0), ("right", 90.0), ("back", 180.0), ("left", 270.0)):
        camera = Cameras(*(torch.full((1, 1), value) for value in (azimuth, 20.0, 2.2)))
        seen = render(table, camera, 256, grid=grid)
        rgba = torch.cat([seen.rgb[0, 0], seen.alpha[0, 0]]).permute(1, 2, 0)
        pixels = np.asarray((rgba * 255).round().byte().numpy())
        Image.fromarray(pixels).save(folder / f"cupboard_{side}.png")
