"""A shop's own page, on another origin: the model in its frame is drawn, and its script may read the file."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from gallery.api.addresses import file_url
from gallery.api.people import People
from gallery.app import Access, create_app
from tests.gallery.browser import Browser, find_chromium, serving
from tests.gallery.conftest import CATALOGUE, Shop

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium: apt-get install chromium (CI does)"),
]


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Another origin: a folder on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join(20)


@contextmanager
def gallery(shop: Shop, people: People) -> Iterator[str]:
    app = create_app(shop.engine, shop.store, Access(login="shop:secret"), people=people)
    with serving(app) as url:
        yield url


def red_share(browser: Browser) -> float:
    """How much of the screen is the red of the cube."""
    pixels = np.asarray(Image.open(io.BytesIO(browser.screenshot())).convert("RGB")).astype(int)
    return float(((pixels[..., 0] > 110) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)).mean())


@pytest.mark.parametrize("named", [True, False], ids=["named", "not-named"])
def test_a_page_of_another_origin_shows_the_model_where_it_was_named(
    published: Shop, tmp_path: Path, named: bool
) -> None:
    program = find_chromium()
    assert program
    folder = tmp_path / "site"
    folder.mkdir()
    with (
        site(folder) as origin,
        gallery(published, People(origins=(origin,) if named else ("https://other",))) as served,
    ):
        embed = f"{served}/embed/{quote(CATALOGUE, safe='')}/mug-blue"
        (folder / "index.html").write_text(f'<iframe src="{embed}" style="width:600px;height:500px;border:0"></iframe>')
        browser = Browser(program, tmp_path / "chromium")
        try:
            browser.resize(640, 540)
            browser.open(origin + "/index.html")
            read = browser.evaluate(
                f"fetch('{served}{file_url(CATALOGUE, 'mug-blue', 'model.glb')}')"
                ".then(answer => answer.arrayBuffer()).then(data => data.byteLength, () => 0)"
            )
            assert (read > 1000) == named
            end = time.monotonic() + (90 if named else 5)
            while (drawn := red_share(browser)) < 0.05 and time.monotonic() < end:
                time.sleep(0.5)
            assert (drawn >= 0.05) == named
            if named:
                browser.open(embed)
                browser.until("document.querySelector('model-viewer')?.modelIsVisible === true")
                assert browser.evaluate("document.querySelector('details svg') !== null")
                assert [error for error in browser.errors if "Content Security Policy" in error] == []
        finally:
            browser.close()
