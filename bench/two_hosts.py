"""Three hosts on one machine: a server host and two that build, each in a network of its own; a transcript on stdout.

    python bench/two_hosts.py        as root, on Linux (ip, unshare)

Network, PID and UTS namespaces stand for hosts, a bridge for the wire between them. The server host has PostgreSQL
with passwords, SeaweedFS, Prefect's server (the kit's own scripts, tests/deploy/plane.py) and the worker of the pool
`cpu`; each of the others has a home of its own and a worker of the pool `gpu` with `--limit 1` and
`CUDA_VISIBLE_DEVICES`, which is its GPU's slot. Stages cost nothing but time.

A night is built by both. In a second one the wire to a host is cut in mid-stage and mended after the night. Exit 1
where a product is lost, doubled, half-published or unpublished, or where one host built nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "flows")]

from audit import Watch, audit  # noqa: E402

from storage.s3 import open_s3  # noqa: E402
from tests.deploy.plane import BIN, Plane  # noqa: E402

SERVER, HOSTS = "10.77.0.1", {"builder-1": "10.77.0.2", "builder-2": "10.77.0.3"}
PRODUCTS = 12
OURS = "MESHMILL_BENCH_NAMESPACE"


def shell(*words: str) -> None:
    subprocess.run(words, check=True)


def wire() -> None:
    """A bridge, and a namespace a host at its other end; all of it goes with this process."""
    shell("mount", "-t", "tmpfs", "none", "/run")
    (Path("/run") / "netns").mkdir()
    shell("ip", "link", "set", "lo", "up")
    shell("ip", "link", "add", "wire", "type", "bridge")
    shell("ip", "address", "add", f"{SERVER}/24", "dev", "wire")
    shell("ip", "link", "set", "wire", "up")
    for name, address in HOSTS.items():
        shell("ip", "netns", "add", name)
        shell("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        shell("ip", "link", "set", name, "master", "wire", "up")
        within = ("ip", "netns", "exec", name, "ip")
        shell(*within, "address", "add", f"{address}/24", "dev", "eth0")
        shell(*within, "link", "set", "eth0", "up")
        shell(*within, "link", "set", "lo", "up")


def cut(name: str, up: bool) -> None:
    print(f"# the wire to {name} is {'mended' if up else 'cut'}", flush=True)
    shell("ip", "link", "set", name, "up" if up else "down")


class Hosts:
    """The plane, the workers of the hosts, and what they are told."""

    def __init__(self, folder: Path) -> None:
        self.plane = Plane(folder, address=SERVER)
        self.photos, self.log = folder / "photos", folder / "stages.log"
        self.photos.mkdir()
        (folder / "views").mkdir()
        (folder / "views" / "config.json").write_text("{}")
        (folder / "segmenter.onnx").write_text("x")
        self.log.touch()
        self.workers: list[subprocess.Popen[bytes]] = []

    def on(self, host: str) -> tuple[list[str], dict[str, str]]:
        """How a command is begun there, and with which variables."""
        home = self.plane.folder / host
        fakes = {
            "MESHMILL_HOME": str(home / "home"),
            "PREFECT_HOME": str(home / "prefect"),
            "PYTHONPATH": f"{ROOT / 'tests' / 'flows' / 'fake_pool'}:{ROOT}",
            "MESHMILL_TEST_POOL": "1",
            "MESHMILL_TEST_SECONDS": "1",
            "MESHMILL_TEST_LOG": str(self.log),
            "MESHMILL_LEASE_SECONDS": "15",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500,504",
            "CUDA_VISIBLE_DEVICES": "0",
        }
        inside = ["ip", "netns", "exec", host] if host in HOSTS else []
        spaces = ["unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c"]
        return [*inside, *spaces, f'hostname {host}; exec "$@"', "sh"], self.plane.worker | fakes

    def run(self, host: str, *words: str, code: int = 0) -> str:
        command, environment = self.on(host)
        done = subprocess.run(
            [*command, sys.executable, "-m", "cli.main", *words],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        print(f"{host}$ meshmill {' '.join(words)}", *(f"  {line[:170]}" for line in said[-9:]), sep="\n", flush=True)
        if done.returncode != code:
            raise SystemExit("\n".join(said[-40:]))
        return done.stdout

    def start_worker(self, host: str, pool: str) -> None:
        print(f"{host}$ prefect worker start --pool {pool} --limit 1 &", flush=True)
        command, environment = self.on(host)
        with (self.plane.folder / f"{host}.log").open("ab") as log:
            words = [str(BIN / "prefect"), "worker", "start", "--pool", pool, "--limit", "1", "--name", host]
            self.workers.append(subprocess.Popen([*command, *words], env=environment, cwd=ROOT, stdout=log, stderr=log))

    def night(self) -> str:
        print("server$ prefect deployment run ingest/nightly", flush=True)
        return self.plane.send_night(self.photos)

    def ended(self, run: str) -> None:
        begun = time.monotonic()
        while (state := self.plane.ask(f"flow_runs/{run}")["state_type"]) not in ("COMPLETED", "FAILED", "CRASHED"):
            if time.monotonic() - begun > 900:
                raise SystemExit("the night does not end")
            time.sleep(1)
        shards = self.plane.ask("flow_runs/filter", {"flows": {"name": {"any_": ["build_assets"]}}})
        states = sorted(shard["state_type"] for shard in shards)
        print(f"  -> {state} after {time.monotonic() - begun:.0f} s; shards so far: {', '.join(states)}", flush=True)
        if state != "COMPLETED":
            raise SystemExit(1)

    def close(self) -> None:
        for worker in self.workers:
            with suppress(ProcessLookupError):
                worker.send_signal(signal.SIGKILL)
            worker.wait()
        self.plane.stop()


def main() -> None:
    if OURS not in os.environ:
        if os.geteuid() or not shutil.which("ip") or not shutil.which("unshare"):
            raise SystemExit("This wants root, ip and unshare: namespaces stand for hosts.")
        words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", sys.executable, *sys.argv]
        os.execvpe("unshare", words, os.environ | {OURS: "1"})
    wire()
    with tempfile.TemporaryDirectory(prefix="meshmill-hosts-") as folder:
        hosts = Hosts(Path(folder))
        try:
            told = two_nights(hosts)
        except BaseException:
            for path in sorted(Path(folder).glob("*.log")):
                print(f"== {path.name}", path.read_text("utf-8", "replace")[-2000:], sep="\n", file=sys.stderr)
            raise
        finally:
            hosts.close()
    print(json.dumps(told))
    if any(told["audit"].values()) or set(told["stages"]) != set(HOSTS):
        raise SystemExit(1)


def two_nights(hosts: Hosts) -> dict[str, dict[str, int]]:
    """The second with a host whose wire is cut. What must be zero, and stages by host."""
    plane = hosts.plane
    plane.start()
    print(f"# server {SERVER}: PostgreSQL, SeaweedFS, Prefect's server, set up by deploy/setup.sh", flush=True)
    secrets = plane.secrets
    password = quote(secrets["MESHMILL_OWNER_PASSWORD"], safe="")
    watch = Watch(f"postgresql://meshmill_owner:{password}@{SERVER}:{plane.ports['postgres']}/meshmill")
    for host in HOSTS:
        hosts.run(host, "doctor", "--worker")
        hosts.start_worker(host, "gpu")
    hosts.start_worker("server", "cpu")

    def put(version: int) -> None:
        for number in range(PRODUCTS):
            (hosts.photos / f"p{number:02}.png").write_bytes(b"photo %d of %d" % (number, version))

    put(1)
    hosts.ended(hosts.night())
    hosts.run("server", "doctor", "pools", "workers")
    put(2)
    seen = len(hosts.log.read_text().splitlines())
    run = hosts.night()
    while len(hosts.log.read_text().splitlines()) < seen + 10:
        time.sleep(0.5)
    cut("builder-2", up=False)
    hosts.ended(run)
    cut("builder-2", up=True)
    hosts.ended(hosts.night())
    hosts.run("server", "fsck")
    store = open_s3(
        "meshmill",
        "",
        f"http://{SERVER}:{plane.ports['s3']}",
        secrets["STORE_ADMIN_KEY"],
        secrets["STORE_ADMIN_SECRET"],
    )
    assert watch.looks(), "nobody watched"
    found = asdict(audit(watch, store, hosts.photos.iterdir()))
    owners = watch.ask("SELECT split_part(owner, ':', 1), count(*) FROM stage_run WHERE state = 'finished' GROUP BY 1")
    watch.close()
    return {"audit": found, "stages": {str(host): int(count) for host, count in owners}}


if __name__ == "__main__":
    main()
