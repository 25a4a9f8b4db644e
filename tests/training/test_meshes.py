"""Real meshes to train on: what the manifest must say, what is rendered of them, and how often they are drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training_shards import DATA, make_shards

from core.errors import InputError
from training.dataset import build_cache, draw_conditions, open_shards
from training.meshes import credits_of, read_meshes, split
from training.rendering import DataConfig

HEADER = "path,licence,source,author\n"
SMALL = DataConfig(size=32, render_size=48, views=3, framed_share=0.0, radius=(2.0, 2.0), moved_share=0.0)


def red_box(path: Path, size: tuple[float, float, float] = (2, 4, 2)) -> None:
    """A textured box as GLB or OBJ, by the file's ending."""
    import trimesh
    from PIL import Image

    box = trimesh.creation.box(size)
    uv = np.random.default_rng(0).random((len(box.vertices), 2))
    picture, material = Image.new("RGB", (8, 8), (200, 40, 40)), trimesh.visual.material
    paint = material.PBRMaterial(baseColorTexture=picture)
    if path.suffix == ".obj":
        paint = material.SimpleMaterial(image=picture)
    box.visual = trimesh.visual.TextureVisuals(uv=uv, material=paint)
    path.parent.mkdir(parents=True, exist_ok=True)
    box.export(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three boxes with their licences."""
    place = tmp_path / "shop"
    for name in ("a.glb", "deep/b.glb", "c.obj"):
        red_box(place / name)
    rows = "a.glb,CC0-1.0,https://example.org/a,\ndeep/b.glb,cc-by-4.0,https://example.org/b,Ada\nc.obj,own,,\n"
    (place / "meshes.csv").write_text(HEADER + rows)
    return place


def test_a_folder_with_licences_is_read_and_every_twentieth_held_out(folder: Path) -> None:
    meshes = read_meshes(folder)
    assert [(mesh.path.name, mesh.licence) for mesh in meshes] == [
        ("a.glb", "CC0-1.0"),
        ("c.obj", "own"),
        ("b.glb", "CC-BY-4.0"),
    ]
    train, held = split(meshes)
    assert [path.name for path in train] == ["c.obj", "b.glb"]
    assert [path.name for path in held] == ["a.glb"]
    assert credits_of(meshes) == {
        "licences": {"CC-BY-4.0": 1, "CC0-1.0": 1, "own": 1},
        "credits": ["Ada, CC-BY-4.0, https://example.org/b"],
    }


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a.glb,,https://example.org,Ada", "a.glb has no licence"),
        ("a.glb,do what you want,https://example.org,Ada", "'do what you want' of a.glb is not known"),
        ("a.glb,CC-BY-NC-4.0,https://example.org,Ada", "CC-BY-NC-4.0 of a.glb does not allow"),
        ("a.glb,CC-BY-ND-4.0,https://example.org,Ada", "CC-BY-ND-4.0 of a.glb does not allow"),
        ("a.glb,CC-BY-4.0,https://example.org,", "wants the author of a.glb to be named"),
        ("gone.glb,own,,", "no file gone.glb"),
        ("../a.glb,own,,", "no file ../a.glb"),
        (",own,,", "path is empty"),
        ("meshes.csv,own,,", "meshes.csv is none of"),
        ("a.glb,own,,\na.glb,own,,", "line 3: a.glb has a row already"),
        ("b.glb,own,,", "1 meshes have no row in meshes.csv, so nobody knows their licence: a.glb"),
    ],
)
def test_what_a_manifest_lacks_is_said(tmp_path: Path, row: str, said: str) -> None:
    place = tmp_path / "shop"
    for name in ("a.glb", "b.glb"):
        red_box(place / name)
    red_box(tmp_path / "a.glb")
    (place / "meshes.csv").write_text(f"{HEADER}{row}\n")
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        read_meshes(place)


@pytest.mark.parametrize("manifest", [None, "", "path,source\na.glb,x\n", HEADER])
def test_no_manifest_no_training(tmp_path: Path, manifest: str | None) -> None:
    red_box(tmp_path / "a.glb")
    if manifest is not None:
        (tmp_path / "meshes.csv").write_text(manifest)
    with pytest.raises(InputError, match=r"meshes\.csv"):
        read_meshes(tmp_path)


def test_meshes_become_shards_with_texture_and_matter(folder: Path, tmp_path: Path) -> None:
    from training.procedural.grid import HALF

    files = [mesh.path for mesh in read_meshes(folder)]
    build_cache(tmp_path / "cache", files, SMALL)
    shard = open_shards(tmp_path / "cache", real=True)[0]
    assert shard.real
    for pictures in shard.images:  # the OBJ's texture, too
        seen = pictures[pictures[..., 3] == 255]
        assert len(seen)
        assert np.all(seen[:, 0] > 2 * seen[:, 1])
    solid = np.unpackbits(shard.solids[0], axis=-1)  # (z, y, x)
    extent = [np.ptp(np.flatnonzero(solid.any(axes))) + 1 for axes in ((0, 1), (0, 2), (1, 2))]
    cells = 40 / (2 * HALF)
    assert np.allclose(extent, [cells / 2, cells, cells / 2], atol=1.1)  # x, y, z
    assert shard.frames.shape == (3, 2)


def test_real_meshes_are_their_share_of_what_is_drawn(tmp_path: Path) -> None:
    drawn = open_shards(make_shards(tmp_path))
    mixed = [*drawn, replace(drawn[0], real=True)]
    rng = np.random.default_rng(0)
    for share in (0.2, 0.05):
        config = DATA.model_copy(update={"mesh_share": share})
        rows = draw_conditions(mixed, 20_000, config, rng)
        assert np.mean(rows.shard == 2) == pytest.approx(share, abs=0.01)
        assert set(rows.item[rows.shard == 2]) == set(range(6))
    for alone in (drawn, [replace(shard, real=True) for shard in drawn]):
        assert set(draw_conditions(alone, 200, DATA, rng).shard) == {0, 1}


def test_more_than_a_fifth_is_refused() -> None:
    with pytest.raises(ValueError, match="mesh_share"):
        DataConfig(mesh_share=0.3)


def test_training_renders_them_learns_from_them_and_names_them(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import starter

    config = starter.TrainViewsConfig.model_validate(
        {
            "data": {"size": 64, "render_size": 48, "views": 5, "objects_per_shard": 2, "meshes": str(folder)},
            "autoencoder": {"steps": 1, "batch": 2},
            "lift": {"steps": 1, "batch": 8, "rays": 8, "points": 16},
            "unet": {"steps": 1, "batch": 4, "targets": 2},
            "sheet_seconds": 0,
        }
    )
    monkeypatch.setattr(starter, "sources_of", lambda *_: (range(2), range(10**9, 10**9 + 2)))
    monkeypatch.setattr(starter, "predict", lambda _, cases, steps: cases.targets[..., :3])  # costs a minute
    monkeypatch.setattr(starter, "evaluate", lambda _, cases, steps: {"objects": len(cases.names)})
    export = starter.train_views(config, "procedural", tmp_path / "run")
    data = tmp_path / "run" / "data"
    counts = {part: len(np.load(data / part / "shard-0000" / "cameras.npy")) for part in ("train", "meshes")}
    assert counts == {"train": 2, "meshes": 2}
    assert (data / "held-meshes" / "shard-0000" / "latents.npy").is_file()
    held_out = json.loads((tmp_path / "run" / "sheets" / "meshes-metrics.jsonl").read_text().splitlines()[-1])
    assert held_out == {"step": 1, "objects": 1}
    about = json.loads((export / "meshmill.json").read_text())
    assert about["info"]["meshes"]["licences"] == {"CC-BY-4.0": 1, "CC0-1.0": 1, "own": 1}
