"""`/healthz` and `/metrics` over real databases and stores, outages included."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

from core.errors import StoreDown
from db.engine import open_engine, writing
from db.tables import Catalogue, RecipeRow, Run, StageRun
from gallery import monitor
from gallery.app import create_app
from storage import open_store
from tests.gallery.conftest import Shop, fill

MONITORING = Path(__file__).resolve().parents[2] / "deploy" / "monitoring"


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Shop:
    """On both databases."""
    store = open_store(f"file://{tmp_path / 'store'}")
    return Shop(engine, store, fill(engine, store))


def client_of(shop: Shop) -> TestClient:
    return TestClient(create_app(shop.engine, shop.store), base_url="http://127.0.0.1")


def scraped(client: TestClient) -> dict[tuple[str, ...], float]:
    """Samples by their name and labels' values in the labels' order, as Prometheus' own parser reads them."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families for sample in family.samples]
    return {(s.name, *(value for _, value in sorted(s.labels.items()))): s.value for s in samples}


def stage(engine: Engine, key: str, state: str, **more: Any) -> None:
    with writing(engine) as session:
        session.add(StageRun(key=key, stage="views", version=1, state=state, parameters={}, owner="t", **more))


def test_the_counts_are_those_of_the_database(shop: Shop) -> None:
    found = scraped(client_of(shop))
    assert found["meshmill_assets", "finished"] == 4
    assert found["meshmill_assets", "review"] == 2
    assert found["meshmill_assets", "queued"] == 0
    assert found["meshmill_failed_assets", "unknown"] == 2
    assert found["meshmill_database_up",] == found["meshmill_store_up",] == 1
    assert 0 < found["meshmill_database_seconds",] < monitor.DEADLINE


def test_stage_runs_are_counted_once_when_they_end(shop: Shop) -> None:
    client = client_of(shop)
    before = scraped(client)
    assert before["meshmill_stage_seconds_count", "views"] == 0, "what ended before the start is not counted"
    stage(shop.engine, "a", "running", started_at=monitor.datetime.now(monitor.UTC))
    hold(shop.engine, "a", 100)
    assert scraped(client)["meshmill_running_stages",] == 1
    with writing(shop.engine) as session:
        session.execute(text("UPDATE stage_run SET state = 'finished', seconds = 2, device = 'cuda:0' WHERE key = 'a'"))
    stage(shop.engine, "b", "failed", error_class="StageTimeout")
    for _ in range(2):
        found = scraped(client)
        assert found["meshmill_running_stages",] == 0
        assert found["meshmill_stage_seconds_count", "views"] == 1
        assert found["meshmill_stage_seconds_bucket", "1.0", "views"] == 0
        assert found["meshmill_stage_seconds_bucket", "3.0", "views"] == 1
        assert found["meshmill_stage_failures_total", "StageTimeout", "views"] == 1
        assert found["meshmill_device_busy_seconds_total", "cuda:0"] == 2


def hold(engine: Engine, key: str, seconds: float) -> None:
    from db.leases import claim

    assert claim(engine, key, "elsewhere:1:1:1:1:", seconds)


def test_a_dead_workers_stage_is_no_running_one(shop: Shop) -> None:
    hold(shop.engine, "dead", -50)
    stage(shop.engine, "dead", "running")
    hold(shop.engine, "forgotten", -3 * 86_400)
    found = scraped(client_of(shop))
    assert found["meshmill_running_stages",] == 0
    assert found["meshmill_expired_leases",] == 1, "what nobody wanted for days is history"
    assert 49 < found["meshmill_oldest_expired_lease_seconds",] < 10_000


def test_a_catalogues_last_night_and_an_open_one(shop: Shop) -> None:
    now = monitor.datetime.now(monitor.UTC)
    ago = lambda seconds: monitor.datetime.fromtimestamp(now.timestamp() - seconds, monitor.UTC)  # noqa: E731
    with writing(shop.engine) as session:
        session.add(Catalogue(name='chairs\n"x"', source_uri="file:///chairs"))
        session.flush()
        for number, (begun, ended) in enumerate([(9000, 8000), (7000, None), (500, 400), (300, None)]):
            session.add(Run(id=f"r{number}", catalogue_id=2, recipe_hash="r" * 64, started_at=ago(begun),
                            finished_at=ended and ago(ended)))  # fmt: skip
    found = scraped(client_of(shop))
    name = 'chairs\n"x"'
    assert found["meshmill_last_run_end_timestamp_seconds", name] == pytest.approx(now.timestamp() - 400, abs=1)
    assert 300 <= found["meshmill_open_run_seconds", name] < 400, "one that was cut off before the last night is none"
    assert ("meshmill_last_run_end_timestamp_seconds", "<b>shop</b>") not in found


