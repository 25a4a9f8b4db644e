"""`meshmill doctor --worker`: each finding with a sentence, on real files, databases and a server that answers."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import cli.doctor_servers as servers
import cli.doctor_worker as doctor
from db.engine import open_engine, writing
from db.migrate import upgrade
from db.tables import Catalogue, Checkpoint

LOGIN = "Basic bWVzaG1pbGw6c2VjcmV0"


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Says its version to who knows the login."""
    says = {"version": version("prefect")}

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == LOGIN
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(json.dumps(says["version"]).encode() if known else b"{}")

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "meshmill:secret")
    yield says
    server.shutdown()


def test_the_server_knows_the_login_and_is_of_the_same_version(
    prefect: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor._server()[1] is None
    prefect["version"] = "3.0.0"
    assert "prefect==3.0.0" in str(doctor._server()[1])
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "meshmill:wrong")
    assert "PREFECT_API_AUTH_STRING" in str(doctor._server()[1])
    monkeypatch.delenv("PREFECT_API_URL")
    assert "PREFECT_API_URL" in str(doctor._server()[1])


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a catalogue in a folder and one in a bucket."""
    monkeypatch.setenv("MESHMILL_HOME", str(tmp_path / "home"))
    (tmp_path / "photos of summer").mkdir()
    engine = open_engine(f"sqlite:///{tmp_path / 'home' / 'meshmill.db'}")
    upgrade(engine)
    with writing(engine) as session:
        session.add(Catalogue(name="summer", source_uri=f"file://{tmp_path}/photos%20of%20summer"))
        session.add(Catalogue(name="winter", source_uri="s3://winter"))
        session.add(Checkpoint(name="zero", kind="views", sha256="a", path=str(tmp_path / "gone")))
    engine.dispose()
    return tmp_path


def test_a_folder_that_is_not_mounted_here_is_named(shop: Path) -> None:
    assert doctor._photos() == ("1 of 1 catalogues in folders can be read here", None)
    (shop / "photos of summer").rmdir()
    found, fix = doctor._photos()
    assert found.startswith("0 of 1")
    assert f"Mount {shop / 'photos of summer'} of the catalogue summer" in str(fix)


def test_weights_that_are_not_here_are_said(shop: Path) -> None:
    found, fix = doctor._weights()
    assert found == f"0 of 1 registered weights lie here; not zero at {shop / 'gone'}"
    assert fix is None


def test_a_clock_that_is_off_is_said(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert servers._clock()[1] is None
    real = servers.time.time
    monkeypatch.setattr(servers.time, "time", lambda: real() - 3600)
    found, fix = servers._clock()
    assert "+3600" in found or "+3599" in found or "+3601" in found
    assert "clock" in str(fix)


def test_the_command_says_all_of_it(shop: Path, prefect: dict[str, str]) -> None:
    command = [sys.executable, "-m", "cli.main", "doctor", "--worker", "--json"]
    environment = os.environ | {"PYTHONPATH": str(Path(doctor.__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=shop)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert {*doctor.WORKER_PROBES, *servers.SERVER_PROBES} <= set(checks)
    assert "network" in checks["confined"]["found"]
    assert all(checks[name]["ok"] for name in doctor.WORKER_PROBES), checks
