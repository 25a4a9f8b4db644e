"""The pages as axe-core judges them in Chromium: nothing serious or critical, in light and dark, wide and narrow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.quality.reasons import reason
from db.engine import writing
from db.reviews import add_comment, record_decision
from db.tables import Asset, Run, now
from tests.gallery.browser import Browser, chromium, find_chromium
from tests.gallery.conftest import Shop
from tests.gallery.test_browser import served  # noqa: F401 - the fixture
from tests.node_packages import install_node

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium: apt-get install chromium (CI does)"),
]

PACKAGE = Path(__file__).parent / "axe"

PAGES = ("/", "/?status=review&order=worst", "/nights", "/assets/asset-0000", "/assets/asset-0001?did=1",
         "/assets/asset-0007", "/compare?a=asset-0000&b=asset-0001", "/nowhere")  # fmt: skip

RULES = "{resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}"


@pytest.fixture(scope="module")
def axe(pytestconfig: pytest.Config) -> str:
    folder = Path(pytestconfig.cache.mkdir("axe"))  # type: ignore[union-attr]
    if why := install_node(PACKAGE, folder, "axe-core"):
        pytest.skip(why)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as window:
        yield window


@pytest.fixture
def lived_in(shop: Shop) -> Shop:
    """With decisions, comments, reasons and nights."""
    record_decision(shop.engine, "asset-0002", "reject", "too round", "Ann")
    record_decision(shop.engine, "asset-0001", "better-photo", None, "Bob")
    add_comment(shop.engine, "asset-0001", "Ask the shop.", "Cy")
    with writing(shop.engine) as session:
        for asset_id in ("asset-0001", "asset-0002"):
            said = [vars(reason(code, "blocks", place="back")) for code in ("separate_pieces", "leaning")]
            session.get_one(Asset, asset_id).reasons = [item | {"detail": None} for item in said]
        session.add(Run(id="past", catalogue_id=1, recipe_hash="r" * 64, finished_at=now()))
        session.add(Run(id="open", catalogue_id=1, recipe_hash="r" * 64))
        session.flush()
        for asset_id, run in (("asset-0002", "past"), ("asset-0007", "past"), ("asset-0000", "open")):
            session.get_one(Asset, asset_id).run_id = run
    return shop


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_no_page_has_a_serious_fault(
    browser: Browser,
    served: str,  # noqa: F811
    lived_in: Shop,
    axe: str,
    scheme: str,
    width: int,
) -> None:
    browser.resize(width, 900)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    found: dict[str, list[dict[str, Any]]] = {}
    for path in PAGES:
        browser.open(served + path)
        browser.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        faults = faults_of(browser, axe)
        if faults:
            found[path] = faults
    assert found == {}, json.dumps(found, indent=1)


def test_the_checker_sees_a_fault(browser: Browser, served: str, axe: str) -> None:  # noqa: F811
    browser.open(served + "/")
    browser.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"/assets/asset-0000/thumbnail\"><input>')"
    )
    assert {fault["id"] for fault in faults_of(browser, axe)} >= {"image-alt", "label"}


def faults_of(browser: Browser, axe: str) -> list[dict[str, Any]]:
    """Serious and critical ones."""
    browser.evaluate(axe)
    script = f"""axe.run(document, {RULES}).then((result) => JSON.stringify(result.violations
        .filter((fault) => fault.impact === 'serious' || fault.impact === 'critical')
        .map(({{id, nodes}}) => ({{id, nodes: nodes.slice(0, 4).map((node) => [node.html, node.failureSummary])}}))))"""
    return list(json.loads(browser.evaluate(script)))
