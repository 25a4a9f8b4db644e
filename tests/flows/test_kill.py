"""The kill test: `kill -9` of the whole process tree at random moments, run again, until the catalogue is complete."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from shop import ROOT, Shop, kill_tree, left_behind

from tasks.stages import STAGE_NAMES
from tasks.worker import StageCall, StageWorker

pytestmark = pytest.mark.server


def kill_once(shop: Shop, stage: str, seconds: float, saved: bool = False) -> bool:
    """Start a run and kill it a while after ``stage`` has begun anew, or with ``saved`` once that stage has left a
    checkpoint; False where it had ended before."""
    seen = len(shop.events())
    process = shop.start()
    shop.wait(process, lambda: any(event[:2] == ["started", stage] for event in shop.events()[seen:]))
    if saved:
        shop.wait(process, lambda: any((shop.folder / "home" / "scratch").glob("*.checkpoint")))
    time.sleep(seconds)
    alive = process.poll() is None
    kill_tree(process)
    return alive


def moments(products: int, kills: int, dice: random.Random) -> list[str]:
    """Stages to kill in, as a run that builds product by product passes them: every stage of the first products, then
    some of the others by lot."""
    line = [*STAGE_NAMES] * products
    surely = len(STAGE_NAMES) * max(1, kills // 8)
    if kills < surely:
        return [line[place] for place in sorted(dice.sample(range(len(STAGE_NAMES)), kills))]
    drawn = sorted(dice.sample(range(surely, len(line)), kills - surely))
    return [line[place] for place in (*range(surely), *drawn)]


def kill_again_and_again(shop: Shop, kills: int, products: int, dice: random.Random, seconds: float) -> None:
    """Kills at random moments within stages, then one run to the end, and everything that must be true of it."""
    done = Counter[str]()
    for stage in moments(products, kills, dice):
        usual = [float(event[3]) for event in shop.events() if event[:2] == ["finished", stage]] or [seconds]
        saved = stage == "reconstruct" and shop.stages == "kill_stages"
        done[stage] += kill_once(shop, stage, dice.uniform(0, 0.8) * usual[-1], saved)
        shop.check_objects()
    assert sum(done.values()) >= 0.8 * kills, "a kill must hit a running run"
    started = shop.starts()
    assert shop.finish(shop.start(), 3600)["finished"] == products
    print("killed in:", dict(done), "stages started:", started, shop.starts())  # noqa: T201 - for the record
    shop.check_complete(products)
    shop.check_nothing_twice()
    # In each run at most one stage of the models' lane and one of the finishing lane can be cut off.
    assert shop.starts() <= products * len(STAGE_NAMES) + 2 * kills
    time.sleep(2)
    assert left_behind(shop.folder) == []


def test_five_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    shop = Shop(tmp_path, MESHMILL_TEST_SECONDS="0.3")
    shop.stock(2)
    kill_again_and_again(shop, 5, 2, random.Random(7), 0.3)


def test_four_photos_of_one_product_go_on_where_placing_and_fusing_them_was_killed(tmp_path: Path) -> None:
    shop = Shop(tmp_path, MESHMILL_TEST_SECONDS="0.3", MESHMILL_TEST_ALONE="")
    shop.stock(0)
    for side in ("front", "right", "back", "left"):
        (shop.folder / "photos" / f"p0_{side}.png").write_bytes(f"photo of the {side}".encode())
    for stage in ("align", "reconstruct"):
        assert kill_once(shop, stage, 0.1), "a kill must hit a running run"
        shop.check_objects()
    seen = len(shop.events())
    assert shop.finish(shop.start())["finished"] == 1
    again = Counter(event[1] for event in shop.events()[seen:] if event[0] == "started")
    assert not {"segment", "align", "views"} & set(again), "what had finished before the kills is not made again"
    runs = shop.ask("SELECT stage, count(*) FROM stage_run WHERE state = 'finished' GROUP BY 1")
    assert dict(runs) == dict.fromkeys(STAGE_NAMES, 1) | {"segment": 4, "align": 1}
    assert shop.ask("SELECT count(*) FROM stage_run WHERE state IN ('running', 'replaced')") == [(0,)]
    assert shop.ask("SELECT sku, photos FROM finished_assets") == [("p0", 4)]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_twenty_kills_of_six_products(tmp_path: Path) -> None:
    shop = Shop(tmp_path, MESHMILL_TEST_SECONDS="0.3", MESHMILL_TEST_ALONE="")
    shop.stock(6)
    kill_again_and_again(shop, 20, 6, random.Random(3), 0.3)


RECIPE = (
    'views.rings=[{"elevation":10,"count":4}]',
    "reconstruct.grid=32",
    "reconstruct.steps=800",
    "reconstruct.rays=512",
    "reconstruct.early_stop=false",
    "finish.faces=500",
    "finish.lods=[]",
    "finish.texture=64",
    "finish.small=false",
    "finish.usdz=false",
    "finish.turntable=0",
    "quality.finished=0",
)
"""The smallest that every stage takes."""


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("products", "kills"), [(2, 6), pytest.param(6, 20, marks=pytest.mark.huge)])
def test_kills_of_the_real_stages(tmp_path: Path, products: int, kills: int) -> None:
    shop = Shop(
        tmp_path,
        "kill_stages",
        OMP_NUM_THREADS="1",
        MESHMILL_TEST_ALONE="",
        MESHMILL_TEST_EVENTS=str(tmp_path / "events"),
        MESHMILL_TEST_VIEWS=str(tmp_path / "played"),
    )
    (tmp_path / "recipe").write_text("\n".join(RECIPE))
    for n, photo in enumerate(sorted((ROOT / "examples" / "photos").iterdir())[:products]):
        shutil.copy(photo, tmp_path / "photos" / f"p{n}{photo.suffix}")
    compute_views(shop)
    kill_again_and_again(shop, kills, products, random.Random(11), 1.0)
    resumed = [(event[2], int(event[3])) for event in shop.events() if event[0] == "from" and int(event[3]) > 1]
    print("SJC resumed at step:", [step for _, step in resumed])  # noqa: T201 - for the record
    assert resumed, "SJC goes on from its checkpoint"
    assert_unbroken(shop, resumed[-1][0])


def compute_views(shop: Shop) -> None:
    """Every product's views with the shipped model, once and in one process."""
    from core.recipes import load_recipe
    from tasks.compute import compute
    from tasks.models import resolve_models

    recipe = load_recipe("starter", RECIPE)
    (shop.folder / "played").mkdir()
    models = {role: w.path for role, w in resolve_models(shop.settings, recipe, lambda *_: None).items()}
    worker = StageWorker(compute, "views", threads=1)
    for photo in sorted((shop.folder / "photos").iterdir()):
        segment = recipe.segment.model_dump(mode="json")
        call = StageCall("segment", {"photo": photo.read_bytes()}, segment, models={"segmenter": models["segmenter"]})
        cutout = worker.call(call, nothing, 3600).files["cutout.npz"]
        views = recipe.views.model_dump(mode="json")
        call = StageCall("views", {"cutout": cutout}, views, recipe.seed, {"views": models["views"]})
        played = worker.call(call, nothing, 3600).files["views.npz"]
        (shop.folder / "played" / hashlib.sha256(cutout).hexdigest()).write_bytes(played)
    worker.close()


def assert_unbroken(shop: Shop, key: str) -> None:
    """The field of a run that was killed and resumed has the bytes of one that never was."""
    import kill_stages

    query = f"SELECT id, parameters FROM stage_run WHERE key = '{key}' AND state = 'finished'"
    ((run_id, parameters),) = shop.ask(query)
    parameters = json.loads(parameters)
    read = "SELECT role, key FROM artifact_input JOIN artifact ON artifact.id = artifact_id WHERE stage_run_id = "
    inputs = {}
    for role, stored in shop.ask(f"{read}{run_id}"):
        with shop.store().open(stored) as stream:
            inputs[role] = stream.read()
    call = StageCall("reconstruct", inputs, parameters["params"], parameters["seed"], {"views": "none"})
    worker = StageWorker(kill_stages.compute, "unbroken", threads=1)
    field = worker.call(call, nothing, 3600).files["field.npz"]
    worker.close()
    assert shop.ask(f"SELECT sha256 FROM artifact WHERE made_by = {run_id}") == [(hashlib.sha256(field).hexdigest(),)]


def nothing(*_: object, **__: object) -> None: ...
