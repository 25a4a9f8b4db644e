"""Stable addresses over a real S3 server: a GET leads to a link into the store, HEAD is answered here."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from fastapi.testclient import TestClient
from s3_server import ACCESS, SECRET, ready
from sqlalchemy import select

from db.engine import open_engine, writing
from db.migrate import upgrade
from db.publications import publish
from db.tables import Asset, Catalogue
from gallery.api.addresses import file_url
from gallery.api.people import People
from gallery.app import create_app
from storage.s3 import open_s3
from tests.gallery.conftest import CATALOGUE, fill, red_box

pytestmark = pytest.mark.server


@pytest.fixture
def client(tmp_path: Path, seaweed: str) -> Iterator[TestClient]:
    engine = open_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    upgrade(engine)
    store = ready(open_s3("contract", f"links{time.time_ns()}", seaweed, ACCESS, SECRET))
    fill(engine, store, ("mug-blue",))
    with writing(engine) as session:
        session.scalars(select(Catalogue)).one().name = CATALOGUE
        asset = session.scalars(select(Asset)).one()
        asset.finished_at = asset.created_at
        session.flush()
        publish(session, asset.id)
    app = create_app(engine, store, people=People(origins=("https://shop.example",)))
    yield TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    engine.dispose()


def test_a_get_is_led_to_a_link_that_opens_and_head_is_answered_here(client: TestClient, seaweed: str) -> None:
    address = file_url(CATALOGUE, "mug-blue", "model.glb")
    answer = client.get(address, headers={"origin": "https://shop.example"})
    assert (answer.status_code, answer.headers["cache-control"]) == (307, "no-store")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    with urllib.request.urlopen(answer.headers["location"], timeout=30) as opened:
        assert opened.read() == red_box()
        assert opened.headers["content-type"] == "model/gltf-binary"
    head = client.head(address)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(red_box())))
    assert client.get(address, headers={"if-none-match": head.headers["etag"]}).status_code == 304
    page = client.get(f"/embed/{quote(CATALOGUE, safe='')}/mug-blue")
    assert (
        f"connect-src 'self' data: blob: http://{urlsplit(seaweed).netloc}" in page.headers["content-security-policy"]
    )
