"""Hosts are upgraded one after the other: workers of both versions share a night, the new one follows, and the way back
computes nothing. PostgreSQL, one store, processes of their own; a stage's version is what differs between the two."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from audit import Watch
from shop import Shop

from tasks.stages import STAGE

pytestmark = pytest.mark.server

PRODUCTS = 4
STAGE_OF_PUBLISHED = (
    "SELECT product.sku, stage_run.version FROM publication JOIN product ON product.id = publication.product_id "
    "JOIN asset_stage ON asset_stage.asset_id = publication.asset_id AND asset_stage.stage = 'mesh' "
    "JOIN stage_run ON stage_run.id = asset_stage.stage_run_id ORDER BY 1"
)
TWICE = "SELECT key FROM stage_run WHERE state = 'finished' GROUP BY key HAVING count(*) > 1"


@pytest.fixture
def shop(tmp_path: Path, postgres_url: str) -> Shop:
    made = Shop(tmp_path, MESHMILL_DATABASE_URL=postgres_url, MESHMILL_TEST_SECONDS="0.05", MESHMILL_TEST_ALONE="")
    made.stock(PRODUCTS)
    return made


@pytest.fixture
def watch(shop: Shop, postgres_url: str) -> Iterator[Watch]:
    made = Watch(postgres_url)
    yield made
    made.close()


def start(shop: Shop, old: bool) -> subprocess.Popen[bytes]:
    """A worker of one version or the other."""
    shop.environment.pop("MESHMILL_TEST_OLDER", None)
    if old:
        shop.environment["MESHMILL_TEST_OLDER"] = "mesh"
    return shop.start()


def test_old_and_new_workers_share_a_night_and_the_way_back_computes_nothing(shop: Shop, watch: Watch) -> None:
    new = STAGE["mesh"].version
    assert shop.finish(start(shop, old=True))["finished"] == PRODUCTS
    assert watch.ask(STAGE_OF_PUBLISHED) == [(f"p{n}", new - 1) for n in range(PRODUCTS)]

    for n in range(PRODUCTS):
        (shop.folder / "photos" / f"p{n}.png").write_bytes(b"another photo %d" % n)
    workers = [start(shop, old=True), start(shop, old=False)]
    for worker in workers:
        assert shop.finish(worker)["failed"] == 0
    assert {version for _, version in watch.ask(STAGE_OF_PUBLISHED)} <= {new - 1, new}
    assert watch.ask(TWICE) == []

    assert shop.finish(start(shop, old=False))["failed"] == 0
    assert watch.ask(STAGE_OF_PUBLISHED) == [(f"p{n}", new) for n in range(PRODUCTS)]
    shared = "SELECT stage, count(*) FROM stage_run WHERE state = 'finished' AND stage IN ('views', 'mesh') GROUP BY 1"
    built = dict(watch.ask(shared))
    assert built["views"] == 2 * PRODUCTS, "what both versions make alike is made once"
    assert built["mesh"] <= 3 * PRODUCTS

    started = shop.starts()
    assert shop.finish(start(shop, old=True))["failed"] == 0
    assert watch.ask(STAGE_OF_PUBLISHED) == [(f"p{n}", new - 1) for n in range(PRODUCTS)]
    done = shop.starts() - started
    assert done <= (3 * PRODUCTS - built["mesh"]) * 3, "only what the old one had not got to"
    assert watch.looks()
    assert watch.forgotten() == set(), "published all the while"
    shop.check_objects()
