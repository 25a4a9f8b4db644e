"""A night in one process, with stages that cost nothing and a real Prefect server: summary, record, webhooks."""

from __future__ import annotations

import functools
import http.server
import json
import platform
import re
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fake_stages
import pytest
from sqlalchemy import select

import flows.embedded
import flows.ingest
import flows.retry_failed
from core.recipes import Recipe, load_recipe
from core.records import to_json
from db import assets
from db.engine import reading
from db.runs import ToReview
from db.tables import Run, StageRun
from flows.embedded import EmbeddedServer
from tasks.factory import open_factory
from tasks.webhooks import signature


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server for this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        patch.setattr(flows.embedded, "START_SECONDS", 900)  # a busy machine says nothing about the product
        server = EmbeddedServer(tmp_path_factory.mktemp("prefect"))
        server.start()
        server.wait()
        from prefect.settings import PREFECT_API_URL, temporary_settings

        with temporary_settings({PREFECT_API_URL: server._url}):  # read when Prefect was imported, long before
            yield server._url
        server.stop()


@pytest.fixture
def heard() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A webhook's other end."""
    got: list[tuple[dict[str, str], bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Recipe]:
    """A home, a folder of photos, a recipe; flows open the factory with stages that cost nothing."""
    opened = functools.partial(open_factory, compute=fake_stages.compute)
    for module in (flows.ingest, flows.retry_failed):
        monkeypatch.setattr(module, "open_factory", opened)
    monkeypatch.setenv("MESHMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MESHMILL_TEST_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("MESHMILL_COST_PER_CPU_HOUR", "3600")
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "config.json").write_text("{}")
    (tmp_path / "segmenter.onnx").write_text("x")
    (tmp_path / "photos").mkdir()
    places = [f"views.checkpoint={tmp_path}/views", f"segment.model={tmp_path}/segmenter.onnx"]
    return tmp_path / "photos", load_recipe("starter", places)


def ask(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def artifacts(api: str, *keys: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(f"{api}/artifacts/filter", {"artifacts": {"key": {"any_": keys}}})
    return found


@pytest.mark.server
def test_a_night_says_what_came_out(
    api: str, heard: Any, shop: tuple[Path, Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, got = heard
    monkeypatch.setenv("MESHMILL_WEBHOOK_URL", url)
    monkeypatch.setenv("MESHMILL_WEBHOOK_SECRET", "s3cret")
    photos, recipe = shop
    for name in ("cup", "mug", "pan"):
        (photos / f"{name}.png").write_bytes(name.encode())
    (photos / "dark.png").write_bytes(b"bad")
    first = flows.ingest.ingest(str(photos), recipe, settle_seconds=0, shard_size=3)
    assert {name: count for name, count in first.counts.items() if count} == {
        "finished": 3,
        "quarantined": 1,
        "planned": 4,
    }
    assert first.changes["new"] == 4
    assert {row.sku for row in first.slowest} == {"cup", "mug", "pan"}
    (failure,) = first.failures
    assert (failure.reason, failure.count, failure.example) == ("No object was found in the photo.", 1, "dark")

    (path,) = (tmp_path / "home" / "summaries").iterdir()
    assert json.loads(path.read_text()) == to_json(first)
    (artifact,) = artifacts(api, "nightly-summary")
    assert "| No object was found in the photo. | quarantined | 1 | dark |" in artifact["data"]
    progress = artifacts(api, "nightly-progress", "assets-done")
    assert [(found["type"], found["data"]) for found in progress] == [("progress", 100.0)] * 3, "the night, two shards"
    factory = open_factory()
    with reading(factory.engine) as session:
        run = session.get(Run, first.run_id)
        assert run is not None
        assert run.summary == to_json(first)
        assert run.prefect_run_id is not None
        stages = session.scalars(select(StageRun).where(StageRun.state == "finished")).all()
        assert all(stage.cost == pytest.approx(stage.seconds) for stage in stages), "a unit a second"
        assert all(stage.device == "cpu" and stage.attempt == 1 for stage in stages)
    factory.close()

    events = Counter(json.loads(body)["event"] for _, body in got)
    assert events == {"asset.finished": 3, "asset.failed": 1, "run.ended": 1}
    for headers, body in got:
        assert headers["X-Meshmill-Signature"] == signature("s3cret", headers["X-Meshmill-Time"], body)

    assert first.store.objects == []
    factory = open_factory()
    stored = assets.artifact(factory.engine, first.slowest[0].asset_id)
    assert stored is not None
    factory.store.delete(stored.key)
    factory.close()
    monkeypatch.setenv("MESHMILL_CHECK_SHARE", "1")
    (photos / "pan.png").unlink()
    second = flows.ingest.ingest(str(photos), recipe, settle_seconds=0, allow_removal=True)
    assert (second.store.missing, second.store.objects[0].kind) == (1, "glb")
    said = [found["data"] for found in artifacts(api, "nightly-summary")]
    assert sum("1 missing. Run `meshmill fsck --repair`" in text for text in said) == 1
    assert (second.counts["planned"], second.counts["reused"]) == (0, 3)
    assert second.changes == {"new": 0, "changed": 0, "removed": 1, "waiting": 0, "unchanged": 3}


@pytest.mark.server
def test_what_failed_for_its_surroundings_is_built_by_the_next_night_or_by_retry(
    api: str, shop: tuple[Path, Recipe]
) -> None:
    photos, recipe = shop
    (photos / "a.png").write_bytes(b"ours")
    first = flows.ingest.ingest(str(photos), recipe, settle_seconds=0)
    assert first.counts["failed"] == 1
    again = flows.ingest.ingest(str(photos), recipe, settle_seconds=0)
    assert again.counts["planned"] == 0, "the same input and code give the same end"
    (asset_id,) = retried = flows.retry_failed.retry_failed("failed")
    assert retried == {asset_id: "failed"}
    ((row,),) = (json.loads(table["data"]) for table in artifacts(api, "assets"))
    assert (row["sku"], row["status"], row["glb"]) == ("a", "failed", None)
    (other, status), *_ = flows.retry_failed.retry_failed("failed", ["a"], overrides=["finish.faces=5000"]).items()
    assert other != asset_id, "another version of the same product"
    assert status == "failed", "its photo is what it is"


RUN_LOG = "prefect.flow_runs"
"""Prefect's logger of a run's page."""


@pytest.mark.server
def test_a_night_can_be_read_on_prefects_pages(
    api: str, shop: tuple[Path, Recipe], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Names, tags, log lines, and links that open in a browser."""
    monkeypatch.setenv("MESHMILL_GALLERY_URL", "https://shop.example.com/gallery/")
    photos, recipe = shop
    (photos / "cup.png").write_bytes(b"cup")
    (photos / "vase.png").write_bytes(b"review this vase")
    ended = flows.ingest.ingest(str(photos), recipe, settle_seconds=0)
    assert ended.reviews == [ToReview(None, 1, "vase")]

    runs = {run["name"]: run for run in ask(f"{api}/flow_runs/filter", {"sort": "EXPECTED_START_TIME_ASC"})}
    night = runs[f"photos {datetime.now():%Y-%m-%d}"]
    assert {"catalogue:photos", "recipe:starter"} <= set(night["tags"])
    assert {f"host:{platform.node()}", f"version:{version('meshmill')}"} <= set(night["tags"]), "for `doctor workers`"

    ours = [re.sub(r"\d+ s:", "N s:", record.getMessage()) for record in caplog.records if record.name == RUN_LOG]
    assert [line for line in ours if "low run" not in line and "Finished" not in line and "View" not in line] == [
        "Catalogue photos: 2 new.",
        "Planned: 2 to build, 0 already there.",
        "Ended after N s: 1 finished, 1 review, 2 planned.",
        "2 products have no known size: add height_cm, width_cm or depth_cm to the catalogue.",
        "1 to review, such as vase: None",
    ]
    (text,) = (a["data"] for a in artifacts(api, "nightly-summary") if a["flow_run_id"] == night["id"])
    assert "[review](https://shop.example.com/gallery/?catalogue=photos&status=review)" in text
    names = {run["name"] for run in runs.values()}
    assert f"2 assets of {ended.run_id}" in names
    stages = {getattr(record, "task_run_name", None) for record in caplog.records}
    assert {f"{sku} {stage}" for sku in ("cup", "vase") for stage in ("segment", "assess")} <= stages
