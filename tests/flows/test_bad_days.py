"""`meshmill run` on bad days: full and read-only disks, broken databases, signals, two at once, secrets, strange files.

The real command in processes of their own, with stages that cost nothing (fake_cli.py) unless a test says otherwise.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from storage.folder import FolderStore
from tasks.stages import STAGE_NAMES

ROOT = Path(__file__).resolve().parents[2]
CLI = [sys.executable, str(Path(__file__).with_name("fake_cli.py"))]

pytestmark = pytest.mark.timeout(1200)  # a dozen interpreters start here: seconds each, minutes on a busy machine


def _without_prefect() -> dict[str, str]:
    """This process's environment as a person's shell has it: tests before may have opened a server in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


class Shop:
    """A folder with photos, weights that are none, and a home."""

    def __init__(self, folder: Path, products: int = 2) -> None:
        self.folder, self.home, self.out = folder, folder / "home", folder / "out"
        self.log = folder / "log"
        (folder / "views").mkdir()
        (folder / "views" / "config.json").write_text("{}")
        (folder / "segmenter.onnx").write_text("x")
        (folder / "photos").mkdir()
        for n in range(products):
            (folder / "photos" / f"p{n}.png").write_bytes(b"photo %d" % n)
        self.environment = {
            "MESHMILL_HOME": str(self.home),
            "MESHMILL_TEST_LOG": str(self.log),
            "PYTHONPATH": str(ROOT),
        }

    def command(self, *more: str) -> list[str]:
        places = ["--set", f"views.checkpoint={self.folder}/views"]
        if not any(part.startswith("segment.model") for part in more):
            places += ["--set", f"segment.model={self.folder}/segmenter.onnx"]
        return [*CLI, "run", str(self.folder / "photos"), "--out", str(self.out), *places, *more]

    def call(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        values = _without_prefect() | self.environment | environment
        return subprocess.run(command, env=values, capture_output=True, text=True, timeout=540, check=False)

    def run(self, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.call(self.command("--json", *more), **environment)

    def start(self, *more: str, **environment: str) -> subprocess.Popen[str]:
        values = _without_prefect() | self.environment | environment
        pipe = subprocess.PIPE
        command = self.command("--json", *more)
        # A shell that puts tests into the background makes them ignore SIGINT, and their children inherit that.
        heard = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(command, env=values, stdout=pipe, stderr=pipe, text=True)
        finally:
            signal.signal(signal.SIGINT, heard)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.home / "meshmill.db") as connection:
            return connection.execute(query).fetchall()

    def computed(self) -> Counter[str]:
        return Counter(self.log.read_text().split()) if self.log.exists() else Counter()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The last line on stderr; there must be no traceback above it."""
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def namespace() -> list[str]:
    """A shell that may mount file systems nobody else sees."""
    shell = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-euc"]
    probe = "d=$(mktemp -d); mount -t tmpfs none $d; umount $d; rmdir $d"
    if shutil.which("unshare") is None or subprocess.run([*shell, probe], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    return shell


def test_a_disk_that_fills_up_loses_nothing_and_the_next_run_goes_on(shop: Shop, namespace: list[str]) -> None:
    """A home of 6 MiB for files of 0.5 MiB each; then somebody frees space, and the same command is run again."""
    shop.home.mkdir()
    script = (
        'mount -t tmpfs -o size=6m none "$MESHMILL_HOME"; cd "$MESHMILL_HOME/.."\n'
        '"$@" >full.json 2>full.err && echo 0 >full.code || echo $? >full.code\n'
        'cp -r "$MESHMILL_HOME" full\n'
        'mount -o remount,size=200m "$MESHMILL_HOME"\n'
        '"$@" >free.json 2>free.err && echo 0 >free.code || echo $? >free.code\n'
    )
    done = shop.call([*namespace, script, "sh", *shop.command("--json")], MESHMILL_TEST_BYTES="500000")
    assert done.returncode == 0, done.stderr
    said = (shop.folder / "full.err").read_text()
    assert (shop.folder / "full.code").read_text().strip() == "1"
    assert "Traceback" not in said
    assert "disk" in said.splitlines()[-1]
    assert str(shop.home) in said.splitlines()[-1], "which disk"
    assert "run the same command again" in said.splitlines()[-1]
    assert json.loads((shop.folder / "full.json").read_text())["error"]["code"] == "transient_error"

    left = shop.folder / "full"
    stored = {
        entry.key: (left / "store" / entry.key).read_bytes() for entry in FolderStore(left / "store").list("objects/")
    }
    assert stored
    assert all(len(data) in (7, 500_000) for data in stored.values()), "nothing half-written under a final key"
    with sqlite3.connect(left / "meshmill.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = connection.execute("SELECT count(*) FROM stage_run WHERE state = 'finished'").fetchone()[0]
        recorded = [row[0] for row in connection.execute("SELECT key FROM artifact")]
    assert set(recorded) <= set(stored), "no row without its object"

    assert (shop.folder / "free.code").read_text().strip() == "0"
    assert json.loads((shop.folder / "free.json").read_text())["counts"]["failed"] == 0
    counts = shop.computed()
    assert sum(counts.values()) < 2 * 2 * len(STAGE_NAMES) - kept + 1, "what was finished is not computed again"
    assert counts["segment"] <= 3


def test_a_read_only_home_is_said_and_left_alone(shop: Shop, namespace: list[str]) -> None:
    script = (
        'mount -t tmpfs -o ro none "$MESHMILL_HOME"\n'
        'for c in "$1" "$2"; do $c >>"$MESHMILL_HOME/../o" 2>>"$MESHMILL_HOME/../said" && exit 9 || echo $?; done'
    )
    shop.home.mkdir()
    commands = [" ".join(shop.command()), " ".join([*CLI, "assets"])]
    done = shop.call([*namespace, script, "sh", *commands])
    assert done.stdout.split() == ["1", "1"], done.stderr
    said = (shop.folder / "said").read_text()
    assert said.count("\n") == 2, said
    assert said.count("set MESHMILL_HOME to another place") == 2
    assert shop.computed() == {}


@pytest.mark.parametrize("damage", ["nonsense", "cut", "torn"])
def test_a_broken_database_file_is_said_and_not_touched(shop: Shop, damage: str) -> None:
    from db.engine import open_engine
    from db.migrate import upgrade

    path = shop.home / "meshmill.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    whole = path.read_bytes()
    broken = {
        "nonsense": b"not a database " * 5000,
        "cut": whole[: len(whole) // 2],
        "torn": whole[:200] + os.urandom(len(whole) - 200),
    }[damage]
    path.write_bytes(broken)
    done = shop.run()
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["message"]
    assert "backup" in sentence(done), done.stderr
    assert path.read_bytes() == broken, "whoever wants to rescue it finds it as it was"


def test_every_stage_may_be_interrupted_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """One product, stopped once in each stage, by SIGTERM and SIGINT in turns: each run goes one stage further."""
    shop = Shop(tmp_path, 1)
    for number, stage in enumerate(STAGE_NAMES):
        process = shop.start(MESHMILL_TEST_SLOW=stage)
        while shop.computed()[stage] == 0 and process.poll() is None:
            time.sleep(0.05)
        how, code = ((signal.SIGTERM, 143), (signal.SIGINT, 130))[number % 2]
        process.send_signal(how)
        out, said = process.communicate(timeout=240)
        assert process.returncode == code, said
        assert "Traceback" not in said
        assert "run the same command again" in said.splitlines()[-1]
        assert json.loads(out)["error"]["code"] == "stopped"
        assert not list(shop.out.glob("*.glb")), "nothing half-published"
        assert shop.rows("SELECT count(*) FROM finished_assets") == [(0,)]
        finished = {row[0] for row in shop.rows("SELECT stage FROM stage_run WHERE state = 'finished'")}
        assert finished == set(STAGE_NAMES[:number]), "what was finished is kept"
        assert children_of(process.pid) == []
    done = shop.run()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["finished"] == 1
    assert shop.computed() == {stage: 2 if stage in STAGE_NAMES else 1 for stage in STAGE_NAMES}, (
        "twice: stopped, and built"
    )
    assert shop.rows("SELECT count(*) FROM lease") == [(0,)]
    assert shop.rows("SELECT count(*) FROM stage_run WHERE state = 'running'") == [(0,)]


def children_of(pid: int) -> list[str]:
    """Processes whose environment names this one's home would be children left behind; found by parent id."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append((folder / "cmdline").read_text())
            except (OSError, IndexError):
                continue
    return found


def test_two_runs_on_one_home_share_the_work(tmp_path: Path) -> None:
    shop = Shop(tmp_path, 3)
    both = [shop.start("--out", str(tmp_path / f"out{n}"), MESHMILL_TEST_SECONDS="0.1") for n in range(2)]
    ended = [(process, *process.communicate(timeout=540)) for process in both]
    for process, out, said in ended:
        assert process.returncode == 0, said
        assert {row["status"] for row in json.loads(out)["assets"]} == {"finished"}
    assert shop.computed() == dict.fromkeys(STAGE_NAMES, 3), "each stage of each product once, not twice"
    assert shop.rows("SELECT sku FROM finished_assets ORDER BY sku") == [("p0",), ("p1",), ("p2",)]
    assert shop.rows("SELECT count(*) FROM asset") == [(3,)]
    for n in range(2):
        assert len(list((tmp_path / f"out{n}").glob("*.glb"))) == 3


SECRETS = {
    "MESHMILL_S3_ACCESS_KEY": "AKIA-canary-access",
    "MESHMILL_S3_SECRET_KEY": "canary-s3-secret",
    "MESHMILL_WEBHOOK_SECRET": "canary-webhook-secret",
    "MESHMILL_GALLERY_TOKEN": "canary-gallery-token",
    "PREFECT_API_KEY": "canary-prefect-key",
}


@pytest.mark.slow
@pytest.mark.server
def test_no_secret_is_found_in_anything_a_run_leaves(tmp_path: Path, postgres_url: str) -> None:
    """A good run and one whose store is down, on a PostgreSQL with a password; then every byte is searched."""
    from sqlalchemy import inspect, text

    from db.engine import open_engine

    shop = Shop(tmp_path)
    engine = open_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER ROLE CURRENT_USER PASSWORD 'canary-database-password'"))
    user, _, rest = postgres_url.removeprefix("postgresql://").partition("@")
    url = f"postgresql://{user.partition(':')[0]}:canary-database-password@{rest}"
    environment = SECRETS | {
        "MESHMILL_DATABASE_URL": url,
        "MESHMILL_WEBHOOK_URL": "http://hook:canary-webhook-password@127.0.0.1:9/",
        "MESHMILL_PATIENCE_SECONDS": "1",
        "MESHMILL_S3_ENDPOINT": "http://127.0.0.1:9",
    }
    good = shop.run(**environment)
    assert good.returncode == 0, good.stderr
    (shop.folder / "photos" / "new.png").write_bytes(b"another photo")
    bad = shop.run(MESHMILL_STORE_URL="s3://shop/", **environment)
    assert bad.returncode == 1
    exported = shop.call([*CLI, "gallery", "--out", str(tmp_path / "gallery")], **environment)
    assert exported.returncode == 0, exported.stderr
    doctor = shop.call([*CLI, "doctor", "--json"], **environment)
    pieces = [done.stdout + done.stderr for done in (good, bad, exported, doctor)]
    with engine.connect() as connection:
        names = [*inspect(engine).get_table_names(), "finished_assets"]
        pieces += [repr(row) for name in names for row in connection.execute(text(f"SELECT * FROM {name}"))]
    engine.dispose()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".glb" for path in files)
    assert any(path.suffix == ".html" for path in files)
    searched = "".join(pieces).encode() + b"".join(path.read_bytes() for path in files)
    assert b"p0" in searched
    assert b"canary" not in searched


