"""The deployments of prefect.yaml on a real Prefect server: their parameters, and a schedule that fires."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect_server import PrefectServer, prefect_server, start_worker, stop_workers

ROOT = Path(__file__).resolve().parents[2]
NAMES = {
    "ingest/nightly",
    "build_assets/build",
    "build_assets/rush",
    "retry_failed/retry",
    "evaluate/evaluate",
    "train_views/train",
}


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


def refusal(url: str, body: Any) -> str:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(url, body)
    return caught.value.read().decode()


@pytest.fixture
def server(tmp_path: Path, postgres: Any) -> Iterator[PrefectServer]:
    """A Prefect server whose clients have a home of their own."""
    with prefect_server(tmp_path, postgres) as running:
        running.environment["MESHMILL_HOME"] = str(tmp_path / "home")
        yield running


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.server
def test_all_deployments_deploy_refuse_wrong_parameters_and_fire_on_schedule(
    server: PrefectServer, tmp_path: Path
) -> None:
    server.deploy()
    api, environment = server.api, server.environment
    flows = {flow["id"]: flow["name"] for flow in ask(f"{api}/flows/filter", {})}
    found = {f"{flows[d['flow_id']]}/{d['name']}": d for d in ask(f"{api}/deployments/filter", {})}
    assert set(found) == NAMES
    nightly = found["ingest/nightly"]
    schedule = nightly["schedules"][0]["schedule"]
    assert (schedule["cron"], schedule["timezone"]) == ("0 1 * * *", "Europe/Berlin")
    assert nightly["concurrency_options"]["collision_strategy"] == "ENQUEUE", "no catalogue's night is cancelled"
    assert "Recipe" in nightly["parameter_openapi_schema"]["definitions"], "recipes are a form"

    create = f"{api}/deployments/{nightly['id']}/create_flow_run"
    for parameters, field in (
        ({"folder": "x", "recipe": "nonsense"}, "recipe"),
        ({"folder": ""}, "folder"),
        ({"folder": "x", "shard_size": 0}, "shard_size"),
        ({"folder": "x", "limit": "many"}, "limit"),
    ):
        assert field in refusal(create, {"parameters": parameters, "enforce_parameter_schema": True})
    assert ask(f"{api}/flow_runs/count", {"flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING"]}}}}) == 0

    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mug.png").write_text("no picture")  # a night at no cost: one refused photo
    copied = ("flow_id", "entrypoint", "path", "pull_steps", "parameter_openapi_schema", "work_pool_name")
    minutely = {name: nightly[name] for name in copied} | {
        "name": "minutely",
        "parameters": {"folder": str(tmp_path / "photos"), "recipe": "starter", "settle_seconds": 0},
        "schedules": [{"active": True, "schedule": {"cron": "* * * * *", "timezone": "Europe/Berlin"}}],
    }
    made = ask(f"{api}/deployments/", minutely)
    worker = start_worker("cpu", environment, tmp_path / "worker.log")
    try:
        asked = {
            "deployments": {"id": {"any_": [made["id"]]}},
            "flow_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}},
        }
        deadline = time.monotonic() + 500
        runs: list[dict[str, Any]] = []
        while not runs and time.monotonic() < deadline:
            time.sleep(2)
            runs = ask(f"{api}/flow_runs/filter", asked)
        assert runs, (tmp_path / "worker.log").read_text()[-2000:]
        assert (runs[0]["auto_scheduled"], runs[0]["state_type"]) == (True, "COMPLETED"), runs[0]["state"]["message"]
        (summary,) = [json.loads(path.read_text()) for path in (tmp_path / "home" / "summaries").glob("*.json")]
        assert summary["counts"]["quarantined"] == 1
    finally:
        stop_workers([worker])


ENDLESS = """
import time
from prefect import flow, tags

@flow
def endless():
    print("begun", flush=True)
    time.sleep(3600)

with tags("meshmill"):
    endless()
"""


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.server
def test_the_automation_finds_a_run_whose_host_died(server: PrefectServer) -> None:
    api, environment = server.api, server.environment
    server.command("automation", "create", "--from-file", "automations.yaml")
    command, quick = [sys.executable, "-c", ENDLESS], environment | {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
    run = subprocess.Popen(command, env=quick, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert run.stdout is not None
    assert run.stdout.readline() == b"begun\n"
    time.sleep(40)  # a heartbeat surely went out
    states = [state["state_type"] for state in ask(f"{api}/flow_runs/filter", {})]
    run.kill()
    run.wait()
    assert states == ["RUNNING"]
    killed = time.monotonic()
    while ask(f"{api}/flow_runs/filter", {})[0]["state_type"] == "RUNNING":
        assert time.monotonic() - killed < 300, "the automation was to mark it"
        time.sleep(1)
    (found,) = ask(f"{api}/flow_runs/filter", {})
    assert (found["state_type"], found["state"]["message"]) == ("CRASHED", "No sign of life for 90 seconds.")
    print(f"marked as crashed after {time.monotonic() - killed:.0f} s")  # noqa: T201 - for the record


def test_every_parameter_of_the_form_is_explained() -> None:
    """Prefect takes descriptions from docstrings alone: those of fields never reached its page."""
    from prefect.utilities.callables import parameter_schema_from_entrypoint

    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]:
        properties = parameter_schema_from_entrypoint(deployment["entrypoint"]).properties
        assert properties
        assert [name for name, field in properties.items() if not field.get("description")] == []


def test_every_deployment_has_its_parameters_in_the_operations_page() -> None:
    import yaml

    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    described = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))
    names = set()
    for deployment in described["deployments"]:
        file, _, function = deployment["entrypoint"].partition(":")
        module = __import__(file.removesuffix(".py").replace("/", "."), fromlist=[function])
        flow = getattr(module, function)
        names.add(f"{flow.name}/{deployment['name']}")
        (row,) = re.findall(rf"^\| `{flow.name}/{deployment['name']}` \|.*\| (.*) \|$", page, re.M)
        assert re.findall(r"`(\w+)`", row) == list(inspect.signature(flow.fn).parameters)
        assert set(deployment.get("parameters", {})) <= set(inspect.signature(flow.fn).parameters)
    assert names == NAMES
