"""Nights whose shards go to a work pool: a real Prefect server, real workers, stages that cost nothing."""

from __future__ import annotations

import http.server
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect_server import PrefectServer, prefect_server
from sqlalchemy import text
from stumbling_proxy import stumbling_proxy

from core.recipes import load_recipe
from db.engine import open_engine

pytestmark = [pytest.mark.server, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres: Any) -> Iterator[PrefectServer]:
    # Prefect itself cancels what a cancelled run has sent out, at its next look within 20 s, and that kills a shard in
    # the middle of its stage. Held here is that the night's own word reaches its shards.
    quiet = {"PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false"}
    with prefect_server(tmp_path_factory.mktemp("prefect"), postgres, **quiet) as running:
        running.deploy()
        yield running


class Night:
    """A home, photos, a webhook's other end, and the parameters of `ingest/nightly` for them."""

    def __init__(self, folder: Path, server: PrefectServer) -> None:
        self.folder, self.server = folder, server
        self.heard: list[dict[str, Any]] = []
        (folder / "photos").mkdir()
        (folder / "views").mkdir()
        (folder / "views" / "config.json").write_text("{}")
        (folder / "segmenter.onnx").write_text("x")
        heard = self.heard

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None: ...

        self.hook = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.hook.serve_forever, daemon=True).start()
        self.environment = {
            "MESHMILL_HOME": str(folder / "home"),
            "MESHMILL_WEBHOOK_URL": f"http://127.0.0.1:{self.hook.server_port}/",
            "MESHMILL_TEST_LOG": str(folder / "log"),
        }

    def put(self, photos: dict[str, str]) -> None:
        for name, photo in photos.items():
            (self.folder / "photos" / f"{name}.png").write_text(photo)

    def start(self, shard_size: int) -> str:
        places = [f"views.checkpoint={self.folder}/views", f"segment.model={self.folder}/segmenter.onnx"]
        return self.server.start(
            "ingest/nightly",
            folder=str(self.folder / "photos"),
            recipe=load_recipe("starter", places).model_dump(mode="json"),
            settle_seconds=0,
            shard_size=shard_size,
            deployment="build_assets/build",
        )

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        engine = open_engine(f"sqlite:///{self.folder / 'home' / 'meshmill.db'}")
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(query))]
        engine.dispose()
        return rows

    def statuses(self) -> Counter[str]:
        return Counter(status for (status,) in self.ask("SELECT status FROM asset"))

    def shards(self, night: str) -> list[dict[str, Any]]:
        """The runs that this night sent out."""
        (mine,) = self.ask("SELECT id FROM run ORDER BY started_at DESC LIMIT 1")
        return [run for run in self.server.runs_of("build_assets") if run["parameters"].get("run_id") == mine[0]]

    def events(self) -> Counter[str]:
        return Counter(message["event"] for message in self.heard)


@pytest.fixture
def night(tmp_path: Path, server: PrefectServer) -> Iterator[Night]:
    made = Night(tmp_path, server)
    yield made
    made.hook.shutdown()


def test_twenty_failures_alike_stop_the_night_over_all_its_shards(server: PrefectServer, night: Night) -> None:
    night.put({f"p{n:02}": f"says The file p{n:02}.glb of p{n:02} has {n} faces." for n in range(28)})
    with server.worker("cpu", "gpu", **night.environment):
        ended = server.ended(night.start(shard_size=7))
        shards = night.shards(ended["id"])
        *built, last = [server.ended(shard["id"])["state_type"] for shard in shards]
    assert ended["state_type"] == "FAILED", server.logs()
    assert "20 assets in a row failed alike" in ended["state"]["message"]
    assert night.statuses() == {"failed": 20, "queued": 8}
    assert built == ["COMPLETED", "COMPLETED", "FAILED"]
    assert last in ("CANCELLED", "FAILED"), "a worker that took it up meanwhile sees that the run is stopped"
    assert night.events() == {"asset.failed": 20, "run.stopped": 1}
    (told,) = [message["data"] for message in night.heard if message["event"] == "run.stopped"]
    assert "20 assets in a row failed alike" in told["stopped"]
    assert (told["counts"]["failed"], told["counts"]["queued"]) == (20, 8)


