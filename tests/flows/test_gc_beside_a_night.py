"""Garbage is collected while a night stores the very objects that are collected: nothing published loses its object."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from s3_server import ACCESS, SECRET, ready
from shop import Shop
from sqlalchemy import text, update
from test_outages import Proxy

from core.recipes import load_recipe
from db.engine import writing
from db.tables import CollectionMark
from storage.s3 import open_s3
from tasks.collect import Garbage, collect
from tasks.factory import Factory, open_factory
from tasks.settings import Settings

PRODUCTS = 3


class SlowDeletes(Proxy):
    """A store that takes its time over each DELETE: by then the world may be another one."""

    seconds = 1.0

    def changed(self, data: bytes, up: bool) -> bytes:
        if up and data.startswith(b"DELETE "):
            time.sleep(self.seconds)
        return data


def forget(factory: Factory) -> None:
    """As if every worker had died between storing and recording."""
    with writing(factory.engine) as session:
        session.execute(text("UPDATE asset SET glb_id = NULL, status = 'queued'"))
        for table in ("publication", "asset_stage", "artifact_input", "artifact", "stage_run"):
            session.execute(text(f"DELETE FROM {table}"))


@pytest.mark.server
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_published_asset_loses_its_object(
    tmp_path: Path, seaweed: str, request: pytest.FixtureRequest, database: str
) -> None:
    prefix = f"{tmp_path.parent.name}-{tmp_path.name}"
    ready(open_s3("contract", prefix, seaweed, ACCESS, SECRET))
    environment = {
        "MESHMILL_STORE_URL": f"s3://contract/{prefix}",
        "MESHMILL_S3_ENDPOINT": seaweed,
        "MESHMILL_S3_ACCESS_KEY": ACCESS,
        "MESHMILL_S3_SECRET_KEY": SECRET,
        "MESHMILL_TEST_ALONE": "",
    }
    if database == "postgresql":
        environment["MESHMILL_DATABASE_URL"] = request.getfixturevalue("postgres_url")
    shop = Shop(tmp_path, **environment)
    shop.stock(PRODUCTS)
    assert shop.finish(shop.start())["finished"] == PRODUCTS
    slow = SlowDeletes(int(seaweed.rsplit(":", 1)[1]))
    collector = open_factory(Settings(**shop.settings.model_dump() | {"s3_endpoint": f"http://127.0.0.1:{slow.port}"}))
    forget(collector)
    collect(collector, delete=True, older_than=-60, really=True)
    with writing(collector.engine) as session:
        session.execute(update(CollectionMark).values(marked=CollectionMark.marked - 100_000))
    found: list[Garbage] = []

    def clean() -> None:
        found.append(collect(collector, delete=True, older_than=-60, really=True))

    cleaning = threading.Thread(target=clean)
    seen = len(shop.events())
    night = shop.start()
    shop.wait(night, lambda: len(shop.events()) > seen)
    cleaning.start()
    assert shop.finish(night)["finished"] == PRODUCTS
    cleaning.join(120)
    (garbage,) = found
    assert garbage.deleted, "the collector must have been in the way of something"
    shop.check_complete(PRODUCTS)
    collector.close()


def test_the_recipe_goes_back_while_its_results_are_given_up(tmp_path: Path) -> None:
    """`gc --superseded` between a night's look at a finished stage and its use of it."""
    shop = Shop(tmp_path, MESHMILL_TEST_ALONE="")
    shop.stock(1)
    shop.finish(shop.start())
    places = (tmp_path / "recipe").read_text()
    (tmp_path / "recipe").write_text(f"{places}\nreconstruct.steps=77")
    shop.finish(shop.start())
    (tmp_path / "recipe").write_text(f"{places}\nfinish.faces=5000")  # the first one's field and mesh, another finish
    factory = open_factory(shop.settings)
    back(factory, tmp_path)
    assert shop.ask("SELECT count(*) FROM asset WHERE status = 'finished'") == [(1,)]
    store = factory.store
    for key, size in shop.ask(
        "SELECT key, artifact.bytes FROM artifact JOIN asset_stage ON made_by = stage_run_id "
        "JOIN asset ON asset.id = asset_id WHERE asset.status = 'finished'"
    ):
        assert store.size(key) == size
    factory.close()


def back(factory: Factory, folder: Path) -> None:
    """A run in which garbage is collected right after the mesh was found finished, and twice more at its end."""
    import fake_stages

    import tasks.run_stage
    from tasks.build import build_ahead
    from tasks.ingest import ingest_source
    from tasks.models import models_of
    from tasks.plan import plan_catalogue

    factory.compute = fake_stages.compute
    really = tasks.run_stage._usable

    def between(factory: Factory, key: str) -> Any:
        found = really(factory, key)
        if found is not None and found.artifacts[0].kind == "mesh":
            again()
        return found

    def again() -> None:
        collect(factory, delete=True, superseded=True, older_than=-60, really=True)
        with writing(factory.engine) as session:
            session.execute(update(CollectionMark).values(marked=CollectionMark.marked - 100_000))

    recipe = load_recipe("starter", (folder / "recipe").read_text().split())
    catalogue, _ = ingest_source(factory, str(folder / "photos"))
    models = models_of(factory, recipe)
    plan = plan_catalogue(factory, catalogue, recipe, models)
    with patch.object(tasks.run_stage, "_usable", between):
        build_ahead(factory, plan.build, models, lambda: False)
    again()
    again()
