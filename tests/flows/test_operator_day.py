"""An operator's bad day: one catalogue on PostgreSQL behind PgBouncer and an S3 server behind a balancer, one thing
going wrong after the other, and after each a night that ends. Then lost 0, doubled 0, half-published 0, unpublished 0.

    python -m pytest tests/flows/test_operator_day.py -s      prints what happened, case by case

Stages cost nothing but in the last case, which runs the real ones. What is published is looked at all day long, ten
times a second: a product that was published and is not any more counts as unpublished, however short the gap.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from audit import Audit, Watch, audit
from balancer import Balancer
from pooler import pgbouncer
from prefect_server import PrefectServer, prefect_server
from s3_server import ACCESS, SECRET, ready
from shop import ROOT, Shop, left_behind, tree

from storage.s3 import open_s3
from tests.conftest import new_database, upgraded
from tests.flows.test_kill import kill_once

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

PRODUCTS = 4
LEASE = 3
SMALLEST = (
    'views.rings=[{"elevation":10,"count":4}]',
    "reconstruct.steps=60",
    "reconstruct.grid=32",
    "reconstruct.rays=1024",
    "finish.faces=2000",
    "finish.lods=[]",
    "finish.texture=128",
    "finish.usdz=false",
    "finish.turntable=0",
    "quality.finished=0",
)


class Day:
    """The shop, what stands before its servers, and who watches."""

    def __init__(self, folder: Path, database: str, pooled: str, store_port: int, prefix: str) -> None:
        self.balancer, self.prefix, self.store_port = Balancer(store_port), prefix, store_port
        self.environment = {
            "MESHMILL_DATABASE_URL": pooled,
            "MESHMILL_STORE_URL": f"s3://contract/{prefix}",
            "MESHMILL_S3_ENDPOINT": f"http://127.0.0.1:{self.balancer.port}",
            "MESHMILL_S3_ACCESS_KEY": ACCESS,
            "MESHMILL_S3_SECRET_KEY": SECRET,
            "MESHMILL_LEASE_SECONDS": str(LEASE),
            "MESHMILL_TEST_SECONDS": "0.2",
            "MESHMILL_TEST_ALONE": "",
        }
        self.shop = Shop(folder, **self.environment)
        self.shop.stock(PRODUCTS)
        self.shops = [self.shop]
        self.watch = Watch(database)
        self.dice = random.Random(16)
        self.report: list[tuple[str, dict[str, int]]] = []
        self.changes = 0

    def direct(self) -> Any:
        """The store, past the balancer."""
        return open_s3("contract", self.prefix, f"http://127.0.0.1:{self.store_port}", ACCESS, SECRET)

    def change(self, *products: int) -> None:
        """New photos of these products: work for a night."""
        self.changes += 1
        for n in products:
            (self.shop.folder / "photos" / f"p{n}.png").write_bytes(b"photo %d of change %d" % (n, self.changes))

    def night(self, *within: str) -> dict[str, int]:
        return self.shop.finish(self.shop.start(*within), 300)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of meshmill's with stages that cost nothing."""
        line = [sys.executable, str(Path(__file__).with_name("fake_cli.py")), *words, "--json"]
        return subprocess.run(line, env=self.shop.environment, capture_output=True, text=True, check=False, timeout=600)

    def an_object(self, kind: str) -> str:
        """The key of an object of a published asset."""
        keys = self.watch.ask(
            "SELECT artifact.key FROM artifact JOIN asset_stage ON asset_stage.stage_run_id = artifact.made_by "
            "JOIN asset ON asset.id = asset_stage.asset_id "
            f"WHERE asset.status = 'finished' AND kind = '{kind}' ORDER BY 1"
        )
        return str(self.dice.choice(keys)[0])

    def mended(self, **found: int) -> None:
        """fsck finds so many, says so by its exit code, makes them again, and finds nothing any more."""
        names = ("missing", "damaged")
        first = self.command("fsck")
        assert first.returncode == 1, first.stderr
        assert {name: json.loads(first.stdout)[name] for name in names} == dict.fromkeys(names, 0) | found
        repaired = self.command("fsck", "--repair")
        assert repaired.returncode == 0, repaired.stderr
        document = json.loads(repaired.stdout)
        assert (document["repaired"], document["unrepairable"]) == (sum(found.values()), 0)
        again = json.loads(self.command("fsck").stdout)
        assert [again[name] for name in names] == [0, 0]

    def audit(self) -> Audit:
        assert self.watch.looks(), "nobody watched"
        photos = (path for shop in self.shops for path in (shop.folder / "photos").iterdir())
        return audit(self.watch, self.direct(), photos)

    def close(self) -> None:
        self.watch.close()
        for shop in self.shops:
            assert left_behind(shop.folder) == []


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, postgres: Any, seaweed: str) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("day")
    database = new_database(postgres)
    upgraded(database)
    prefix = f"{folder.parent.name}-{folder.name}"
    ready(open_s3("contract", prefix, seaweed, ACCESS, SECRET))
    with pgbouncer(database) as pooled:
        opened = Day(folder, database, pooled, int(seaweed.rsplit(":", 1)[1]), prefix)
        opened.night()
        yield opened
        opened.close()
        for case, counts in opened.report:
            print(f"{case:45}", *(f"{what} {count}" for what, count in counts.items()))  # noqa: T201


