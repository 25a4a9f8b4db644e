"""What a commercial recipe refuses, when, and in which words; what the published file then says; who used a model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_stages
import pytest
from PIL import Image

from core.errors import CheckpointError, PolicyViolation
from core.recipes import load_recipe
from core.records import to_json
from db import assets
from db.checkpoints import CheckpointRow, add_checkpoint, assets_touched, find_checkpoint
from db.engine import reading
from db.lineage import lineage
from db.tables import Photo, StageRun
from tasks.build import build_ahead
from tasks.factory import Factory, open_factory
from tasks.ingest import ingest_source
from tasks.models import content_hash, registered_in, resolve_models
from tasks.plan import about_of, plan_catalogue
from tasks.settings import Settings


@pytest.fixture
def factory(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Factory]:
    monkeypatch.setenv("MESHMILL_TEST_LOG", str(tmp_path / "log"))
    (tmp_path / "photos").mkdir()
    (tmp_path / "stable_zero123").mkdir()
    (tmp_path / "stable_zero123" / "config.json").write_text("{}")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "config.json").write_text('{"ours": true}')
    card = {"licence": "CC-BY-4.0", "commercial": True, "attribution": "The Weights' Makers"}
    (tmp_path / "ours" / "licence.json").write_text(json.dumps(card))
    opened = open_factory(Settings(home=tmp_path / "home", database_url=database_url), compute=fake_stages.compute)
    yield opened
    opened.close()


def catalogue(folder: Path, *rows: dict[str, Any]) -> str:
    """A manifest with one photo file a row, named after its SKU unless the row says otherwise."""
    for row in rows:
        path = folder / row.setdefault("photo", f"{row['sku']}.png")
        if not path.exists():
            path.write_bytes(f"photo {row['sku']}".encode())
    (folder / "shop.json").write_text(json.dumps(rows))
    return str(folder / "shop.json")


def build(
    factory: Factory, source: str, folder: Path, model: str = "ours", policy: str = "commercial"
) -> dict[str, Any]:
    recipe = load_recipe("starter", [f"views.checkpoint={folder / model}", f"policy={policy}"])
    catalogue_id, _ = ingest_source(factory, source)
    models = resolve_models(factory.settings, recipe, registered_in(factory.engine))
    plan = plan_catalogue(factory, catalogue_id, recipe, models)
    build_ahead(factory, plan.build, models, lambda: False)
    return {row.sku: row for row in assets.list_assets(factory.engine) if row.status != "superseded"}


def test_a_model_that_forbids_it_stops_the_run_before_anything_is_planned(factory: Factory, tmp_path: Path) -> None:
    source = catalogue(tmp_path, {"sku": "mug"})
    with pytest.raises(PolicyViolation, match=r"stable_zero123 cannot be used commercially: its licence .*forbids"):
        build(factory, source, tmp_path, "stable_zero123")
    assert assets.list_assets(factory.engine) == []
    assert build(factory, source, tmp_path, "stable_zero123", "any")["mug"].status == "finished"


@pytest.mark.parametrize(
    ("licence", "commercial", "clause"),
    [
        (None, None, "its licence is not on record"),
        ("LicenseRef-Stability-AI-Community", None, "below a revenue of USD 1,000,000 a year"),
        ("CC-BY-NC-4.0", False, "CC-BY-NC-4.0 forbids commercial use"),
        ("Apache-2.0", False, "it was registered as non-commercial"),
        ("LicenseRef-Stability-AI-Community", True, None),
    ],
)
def test_registered_models_count_as_they_were_registered(
    factory: Factory, tmp_path: Path, licence: str | None, commercial: bool | None, clause: str | None
) -> None:
    path = tmp_path / "ours"
    sha256 = content_hash(factory.settings, path)
    terms = (licence, commercial, None, "everywhere", "USD 1,000,000 a year")
    row = CheckpointRow("bought", "views", sha256, str(path), None, *terms)
    add_checkpoint(factory.engine, row)
    assert find_checkpoint(factory.engine, "bought", "views") == row
    recipe = load_recipe("starter", ["views.checkpoint=bought", "policy=commercial"])
    if clause is None:
        resolve_models(factory.settings, recipe, registered_in(factory.engine))
    else:
        with pytest.raises(PolicyViolation, match=clause):
            resolve_models(factory.settings, recipe, registered_in(factory.engine))


@pytest.mark.parametrize("kind", ["views", "segmenter"])
def test_registered_weights_whose_bytes_changed_are_refused(factory: Factory, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine.onnx" if kind == "segmenter" else tmp_path / "ours"
    file = path if kind == "segmenter" else path / "config.json"
    file.write_text("registered")
    sha256 = content_hash(factory.settings, path)
    add_checkpoint(factory.engine, CheckpointRow("mine", kind, sha256, str(path), None, "MIT", True, None))
    field = {"views": "views.checkpoint", "segmenter": "segment.model"}[kind]
    recipe = load_recipe("starter", [f"views.checkpoint={tmp_path}/stable_zero123", f"{field}=mine"])
    resolve_models(factory.settings, recipe, registered_in(factory.engine))
    file.write_text("something else")
    with pytest.raises(CheckpointError, match="mine are not the registered ones"):
        resolve_models(factory.settings, recipe, registered_in(factory.engine))


def test_a_photo_that_forbids_it_is_quarantined_before_compute_and_the_others_are_built(
    factory: Factory, tmp_path: Path
) -> None:
    rows = [
        {"sku": "a", "licence": "CC-BY-NC-4.0"},
        {"sku": "b", "licence": "https://creativecommons.org/licenses/by-nd/4.0/"},
        {"sku": "c", "licence": "ask Jane"},
        {"sku": "d", "licence": "own"},
        {"sku": "e"},
        {"sku": "f", "licence": "CC-BY-4.0", "attribution": "Jane Doe"},
    ]
    found = build(factory, catalogue(tmp_path, *rows), tmp_path)
    assert {sku: row.status for sku, row in found.items()} == {
        **dict.fromkeys("abc", "quarantined"),
        **dict.fromkeys("def", "finished"),
    }
    assert all(found[sku].error_class == "PolicyViolation" for sku in "abc")
    assert "CC-BY-NC-4.0 forbids commercial use" in found["a"].reason
    assert "forbids derived works" in found["b"].reason
    assert "'ask Jane' is not in the register" in found["c"].reason
    assert (tmp_path / "log").read_text().split().count("segment") == 3, "nothing was computed for the refused"


def test_a_licence_that_changes_in_the_manifest_counts_the_next_night(factory: Factory, tmp_path: Path) -> None:
    source = catalogue(tmp_path, {"sku": "a", "licence": "CC-BY-4.0"})
    assert build(factory, source, tmp_path)["a"].status == "finished"
    build(factory, catalogue(tmp_path, {"sku": "a", "licence": "CC-BY-NC-4.0"}), tmp_path)
    (refused,) = (row for row in assets.list_assets(factory.engine) if row.status == "quarantined")
    assert "CC-BY-NC-4.0" in refused.reason


def test_photographers_and_model_makers_are_named_in_the_published_file(factory: Factory, tmp_path: Path) -> None:
    row = {"sku": "a", "licence": "CC-BY-4.0", "attribution": "Jane Doe"}
    asset_id = build(factory, catalogue(tmp_path, row), tmp_path)["a"].asset_id
    recipe = load_recipe("starter", [f"views.checkpoint={tmp_path}/ours"])
    models = resolve_models(factory.settings, recipe, registered_in(factory.engine))
    wanted = "Photo: Jane Doe (CC-BY-4.0); Model: The Weights' Makers (CC-BY-4.0)"
    assert about_of(assets.job(factory.engine, asset_id), models).copyright == wanted
    finish = next(s for s in to_json(lineage(factory.engine, asset_id))["stages"] if s["stage"] == "finish")
    assert finish["parameters"]["about"]["copyright"] == wanted, "what the finish stage writes into asset.copyright"


def test_every_asset_that_a_model_touched_is_listed(factory: Factory, tmp_path: Path) -> None:
    build(factory, catalogue(tmp_path, {"sku": "a"}), tmp_path, policy="any")
    build(factory, catalogue(tmp_path, {"sku": "a"}, {"sku": "b"}), tmp_path, "stable_zero123", policy="any")
    first = content_hash(factory.settings, tmp_path / "ours")
    second = content_hash(factory.settings, tmp_path / "stable_zero123")
    assert [(r.sku, r.stages) for r in assets_touched(factory.engine, first)] == [("a", ["views", "reconstruct"])]
    assert [r.sku for r in assets_touched(factory.engine, second)] == ["a", "b"]
    assert all(r.glb for r in assets_touched(factory.engine, second))
    with reading(factory.engine) as session:
        run = session.query(StageRun).filter(StageRun.stage == "segment").first()
        assert run is not None
        segmenter = run.parameters["models"]["segmenter"]
    assert len(assets_touched(factory.engine, segmenter)) == 3
    assert assets_touched(factory.engine, "0" * 64) == []


def test_the_same_picture_under_another_name_is_flagged(
    factory: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real segment stage: the mug, the very file again, saved smaller as JPEG, and another product."""
    monkeypatch.setenv("MESHMILL_TEST_REAL", "segment")
    examples = Path(__file__).resolve().parents[2] / "examples" / "photos"
    shutil.copy(examples / "enamel-mug-green.png", tmp_path / "a.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "b.png")
    white = Image.new("RGBA", Image.open(tmp_path / "a.png").size, "white")
    small = Image.alpha_composite(white, Image.open(tmp_path / "a.png").convert("RGBA")).convert("RGB")
    small.resize((small.width * 3 // 4, small.height * 3 // 4)).save(tmp_path / "c.jpg", quality=70)
    shutil.copy(examples / "toaster-red.jpg", tmp_path / "d.jpg")
    rows = [{"sku": s, "photo": p} for s, p in zip("abcd", ("a.png", "b.png", "c.jpg", "d.jpg"), strict=True)]
    found = build(factory, catalogue(tmp_path, *rows), tmp_path, policy="any")
    assert {row.status for row in found.values()} == {"finished"}
    assert found["a"].reason is None
    assert "the very file that a has" in found["b"].reason
    assert "the same picture as that of a" in found["c"].reason
    assert found["d"].reason is None
    with reading(factory.engine) as session:
        assert all(len(photo.picture_hash) == 192 for photo in session.query(Photo))