def test_health_says_what_does_not_answer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(shop)
    assert client.get("/healthz").json() == {"database": True, "store": True}

    def down(_key: str) -> None:
        raise StoreDown("secret place")

    monkeypatch.setattr(shop.store, "size", down)
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json() == {"database": True, "store": False}
    found = scraped(client)
    assert found["meshmill_store_up",] == 0
    assert found["meshmill_assets", "finished"] == 4


def test_a_database_that_is_away_is_a_metric(tmp_path: Path) -> None:
    engine = open_engine("postgresql://nobody@127.0.0.1:1/nothing")
    client = TestClient(create_app(engine, open_store(f"file://{tmp_path}")), base_url="http://127.0.0.1")
    found = scraped(client)
    assert found["meshmill_database_up",] == 0
    assert found["meshmill_store_up",] == 1
    assert not [name for name in found if name[0] == "meshmill_assets"]
    assert client.get("/healthz").status_code == 503


def test_who_hangs_is_not_waited_for_nor_asked_twice(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    release, asked = threading.Event(), []

    def hanging(_key: str) -> None:
        asked.append(1)
        release.wait(60)

    monkeypatch.setattr(shop.store, "size", hanging)
    monkeypatch.setattr(monitor, "DEADLINE", 0.2)
    client = client_of(shop)
    try:
        for _ in range(3):
            assert not client.get("/healthz").json()["store"]
        assert len(asked) == 1
    finally:
        release.set()
    deadline = time.monotonic() + 60
    while not client.get("/healthz").json()["store"]:
        assert time.monotonic() < deadline


@pytest.fixture
def names(shop: Shop) -> set[str]:
    """The metrics that a scrape brings, with every kind of sample."""
    stage(shop.engine, "b", "failed", error_class="X")
    client = client_of(shop)
    scraped(client)
    stage(shop.engine, "c", "finished", seconds=1.0, device="cpu")
    stage(shop.engine, "d", "failed", error_class="X")
    with writing(shop.engine) as session:
        session.merge(RecipeRow(hash="r" * 64, name="starter", parameters={}))
        session.add(Run(id="r", catalogue_id=1, recipe_hash="r" * 64, finished_at=monitor.datetime.now(monitor.UTC)))
    return {name for name, *_ in scraped(client)} | {"up"}


def metrics_of(expression: str) -> set[str]:
    """The metrics of an expression; Prometheus' grammar is that of the parser's own."""
    import promql_parser

    found = set()

    def walk(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)
        for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
            if (child := getattr(node, part, None)) is not None:
                walk(child)
        for child in getattr(node, "args", None) or ():
            walk(child)

    walk(promql_parser.parse(expression))
    assert found, expression
    return found


def test_alerts_ask_for_metrics_that_there_are(names: set[str]) -> None:
    (group,) = yaml.safe_load((MONITORING / "alerts.yaml").read_text("utf-8"))["groups"]
    alerts = group["rules"]
    assert len(alerts) == len({alert["alert"] for alert in alerts}) >= 8
    for alert in alerts:
        assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}
        assert set(alert["annotations"]) == {"summary", "action"}
        assert alert["labels"]["severity"] in ("page", "warn")
        assert metrics_of(alert["expr"]) <= names, alert["alert"]
    with pytest.raises(ValueError, match="invalid promql"):
        metrics_of("meshmill_assets{status=}")


def test_the_dashboard_asks_for_metrics_that_there_are(names: set[str]) -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    assert dashboard["schemaVersion"]
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        for target in panel["targets"]:
            assert metrics_of(target["expr"]) <= names, panel["title"]
    boxes = [panel["gridPos"] for panel in panels]
    for i, one in enumerate(boxes):
        assert one["x"] + one["w"] <= 24
        for other in boxes[i + 1 :]:
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"], "panels overlap"
