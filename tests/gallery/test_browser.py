"""The gallery in Debian's Chromium: grid, filters, the model really drawn, decisions, the export from a disk."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.records import to_json
from db.engine import writing
from db.gallery import Filters
from db.lineage import lineage
from db.reviews import said_of
from db.tables import Artifact, Asset, AssetStage, StageRun
from gallery.app import Access, create_app
from gallery.export import export
from tests.gallery.browser import Browser, chromium, find_chromium, serving
from tests.gallery.conftest import HOSTILE, Shop, two_boxes

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium: apt-get install chromium (CI does)"),
]

DRAWN = "document.querySelector('model-viewer')?.modelIsVisible === true"
VIEWER = """(() => { const r = document.querySelector('model-viewer').getBoundingClientRect();
return [r.left, r.top, r.right, r.bottom].map(Math.round); })()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as window:
        yield window


@pytest.fixture
def served(shop: Shop) -> Iterator[str]:
    """The gallery on a real port, deciding allowed, token asked."""
    app = create_app(shop.engine, shop.store, Access(review=True, token="sesame"))
    with serving(app) as url:
        yield url


def keep(browser: Browser, name: str) -> np.ndarray:
    """The page's pixels ``(H, W, 3)``; also a file where MESHMILL_SCREENSHOTS names a folder."""
    data = browser.screenshot()
    if folder := os.environ.get("MESHMILL_SCREENSHOTS"):
        (Path(folder) / f"{name}.png").write_bytes(data)
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def red_share(browser: Browser, name: str) -> float:
    """How much of the viewer is the red of the cube, once it is drawn: a slow machine draws a while after the event."""
    end = time.monotonic() + 60
    while (share := _red_share(browser, name)) < 0.05 and time.monotonic() < end:
        time.sleep(0.5)
    return share


def _red_share(browser: Browser, name: str) -> float:
    left, top, right, bottom = browser.evaluate(VIEWER)
    pixels = keep(browser, name)[max(0, top) : bottom, left:right]
    return float(((pixels[..., 0] > 110) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)).mean())


def test_grid_filters_and_keys(browser: Browser, served: str):
    browser.open(served + "/")
    assert browser.evaluate("document.querySelectorAll('.card').length") == len(HOSTILE)
    assert browser.evaluate("document.body.innerText.includes('<script>alert(1)</script>')")
    keep(browser, "grid")
    browser.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'j'}))")
    assert browser.evaluate("document.activeElement.className") == "card"
    browser.evaluate("document.activeElement.blur(), document.dispatchEvent(new KeyboardEvent('keydown', {key: '/'}))")
    assert browser.evaluate("document.activeElement.id") == "search"
    browser.evaluate("document.querySelector('[name=status]').value = 'review', document.forms[0].submit()")
    browser.until("location.search.includes('status=review') && document.readyState === 'complete'")
    assert browser.evaluate("document.querySelectorAll('.card').length") == 2


def test_the_model_is_really_drawn_and_nothing_comes_from_outside(browser: Browser, served: str):
    browser.requests.clear()
    browser.errors.clear()
    browser.open(served + "/assets/asset-0000")
    browser.until(DRAWN)
    assert red_share(browser, "asset") > 0.05
    assert [url for url in browser.requests if not url.startswith((served, "blob:", "data:"))] == []
    assert [error for error in browser.errors if "Content Security Policy" in error] == []


def test_a_key_shows_the_next_asset_that_waits(browser: Browser, served: str):
    browser.open(served + "/assets/asset-0001")
    browser.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'n'}))")
    browser.until("location.pathname === '/assets/asset-0005' && document.readyState === 'complete'")


def test_a_page_fits_a_phone(browser: Browser, served: str):
    browser.resize(390, 800)
    try:
        for path in ("/", "/assets/asset-0006", "/assets/asset-0001", "/compare?a=asset-0000&b=asset-0001"):
            browser.open(served + path)
            keep(browser, f"phone{len(path)}")
            assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    finally:
        browser.resize(1200, 900)


def test_deciding_changes_the_database(browser: Browser, served: str, shop: Shop):
    browser.open(served + "/assets/asset-0001")
    browser.evaluate("document.querySelector('[name=token]').value = 'sesame'")
    browser.evaluate("document.querySelector('[name=note]').value = 'good enough'")
    browser.evaluate("document.getElementById('approve').click()")
    browser.until("location.pathname === '/assets/asset-0005' && document.getElementById('undo') !== null")
    row = to_json(lineage(shop.engine, "asset-0001"))
    assert (row["status"], row["reviews"][-1]["note"]) == ("finished", "good enough")
    browser.open(served + "/assets/asset-0000")
    browser.evaluate("document.querySelector('[name=token]').value = 'sesame'")
    browser.evaluate("document.getElementById('reject').click()")
    browser.until("location.pathname === '/assets/asset-0005' && document.getElementById('undo') !== null")
    assert to_json(lineage(shop.engine, "asset-0000"))["status"] == "failed"


