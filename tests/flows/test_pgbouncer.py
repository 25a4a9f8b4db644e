"""A night behind PgBouncer in transaction mode: each transaction has another server connection. Real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pooler import pgbouncer
from shop import Shop

from tasks.stages import STAGE_NAMES

pytestmark = pytest.mark.server

PRODUCTS = 2


@pytest.fixture
def pooled_url(postgres_url: str) -> Iterator[str]:
    with pgbouncer(postgres_url) as url:
        yield url


def test_two_workers_build_a_catalogue_behind_a_pooler(tmp_path: Path, pooled_url: str) -> None:
    """Stages that outlast several renewals of their lease, and enough statements for a driver to prepare them."""
    shop = Shop(
        tmp_path,
        MESHMILL_DATABASE_URL=pooled_url,
        MESHMILL_LEASE_SECONDS="3",
        MESHMILL_TEST_SECONDS="2",
        MESHMILL_TEST_ALONE="",
    )
    shop.stock(PRODUCTS)
    workers = [shop.start(), shop.start()]
    for worker in workers:
        assert shop.finish(worker, 300)["finished"] == PRODUCTS
    shop.check_complete(PRODUCTS)
    assert shop.starts() == PRODUCTS * len(STAGE_NAMES)


def test_the_schema_is_made_behind_a_pooler_too(pooled_url: str) -> None:
    from db.engine import open_engine
    from db.migrate import current_revision, head_revision, upgrade

    engine = open_engine(pooled_url)
    upgrade(engine)
    assert current_revision(engine) == head_revision(engine)
    engine.dispose()
