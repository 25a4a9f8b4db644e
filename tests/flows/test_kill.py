"""The kill test: `kill -9` of the whole process tree at random moments, run again, until the catalogue is complete."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from storage.folder import FolderStore
from tasks.keys import STAGES

RUN = [sys.executable, str(Path(__file__).with_name("kill_run.py"))]
PRODUCTS = 6


def tree(pid: int) -> list[int]:
    """A process and everything below it."""
    found = [pid]
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if parent == pid:
                found += tree(int(folder.name))
    return found


def kill_tree(pid: int) -> None:
    for child in tree(pid):
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    kills = 20
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "config.json").write_text("{}")
    (tmp_path / "segmenter.onnx").write_text("x")
    (tmp_path / "photos").mkdir()
    for n in range(PRODUCTS):
        (tmp_path / "photos" / f"p{n}.png").write_bytes(b"photo %d" % n)
    log = tmp_path / "log"
    environment = os.environ | {"MESHMILL_TEST_LOG": str(log), "MESHMILL_TEST_SECONDS": "0.3"}
    environment |= {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    database = tmp_path / "home" / "meshmill.db"
    dice = random.Random(7)
    done = 0
    for _ in range(kills):
        process = subprocess.Popen([*RUN, str(tmp_path)], env=environment, stdout=subprocess.DEVNULL, stderr=2)
        started, deadline = log.read_text().count("\n") if log.exists() else 0, time.monotonic() + 120
        # Imports take most of a run's life here: the dice start when a stage has, so that kills hit stages.
        while process.poll() is None and time.monotonic() < deadline:
            if log.exists() and log.read_text().count("\n") > started:
                break
            time.sleep(0.02)
        time.sleep(dice.uniform(0, 1.2))
        done += process.poll() is None
        kill_tree(process.pid)
        process.wait()
        if database.exists():
            with sqlite3.connect(database) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for entry in FolderStore(tmp_path / "home" / "store").list():
            data = (tmp_path / "home" / "store" / entry.key).read_bytes()
            assert hashlib.sha256(data).hexdigest() in entry.key, "no half-written object under a final key"
    assert done >= 5, "most kills must hit a running run"

    final = subprocess.run([*RUN, str(tmp_path)], env=environment, capture_output=True, text=True, check=True)
    counts = json.loads(final.stdout)
    assert counts["finished"] == PRODUCTS
    with sqlite3.connect(database) as connection:
        skus = [row[0] for row in connection.execute("SELECT sku FROM finished_assets")]
        assert sorted(skus) == [f"p{n}" for n in range(PRODUCTS)], "each exactly once"
        finished = connection.execute(
            "SELECT key, count(*) FROM stage_run WHERE state='finished' GROUP BY key"
        ).fetchall()
        assert len(finished) == PRODUCTS * len(STAGES)
        assert {count for _, count in finished} == {1}
        attempts = connection.execute("SELECT count(*) FROM stage_run").fetchone()[0]
        unfinished = connection.execute("SELECT count(*) FROM stage_run WHERE state='running'").fetchone()[0]
        assert unfinished == 0
        keys = [row[0] for row in connection.execute("SELECT key FROM artifact")]
    store = FolderStore(tmp_path / "home" / "store")
    assert all(store.size(key) is not None for key in keys), "no row without its object"
    # A finished stage is never computed again: what ran beyond one a stage are the attempts that were killed.
    computed = Counter(log.read_text().split())
    assert sum(computed.values()) <= attempts
    assert sum(computed.values()) - PRODUCTS * len(STAGES) <= kills
