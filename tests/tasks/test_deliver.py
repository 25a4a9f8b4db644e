"""Delivered folders: whole, verified, made once, and one product's trouble stops no other."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from core.errors import InputError, NotFound
from core.mesh import verify_glb
from core.mesh.usdz import validate_usdz
from db.engine import open_engine, writing
from db.migrate import upgrade
from db.publications import publish
from db.tables import Artifact, Asset, Catalogue, StageRun
from storage import open_store
from tasks import deliver as delivering
from tasks.deliver import deliver
from tests.core.mesh.test_channels import textured
from tests.gallery import conftest as gallery

SKUS = ("mug/blue", "MUG", "mug")


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Three published products, two of whose names differ by capitals alone."""
    monkeypatch.setattr(gallery, "red_box", lambda: textured(512))
    engine, store = open_engine(f"sqlite:///{tmp_path / 'shop.db'}"), open_store(f"file://{tmp_path / 'store'}")
    upgrade(engine)
    gallery.fill(engine, store, SKUS)
    with writing(engine) as session:
        session.scalars(select(Catalogue)).one().name = "spring"
        for run in session.scalars(select(StageRun)):
            run.figures = {"size_m": [0.08, 0.1, 0.12], "size_known": run.key.endswith("0")}
        for asset in session.scalars(select(Asset)):
            asset.status, asset.finished_at, asset.score = "finished", asset.created_at, 0.7
            asset.bytes, asset.licence = 1, "CC0"
            session.flush()
            publish(session, asset.id)

    def ask(question: Any, *given: Any, **named: Any) -> Any:
        return question(engine, *given, **named)

    yield SimpleNamespace(engine=engine, store=store, retry_database=ask, retry_store=lambda work: work())
    engine.dispose()


def test_each_product_has_a_folder_whose_files_are_whole_and_verified(factory: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = deliver(factory, "plain", out)
    assert done.refused == ()
    rows = {row["sku"]: row for row in csv.DictReader(io.StringIO((out / "plain.csv").read_text()))}
    assert set(rows) == set(SKUS)
    assert len({row["glb"].casefold() for row in rows.values()}) == 3
    for row in rows.values():
        folder = (out / row["glb"]).parent
        assert verify_glb(out / row["glb"]).passed
        assert validate_usdz((out / row["usdz"]).read_bytes()) == []
        assert Image.open(out / row["poster"]).size == (64, 64)
        record = json.loads((folder / "product.json").read_text())
        assert record["files"]["model.glb"]["sha256"] == hashlib.sha256((out / row["glb"]).read_bytes()).hexdigest()
        assert row["licence"] == "CC0"
    assert rows["mug/blue"]["alt_text"] == "mug/blue, a 3D model, 8 by 10 by 12 cm (width by height by depth)"
    assert (rows["mug/blue"]["depth_cm"], rows["mug"]["depth_cm"]) == ("12", "")


def test_a_second_delivery_makes_only_what_is_new_or_was_damaged(
    factory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = deliver(factory, "amazon", out)
    assert all("2048 texels" in product.changes[0] for product in first.products)
    (out / "mug%2Fblue" / "model.usdz").write_bytes(b"scribbled on")
    fitted: list[int] = []
    fit = delivering.fit_glb
    monkeypatch.setattr(delivering, "fit_glb", lambda levels, profile: fitted.append(1) or fit(levels, profile))
    second = deliver(factory, "amazon", out)
    assert fitted == [1]
    assert second == first


def test_one_product_that_cannot_be_handed_over_is_named_and_the_others_are_there(factory: Any, tmp_path: Path) -> None:
    with writing(factory.engine) as session:
        glb = session.scalars(select(Artifact).where(Artifact.kind == "glb")).first()
        data = b"glTF, they said"
        assert glb is not None
        glb.sha256 = hashlib.sha256(data).hexdigest()
        glb.key = f"objects/{glb.sha256[:2]}/{glb.sha256}"
        factory.store.put(data, glb.key, glb.sha256, "model/gltf-binary")
    done = deliver(factory, "shopify", tmp_path / "out")
    assert [one.sku for one in done.refused] == ["mug/blue"]
    assert len(done.products) == 2
    assert "mug/blue" not in (tmp_path / "out" / "shopify.csv").read_text()


def test_a_feed_of_links_wants_to_know_where_the_folder_will_stand(factory: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--url"):
        deliver(factory, "google", tmp_path / "out")
    deliver(factory, "google", tmp_path / "out", url="https://models.example/", skus=["mug*"])
    rows = list(csv.DictReader((tmp_path / "out" / "google.csv").open()))
    assert {row["id"] for row in rows} == {"mug", "mug/blue"}
    assert all(row["virtual_model_link"].startswith("https://models.example/") for row in rows)
    assert any("mug%252Fblue" in row["virtual_model_link"] for row in rows)


def test_names_under_which_nothing_is_published_are_said(factory: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="Nothing is published of nothing in autumn"):
        deliver(factory, "plain", tmp_path / "out", catalogue="autumn", skus=["nothing"])
