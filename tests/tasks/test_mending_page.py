"""Mending from the page: the routes, and in a real browser the brush, an upload, a size, the front."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from test_person_mends import candidate, made, night, photo, png, small_shop  # noqa: F401 - the fixtures
from test_run_stage import Shop

from core.records import to_json
from db import assets, mends
from db.lineage import lineage
from gallery.access import Access
from gallery.app import create_app
from gallery.mending import Builder
from tasks.factory import Factory
from tests.gallery.browser import Browser, chromium, find_chromium, serving
from tests.gallery.test_accessible import axe, faults_of  # noqa: F401 - the fixture

Made = tuple[Shop, Factory, str]


class Noted(Builder):
    """Builds nothing, and says what it was asked to build."""

    def __init__(self, factory: Factory) -> None:
        super().__init__(factory)
        self.asked: list[str] = []

    def build(self, asset_id: str) -> None:
        self.asked.append(asset_id)


@pytest.fixture
def desk(made: Made) -> tuple[TestClient, Noted, Access, str]:  # noqa: F811
    _, factory, first = made
    access, noted = Access(review=True, token="sesame"), Noted(factory)
    app = create_app(factory.engine, factory.store, access, builder=noted)
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False), noted, access, first


Desk = tuple[TestClient, Noted, Access, str]


def allowed(access: Access) -> dict[str, str]:
    return {"secret": access.secret, "token": "sesame", "reviewer": "Ann"}


def test_each_form_makes_a_version_that_is_built(desk: Desk) -> None:
    client, noted, access, first = desk
    page = client.get(f"/assets/{first}").text
    assert 'id="mend"' in page
    for fields in (
        {"what": "size", "height_cm": "12,5"},
        {"what": "front", "azimuth": "-30"},
        {"what": "settings", "settings": "views.steps=3\nseed=5"},
        {"what": "settings", "settings": "seed=1", "recipe": "preview"},
    ):
        answer = client.post(f"/assets/{first}/mend", data=allowed(access) | fields)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"] == f"/assets/{noted.asked[-1]}"
    (known,) = mends.photos_of(noted.factory.engine, mends.product_of(noted.factory.engine, first))
    fields = {"what": "photo", "photo": str(known.id), "side": "left"}
    assert client.post(f"/assets/{first}/mend", data=allowed(access) | fields).status_code == 303
    assert candidate(noted.factory.engine, first).azimuth == 270.0
    assert client.post(f"/assets/{first}/mend", data=allowed(access) | fields | {"side": "inside"}).status_code == 422
    assert len(set(noted.asked)) == 5
    assert first not in noted.asked
    built = candidate(noted.factory.engine, first)
    assert (built.height_cm, built.azimuth) == (12.5, 270.0)
    jobs = [assets.job(noted.factory.engine, name) for name in noted.asked]
    assert (jobs[2].parameters["views"]["steps"], jobs[2].parameters["seed"]) == (3, 5)
    assert (jobs[3].recipe_name, jobs[3].parameters["seed"]) == ("preview", 1)
    several_steps = noted.asked[2]  # only there chance decides
    again = allowed(access) | {"what": "settings", "preset": "seed"}
    assert client.post(f"/assets/{several_steps}/mend", data=again).status_code == 303
    assert assets.job(noted.factory.engine, noted.asked[-1]).parameters["seed"] == 6
    assert "nothing to decide yet" in client.get(f"/assets/{noted.asked[-1]}").text


def test_the_page_says_which_settings_hold_and_forgets_them(desk: Desk) -> None:
    client, noted, access, first = desk
    fields = allowed(access) | {"what": "settings", "settings": "seed=5"}
    assert client.post(f"/assets/{first}/mend", data=fields).status_code == 303
    assert "<code>seed=5</code>" in client.get(f"/assets/{noted.asked[-1]}").text
    answer = client.post(f"/assets/{first}/mend", data=allowed(access) | {"what": "forget"})
    assert answer.headers["location"] == f"/assets/{first}"
    assert len(noted.asked) == 1, "nothing is built for it"
    assert "<code>seed=5</code>" not in client.get(f"/assets/{noted.asked[-1]}").text


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"what": "size"},
        {"what": "size", "height_cm": "tall"},
        {"what": "size", "height_cm": "-1"},
        {"what": "size", "width_cm": "nan"},
        {"what": "size", "width_cm": "inf"},
        {"what": "front", "azimuth": ""},
        {"what": "front", "azimuth": "nan"},
        {"what": "settings", "settings": "views.nothing=1"},
        {"what": "settings", "recipe": "/etc/passwd"},
        {"what": "settings", "settings": "views.checkpoint=/tmp/evil"},
        {"what": "settings", "settings": " segment.model = /tmp/evil"},
        {"what": "settings", "settings": 'segment={"model": "/tmp/evil"}'},
        {"what": "settings", "preset": "evil"},
        {"what": "settings", "preset": "seed"},
        {"what": "settings", "preset": "careful"},
    ],
)
def test_what_makes_no_sense_is_a_sentence_and_changes_nothing(desk: Desk, fields: dict[str, str]) -> None:
    client, noted, access, first = desk
    before = candidate(noted.factory.engine, first)
    answer = client.post(f"/assets/{first}/mend", data=allowed(access) | fields)
    assert answer.status_code == 422
    assert candidate(noted.factory.engine, first) == before
    assert noted.asked == []


def test_nothing_is_mended_without_the_secret_and_the_token(desk: Desk) -> None:
    client, noted, access, first = desk
    good = {"X-Secret": access.secret, "X-Token": "sesame"}
    for headers in ({}, good | {"X-Secret": "x"}, good | {"X-Token": "x"}):
        assert client.post(f"/assets/{first}/photo", content=photo("blue"), headers=headers).status_code == 403
        assert client.post(f"/assets/{first}/mask", content=b"x", headers=headers).status_code == 403
    assert client.post(f"/assets/{first}/mend", data={"what": "size", "height_cm": "3"}).status_code == 403
    assert client.post("/assets/nothing/photo", content=photo("blue"), headers=good).status_code == 404
    assert client.post(f"/assets/{first}/photo", content=b"no photo", headers=good).status_code == 422
    assert client.post(f"/assets/{first}/mask", content=b"no mask", headers=good).status_code == 422
    assert client.post(f"/assets/{first}/photo", content=b"x" * (32 * 2**20 + 1), headers=good).status_code == 413
    assert noted.asked == []
    answer = client.post(f"/assets/{first}/photo", content=photo("blue"), headers=good)
    assert answer.json()["asset"] == noted.asked[0]


def test_a_read_only_gallery_mends_nothing(made: Made) -> None:  # noqa: F811
    _, factory, first = made
    client = TestClient(create_app(factory.engine, factory.store, builder=Noted(factory)), base_url="http://127.0.0.1")
    assert 'id="mend"' not in client.get(f"/assets/{first}").text
    assert client.post(f"/assets/{first}/mend", data={"what": "size", "height_cm": "3"}).status_code == 403


def test_the_product_s_photos_are_shown_and_no_others(desk: Desk) -> None:
    client, noted, _, first = desk
    (known,) = mends.photos_of(noted.factory.engine, mends.product_of(noted.factory.engine, first))
    assert client.get(f"/assets/{first}/photos/{known.id}").content[:4] == b"\x89PNG"
    assert client.get(f"/assets/{first}/photos/{known.id + 1}").status_code == 404
    assert client.get(f"/assets/{first}/canvas.jpg").headers["content-type"] == "image/jpeg"


def test_the_page_shows_every_photo_and_a_person_says_what_it_shows(small_shop: Shop) -> None:  # noqa: F811
    factory = small_shop.factory()
    for side, color in (("front", "red"), ("back", "blue"), ("detail", "green")):
        (small_shop.photos / f"mug_{side}.png").write_bytes(photo(color))
    (first,) = night(small_shop, factory).build
    access, noted = Access(review=True, token="sesame"), Noted(factory)
    app = create_app(factory.engine, factory.store, access, builder=noted)
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    page = client.get(f"/assets/{first}").text
    section = page[page.index('id="shots"') : page.index('id="mend"')]
    assert section.count("<li") == 3
    assert "used for colours" in section, "front and back say nothing of the depth"
    assert "It shows a detail: kept, but no shape can be made from it." in section
    (back,) = [shot for shot in to_json(lineage(factory.engine, first))["shots"] if shot["role"] == "back"]
    fields = {"what": "side", "photo": str(back["id"])}
    assert client.post(f"/assets/{first}/mend", data=allowed(access) | fields | {"side": "inside"}).status_code == 422
    assert (
        client.post(f"/assets/{first}/mend", data=allowed(access) | {"what": "side", "side": "left"}).status_code == 404
    )
    assert client.post(f"/assets/{first}/mend", data=fields | {"side": "left"}).status_code == 403
    assert noted.asked == []
    assert client.post(f"/assets/{first}/mend", data=allowed(access) | fields | {"side": "left"}).status_code == 303
    (further,) = assets.job(factory.engine, noted.asked[0]).candidate.further
    assert (further.role, further.azimuth) == ("left", 270)
    assert "(a person said so)" in client.get(f"/assets/{noted.asked[0]}").text


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as window:
        yield window


@pytest.mark.server
@pytest.mark.skipif(find_chromium() is None, reason="no Chromium: apt-get install chromium (CI does)")
def test_the_brush_in_a_browser(browser: Browser, desk: Desk, axe: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """A stroke with the mouse keeps what lies under it; what is built from is the photo with exactly that kept."""
    from PIL import Image

    client, noted, _, first = desk
    monkeypatch.setattr("gallery.mending.mask_of", lambda *_: Image.new("L", (200, 200), 0))
    with serving(client.app) as url:
        browser.open(f"{url}/assets/{first}")
        browser.evaluate("document.getElementById('brush').open = true")
        browser.until("document.getElementById('paper').dataset.ready === 'yes'")
        browser.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        assert faults_of(browser, axe) == []
        browser.evaluate("document.getElementById('paper').scrollIntoView({block: 'center'})")
        box: dict[str, Any] = json.loads(
            browser.evaluate("JSON.stringify(document.getElementById('paper').getBoundingClientRect())")
        )
        middle = box["top"] + box["height"] / 2
        mouse = {"y": middle, "button": "left", "clickCount": 1}
        browser.call("Input.dispatchMouseEvent", type="mousePressed", x=box["left"] + 60, **mouse)
        for x in range(60, 141, 10):
            browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=box["left"] + x, y=middle, buttons=1)
        browser.call("Input.dispatchMouseEvent", type="mouseReleased", x=box["left"] + 140, **mouse)
        for field, value in (("token", "sesame"), ("reviewer", "Änn")):
            browser.evaluate(f"document.querySelector('#mend [name={field}]').value = '{value}'")
        browser.evaluate("document.getElementById('paint').click()")
        browser.until(f"location.pathname !== '/assets/{first}'")
    (version,) = noted.asked
    sha256 = assets.job(noted.factory.engine, version).candidate.photo_sha256
    kept = Path(noted.factory.store.uri(f"objects/{sha256[:2]}/{sha256}").removeprefix("file://"))
    alpha = Image.open(kept).getchannel("A")
    assert alpha.getpixel((100, 100)) == 255
    assert alpha.getpixel((100, 60)) == 0
    assert alpha.getpixel((20, 100)) == 0
