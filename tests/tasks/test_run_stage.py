"""Stages: built once, reused, retried, killed, resumed. On both databases."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import fake_stages
import pytest
from sqlalchemy import select, text, update

from core.errors import NoObject, StageError, StageTimeout
from core.recipes import Recipe, load_recipe
from core.records import to_json
from db import assets
from db.catalogue import ensure_catalogue, sync_products
from db.engine import reading, writing
from db.lineage import lineage
from db.tables import Lease, StageRun
from storage.places import file_uri
from tasks.build import begin_asset, build_ahead, request
from tasks.factory import Factory, open_factory
from tasks.models import Weights, registered_in, resolve_models
from tasks.plan import Plan, plan_catalogue
from tasks.reproduce import reproduce
from tasks.run_stage import run_stage
from tasks.settings import Settings
from tasks.sources import hash_file, scan_folder
from tasks.stages import STAGE_NAMES


class Shop:
    """A folder of photos and the factory that builds them with stages that cost nothing."""

    def __init__(self, folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.photos = folder / "photos"
        self.photos.mkdir()
        self.log = folder / "log"
        monkeypatch.setenv("MESHMILL_TEST_LOG", str(self.log))
        (folder / "views").mkdir()
        (folder / "views" / "config.json").write_text("{}")
        (folder / "segmenter.onnx").write_text("x")
        self.folder, self.database_url = folder, database_url
        self.settings = Settings(home=folder / "home", database_url=database_url, lease_seconds=5, **settings)
        self.factories: list[Factory] = []

    def factory(self) -> Factory:
        factory = open_factory(self.settings, compute=fake_stages.compute)
        factory.owner += f"{len(self.factories)}"
        self.factories.append(factory)
        return factory

    def recipe(self, *overrides: str) -> Recipe:
        places = [f"views.checkpoint={self.folder}/views", f"segment.model={self.folder}/segmenter.onnx"]
        return load_recipe("starter", [*places, *overrides])

    def plan(self, factory: Factory, *overrides: str, force: bool = False) -> tuple[Plan, dict[str, Weights]]:
        recipe = self.recipe(*overrides)
        models = resolve_models(self.settings, recipe, registered_in(factory.engine))
        catalogue = ensure_catalogue(factory.engine, "photos", file_uri(self.photos))
        sync_products(factory.engine, catalogue, scan_folder(self.photos).products, hash_file, allow_removal=True)
        return plan_catalogue(factory, catalogue, recipe, models, force=force), models

    def build(self, factory: Factory, *overrides: str) -> Plan:
        plan, models = self.plan(factory, *overrides)
        build_ahead(factory, plan.build, models, lambda: False)
        return plan

    def computed(self) -> Counter[str]:
        """Stages that really ran since the last question."""
        counts = Counter(self.log.read_text().split()) if self.log.exists() else Counter()
        self.log.unlink(missing_ok=True)
        return counts

    def statuses(self, factory: Factory) -> dict[str, str]:
        return {row.sku: row.status for row in assets.list_assets(factory.engine) if row.status != "superseded"}

    def close(self) -> None:
        for factory in self.factories:
            factory.close()


@pytest.fixture
def shop(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    opened = Shop(tmp_path, database_url, monkeypatch)
    yield opened
    opened.close()


@pytest.fixture
def small_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    opened = Shop(tmp_path, f"sqlite:///{tmp_path / 'm.db'}", monkeypatch, stage_timeout=5)
    yield opened
    opened.close()


def test_only_what_changed_is_built_again(shop: Shop) -> None:
    factory = shop.factory()
    for n in range(3):
        (shop.photos / f"p{n}.png").write_bytes(b"photo %d" % n)
    assert len(shop.build(factory).build) == 3
    assert shop.computed() == dict.fromkeys(STAGE_NAMES, 3)

    again = shop.build(factory)
    assert (len(again.build), len(again.reused)) == (0, 3)
    assert shop.computed() == {}

    (shop.photos / "p1.png").write_bytes(b"another photo")
    assert len(shop.build(factory).build) == 1
    assert shop.computed() == dict.fromkeys(STAGE_NAMES, 1)

    assert len(shop.build(factory, "finish.faces=5000").build) == 3
    assert shop.computed() == {"finish": 3, "assess": 3}

    (shop.folder / "views" / "config.json").write_text('{"new": true}')
    assert len(shop.build(factory).build) == 3
    assert shop.computed() == dict.fromkeys(STAGE_NAMES[1:], 3)
    assert shop.statuses(factory) == {"p0": "finished", "p1": "finished", "p2": "finished"}


def test_every_asset_says_how_it_was_made(shop: Shop) -> None:
    factory = shop.factory()
    (shop.photos / "p.png").write_bytes(b"photo")
    (asset_id,) = shop.build(factory).build
    record = to_json(lineage(factory.engine, asset_id))
    assert [stage["stage"] for stage in record["stages"]] == list(STAGE_NAMES)
    made = {a["kind"]: a["sha256"] for stage in record["stages"] for a in stage["artifacts"]}
    for stage in record["stages"]:
        for read in stage["inputs"]:
            assert read["sha256"] == (record["photo"]["sha256"] if read["role"] == "photo" else made[read["role"]])
    with reading(factory.engine) as session:
        row = session.connection().exec_driver_sql("SELECT sku, faces, bytes, recipe, model FROM finished_assets").one()
    assert (row[0], row[1], row[3]) == ("p", 100, "starter")
    assert row[4].startswith("views@")


def test_an_object_that_vanished_from_the_store_is_made_again(shop: Shop) -> None:
    factory = shop.factory()
    (shop.photos / "p.png").write_bytes(b"photo")
    (asset_id,) = shop.build(factory).build
    shop.computed()
    stored = assets.artifact(factory.engine, asset_id, "field")
    assert stored is not None
    factory.store.delete(stored.key)
    plan, models = shop.plan(factory, "mesh.denoise=0.5")
    build_ahead(factory, plan.build, models, lambda: False)
    assert shop.computed() == {"reconstruct": 1, "mesh": 1, "finish": 1, "assess": 1}


@pytest.mark.server
def test_two_workers_on_one_catalogue_build_each_key_once(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHMILL_TEST_SECONDS", "0.02")
    shop = Shop(tmp_path, postgres_url, monkeypatch)
    for n in range(6):
        (shop.photos / f"p{n}.png").write_bytes(b"photo %d" % n)
    factories = [shop.factory(), shop.factory()]
    plan, models = shop.plan(factories[0])
    # From both ends: each surely builds something, and they meet in the middle.
    orders = (plan.build, plan.build[::-1])
    threads = [
        threading.Thread(target=build_ahead, args=(factory, order, models, lambda: False))
        for factory, order in zip(factories, orders, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shop.computed() == dict.fromkeys(STAGE_NAMES, 6)
    assert set(shop.statuses(factories[0]).values()) == {"finished"}
    with reading(factories[0].engine) as session:
        owners = set(session.scalars(select(StageRun.owner)))
        assert len(owners) == 2, "both took part"
        assert session.scalars(select(Lease)).all() == []
    shop.close()


@pytest.mark.parametrize(
    ("photo", "error", "sentence"),
    [
        (b"bad", NoObject, "No object"),
        (b"crash", StageError, "crashed"),
        (b"hang", StageTimeout, "longer than 5 s"),
        (b"ours", StageError, "ZeroDivisionError"),
    ],
)
def test_a_stage_that_ends_badly_says_so_and_harms_nobody(
    small_shop: Shop, photo: bytes, error: type[Exception], sentence: str
) -> None:
    factory = small_shop.factory()
    (small_shop.photos / "cup.png").write_bytes(photo)
    (small_shop.photos / "mug.png").write_bytes(b"photo")
    plan, models = small_shop.plan(factory)
    first = next(id_ for id_ in plan.build if assets.job(factory.engine, id_).candidate.sku == "cup")
    with pytest.raises(error, match=sentence):
        run_stage(factory, request(begin_asset(factory, first, models), "segment"))
    with reading(factory.engine) as session:
        run = session.scalars(select(StageRun)).one()
        assert (run.state, run.error_class) == ("failed", error.__name__)
        assert session.scalars(select(Lease)).all() == []
    build_ahead(factory, plan.build, models, lambda: False)
    status = "quarantined" if error is NoObject else "failed"
    assert small_shop.statuses(factory) == {"cup": status, "mug": "finished"}
    again, _ = small_shop.plan(factory)
    assert len(again.build) == (1 if error is StageTimeout else 0), "only what the surroundings caused is tried again"


def test_a_network_error_passes_with_the_next_try(small_shop: Shop) -> None:
    factory = small_shop.factory()
    (small_shop.photos / "a.png").write_bytes(b"flaky")
    small_shop.build(factory)
    small_shop.build(factory)
    assert small_shop.statuses(factory) == {"a": "finished"}


def test_memory_that_runs_out_is_met_a_step_down_on_record_and_repeated_by_reproduce(
    small_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHMILL_TEST_MEMORY", "rays=1024")
    factory = small_shop.factory()
    (small_shop.photos / "p.png").write_bytes(b"photo")
    (asset_id,) = small_shop.build(factory, "reconstruct.rays=4096").build
    with reading(factory.engine) as session:
        rows = session.scalars(select(StageRun).where(StageRun.stage == "reconstruct").order_by(StageRun.id)).all()
        assert [(row.ladder, row.state, row.error_class) for row in rows] == [
            (0, "failed", "OutOfMemory"), (1, "failed", "OutOfMemory"), (2, "finished", None)
        ]  # fmt: skip
        assert len({row.key for row in rows}) == 1
    (stage,) = [s for s in to_json(lineage(factory.engine, asset_id))["stages"] if s["stage"] == "reconstruct"]
    assert (stage["ladder"], stage["parameters"]["params"]["rays"]) == (2, 4096), "what was asked, and what was done"
    monkeypatch.delenv("MESHMILL_TEST_MEMORY")
    roomy = small_shop.factory()
    assert reproduce(roomy, asset_id).same, "at the step that was taken, though there is memory now"
    with writing(factory.engine) as session:
        session.execute(update(StageRun).where(StageRun.stage == "reconstruct").values(ladder=0))
    assert not reproduce(roomy, asset_id).same, "the full size makes another field"


def test_memory_that_runs_out_at_every_step_fails_the_asset_until_the_next_night(
    small_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHMILL_TEST_MEMORY", "grid=10")
    factory = small_shop.factory()
    (small_shop.photos / "p.png").write_bytes(b"photo")
    small_shop.build(factory, "reconstruct.rays=2048", "reconstruct.grid=64")
    with reading(factory.engine) as session:
        rows = session.scalars(select(StageRun).where(StageRun.stage == "reconstruct").order_by(StageRun.id)).all()
        assert [(row.ladder, row.error_class) for row in rows] == [(step, "OutOfMemory") for step in range(3)]
        assert session.scalars(select(Lease)).all() == []
    assert small_shop.statuses(factory) == {"p": "failed"}
    again, _ = small_shop.plan(factory, "reconstruct.rays=2048", "reconstruct.grid=64")
    assert len(again.build) == 1


def test_of_a_hundred_photos_only_the_changed_one_is_built_again(small_shop: Shop) -> None:
    factory = small_shop.factory()
    for n in range(100):
        (small_shop.photos / f"p{n:02}.png").write_bytes(b"photo %d" % n)
    assert len(small_shop.build(factory).build) == 100
    assert small_shop.computed() == dict.fromkeys(STAGE_NAMES, 100)
    (small_shop.photos / "p37.png").write_bytes(b"another photo")
    plan = small_shop.build(factory)
    assert (len(plan.build), len(plan.reused)) == (1, 99)
    assert small_shop.computed() == dict.fromkeys(STAGE_NAMES, 1)
    assert set(small_shop.statuses(factory).values()) == {"finished"}


def test_two_products_with_one_photo_share_its_stages(small_shop: Shop) -> None:
    factory = small_shop.factory()
    for name in ("cup", "mug"):
        (small_shop.photos / f"{name}.png").write_bytes(b"photo")
    small_shop.build(factory)
    assert small_shop.computed() == dict.fromkeys(STAGE_NAMES[:4], 1) | {"finish": 2, "assess": 2}


def test_a_stage_whose_lease_was_taken_over_stops_and_leaves_it_to_the_other(
    small_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a host that slept: its lease ran out, another host has the key now and dies with it."""
    monkeypatch.setenv("MESHMILL_TEST_SECONDS", "4")
    factory = small_shop.factory()
    (small_shop.photos / "a.png").write_bytes(b"photo")
    plan, models = small_shop.plan(factory)
    wanted = request(begin_asset(factory, plan.build[0], models), "segment")

    def take_over() -> None:
        while not small_shop.log.exists():  # its computing has begun
            time.sleep(0.02)
        with writing(factory.engine) as session:
            clock = "(julianday('now') - 2440587.5) * 86400.0"
            session.execute(text(f"UPDATE lease SET owner = 'another-host:1:1:', expires = {clock} + 6"))

    thread = threading.Thread(target=take_over)
    thread.start()
    result = run_stage(factory, wanted)
    thread.join()
    assert not result.reused
    with reading(factory.engine) as session:
        runs = session.scalars(select(StageRun).order_by(StageRun.id)).all()
        assert [(run.state, run.error_class) for run in runs] == [("failed", "Abandoned"), ("finished", None)]
        assert session.scalars(select(Lease)).all() == []
