"""A run whose host died is found, on a real Prefect server: heartbeats of the deployments and the automation agree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect_server import BIN, ROOT, PrefectServer, prefect_server

pytestmark = [pytest.mark.server, pytest.mark.timeout(1500)]

NAME = "A run whose host died has crashed"
NAMES = {NAME, "A run that was taken and never began has crashed"}


@pytest.fixture
def server(tmp_path: Path, postgres: Any) -> Iterator[PrefectServer]:
    with prefect_server(tmp_path, postgres) as running:
        yield running


def doctor(server: PrefectServer, *words: str) -> dict[str, Any]:
    """What `meshmill doctor prefect` says."""
    command = [sys.executable, "-m", "cli.main", "doctor", "prefect", "--json", *words]
    done = subprocess.run(command, env=server.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    (check,) = json.loads(done.stdout)["checks"]
    assert done.returncode == (0 if check["ok"] else 1)
    return dict(check)


def automations(server: PrefectServer) -> list[dict[str, Any]]:
    return list(server.ask("automations/filter", {}))


def watching(server: PrefectServer) -> dict[str, Any]:
    """The one that looks at heartbeats."""
    (one,) = [one for one in automations(server) if one["name"] == NAME]
    return dict(one)


def test_doctor_sees_whether_heartbeats_and_automation_agree(server: PrefectServer) -> None:
    assert "is missing" in doctor(server)["fix"]
    assert doctor(server, "--fix")["ok"]
    assert doctor(server, "--fix")["ok"]
    assert sorted(one["name"] for one in automations(server)) == sorted(NAMES), "made once, however often"
    server.deploy()
    assert doctor(server)["ok"]

    server.command("automation", "create", "--from-file", "automations.yaml")
    assert "stands there 2 times" in doctor(server)["fix"]
    assert doctor(server, "--fix")["ok"]
    one = watching(server)

    quick = one["trigger"] | {"within": 60}
    changed = {name: one[name] for name in ("name", "description", "actions")} | {"trigger": quick}
    put(server, f"automations/{one['id']}", changed, "PUT")
    said = doctor(server)["fix"]
    assert all(f"'{name}' would be taken for dead: they send one in 30 s" in said for name in ("nightly", "build"))
    assert doctor(server, "--fix")["ok"]
    one = watching(server)
    put(server, f"automations/{one['id']}", {"enabled": False}, "PATCH")
    assert "No automation watches the deployment 'nightly'" in doctor(server)["fix"]
    assert doctor(server, "--fix")["ok"]

    (build,) = [found for found in server.ask("deployments/filter", {}) if found["name"] == "build"]
    put(server, f"deployments/{build['id']}", {"job_variables": {}}, "PATCH")
    assert "'build' would be taken for dead: they send one in 180 s" in doctor(server)["fix"]
    put(server, f"deployments/{build['id']}", {"tags": [], "job_variables": {}}, "PATCH")
    assert "No automation watches the deployment 'build'" in doctor(server)["fix"]
    server.command("deploy", "--all")
    assert doctor(server)["ok"]


@pytest.mark.slow
def test_a_run_that_was_taken_and_never_began_gives_its_place_back(server: PrefectServer) -> None:
    """Its worker died in between; here the automation waits 20 s instead of 300."""
    server.deploy()
    assert doctor(server, "--fix")["ok"]
    (taken,) = [one for one in automations(server) if one["name"] != NAME]
    changed = {name: taken[name] for name in ("name", "description", "actions")}
    put(server, f"automations/{taken['id']}", changed | {"trigger": taken["trigger"] | {"within": 20}}, "PUT")
    runs = [server.start("build_assets/build", asset_ids=[]) for _ in range(3)]
    for run, names in zip(runs, (["Pending", "Submitting"], ["Pending", "Running"], []), strict=True):
        for name in names:
            state = {"type": "RUNNING" if name == "Running" else "PENDING", "name": name}
            server.ask(f"flow_runs/{run}/set_state", {"state": state})
    assert server.ended(runs[0], 120)["state_type"] == "CRASHED"
    assert [server.run(run)["state_type"] for run in runs[1:]] == ["RUNNING", "SCHEDULED"]


def put(server: PrefectServer, path: str, body: Any, method: str) -> None:
    import urllib.request

    request = urllib.request.Request(
        f"{server.api}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
    )
    urllib.request.urlopen(request, timeout=60).close()


def test_every_deployment_is_watched_and_bears_an_error_of_the_server() -> None:
    described = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]
    for deployment in described:
        environment = deployment["work_pool"]["job_variables"]["env"]
        assert environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
        assert "500" in environment["PREFECT_CLIENT_RETRY_EXTRA_CODES"]
        assert "meshmill" in deployment["tags"]


def documented() -> list[str]:
    """The commands of the page that set up several hosts and start a night."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (block,) = [found for found in re.findall(r"^```\n(.*?)^```$", page, re.M | re.S) if "work-pool create" in found]
    return [line.partition("   #")[0].strip() for line in block.splitlines()]


@pytest.mark.slow
def test_the_documented_commands_bring_a_long_night_to_its_end(server: PrefectServer, tmp_path: Path) -> None:
    """Copied as they stand, but for the folder of photos; stages take longer together than the automation waits."""
    (tmp_path / "photos").mkdir()
    photo = tmp_path / "photos" / "mug.png"
    photo.write_bytes(b"photo")
    environment = server.environment | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "MESHMILL_HOME": str(tmp_path / "home"),
        "MESHMILL_TEST_POOL": "1",
        "MESHMILL_TEST_SECONDS": "30",
        "PYTHONPATH": str(Path(__file__).parent / "fake_pool"),
    }
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for line in documented():
            command = ["bash", "-c", line.replace("folder=/photos", f"folder={tmp_path}/photos")]
            if "worker start" in line:
                with (tmp_path / f"worker-{len(workers)}.log").open("wb") as log:
                    command[-1] = f"exec env {command[-1]}"
                    workers.append(subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log))
                continue
            if "deployment run" in line:  # a younger photo may still be on its way, and waits for the next night
                time.sleep(max(0.0, photo.stat().st_ctime + 61 - time.time()))
            done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, line + done.stdout + done.stderr
        assert len(workers) == 2
        (night,) = [run for run in server.runs_of("ingest") if not run["auto_scheduled"]]
        assert server.ended(night["id"], 1200)["state_type"] == "COMPLETED", server.logs()
        (shard,) = server.runs_of("build_assets")
        assert shard["state_type"] == "COMPLETED", "sent once, and never taken for dead"
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
