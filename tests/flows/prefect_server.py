"""A real Prefect server, its deployments, and workers of its pools whose stages cost nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ports import free_port

from tests.conftest import new_database

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


class PrefectServer:
    """A running server, asked over HTTP as any other program would."""

    def __init__(self, api: str, folder: Path) -> None:
        self.api, self.folder = api, folder
        self.environment = os.environ | {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "MESHMILL_DIRECTORY": str(ROOT),
        }

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def command(self, *words: str) -> str:
        """What `prefect …` printed. Raises where it failed."""
        done = subprocess.run(
            [str(BIN / "prefect"), "--no-prompt", *words],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self) -> None:
        """The pools and all deployments."""
        self.make_pools()
        self.command("deploy", "--all")

    def make_pools(self) -> None:
        for pool in ("cpu", "gpu"):
            self.ask("work_pools/", {"name": pool, "type": "process"})

    def start(self, name: str, **parameters: Any) -> str:
        """The id of a new flow run of ``flow/deployment``."""
        found = self.ask(f"deployments/name/{name}")
        return str(self.ask(f"deployments/{found['id']}/create_flow_run", {"parameters": parameters})["id"])

    def run(self, id_: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(f"flow_runs/{id_}")
        return found

    def runs_of(self, flow: str) -> list[dict[str, Any]]:
        """All runs of a flow, the first one first."""
        body = {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_ASC"}
        found: list[dict[str, Any]] = self.ask("flow_runs/filter", body)
        return found

    def until(self, happened: Callable[[], Any], seconds: float = 300) -> Any:
        """What ``happened`` answers when it is true at last."""
        deadline = time.monotonic() + seconds
        while not (answer := happened()):
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.3)
        return answer

    def ended(self, id_: str, seconds: float = 300) -> dict[str, Any]:
        """The flow run when it is over."""
        over = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
        self.until(lambda: self.run(id_)["state_type"] in over, seconds)
        return self.run(id_)

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("*.log")))

    @contextmanager
    def worker(self, *pools: str, **environment: str) -> Iterator[None]:
        """A worker a pool, each taking one run at a time, with ``MESHMILL_*`` as given."""
        fakes = {
            "MESHMILL_TEST_POOL": "1",
            "PYTHONPATH": str(Path(__file__).parent / "fake_pool"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500,504",  # as documented
        }
        workers = []
        for number, pool in enumerate(pools):
            log = self.folder / f"worker-{pool}-{number}.log"
            workers.append(start_worker(pool, self.environment | fakes | environment, log))
        try:
            yield
        finally:
            stop_workers(workers)


def start_worker(pool: str, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A worker that takes one run at a time, with a process group of its own."""
    command = [str(BIN / "prefect"), "worker", "start", "--pool", pool, "--limit", "1"]
    with log.open("ab") as output:
        return subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )


def stop_workers(workers: list[subprocess.Popen[bytes]]) -> None:
    """And the runs that they leave behind. They linger over their last heartbeat; nothing depends on how they go."""
    for worker in workers:
        worker.terminate()
    deadline = time.monotonic() + 20
    for worker in workers:
        with suppress(subprocess.TimeoutExpired):
            worker.wait(max(0.0, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


@contextmanager
def prefect_server(folder: Path, postgres: Any, **environment: str) -> Iterator[PrefectServer]:
    """A server with a database of its own: in PostgreSQL, as documented for more than one process. On SQLite writers
    that wait for each other stand still for a minute now and then, and more often on a slow machine."""
    url = new_database(postgres).replace("postgresql:", "postgresql+asyncpg:")
    environment = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url} | environment
    port = free_port()
    server = PrefectServer(f"http://127.0.0.1:{port}/api", folder)
    with (folder / "server.log").open("wb") as log:
        command = [str(BIN / "prefect"), "server", "start", "--port", str(port), "--no-ui"]
        process = subprocess.Popen(command, env=server.environment | environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 1200  # a busy machine says nothing about the product
        while not _answers(server):
            assert time.monotonic() < deadline, "Prefect's server does not answer"
            assert process.poll() is None, server.logs()
            time.sleep(0.5)
        yield server
    finally:
        process.terminate()
        process.wait(60)


def _answers(server: PrefectServer) -> bool:
    try:
        return bool(server.ask("health"))
    except OSError:
        return False