def test_a_cancelled_night_reaches_its_shards(server: PrefectServer, night: Night) -> None:
    night.put({f"p{n}": f"photo {n}" for n in range(6)})
    with server.worker("cpu", "gpu", MESHMILL_TEST_SECONDS="3", **night.environment):
        run = night.start(shard_size=3)
        server.until(lambda: (night.folder / "log").exists())
        cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        server.ask(f"flow_runs/{run}/set_state", cancelling)
        begun = (night.folder / "log").read_text().split()
        assert server.ended(run)["state_type"] == "CANCELLED"
        shards = night.shards(run)
        for shard in shards:
            assert server.ended(shard["id"])["state_type"] == "CANCELLED"
    assert len(shards) == 2
    done = (night.folder / "log").read_text().split()
    assert len(done) <= len(begun) + 1, "it ends after the stage at hand"
    assert night.ask("SELECT count(*) FROM stage_run WHERE state <> 'finished'") == [(0,)], "which was not cut off"
    assert night.statuses() == {"queued": 6}
    assert night.events() == {"run.stopped": 1}


def test_an_error_of_prefect_ends_no_night(server: PrefectServer, night: Night) -> None:
    """Each kind of request, by the workers, the night and its shards, is answered 500 once."""
    night.put({f"p{n}": f"photo {n}" for n in range(3)})
    with stumbling_proxy(int(server.api.split(":")[2].split("/")[0])) as proxy:
        api = f"http://127.0.0.1:{proxy.port}/api"
        with server.worker("cpu", "gpu", PREFECT_API_URL=api, **night.environment):
            run = night.start(shard_size=2)
            assert server.ended(run)["state_type"] == "COMPLETED", server.logs()
            shards = night.shards(run)
    assert [shard["state_type"] for shard in shards] == ["COMPLETED"] * 2
    assert len({shard["infrastructure_pid"] for shard in shards}) == 2, (
        "each in a new process: what leaked goes with it"
    )
    assert night.statuses() == {"finished": 3}
    assert proxy.stumbled["POST /api/flow_runs/ID/set_state"] == 1
    assert proxy.stumbled["POST /api/deployments/ID/create_flow_run"] == 1


@pytest.mark.parametrize("trouble", ["bucket", "key"])
def test_a_store_that_refuses_stops_the_night(server: PrefectServer, night: Night, seaweed: str, trouble: str) -> None:
    from s3_server import ACCESS, SECRET, ready

    from storage.s3 import open_s3

    store = ready(open_s3("nights", trouble, seaweed, ACCESS, SECRET))
    night.put({f"p{n}": f"photo {n}" for n in range(6)})
    good = night.environment | {
        "MESHMILL_STORE_URL": f"s3://nights/{trouble}",
        "MESHMILL_S3_ENDPOINT": seaweed,
        "MESHMILL_S3_ACCESS_KEY": ACCESS,
        "MESHMILL_S3_SECRET_KEY": SECRET,
    }
    bad = good | (
        {"MESHMILL_STORE_URL": "s3://no-such-bucket-here"}
        if trouble == "bucket"
        else {"MESHMILL_S3_SECRET_KEY": "wrong"}
    )
    with server.worker("cpu", **good), server.worker("gpu", **bad):
        ended = server.ended(night.start(shard_size=2))
    assert ended["state_type"] == "FAILED", server.logs()
    said = "NoSuchBucket" if trouble == "bucket" else "SignatureDoesNotMatch"
    assert said in ended["state"]["message"]
    assert night.statuses() == {"queued": 6}, "no asset is blamed"
    assert night.events() == {"run.stopped": 1}
    with server.worker("cpu", "gpu", **good):
        assert server.ended(night.start(shard_size=2))["state_type"] == "COMPLETED", server.logs()
    assert night.statuses() == {"finished": 6}
    assert list(store.list())
