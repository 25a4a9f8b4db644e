"""The script that a shop would run: photos in, review over HTTP, a delivered folder, the model on a page elsewhere."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from core.mesh import verify_glb
from core.mesh.usdz import validate_usdz
from tests.docs.commands import REPOSITORY
from tests.docs.test_documented_commands import SMALLEST
from tests.gallery.browser import Browser, find_chromium
from tests.ports import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.server,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium: apt-get install chromium (CI does)"),
]


def test_a_shops_script_ends_with_a_model_on_its_own_page(tmp_path: Path) -> None:
    photos, out, pages = tmp_path / "spring", tmp_path / "out", tmp_path / "site"
    photos.mkdir()
    pages.mkdir()
    photo = sorted((REPOSITORY / "examples" / "photos").glob("*.*"))[0]
    shutil.copy(photo, photos / f"SKU 1{photo.suffix}")
    site = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(pages)))
    Thread(target=site.serve_forever, daemon=True).start()
    origin, port = f"http://127.0.0.1:{site.server_address[1]}", free_port()
    environment = os.environ | {"MESHMILL_HOME": str(tmp_path / "home"), "PYTHONPATH": str(REPOSITORY)}
    meshmill = [sys.executable, "-m", "cli.main"]
    users = ["--file", str(tmp_path / "users.json")]
    token = subprocess.run(
        [*meshmill, "users", "add", "robot", *users], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    gallery = subprocess.Popen(
        [*meshmill, "gallery", "--serve", str(port), "--review", "--users", users[1], "--cors", origin],
        env=environment,
    )
    program = find_chromium()
    assert program
    try:
        wait(f"http://127.0.0.1:{port}/healthz")
        settings = [word for setting in (*SMALLEST, "quality.finished=1") for word in ("--set", setting)]
        done = subprocess.run(
            [sys.executable, str(REPOSITORY / "examples" / "shop.py"), str(photos), str(out), "--api",
             f"http://127.0.0.1:{port}", "--token", token, "--channel", "amazon", "--good-enough", "0", *settings],
            env=environment, capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "SKU 1: approve" in done.stderr
        (row,) = csv.DictReader((out / "amazon.csv").open())
        assert row["sku"] == "SKU 1"
        assert verify_glb(out / row["file"], "amazon").passed
        assert validate_usdz((out / row["file"]).with_name("model.usdz").read_bytes()) == []
        record = json.loads((out / row["file"]).with_name("product.json").read_text())
        assert (record["reviewer"], record["alt_text"]) == ("robot", "SKU 1, a 3D model")
        (embed,) = [line for line in done.stdout.splitlines() if "/embed/" in line]
        (pages / "index.html").write_text(f'<iframe src="{embed}" style="width:600px;height:500px;border:0"></iframe>')
        browser = Browser(program, tmp_path / "chromium")
        try:
            browser.resize(640, 540)
            browser.open(origin + "/index.html")
            end = time.monotonic() + 120
            while not drawn(browser) and time.monotonic() < end:
                time.sleep(1)
            assert drawn(browser)
        finally:
            browser.close()
    finally:
        gallery.terminate()
        gallery.wait(30)
        site.shutdown()


def drawn(browser: Browser) -> bool:
    """Whether the frame's middle, a third of it each way, is mostly not the white page."""
    pixels = np.asarray(Image.open(io.BytesIO(browser.screenshot())).convert("RGB")).astype(int)
    return float((pixels[170:340, 200:400].min(-1) < 235).mean()) > 0.3


def wait(url: str) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(url)
