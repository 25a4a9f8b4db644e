"""How fast a person goes through the night's assets: the list at 10,000 rows; from a key to the next model drawn.

    MESHMILL_HOME=HOME python bench/review.py [--rows 10000] [--assets 40]

The models are those of HOME (`make demo` first), given to as many assets as are gone through; the gallery runs in a
process of its own, the browser is a real Chromium without a GPU. Seconds on a shared machine: read them with its load.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from sqlalchemy import insert

from core.records import to_json
from db.lineage import lineage

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from db import assets  # noqa: E402
from db import gallery as queries  # noqa: E402
from db.engine import open_engine, writing  # noqa: E402
from db.migrate import upgrade  # noqa: E402
from db.tables import (  # noqa: E402
    Artifact,
    Asset,
    AssetStage,
    Catalogue,
    Photo,
    Product,
    RecipeRow,
    StageRun,
    now,
)
from tasks.factory import open_factory  # noqa: E402
from tests.gallery.browser import Browser, find_chromium  # noqa: E402

KINDS = ("glb", "report", "cutout.png", "hero.png", "contact.png")
DRAWN = "document.querySelector('model-viewer')?.modelIsVisible === true && document.getElementById('over')?.complete"


def fill(home: Path, rows: int, waiting: int) -> None:
    """A database of ``rows`` assets, ``waiting`` of them to review, beside the store of ``MESHMILL_HOME``."""
    factory = open_factory()
    known = [row for row in assets.list_assets(factory.engine) if row.status in ("finished", "review")]
    files = [queries.files(factory.engine, row.asset_id) for row in known]
    recipe = assets.job(factory.engine, known[0].asset_id).parameters
    views = [
        next(s["figures"] for s in to_json(lineage(factory.engine, row.asset_id))["stages"] if s["stage"] == "views")
        for row in known
    ]
    factory.close()
    engine = open_engine(f"sqlite:///{home / 'meshmill.db'}")
    upgrade(engine)
    with writing(engine) as session:
        catalogue = Catalogue(name="shop", source_uri="file:///shop")
        session.add_all([catalogue, RecipeRow(hash="r" * 64, name="starter", parameters=recipe)])
        session.flush()
        many = range(1, rows + 1)
        session.execute(insert(Product), [
            {"id": i, "catalogue_id": catalogue.id, "sku": f"sku-{i:05d}", "name": f"Product {i}"}
            for i in many])  # fmt: skip
        session.execute(insert(Photo), [
            {"id": i, "product_id": i, "sha256": f"{i:064x}", "bytes": 1, "source_uri": "x", "file_stamp": "x"}
            for i in many])  # fmt: skip
        session.execute(insert(Asset), [
            {"id": f"a{i:05d}", "product_id": i, "photo_id": i, "recipe_hash": "r" * 64, "model": "m",
             "plan_key": f"{i:064d}", "status": "review" if i <= waiting else "finished", "score": i / rows,
             "created_at": now(), "reasons": known[i % len(known)].reasons, "reason": known[i % len(known)].reason}
            for i in many])  # fmt: skip
        for i in range(1, waiting + 1):
            for stage, kinds in (("views", ()), ("finish", KINDS)):
                run = StageRun(key=f"{stage}{i}", stage=stage, version=1, state="finished", parameters={}, owner="b",
                               figures=views[i % len(views)])  # fmt: skip
                session.add(run)
                session.flush()
                session.add(AssetStage(asset_id=f"a{i:05d}", stage=stage, stage_run_id=run.id, reused=False))
                for kind in kinds:
                    if (file := files[i % len(files)].get(kind)) is None:
                        continue
                    made = Artifact(made_by=run.id, kind=kind, key=file.key, uri="x", sha256=file.sha256,
                                    bytes=file.bytes, media_type=file.media_type)  # fmt: skip
                    session.add(made)
                    session.flush()
                    if kind == "glb":
                        session.get_one(Asset, f"a{i:05d}").glb_id = made.id
    engine.dispose()


def measure(url: str, profile: Path, count: int) -> dict[str, object]:
    """Seconds until the list can be used, and from each key to the next model drawn."""
    program = find_chromium()
    assert program, "apt-get install chromium"
    browser = Browser(program, profile)
    browser.resize(1400, 1000)
    lists = []
    for query in ("", "?status=review&order=worst", "?order=best&page=100", "?q=77&order=sku"):
        browser.open(f"{url}/{query}")
        timing = "performance.getEntriesByType('navigation')[0]"
        lists.append(browser.evaluate(f"{timing}.domContentLoadedEventEnd") / 1000)
    browser.open(f"{url}/?status=review&order=worst")
    browser.evaluate("document.querySelector('.card').click()")
    browser.until(f"location.pathname.startsWith('/assets/') && {DRAWN}")
    taken = []
    for _ in range(count):
        here = browser.evaluate("location.pathname")
        began = time.monotonic()
        browser.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'a'}))")
        browser.until(f"location.pathname !== {json.dumps(here)} && {DRAWN}")
        taken.append(time.monotonic() - began)
    browser.close()
    taken.sort()
    return {
        "list_s": [round(value, 3) for value in lists],
        "asset_median_s": round(statistics.median(taken), 2),
        "asset_p95_s": round(taken[int(0.95 * (len(taken) - 1))], 2),
        "asset_longest_s": round(taken[-1], 2),
        "assets": count,
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--assets", type=int, default=40)
    options = parser.parse_args()
    store = f"file://{Path(os.environ.get('MESHMILL_HOME', '.meshmill')).resolve() / 'store'}"
    with tempfile.TemporaryDirectory(prefix="meshmill-") as place:
        home = Path(place, "home")
        home.mkdir()
        fill(home, options.rows, options.assets + 1)
        kept = os.environ | {"MESHMILL_HOME": str(home), "MESHMILL_STORE_URL": store, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "cli.main", "gallery", "--serve", "8799", "--review"]
        server = subprocess.Popen(command, env=kept, stderr=subprocess.DEVNULL)
        try:
            url = "http://127.0.0.1:8799"
            for _ in range(300):
                try:
                    urllib.request.urlopen(url + "/healthz", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.2)
            print(json.dumps(measure(url, Path(place, "chromium"), options.assets)))
        finally:
            server.terminate()
            server.wait(60)


if __name__ == "__main__":
    main()
