"""Ingestion from folders, manifests and S3: new, changed, unchanged, removed, waiting. On both databases."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from s3_server import ACCESS, SECRET, ready
from sqlalchemy import select

from core.errors import InputError, PhotoUnavailable
from db.catalogue import Changes
from db.engine import reading
from db.planning import candidates
from db.tables import Photo, Product
from storage.s3 import S3Store, open_s3
from tasks.factory import Factory, open_factory
from tasks.ingest import ingest_source
from tasks.photo_bytes import read_source
from tasks.settings import Settings


def picture(width: int, height: int, colour: str = "red", kind: str = "PNG", **more: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, kind, **more)
    return buffer.getvalue()


def age(*paths: Path) -> None:
    """Nothing makes a file's change time older than now, so the wait is shortened instead."""
    del paths
    time.sleep(1.1)


def brief(changes: Changes) -> dict[str, Any]:
    found = {name: getattr(changes, name) for name in ("new", "changed", "unchanged", "removed", "waiting")}
    return {name: value for name, value in found.items() if value}


@pytest.fixture
def factory(tmp_path: Path, database_url: str) -> Any:
    opened = open_factory(Settings(home=tmp_path / "home", database_url=database_url))
    yield opened
    opened.close()


def rows(factory: Factory) -> dict[str, tuple[Any, ...]]:
    """Current photos: file name to width, height, chosen."""
    with reading(factory.engine) as session:
        photos = session.scalars(select(Photo).where(Photo.current)).all()
    return {p.source_uri.rsplit("/", 1)[1]: (p.width, p.height, p.chosen) for p in photos}


def test_a_folder_from_night_to_night(factory: Factory, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "shoe").mkdir(parents=True)
    (folder / "mug.png").write_bytes(picture(300, 200))
    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "shoe" / "back.jpg").write_bytes(picture(640, 480, kind="JPEG", exif=exif))
    (folder / "shoe" / "front.png").write_bytes(picture(200, 200))
    (folder / "note.jpg").write_bytes(b"no picture")
    _, first = ingest_source(factory, str(folder))
    assert brief(first) == {"new": ["mug", "note", "shoe"]}
    assert rows(factory) == {
        "mug.png": (300, 200, True),
        "back.jpg": (480, 640, False),
        "front.png": (200, 200, True),
        "note.jpg": (None, None, True),
    }
    (folder / "mug.png").write_bytes(picture(310, 200))
    os.utime(folder / "shoe" / "front.png")
    (folder / "note.jpg").unlink()
    _, second = ingest_source(factory, str(folder), allow_removal=True)
    assert brief(second) == {"changed": ["mug"], "unchanged": 1, "removed": ["note"]}
    assert rows(factory)["mug.png"] == (310, 200, True)
    (folder / "shoe" / "front.png").unlink()
    _, third = ingest_source(factory, str(folder))
    assert brief(third) == {"changed": ["shoe"], "unchanged": 1}
    assert rows(factory)["back.jpg"] == (480, 640, True), "the next best view is chosen"


def test_a_file_that_changed_just_now_waits_and_its_product_stands_as_it_was(factory: Factory, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "shoe").mkdir(parents=True)
    for name in ("front.png", "back.png"):
        (folder / "shoe" / name).write_bytes(picture(200, 200))
    age()
    os.utime(folder / "shoe" / "front.png", (2**31, 2**31))  # a camera's clock may be decades ahead
    age()
    catalogue, first = ingest_source(factory, str(folder), settle_seconds=1)
    assert brief(first) == {"new": ["shoe"]}
    page = candidates(factory.engine, catalogue)
    with (folder / "shoe" / "front.png").open("r+b") as upload:
        upload.write(b"half")
    (folder / "cup.png").write_bytes(picture(200, 200))
    _, second = ingest_source(factory, str(folder), settle_seconds=3600)
    assert brief(second) == {"waiting": ["cup", "shoe"]}
    assert candidates(factory.engine, catalogue) == page
    assert len(rows(factory)) == 2


