"""Others' programs that a published GLB must please: the Khronos validator, three.js in a real Chromium."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.node_packages import install_node

ROOT = Path(__file__).resolve().parents[3]
VALIDATOR = Path(__file__).parent / "validator"
PAGE = """<!doctype html><script type="module" src="viewer.js"></script>
<style>body{margin:0;background:#fff}model-viewer{width:512px;height:512px;background:#fff}</style>
<model-viewer src="model.glb" shadow-intensity="0" interaction-prompt="none"></model-viewer>"""


def install_khronos(folder: Path) -> str | None:
    """The validator into ``folder``, once; why not, where that is impossible."""
    return install_node(VALIDATOR, folder, "gltf-validator")


def khronos_issues(folder: Path, *files: bytes) -> list[dict[str, Any]]:
    """The validator's issue reports, one a file."""
    with tempfile.TemporaryDirectory(prefix="meshmill-") as place:
        paths = [Path(place, f"{i}.glb") for i in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        command = ["node", "validate.js", *map(str, paths)]
        out = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=300).stdout
    return list(json.loads(out))


@contextmanager
def three_js(profile: Path) -> Iterator[Any]:
    """A function that draws GLB bytes with the gallery's viewer (three.js) and returns pixels ``(512, 512, 3)``."""
    from tests.gallery.browser import Browser, find_chromium

    program = find_chromium()
    assert program
    site = profile / "site"
    site.mkdir(parents=True)
    shutil.copy(ROOT / "gallery" / "static" / "model-viewer.min.js", site / "viewer.js")
    (site / "page.html").write_text(PAGE)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = Browser(program, profile)
    browser.resize(512, 512)

    def draw(glb: bytes) -> np.ndarray:
        (site / "model.glb").write_bytes(glb)
        draw.count += 1  # type: ignore[attr-defined]
        browser.open(f"http://127.0.0.1:{server.server_port}/page.html?{draw.count}")  # type: ignore[attr-defined]
        browser.until("document.querySelector('model-viewer')?.modelIsVisible === true")
        browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")
        return np.asarray(Image.open(io.BytesIO(browser.screenshot())).convert("RGB"))

    draw.count = 0  # type: ignore[attr-defined]
    try:
        yield draw
    finally:
        browser.close()
        server.shutdown()
        server.server_close()


def drawn_share(pixels: np.ndarray) -> float:
    """How much of the picture is not its white background; the viewer's own bar of progress at the top apart."""
    return float((255 - pixels[16:].min(-1).astype(int) > 12).mean())
