"""The night's page, and what one takes home of a list, on both databases."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from db import gallery as queries
from db import nights
from db.engine import open_engine, writing
from db.gallery import Filters
from db.leases import claim
from db.migrate import upgrade
from db.reviews import record_decision, take_back
from db.tables import Asset, Run, StageRun, now
from gallery.app import create_app
from storage import open_store
from tests.gallery.conftest import HOSTILE, Shop, fill


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Shop:
    """On both databases."""
    store = open_store(f"file://{tmp_path / 'store'}")
    return Shop(engine, store, fill(engine, store))


def client_of(shop: Shop) -> TestClient:
    return TestClient(create_app(shop.engine, shop.store), base_url="http://127.0.0.1")


def run(shop: Shop, name: str, assets: dict[str, str], *, ended: bool = False, stopped: str | None = None) -> None:
    """A run that began 40 minutes ago; what is settled of it was so after 10, 20 … minutes."""
    begun = now() - timedelta(minutes=40)
    with writing(shop.engine) as session:
        session.add(Run(id=name, catalogue_id=1, recipe_hash="r" * 64, started_at=begun,
                        finished_at=now() if ended else None, stopped=stopped))  # fmt: skip
        session.flush()
        for number, (asset_id, status) in enumerate(assets.items(), 1):
            asset = session.get(Asset, asset_id)
            assert asset is not None
            asset.run_id, asset.status = name, status
            asset.finished_at = begun + timedelta(minutes=10 * number) if status not in ("queued", "running") else None


def test_a_running_night_says_what_is_done_what_is_left_and_when_it_ends(shop: Shop) -> None:
    ids = shop.ids
    run(shop, "tonight", {ids[0]: "finished", ids[1]: "review", ids[2]: "failed", ids[3]: "running", ids[4]: "queued"})
    assert claim(shop.engine, "key", "elsewhere:1:1:1:1:", 100)
    with writing(shop.engine) as session:
        session.add(StageRun(key="key", stage="reconstruct", version=1, state="running", parameters={}, owner="t",
                             device="cuda:0"))  # fmt: skip
    (night,) = nights.nights(shop.engine)
    assert (night.done, night.left) == (3, 2)
    assert night.ends_at is not None
    assert abs((night.ends_at - now()).total_seconds() - 600) < 30, "three in 30 minutes, so two more until minute 50"
    (work,) = nights.at_work(shop.engine)
    assert (work.stage, work.host, work.device) == ("reconstruct", "elsewhere", "cuda:0")
    page = client_of(shop).get("/nights").text
    for words in ("<b>3</b> done, <b>2</b> left", "ready about", "building the shape", "cuda:0", 'data-refresh="15"'):
        assert words in page, words


def test_before_the_first_few_nothing_is_foretold_and_a_dead_worker_is_none(shop: Shop) -> None:
    run(shop, "tonight", {shop.ids[0]: "finished", shop.ids[1]: "queued"})
    assert claim(shop.engine, "key", "elsewhere:1:1:1:1:", -5)
    with writing(shop.engine) as session:
        session.add(StageRun(key="key", stage="views", version=1, state="running", parameters={}, owner="t"))
    assert nights.nights(shop.engine)[0].ends_at is None
    assert nights.at_work(shop.engine) == []
    page = client_of(shop).get("/nights").text
    assert "is known after the first few" in page
    assert "Nothing is computed at this moment" in page


def test_past_nights_say_what_did_not_come_out_and_why(shop: Shop) -> None:
    ids = shop.ids
    with writing(shop.engine) as session:
        for asset_id in (ids[2], ids[5]):
            session.get_one(Asset, asset_id).reason = "The photo <cuts> off part."
    run(shop, "before", {ids[2]: "quarantined", ids[5]: "quarantined", ids[0]: "finished"}, ended=True)
    run(shop, "stopped", {ids[6]: "failed"}, ended=True, stopped="Twenty alike in a row.")
    (first, *_) = found = nights.failing(shop.engine, "before")
    assert (len(found), first.count, first.reason, first.asset_id) == (1, 2, "The photo <cuts> off part.", ids[2])
    page = client_of(shop).get("/nights").text
    assert "The photo &lt;cuts&gt; off part." in page
    assert "Twenty alike in a row." in page
    assert "data-refresh" not in page


def test_an_empty_factory_says_what_to_do(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    upgrade(engine)
    client = TestClient(create_app(engine, open_store(f"file://{tmp_path}")), base_url="http://127.0.0.1")
    assert "meshmill run FOLDER" in client.get("/").text
    assert "meshmill run FOLDER" in client.get("/nights").text
    assert list(csv.reader(io.StringIO(client.get("/list.csv").text)))[1:] == []
    archive = zipfile.ZipFile(io.BytesIO(client.get("/models.zip").content))
    assert archive.namelist() == ["not-included.txt"]


def test_the_list_is_taken_home_as_a_table_without_formulas(shop: Shop) -> None:
    with writing(shop.engine) as session:
        asset = session.get_one(Asset, "asset-0001")
        asset.reason = '=HYPERLINK("http://evil")'
    record_decision(shop.engine, "asset-0005", "approve", "fine, and\nround", "Ann")
    text = client_of(shop).get("/list.csv").content.decode("utf-8-sig")
    rows = {row["page"].rsplit("/", 1)[1]: row for row in csv.DictReader(io.StringIO(text))}
    assert len(rows) == len(HOSTILE)
    assert rows["asset-0001"]["reason"] == '\'=HYPERLINK("http://evil")'
    assert (rows["asset-0005"]["decision"], rows["asset-0005"]["by"]) == ("approved", "Ann")
    assert rows["asset-0005"]["note"] == "fine, and\nround"
    only = client_of(shop).get("/list.csv?status=review").text
    assert only.count("\n") == 2, "the head and the one that still waits"


def test_the_models_of_the_list_come_in_one_archive_and_what_is_lost_is_named(shop: Shop) -> None:
    client = client_of(shop)
    archive = zipfile.ZipFile(io.BytesIO(client.get("/models.zip").content))
    assert archive.testzip() is None
    names = archive.namelist()
    assert len(names) == len({name.casefold() for name in names}) == 7
    assert all(name.endswith(".glb") and "/" not in name for name in names)
    assert archive.read(names[0])[:4] == b"glTF"
    assert len(zipfile.ZipFile(io.BytesIO(client.get("/models.zip?q=mug").content)).namelist()) == 1
    glb = queries.files(shop.engine, "asset-0000")["glb"]
    path = Path(shop.store.uri(glb.key).removeprefix("file://"))
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    left = zipfile.ZipFile(io.BytesIO(client.get("/models.zip?q=mug").content))
    assert left.namelist() == ["not-included.txt"]
    assert b"mug-blue" in left.read("not-included.txt")


def test_reasons_undo_and_order_work_on_both_databases(shop: Shop) -> None:
    with writing(shop.engine) as session:
        session.get_one(Asset, "asset-0001").reasons = [{"code": "leaning", "message": "x", "severity": "blocks"}]
    assert queries.reason_counts(shop.engine, Filters()) == [("leaning", 1)]
    assert queries.total(shop.engine, Filters(reason="leaning")) == 1
    assert queries.next_of(shop.engine, Filters(reason="leaning"), "asset-0000") == "asset-0001"
    decided = record_decision(shop.engine, "asset-0001", "approve", None, "Ann")
    assert take_back(shop.engine, decided.review_id, "Ann") == "asset-0001"
    assert queries.total(shop.engine, Filters(status="review")) == 2
