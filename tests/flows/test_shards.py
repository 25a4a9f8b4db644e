"""A night on work pools: its shard and a retry as runs of their deployments, by workers, on a real Prefect server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect_server import PrefectServer, start_worker, stop_workers
from sqlalchemy import text
from test_deployments import ROOT, ask, server  # noqa: F401 - the fixture

from db.engine import open_engine

OURS = ("nightly", "build", "retry")
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@pytest.fixture
def night(server: PrefectServer, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:  # noqa: F811
    """Both pools with a worker each and the deployments of prefect.yaml, their stages costing nothing."""
    api, environment = server.api, server.environment
    environment |= {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}:{ROOT / 'tests' / 'tasks'}",
        "MESHMILL_TEST_LOG": str(tmp_path / "log"),
        "MESHMILL_TEST_MENDED": str(tmp_path / "mended"),
    }
    described = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))
    described["deployments"] = [d for d in described["deployments"] if d["name"] in OURS]
    for deployment in described["deployments"]:
        deployment.pop("schedules", None)
        deployment["entrypoint"] = "tests/flows/cheap_flows.py:" + deployment["entrypoint"].partition(":")[2]
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(described))
    server.make_pools()
    server.command("deploy", "--all", "--prefect-file", str(tmp_path / "prefect.yaml"))
    workers = [start_worker(pool, environment, tmp_path / "workers.log") for pool in ("cpu", "gpu")]
    try:
        yield api, environment
    finally:
        stop_workers(workers)


def run_to_its_end(api: str, name: str, parameters: dict[str, Any], log: Path) -> str:
    """Start a deployment by its name as Prefect's pages do; the type of the state that its run ends in."""
    flow, _, deployment = name.partition("/")
    found = ask(f"{api}/deployments/name/{flow}/{deployment}")
    run = ask(f"{api}/deployments/{found['id']}/create_flow_run", {"parameters": parameters})
    deadline = time.monotonic() + 900
    while (state := ask(f"{api}/flow_runs/{run['id']}")["state"])["type"] not in FINAL:
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.5)
    return f"{state['type']}: {state['message']}" if state["type"] != "COMPLETED" else "COMPLETED"


@pytest.mark.timeout(1500)
@pytest.mark.server
def test_a_shard_of_three_and_a_retry_complete_as_runs_of_their_deployments(
    night: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    api, environment = night
    log = tmp_path / "workers.log"
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "config.json").write_text("{}")
    (tmp_path / "segmenter.onnx").write_text("x")
    (tmp_path / "photos").mkdir()
    for name, content in {"cup": b"cup", "mug": b"ours", "pan": b"ours too"}.items():
        (tmp_path / "photos" / f"{name}.png").write_bytes(content)
    recipe = {"views": {"checkpoint": f"{tmp_path}/views"}, "segment": {"model": f"{tmp_path}/segmenter.onnx"}}
    parameters = {
        "folder": str(tmp_path / "photos"),
        "recipe": {"name": "cheap"} | recipe,
        "settle_seconds": 0,
        "deployment": "build_assets/build",
    }
    assert run_to_its_end(api, "ingest/nightly", parameters, log) == "COMPLETED"
    (shard,) = ask(f"{api}/flow_runs/filter", {"flows": {"name": {"any_": ["build_assets"]}}})
    assert shard["state_type"] == "COMPLETED", shard["state"]["message"]
    assert len(shard["parameters"]["asset_ids"]) == 3
    assert statuses(environment) == {"cup": "finished", "mug": "failed", "pan": "failed"}

    (tmp_path / "mended").write_text("what was ours is mended")
    assert run_to_its_end(api, "retry_failed/retry", {}, log) == "COMPLETED"
    assert statuses(environment) == {"cup": "finished", "mug": "finished", "pan": "finished"}
    states = {run["state_type"] for run in ask(f"{api}/flow_runs/filter", {})}
    assert states == {"COMPLETED"}, "nothing that did its work says that it failed"
    tables = ask(f"{api}/artifacts/filter", {"artifacts": {"key": {"any_": ["assets"]}}})
    assert len(tables) == 2, "the shard's and the retry's"


def statuses(environment: dict[str, str]) -> dict[str, str]:
    engine = open_engine(f"sqlite:///{environment['MESHMILL_HOME']}/meshmill.db")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT sku, status FROM asset JOIN product ON product.id = product_id"))
        found = {row.sku: row.status for row in rows}
    engine.dispose()
    return found
