"""A small catalogue of assets with hostile names, in a real database and a real store."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import Engine, select

from core.mesh.gltf import write_glb
from core.mesh.values import Model
from db.engine import open_engine, writing
from db.migrate import upgrade
from db.publications import publish
from db.tables import Artifact, Asset, AssetStage, Catalogue, Photo, Product, RecipeRow, StageRun
from storage import Store, open_store

HOSTILE = (
    "mug-blue",
    "<script>alert(1)</script>",
    "../../x",
    "☕🫖 naïve",
    'a"onmouseover="alert(1)',
    "{{ 7*7 }}",
    "long-" + "n" * 295,
    "quote'; drop table asset;--",
)
STATUSES = ("finished", "review", "failed", "finished", "finished", "review", "finished", "quarantined")


@dataclass(frozen=True)
class Shop:
    engine: Engine
    store: Store
    ids: tuple[str, ...]


def red_box() -> bytes:
    """A red cube, whose pixels no background has."""
    import trimesh

    return _red(trimesh.creation.box((1, 1, 1)))


def two_boxes() -> bytes:
    """The same with a crumb two above its middle."""
    import trimesh

    crumb = trimesh.creation.box((0.1, 0.1, 0.1))
    crumb.apply_translation((0, 2, 0))
    return _red(trimesh.util.concatenate([trimesh.creation.box((1, 1, 1)), crumb]))


def _red(mesh: Any) -> bytes:
    flat = mesh.vertices[mesh.faces].reshape(-1, 3).astype(np.float32)
    normals = np.repeat(mesh.face_normals, 3, 0).astype(np.float32)
    colors = np.tile(np.array([230, 20, 20], np.uint8), (len(flat), 1))
    return write_glb(Model(flat, normals, np.arange(len(flat)).reshape(-1, 3), colors=colors), "box")


def picture(color: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(buffer, "PNG")
    return buffer.getvalue()


def fill(engine: Engine, store: Store, skus: tuple[str, ...] = HOSTILE) -> tuple[str, ...]:
    """One asset a SKU, with files and an assessment."""
    files = {
        "glb": (red_box(), "model/gltf-binary"),
        "hero.png": (picture("teal"), "image/png"),
        "cutout.png": (picture("gray"), "image/png"),
        "report": (b'{"a": "<b>"}', "application/json"),
        "evil.html": (b"<script>1</script>", "text/html"),
    }
    with writing(engine) as session:
        catalogue = Catalogue(name="<b>shop</b>", source_uri="file:///shop")
        session.add_all([catalogue, RecipeRow(hash="r" * 64, name="starter", parameters={"seed": 0})])
        session.flush()
        ids = []
        for index, sku in enumerate(skus):
            product = Product(catalogue_id=catalogue.id, sku=sku[:200], name=sku)
            session.add(product)
            session.flush()
            photo = Photo(product_id=product.id, sha256=f"{index:064d}", bytes=1, source_uri=f"file:///{sku}",
                          file_stamp="x", chosen=True)  # fmt: skip
            session.add(photo)
            session.flush()
            asset_id = f"asset-{index:04d}"
            status = STATUSES[index % len(STATUSES)]
            asset = Asset(id=asset_id, product_id=product.id, photo_id=photo.id, recipe_hash="r" * 64,
                          plan_key=f"{index:064d}", model="starter@abc", status=status,
                          score=None if status == "quarantined" else index / 10, faces=12,
                          reason=f"<i>{sku}</i>")  # fmt: skip
            session.add(asset)
            run = StageRun(key=f"{index:064x}", stage="assess", version=1, state="finished", parameters={"x": "</pre>"},
                           owner="test", figures={"reasons": [{"message": "<u>blurred</u>"}],
                                                  "metrics": {"input_psnr": 10.0 + index}})  # fmt: skip
            session.add(run)
            session.flush()
            session.add(AssetStage(asset_id=asset_id, stage="assess", stage_run_id=run.id, reused=False))
            if status != "quarantined":
                for kind, (data, media) in files.items():
                    sha256 = hashlib.sha256(data).hexdigest()
                    key = f"objects/{sha256[:2]}/{sha256}"
                    if store.size(key) is None:
                        store.put(data, key, sha256, media)
                    made = Artifact(made_by=run.id, kind=kind, key=key, uri=store.uri(key), sha256=sha256,
                                    bytes=len(data), media_type=media)  # fmt: skip
                    session.add(made)
                    session.flush()
                    if kind == "glb":
                        asset.glb_id = made.id
            ids.append(asset_id)
    return tuple(ids)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    engine = open_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    upgrade(engine)
    store = open_store(f"file://{tmp_path / 'store'}")
    yield Shop(engine, store, fill(engine, store))
    engine.dispose()


CATALOGUE = "<b>shop & co"
"""Whatever a folder may be called."""


@pytest.fixture
def published(shop: Shop) -> Shop:
    """The shop with its finished assets published, in a catalogue whose name a folder can have."""
    with writing(shop.engine) as session:
        session.scalars(select(Catalogue)).one().name = CATALOGUE
        for asset in session.scalars(select(Asset).where(Asset.status == "finished")):
            asset.finished_at = asset.created_at
            session.flush()
            publish(session, asset.id)
    return shop
