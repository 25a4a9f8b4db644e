"""`meshmill evaluate`, `gallery` and `review` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cli.evaluate import _lpips
from cli.evaluate import app as evaluate
from cli.gallery import app as gallery
from cli.review import app as review
from core.errors import InputError
from core.recipes import load_recipe
from core.records import to_json
from db.engine import open_engine
from db.lineage import lineage
from db.migrate import upgrade
from evaluation.comparison import Paired, compare_results
from evaluation.records import EvaluationDocument
from storage import open_store
from tests.gallery.conftest import fill

runner = CliRunner()


def result(shift: float, noise: float = 0.0, objects: int = 12) -> dict:
    rng = np.random.default_rng(1)
    base, wobble = rng.normal(15, 2, objects), rng.normal(0, 1, objects)
    psnr = base + shift + noise * wobble
    return {
        "protocol": {"version": 1, "objects": {str(i): "h" for i in range(objects)}, "elevation": "known"},
        "objects": [
            {"id": str(i), "novel_view": {"psnr": value, "lpips": 0.3 - shift / 50}, "shape": None}
            for i, value in enumerate(psnr)
        ],
    }


def compared(a: dict, b: dict) -> list[Paired]:
    return compare_results(*(EvaluationDocument.model_validate(side) for side in (a, b)))


def test_a_clear_gain_is_found_and_chance_is_not():
    rows = {row.figure: row for row in compared(result(0), result(1, 0.3))}
    assert rows["novel_view.psnr"].better == "b"
    assert rows["novel_view.psnr"].low > 0
    assert rows["novel_view.lpips"].better == "b"  # less is better
    assert compared(result(1, 0.3), result(0))[0].better == "a"
    assert compared(result(0), result(0.05, 2))[0].better == "neither"
    assert "shape.iou" not in rows


def test_different_sets_are_not_compared():
    with pytest.raises(InputError, match="objects"):
        compared(result(0), result(0, objects=11))


def test_compare_reads_result_files(tmp_path: Path):
    for name, shift in (("a", 0.0), ("b", 1.0)):
        (tmp_path / f"{name}.json").write_text(json.dumps(result(shift)))
    pair = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    answer = runner.invoke(evaluate, [str(tmp_path), "--compare", *pair, "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["figures"][0]["better"] == "b"
    table = runner.invoke(evaluate, [str(tmp_path), "--compare", *pair])
    assert "novel_view.psnr" in table.stdout


def test_a_file_that_is_no_result_is_named(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps({"protocol": {}, "objects": [{"id": "1", "shape": "round"}]}))
    answer = runner.invoke(evaluate, [str(tmp_path), "--compare", *[str(tmp_path / "a.json")] * 2])
    assert answer.exit_code == 2
    assert "a.json is not an evaluation's result: objects.0.shape" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "is not a folder"),
        ([".", "--stages", "magic"], "magic"),
        ([".", "--stages", ""], "nothing"),
        ([".", "--photos", "5"], "--photos takes"),
        ([".", "--photos", "four"], "--photos takes"),
        ([".", "--photos", "4", "--poses", "guessed"], "--poses takes"),
        ([".", "--recipe", "nonsense"], "There is no recipe"),
    ],
)
def test_wrong_usage_is_a_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    answer = runner.invoke(evaluate, arguments)
    assert answer.exit_code == 2
    assert sentence in answer.stderr


def test_lpips_weights_are_found_beside_the_folder(tmp_path: Path):
    (tmp_path / "set").mkdir()
    assert _lpips(tmp_path / "set", None) is None
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "lpips_alex.npz").write_bytes(b"")
    assert _lpips(tmp_path / "set", None) == tmp_path / "weights" / "lpips_alex.npz"
    assert _lpips(tmp_path / "set", Path("x")) == Path("x")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A factory's home with assets of every kind."""
    monkeypatch.setenv("MESHMILL_HOME", str(tmp_path))
    engine = open_engine(f"sqlite:///{tmp_path / 'meshmill.db'}")
    upgrade(engine)
    fill(engine, open_store(f"file://{tmp_path / 'store'}"))
    engine.dispose()
    return tmp_path


def test_a_decision_is_kept_with_who_when_and_why(home: Path):
    answer = runner.invoke(
        review, ["<script>alert(1)</script>", "--approve", "--note", "fine", "--by", "Ann", "--json"]
    )
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    assert document["status"] == "finished"
    assert (document["review"]["reviewer"], document["review"]["note"]) == ("Ann", "fine")
    engine = open_engine(f"sqlite:///{home / 'meshmill.db'}")
    assert to_json(lineage(engine, document["asset_id"]))["reviews"][0]["decision"] == "approve"
    engine.dispose()


def test_decisions_become_a_recipe(home: Path, tmp_path: Path):
    for sku, decision in (("mug-blue", "--approve"), ("../../x", "--reject")):
        assert runner.invoke(review, [sku, decision]).exit_code == 0
    answer = runner.invoke(review, ["--calibrate", str(tmp_path / "mine.json"), "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["decisions"] == 2
    recipe = load_recipe(str(tmp_path / "mine.json"))
    assert recipe.name == "mine"
    assert recipe.quality.weights == json.loads(answer.stdout)["quality"]["weights"]
    assert recipe.views == load_recipe().views
    assert runner.invoke(review, ["mug-blue", "--calibrate", "x.json"]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "which asset"),
        (["mug-blue"], 2, "one of --approve, --reject and --better-photo"),
        (["mug-blue", "--approve", "--reject"], 2, "one of"),
        (["nothing", "--approve"], 1, "no asset or SKU"),
        (["quote'; drop table asset;--", "--approve"], 2, "quarantined"),
    ],
)
def test_impossible_decisions_are_refused(home: Path, arguments: list[str], code: int, sentence: str):
    answer = runner.invoke(review, arguments)
    assert answer.exit_code == code
    assert sentence in answer.stderr


def test_the_gallery_is_written(home: Path, tmp_path: Path):
    answer = runner.invoke(gallery, ["--out", str(tmp_path / "pages"), "--json"])
    assert json.loads(answer.stdout)["assets"] == 8
    assert (tmp_path / "pages" / "index.html").is_file()
    assert runner.invoke(gallery, []).exit_code == 2
