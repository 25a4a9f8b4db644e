"""Two recipes on a shop's own photos: the same products, side by side, and nothing of it in the factory."""

from __future__ import annotations

from pathlib import Path

import fake_stages
import pytest
from PIL import Image

from core.errors import InputError
from core.recipes import Recipe, load_recipe
from db import assets
from db.checkpoints import CheckpointRow, add_checkpoint
from flows.compare_catalogue import compare_on_catalogue
from tasks.factory import Factory, open_factory
from tasks.settings import Settings


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "config.json").write_text("{}")
    (tmp_path / "segmenter.onnx").write_text("x")
    (tmp_path / "photos").mkdir()
    return open_factory(Settings(home=tmp_path / "home"), fake_stages.compute)


def recipe(tmp_path: Path, *overrides: str) -> Recipe:
    places = [f"views.checkpoint={tmp_path}/views", f"segment.model={tmp_path}/segmenter.onnx"]
    return load_recipe("starter", [*places, *overrides])


def put(tmp_path: Path, **photos: bytes) -> str:
    for name, data in photos.items():
        (tmp_path / "photos" / f"{name}.png").write_bytes(data)
    return str(tmp_path / "photos")


def test_what_both_recipes_made_is_compared_product_by_product_and_nothing_is_published(
    factory: Factory, tmp_path: Path
) -> None:
    photos = put(tmp_path, cup=b"cup", vase=b"review this vase", hole=b"bad")
    pair = recipe(tmp_path), recipe(tmp_path, "views.steps=9")
    found = compare_on_catalogue(factory, photos, pair, tmp_path / "out", compute=fake_stages.compute)
    assert found.products == ["cup", "vase"], "a photo without a product is no asset of either"
    assert {name: count for name, count in found.statuses.a.items() if name in ("finished", "review")} == {
        "finished": 1, "review": 1,
    }  # fmt: skip
    score = next(figure for figure in found.figures if figure.figure == "score")
    assert (score.a, score.b, score.objects, score.better) == (0.75, 0.75, 2, "neither")
    assert assets.list_assets(factory.engine) == [], "the factory's own database holds none of it"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "b"]
    factory.close()


def test_both_sides_know_the_factorys_registered_weights(factory: Factory, tmp_path: Path) -> None:
    from tasks.models import content_hash

    weights = tmp_path / "views"
    sha256 = content_hash(factory.settings, weights)
    add_checkpoint(factory.engine, CheckpointRow("ours", "views", sha256, str(weights), None, "MIT", True, None))
    pair = (
        recipe(tmp_path),
        load_recipe("starter", ["views.checkpoint=ours", f"segment.model={tmp_path}/segmenter.onnx"]),
    )
    found = compare_on_catalogue(
        factory, put(tmp_path, cup=b"cup"), pair, tmp_path / "out", compute=fake_stages.compute
    )
    assert found.products == ["cup"]
    factory.close()


def test_where_nothing_came_out_of_both_it_says_so(factory: Factory, tmp_path: Path) -> None:
    photos = put(tmp_path, hole=b"bad")
    with pytest.raises(InputError, match="No product came out of both"):
        compare_on_catalogue(
            factory, photos, (recipe(tmp_path), recipe(tmp_path)), tmp_path / "out", compute=fake_stages.compute
        )
    factory.close()


def test_a_folder_of_photos_with_a_manifest_of_its_own_is_no_evaluation_folder(tmp_path: Path) -> None:
    from evaluation.folder import is_evaluation_folder

    (tmp_path / "manifest.json").write_text("[]")
    Image.new("RGB", (8, 8)).save(tmp_path / "cup.png")
    assert not is_evaluation_folder(tmp_path)
    (tmp_path / "cup").mkdir()
    (tmp_path / "cup" / "cameras.json").write_text("{}")
    assert is_evaluation_folder(tmp_path)