def test_a_manifest_says_sizes_licence_and_where_the_camera_stood(factory: Factory, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(200, 150))
    text = (
        "sku,photo,name,height_cm,width_cm,depth_cm,licence,azimuth,elevation\nA,a.png,Cup,9.5,8,8.5,CC0-1.0,-30,12\n"
    )
    (tmp_path / "shop.csv").write_text(text + "B,missing.png,,,,,,,\n")
    _, changes = ingest_source(factory, str(tmp_path / "shop.csv"), settle_seconds=0.01)
    assert brief(changes) in ({"new": ["A", "B"]}, {"new": ["B"], "waiting": ["A"]})
    age()
    _, _ = ingest_source(factory, str(tmp_path / "shop.csv"), settle_seconds=0.01)
    with reading(factory.engine) as session:
        cup, none = session.scalars(select(Product).order_by(Product.sku)).all()
    assert (cup.height_cm, cup.width_cm, cup.depth_cm, cup.azimuth, cup.elevation) == (9.5, 8.0, 8.5, -30.0, 12.0)
    assert (cup.name, cup.licence, none.height_cm) == ("Cup", "CC0-1.0", None)
    listed = [{"sku": "A", "photo": ["a.png"], "depth_cm": 3}]
    (tmp_path / "shop.json").write_text(json.dumps(listed))
    _, changes = ingest_source(factory, str(tmp_path / "shop.json"))
    assert brief(changes) == {"new": ["A"]}, "another manifest is another catalogue"


def put(store: S3Store, key: str, data: bytes) -> None:
    store.put(data, key, hashlib.sha256(data).hexdigest(), "application/octet-stream")


@pytest.mark.server
def test_a_prefix_of_a_real_s3_server(seaweed: str, tmp_path: Path, database_url: str) -> None:
    settings = Settings(
        home=tmp_path / "home",
        database_url=database_url,
        s3_endpoint=seaweed,
        s3_access_key=ACCESS,
        s3_secret_key=SECRET,
    )
    factory = open_factory(settings)
    shop = f"shop-{time.time_ns()}"
    store = ready(open_s3("contract", shop, seaweed, ACCESS, SECRET))
    put(store, "mug.png", picture(300, 200))
    put(store, "shoe/front view.png", picture(200, 220))
    put(store, "shoe/back.png", picture(400, 400, "blue"))
    put(store, "readme.txt", b"no photo")
    put(store, "..hidden.png", b"hidden")
    source = f"s3://contract/{shop}"
    _, waiting = ingest_source(factory, source, settle_seconds=3600)
    assert brief(waiting) == {"waiting": ["mug", "shoe"]}, "a product's photos arrive one by one"
    catalogue, first = ingest_source(factory, source)
    assert brief(first) == {"new": ["mug", "shoe"]}
    found = {name: (width, height, chosen) for name, (width, height, chosen) in rows(factory).items()}
    assert found == {"mug.png": (300, 200, True), "front view.png": (200, 220, True), "back.png": (400, 400, False)}
    again, second = ingest_source(factory, source + "/")
    assert (again, brief(second)) == (catalogue, {"unchanged": 2})
    put(store, "mug.png", picture(320, 200))
    store.delete("shoe/front view.png")
    store.delete("shoe/back.png")
    _, third = ingest_source(factory, source, allow_removal=True)
    assert brief(third) == {"changed": ["mug"], "removed": ["shoe"]}
    page = candidates(factory.engine, catalogue)
    photo = read_source(factory, page[0].photo_uri, page[0].photo_sha256)
    assert photo.source == picture(320, 200)
    with pytest.raises(PhotoUnavailable):
        read_source(factory, f"{source}/shoe/back.png", "0" * 64)
    factory.close()


def test_a_prefix_without_an_endpoint_is_a_sentence(factory: Factory) -> None:
    with pytest.raises(InputError, match="MESHMILL_S3_ENDPOINT"):
        ingest_source(factory, "s3://bucket/prefix")
