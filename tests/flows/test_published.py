"""The real command builds again what is published, and is killed, times out, fails: readers keep what they had."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest
from shop import kill_tree
from test_bad_days import CLI, Shop

pytestmark = [pytest.mark.timeout(1200), pytest.mark.server]


def check_published(shop: Shop) -> None:
    """Three assets, each with all of its files, whole."""
    assert len(shop.rows("SELECT DISTINCT sku FROM finished_assets")) == 3
    files = shop.rows("SELECT uri, sha256 FROM finished_files")
    assert len(files) == 3 * 2
    for uri, sha256 in files:
        assert hashlib.sha256(Path(uri.removeprefix("file://")).read_bytes()).hexdigest() == sha256


def test_force_beside_a_kill_a_time_out_a_failure_and_another_recipe(tmp_path: Path) -> None:
    shop = Shop(tmp_path, 3)
    assert shop.run().returncode == 0
    check_published(shop)
    before = len(shop.log.read_text().split())

    killed = shop.start("--force", MESHMILL_TEST_SECONDS="0.3")
    while killed.poll() is None and shop.log.read_text().split()[before:].count("views") < 2:
        time.sleep(0.05)
    assert killed.poll() is None
    kill_tree(killed)  # type: ignore[arg-type]
    assert shop.rows("SELECT count(*) FROM asset WHERE status IN ('queued', 'running')") != [(0,)]
    check_published(shop)

    late = shop.run("--force", MESHMILL_TEST_SLOW="mesh", MESHMILL_STAGE_TIMEOUT="3")
    assert json.loads(late.stdout)["counts"]["failed"] == 3
    check_published(shop)

    memory = {"MESHMILL_TEST_MEMORY": "rays=1"}
    assert json.loads(shop.run("--force", **memory).stdout)["counts"]["failed"] == 3
    check_published(shop)
    other = shop.run("--set", "views.steps=7", **memory)
    assert json.loads(other.stdout)["counts"]["failed"] == 3
    check_published(shop)

    fetched = tmp_path / "p1.glb"
    done = shop.call([*CLI, "fetch", "p1", "-o", str(fetched), "--json"])
    assert done.returncode == 0, done.stderr
    published = dict(shop.rows("SELECT sku, sha256 FROM finished_assets"))
    assert published["p1"] == json.loads(done.stdout)["sha256"]

    assert json.loads(shop.run("--set", "views.steps=7", "--force").stdout)["counts"]["finished"] == 3
    check_published(shop)
    again = shop.call([*CLI, "retry", "--status", "finished", "p1", "--json"])
    assert [row["sku"] for row in json.loads(again.stdout)["assets"]] == ["p1"]
    assert again.returncode == 0, again.stderr
    check_published(shop)