def press(browser: Browser, key: str) -> None:
    browser.evaluate(
        f"document.activeElement.blur(), document.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}}))"
    )


def shown(browser: Browser, asset_id: str) -> None:
    browser.until(f"location.pathname === '/assets/{asset_id}' && document.readyState === 'complete'")


def test_a_key_decides_and_goes_on_and_another_takes_it_back(browser: Browser, served: str, shop: Shop):
    """In the order and filter of the list; the name and the token are typed once."""
    browser.open(served + "/?status=review&order=best")
    browser.evaluate("document.querySelector('.card').click()")
    shown(browser, "asset-0005")
    for field, value in (("token", "sesame"), ("reviewer", "Ann")):
        browser.evaluate(
            f"(() => {{ const f = document.querySelector('#review [name={field}]'); f.value = '{value}';"
            "f.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )
    press(browser, "2")
    press(browser, "p")
    shown(browser, "asset-0001")
    (said,) = said_of(shop.engine, "asset-0005")
    assert (said.decision, said.by, said.text) == ("better-photo", "Ann", "Part is missing.")
    assert to_json(lineage(shop.engine, "asset-0005"))["status"] == "failed"
    press(browser, "z")
    shown(browser, "asset-0005")
    assert to_json(lineage(shop.engine, "asset-0005"))["status"] == "review"
    (said,) = said_of(shop.engine, "asset-0005")
    assert said.undone
    assert said.undone_by == "Ann"
    press(browser, "a")
    shown(browser, "asset-0001")
    press(browser, "r")
    browser.until("location.pathname === '/' && document.readyState === 'complete'")
    assert [to_json(lineage(shop.engine, name))["status"] for name in ("asset-0005", "asset-0001")] == [
        "finished",
        "failed",
    ]


def test_many_are_ticked_and_decided_at_once(browser: Browser, served: str, shop: Shop):
    browser.open(served + "/?status=review")
    press(browser, "x")
    assert browser.evaluate("document.getElementById('ticked').textContent") == "2"
    browser.evaluate("document.querySelector('#bulk [name=token]').value = 'sesame'")
    browser.evaluate("document.querySelector('#bulk .approve').click()")
    browser.until("document.readyState === 'complete' && document.body.innerText.includes('2 products are approved')")
    assert [to_json(lineage(shop.engine, name))["status"] for name in ("asset-0001", "asset-0005")] == ["finished"] * 2
    browser.evaluate("document.querySelector('.did [name=token]').value = 'sesame'")
    press(browser, "z")
    browser.until("document.readyState === 'complete' && document.querySelectorAll('.card').length === 2")
    assert [to_json(lineage(shop.engine, name))["status"] for name in ("asset-0001", "asset-0005")] == ["review"] * 2


def replace_file(shop: Shop, asset_id: str, kind: str, data: bytes) -> None:
    """Other bytes of an asset's file."""
    sha256 = hashlib.sha256(data).hexdigest()
    shop.store.put(data, f"objects/{sha256}", sha256, "application/octet-stream")
    with writing(shop.engine) as session:
        made = select(AssetStage.stage_run_id).where(AssetStage.asset_id == asset_id)
        file = session.scalars(select(Artifact).where(Artifact.kind == kind, Artifact.made_by.in_(made))).one()
        file.key, file.sha256, file.bytes = f"objects/{sha256}", sha256, len(data)


def test_the_photo_lies_over_the_model_and_reasons_are_marked(browser: Browser, served: str, shop: Shop):
    """A hole in the cutout is red, a loose piece has a dot; turning the model puts the photo aside, `f` back again."""
    cutout = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    cutout.paste((0, 0, 255, 255), (20, 20, 80, 80))
    cutout.paste((0, 0, 0, 0), (40, 40, 60, 60))
    png = io.BytesIO()
    cutout.save(png, "PNG")
    replace_file(shop, "asset-0001", "cutout.png", png.getvalue())
    replace_file(shop, "asset-0001", "report", b'{"placement": {"scale": 1.0, "offset": [0, 0, 0]}}')
    replace_file(shop, "asset-0001", "glb", two_boxes())
    with writing(shop.engine) as session:
        views = StageRun(key="v", stage="views", version=1, state="finished", parameters={}, owner="t",
                         figures={"elevation": {"degrees": 20}})  # fmt: skip
        session.add(views)
        session.flush()
        session.add(AssetStage(asset_id="asset-0001", stage="views", stage_run_id=views.id, reused=False))
        blue = Cutout(np.full((512, 512, 4), (0, 0, 255, 255), np.uint8), (0, 0, 1, 1), "test", 1.0)
        nothing = ViewSet(np.zeros((0, 64, 64, 3), np.uint8), (), Camera(0, 20))
        for kind, data in (("cutout", blue.to_bytes()), ("views", nothing.to_bytes())):
            sha256 = hashlib.sha256(data).hexdigest()
            shop.store.put(data, f"objects/{sha256}", sha256, "application/octet-stream")
            session.add(Artifact(made_by=views.id, kind=kind, key=f"objects/{sha256}", uri="", sha256=sha256,
                                 bytes=len(data), media_type="application/octet-stream"))  # fmt: skip
        session.get_one(Asset, "asset-0001").reasons = [
            {"code": "holes_in_cutout", "severity": "affects", "message": "Holes.", "action": "", "place": "cutout"},
            {"code": "extra_pieces", "severity": "affects", "message": "Pieces.", "action": "", "place": None},
        ]
    browser.open(served + "/assets/asset-0001")
    browser.until(DRAWN)
    turned = "document.getElementById('same').classList.contains('turned')"
    assert not browser.evaluate(turned)
    browser.evaluate("document.querySelector('.where[data-side=cutout]').click()")
    pixel = "[...document.getElementById('marks').getContext('2d').getImageData({0}, {0}, 1, 1).data]"
    assert browser.evaluate(pixel.format(50)) == [220, 0, 0, 230]
    assert browser.evaluate(pixel.format(30))[3] == 0, "what is surely the product"
    assert browser.evaluate(pixel.format(5))[3] == 0, "what is around it"
    browser.evaluate("document.querySelector('[data-pieces]').click()")
    browser.until("document.querySelectorAll('.mark').length === 1")
    press(browser, "b")
    assert browser.evaluate(turned)
    press(browser, "f")
    assert not browser.evaluate(turned)
    press(browser, "i")
    viewer = "document.getElementById('viewer')"
    browser.until(f"{viewer}.src.endsWith('/seen.glb') && {viewer}.loaded")
    assert browser.evaluate("!document.getElementById('legend').hidden")
    press(browser, "i")
    browser.until(f"{viewer}.src.endsWith('/files/glb') && {viewer}.loaded")


def test_two_versions_turn_together(browser: Browser, served: str):
    browser.open(served + "/compare?a=asset-0000&b=asset-0001")
    both = "[...document.querySelectorAll('model-viewer')]"
    browser.until(f"{both}.length === 2 && {both}.every((one) => one.modelIsVisible)")
    browser.evaluate(f"{both}[0].cameraOrbit = '70deg 60deg auto'; {both}[0].jumpCameraToGoal()")
    time.sleep(0.5)
    browser.evaluate(
        f"{both}[0].dispatchEvent(new CustomEvent('camera-change', {{detail: {{source: 'user-interaction'}}}}))"
    )
    browser.until(f"Math.abs({both}[1].getCameraOrbit().theta - 70 * Math.PI / 180) < 0.02")


def test_the_export_opens_from_a_disk(browser: Browser, shop: Shop, tmp_path: Path):
    out = tmp_path / "export"
    export(shop.engine, shop.store, out, Filters())
    browser.requests.clear()
    browser.open(f"file://{out}/index.html")
    assert browser.evaluate("document.querySelectorAll('.card').length") == len(HOSTILE)
    browser.evaluate(
        "document.getElementById('search').value = 'mug', document.getElementById('search')"
        ".dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert browser.evaluate("[...document.querySelectorAll('.card')].filter(c => !c.hidden).length") == 1
    link = browser.evaluate("[...document.querySelectorAll('.card')].find(c => !c.hidden).href")
    for field, value, shown in (("search", "", len(HOSTILE)), ("low", "0.25", 4), ("high", "0.45", 2)):
        browser.evaluate(
            f"document.getElementById('{field}').value = '{value}', document.getElementById('{field}')"
            ".dispatchEvent(new Event('input', {bubbles: true}))"
        )
        assert browser.evaluate("[...document.querySelectorAll('.card')].filter(c => !c.hidden).length") == shown
    browser.open(link)
    browser.until(DRAWN)
    assert red_share(browser, "export") > 0.05
    assert [url for url in browser.requests if not url.startswith(("file:", "blob:", "data:"))] == []
