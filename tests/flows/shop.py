"""A catalogue that is built by processes of its own, so that tests can kill them, and what must be true of it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import text

from db.engine import open_engine
from storage import Store
from tasks.factory import open_store_of
from tasks.settings import Settings
from tasks.stages import STAGE_NAMES

ROOT = Path(__file__).resolve().parents[2]
RUN = str(Path(__file__).with_name("kill_run.py"))


class Shop:
    """A folder with ``photos``, ``recipe`` and ``events``, and the runs that work on it."""

    def __init__(self, folder: Path, stages: str = "fake_stages", **environment: str) -> None:
        self.folder, self.stages = folder, stages
        (folder / "photos").mkdir()
        (folder / "recipe").write_text("")
        self.environment = os.environ | {"MESHMILL_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)} | environment
        self.settings = Settings(home=folder / "home", **_settings(environment))

    def stock(self, products: int) -> None:
        """Photos and weights for stages that cost nothing."""
        (self.folder / "views").mkdir()
        (self.folder / "views" / "config.json").write_text("{}")
        (self.folder / "segmenter.onnx").write_text("x")
        places = (f"views.checkpoint={self.folder}/views", f"segment.model={self.folder}/segmenter.onnx")
        (self.folder / "recipe").write_text("\n".join(places))
        for n in range(products):
            (self.folder / "photos" / f"p{n}.png").write_bytes(b"photo %d" % n)

    def start(self, *within: str) -> subprocess.Popen[bytes]:
        """A run on the folder; ``within`` is a command that starts it in surroundings of its own."""
        with (self.folder / "output").open("ab") as output:
            command = [*within, sys.executable, RUN, str(self.folder), self.stages]
            return subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=output)

    def finish(self, process: subprocess.Popen[bytes], seconds: float = 1200) -> dict[str, int]:
        """The run's counts. Raises where it does not end well."""
        out, _ = process.communicate(timeout=seconds)
        assert process.returncode == 0, (self.folder / "output").read_text()[-3000:]
        return dict(json.loads(out))

    def events(self) -> list[list[str]]:
        path = self.folder / "events"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def wait(self, process: subprocess.Popen[bytes], happened: Callable[[], bool], seconds: float = 1200) -> bool:
        """Whether something happened before the process ended."""
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            if happened():
                return True
            time.sleep(0.02)
        return False

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        engine = open_engine(self.settings.database)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(query))]
        engine.dispose()
        return rows

    def store(self) -> Store:
        return open_store_of(self.settings)

    def check_objects(self) -> None:
        """No half-written object under a final key: every readable one has the hash that its key says."""
        store = self.store()
        for entry in store.list("objects/"):
            with store.open(entry.key) as stream:
                assert hashlib.file_digest(stream, "sha256").hexdigest() in entry.key  # type: ignore[arg-type]

    def check_complete(self, products: int) -> None:
        """Every product once, every stage once, nothing running, nothing referred to that is not there."""
        self.check_objects()
        assert [row[0] for row in self.ask("SELECT sku FROM finished_assets ORDER BY 1")] == [
            f"p{n}" for n in range(products)
        ]
        assert self.ask("SELECT status, count(*) FROM asset GROUP BY 1") == [("finished", products)]
        keys = self.ask("SELECT key, stage, count(*) FROM stage_run WHERE state = 'finished' GROUP BY 1, 2")
        assert Counter(stage for _, stage, _ in keys) == dict.fromkeys(STAGE_NAMES, products)
        assert {count for _, _, count in keys} == {1}
        assert self.ask("SELECT count(*) FROM stage_run WHERE state IN ('running', 'replaced')") == [(0,)]
        assert self.ask("SELECT count(*) FROM lease") == [(0,)]
        store, artifacts = self.store(), self.ask("SELECT key, sha256, bytes FROM artifact")
        assert all(store.size(key) == size and sha256 in key for key, sha256, size in artifacts)
        doubled = "SELECT count(*) FROM artifact WHERE made_by IS NULL GROUP BY sha256 HAVING count(*) > 1"
        assert self.ask(doubled) == []
        for n in range(products):
            glb = (self.folder / "out" / f"p{n}.glb").read_bytes()
            assert any(sha256 == hashlib.sha256(glb).hexdigest() for _, sha256, _ in artifacts)

    def check_nothing_twice(self) -> None:
        """A stage that had finished was never started again, in any run."""
        done: set[tuple[str, str]] = set()
        for state, stage, asset, *_ in self.events():
            assert state != "started" or (stage, asset) not in done, f"{stage} of {asset} was built twice"
            if state in ("finished", "reused"):
                done.add((stage, asset))

    def starts(self) -> int:
        return sum(event[0] == "started" for event in self.events())


def _settings(environment: dict[str, str]) -> dict[str, Any]:
    prefix = "MESHMILL_"
    given = {name.removeprefix(prefix).lower(): value for name, value in environment.items() if name.startswith(prefix)}
    return {name: value for name, value in given.items() if name in Settings.model_fields}


def tree(pid: int) -> list[int]:
    """A process and everything below it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for process in found:
        found += children.get(process, [])
    return found


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """`kill -9` of a process and everything below it, at once."""
    for pid in tree(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.communicate()


def left_behind(folder: Path) -> list[str]:
    """Command lines of living processes that a run on this folder started."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                if f"MESHMILL_HOME={folder}".encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found
