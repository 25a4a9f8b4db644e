"""The kill test: `kill -9` of the whole process tree at random moments, run again, until the catalogue is complete."""

from __future__ import annotations

import random
import time
from pathlib import Path

from shop import Shop, kill_tree, left_behind

from tasks.keys import STAGES


def kill_once(shop: Shop, stage: str, seconds: float) -> bool:
    """Start a run and kill it a while after ``stage`` has begun anew; False where it had ended before."""
    seen = len(shop.events())
    process = shop.start()
    shop.wait(process, lambda: any(event[:2] == ["started", stage] for event in shop.events()[seen:]))
    time.sleep(seconds)
    alive = process.poll() is None
    kill_tree(process)
    return alive


def test_five_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    products = 2
    shop = Shop(tmp_path, MESHMILL_TEST_SECONDS="0.3")
    shop.stock(products)
    dice = random.Random(7)
    stages = sorted(dice.sample(STAGES, 5), key=STAGES.index)
    done = 0
    for stage in stages:
        done += kill_once(shop, stage, dice.uniform(0, 0.4))
        shop.check_objects()
    assert done >= 4, "a kill must hit a running run"
    counts = shop.finish(shop.start())
    assert counts["finished"] == products
    shop.check_complete(products)
    shop.check_nothing_twice()
    # In each run at most one stage of the models' lane and one of the finishing lane can be cut off.
    assert shop.starts() <= products * len(STAGES) + 2 * done
    time.sleep(2)
    assert left_behind(tmp_path) == []