@pytest.fixture
def case(day: Day, request: pytest.FixtureRequest) -> Iterator[Day]:
    """The day, and what must be true of it after a case."""
    yield day
    counts = asdict(day.audit())
    day.report.append((request.node.name.removeprefix("test_"), counts))
    assert counts == dict.fromkeys(counts, 0)


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory, postgres: Any) -> Iterator[PrefectServer]:
    with prefect_server(tmp_path_factory.mktemp("prefect"), postgres) as server:
        yield server


@pytest.fixture(scope="module")
def mounts() -> list[str]:
    """A shell that may mount what nobody else sees."""
    shell = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-euc"]
    if subprocess.run([*shell, "mount -t tmpfs none /mnt"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    return shell


def test_kill_minus_nine(case: Day) -> None:
    case.change(0, 1)
    for stage in case.dice.sample(["segment", "views", "reconstruct", "finish", "assess"], 3):
        kill_once(case.shop, stage, case.dice.uniform(0, 0.2))
    case.night()


def test_stopped_past_its_lease_and_woken(case: Day) -> None:
    """SIGSTOP of a worker in mid-stage; another takes its lease over and ends the night; SIGCONT."""
    case.change(0, 2)
    seen = len(case.shop.events())
    sleeper = case.shop.start()
    assert case.shop.wait(sleeper, lambda: any(e[:2] == ["started", "views"] for e in case.shop.events()[seen:]))
    transactions = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    while True:  # stopped within a transaction it would keep its locks as well, until PostgreSQL's own limit
        stopped = tree(sleeper.pid)
        send(stopped, signal.SIGSTOP)
        if case.watch.ask(transactions) == [(0,)]:
            break
        send(stopped, signal.SIGCONT)
        time.sleep(0.05)
    try:
        assert case.night()["finished"] >= 2
    finally:
        send(stopped, signal.SIGCONT)
    assert case.shop.finish(sleeper)["failed"] == 0


def send(pids: list[int], number: int) -> None:
    for pid in pids:
        os.kill(pid, number)


def test_two_workers_in_containers(case: Day) -> None:
    wall = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*wall, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make a PID namespace")
    case.change(1, 3)
    workers = [case.shop.start(*wall), case.shop.start(*wall)]
    for worker in workers:
        assert case.shop.finish(worker, 300)["failed"] == 0


@pytest.mark.parametrize(("trouble", "requests"), [("503", 12), ("slow", 12), ("partial", 3), ("404", 3)])
def test_the_store_answers(case: Day, trouble: str, requests: int) -> None:
    case.change(0, 3)
    seen = len(case.shop.events())
    night = case.shop.start()
    assert case.shop.wait(night, lambda: any(e[:2] == ["started", "views"] for e in case.shop.events()[seen:]))
    case.balancer.trouble(trouble, requests)
    case.shop.finish(night, 300)
    assert case.balancer.done, "the balancer must have been in the way"
    case.balancer.trouble("", 0)
    case.night()


def test_the_photos_mount_vanishes(case: Day) -> None:
    """In mid-run, then for a whole night; then it is back."""
    case.change(1, 2)
    photos, away = case.shop.folder / "photos", case.shop.folder / "away"
    seen = len(case.shop.events())
    night = case.shop.start()
    assert case.shop.wait(night, lambda: any(e[:2] == ["started", "segment"] for e in case.shop.events()[seen:]))
    photos.rename(away)
    photos.mkdir()
    night.communicate(timeout=300)
    case.shop.start().communicate(timeout=300)
    photos.rmdir()
    away.rename(photos)
    case.night()


def test_a_photo_on_a_bad_disk(case: Day, mounts: list[str]) -> None:
    """Reading a process's memory at its beginning is a real EIO of a regular file."""
    case.change(0, 1)
    bad = case.shop.folder / "photos" / "p1.png"
    night = case.shop.start(*mounts, f'mount --bind /proc/$$/mem "{bad}"; exec "$@"', "sh")
    out, _ = night.communicate(timeout=300)
    assert json.loads(out)["finished"] >= PRODUCTS - 1, "the others are built"
    case.night()


def test_a_huge_file_among_the_photos(case: Day) -> None:
    case.change(2)
    huge = case.shop.folder / "photos" / "huge.png"
    with huge.open("wb") as stream:
        stream.truncate(3 << 30)
    assert case.night("prlimit", "--as=2800000000")["quarantined"] == 1
    huge.unlink()
    case.night()


def test_garbage_is_collected_beside_a_night(case: Day) -> None:
    case.change(0, 1, 2, 3)
    seen = len(case.shop.events())
    night = case.shop.start()
    assert case.shop.wait(night, lambda: len(case.shop.events()) > seen)
    for _ in range(3):
        done = case.command("gc", "--delete", "--superseded", "--older-than", "0", "--really")
        assert done.returncode == 0, done.stderr
    case.shop.finish(night)


def test_everything_is_built_again_and_killed(
    case: Day, prefect: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(case.shop.environment, "MESHMILL_TEST_FORCE", "")
        by_prefect(case, prefect, patch, prefect.api)
        kill_once(case.shop, "finish", 0.1)
    case.night()


def by_prefect(case: Day, prefect: PrefectServer, patch: pytest.MonkeyPatch, api: str) -> None:
    """Runs are flow runs on that server from now on."""
    patch.delitem(case.shop.environment, "MESHMILL_TEST_ALONE")
    for name, value in prefect.environment.items():
        if name.startswith("PREFECT_"):
            patch.setitem(case.shop.environment, name, value)
    patch.setitem(case.shop.environment, "PREFECT_API_URL", api)


@pytest.mark.parametrize("kind", ["glb", "views", "cutout"])
def test_a_byte_flips_in_the_store(case: Day, kind: str) -> None:
    key = case.an_object(kind)
    store = case.direct()
    with store.open(key) as stream:
        data = bytearray(stream.read())
    data[len(data) // 2] ^= 1
    name = f"{case.prefix}/{key}"
    store.client.put_object("contract", name, io.BytesIO(bytes(data)), len(data))
    case.mended(damaged=1)


def test_objects_are_deleted(case: Day) -> None:
    for kind in ("glb", "field"):
        case.direct().delete(case.an_object(kind))
    case.mended(missing=2)


def test_prefect_answers_500(case: Day, prefect: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the flow starts and in the middle of it."""
    case.change(1, 3)
    balancer = Balancer(int(prefect.api.rsplit(":", 1)[1].removesuffix("/api")))
    by_prefect(case, prefect, monkeypatch, f"http://127.0.0.1:{balancer.port}/api")
    balancer.trouble("500", 5)
    seen = len(case.shop.events())
    night = case.shop.start()
    assert case.shop.wait(night, lambda: any(e[:2] == ["finished", "views"] for e in case.shop.events()[seen:]))
    assert balancer.done == 5
    balancer.trouble("500", 5)
    assert case.shop.finish(night, 300)["failed"] == 0
    assert balancer.done, "the balancer must have been in the way"


def test_real_stages_killed_and_made_again(case: Day) -> None:
    folder = case.shop.folder / "real"
    folder.mkdir()
    shop = Shop(folder, "tasks.compute", **case.environment, OMP_NUM_THREADS="1")
    case.shops.append(shop)
    shutil.copy(ROOT / "examples" / "photos" / "toaster-red.jpg", folder / "photos" / "toaster.jpg")
    (folder / "recipe").write_text("\n".join(SMALLEST))
    assert kill_once(shop, "reconstruct", 0.2)
    assert shop.finish(shop.start(), 600)["finished"] == 1
    fetched = folder / "toaster.glb"
    assert case.command("fetch", "toaster", "-o", str(fetched)).returncode == 0
    assert case.command("verify", str(fetched)).returncode == 0