@pytest.mark.slow
@pytest.mark.shared
def test_every_awkward_file_ends_as_its_table_says(tmp_path: Path, shared_dir: Path) -> None:
    """The whole command over the awkward set, with the real reader and segmenter, and names that no shop should use."""
    shop = Shop(tmp_path, 0)
    table = json.loads((shared_dir / "awkward" / "expected.json").read_text("utf-8"))
    for row in table:
        shutil.copy(shared_dir / "awkward" / row["file"], shop.folder / "photos" / row["file"])
    photo = (shared_dir / "awkward" / "baseline_mug.jpg").read_bytes()
    hostile = [b"new\nline.jpg", b"quo\"te's.jpg", b"\xe2\x80\xaegnp.jpg", b"latin1-\xe9.jpg", b"x" * 251 + b".jpg"]
    for number, name in enumerate(hostile):
        # A byte after a JPEG's end is ignored by readers, and makes it another file of the same picture.
        (shop.folder / "photos" / os.fsdecode(name)).write_bytes(photo + bytes([number]))
    (shop.folder / "photos" / "link.jpg").symlink_to("/etc/passwd")
    os.mkfifo(shop.folder / "photos" / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(shop.folder / "photos" / "socket.jpg"))
        done = shop.run("--no-group", "--set", "segment.model=starter", MESHMILL_TEST_REAL="segment")
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)["assets"]
    assert len(found) == len(table) + len(hostile), "links, pipes and sockets are no products"
    from storage.places import uri_path

    by_name = {}
    for sku, uri, status, reason, figures in shop.rows(
        "SELECT sku, source_uri, asset.status, asset.reason, figures "
        "FROM asset JOIN product ON product.id = asset.product_id "
        "JOIN photo ON photo.id = photo_id "
        "LEFT JOIN asset_stage ON asset_id = asset.id AND asset_stage.stage = 'segment' "
        "LEFT JOIN stage_run ON stage_run.id = stage_run_id"
    ):
        assert sku.isprintable()
        by_name[os.fsencode(uri_path(uri).name)] = (status, reason, json.loads(figures) if figures else {})
    for row in table:
        status, reason, figures = by_name[os.fsencode(row["file"])]
        if row["category"] == "REJECT":
            assert status == "quarantined", row["file"]
            assert reason.endswith("."), row["file"]
        elif row["category"] == "ACCEPT":
            assert status == "finished", (row["file"], reason)
        else:
            assert status == "quarantined" or figures["warnings"], (row["file"], "neither refused nor flagged")
    for name in hostile:
        assert by_name[name][0] == "finished"
    said = [by_name[name][1] or "" for name in (*hostile, b"baseline_mug.jpg")]
    assert sum("the same picture as that of" in text for text in said) >= len(hostile), "all but the first"
    for entry in FolderStore(shop.home / "store").list():
        assert entry.key.isascii()
