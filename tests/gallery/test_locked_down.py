"""Every answer of the gallery, errors included: strict headers, no CORS, no listing, nothing inline."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core.errors import DatabaseDown
from gallery.app import Access, create_app
from tests.gallery.conftest import HOSTILE, Shop
from tests.ports import free_port

pytestmark = pytest.mark.server

URL = "http://127.0.0.1"
ORIGIN = {"origin": "https://evil.example"}


def client_of(shop: Shop, access: Access | None = None) -> TestClient:
    app = create_app(shop.engine, shop.store, access)
    return TestClient(app, base_url=URL, follow_redirects=False, raise_server_exceptions=False)


REQUESTS = [
    ("GET", "/", 200),
    ("GET", "/assets/asset-0000", 200),
    ("GET", "/assets/asset-0000/files/glb", 200),
    ("GET", "/assets/asset-0000/files/report", 200),
    ("GET", "/static/gallery.css", 200),
    ("GET", "/static/", 404),
    ("GET", "/static", 404),
    ("GET", "/assets", 404),
    ("GET", "/assets/asset-0000/files", 404),
    ("GET", "/assets/asset-0000/files/", 404),
    ("GET", "/static/../app.py", 404),
    ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
    ("GET", "/?page=0", 422),
    ("GET", "/openapi.json", 404),
    ("GET", "/docs", 404),
    ("OPTIONS", "/", 405),
    ("PUT", "/assets/asset-0000", 405),
    ("DELETE", "/assets/asset-0000", 405),
    ("POST", "/assets/asset-0000/review", 403),
]


@pytest.mark.parametrize(("method", "path", "code"), REQUESTS)
def test_every_answer_carries_the_headers_and_none_allows_another_origin(
    shop: Shop, method: str, path: str, code: int
) -> None:
    preflight = ORIGIN | {"access-control-request-method": "POST"} if method == "OPTIONS" else ORIGIN
    answer = client_of(shop).request(method, path, headers=preflight)
    assert answer.status_code == code
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";") if " " in part.strip()
    )
    assert policy["default-src"] == "'none'"
    assert "unsafe-inline" not in policy.get("script-src", "")
    assert "unsafe-eval" not in policy.get("script-src", "").replace("wasm-unsafe-eval", "")
    assert not [name for name in headers if name.startswith("access-control-")]
    assert "set-cookie" not in headers
    assert "Index of" not in answer.text


def test_a_foreign_host_is_refused_with_the_headers_too(shop: Shop) -> None:
    answer = client_of(shop).get("/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("error", "code"), [(DatabaseDown("password=hunter2"), 503), (ValueError("hunter2"), 500)])
def test_troubles_inside_are_a_sentence_that_tells_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("gallery.app.queries.page", broken)
    answer = client_of(shop).get("/")
    assert answer.status_code == code
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_template_has_a_script_or_a_handler_inside(shop: Shop) -> None:
    templates = Path(__file__).resolve().parents[2] / "gallery" / "templates"
    for path in templates.glob("*.html"):
        text = path.read_text("utf-8")
        for script in re.findall(r"<script\b[^>]*>(.*?)</script>", text, re.S):
            assert script.strip() == "", path.name
        assert not re.search(r"<[^>]+\son[a-z]+\s*=", text), path.name
        assert "javascript:" not in text, path.name
        assert "|safe" not in text.replace(" ", ""), path.name


LOGIN = "shop:p@ss:wörd"
KNOWN = {"authorization": "Basic " + base64.b64encode(LOGIN.encode()).decode()}


@pytest.mark.parametrize(("method", "path", "code"), [r for r in REQUESTS if r[0] != "OPTIONS"])
def test_beyond_loopback_nothing_is_shown_without_the_login(shop: Shop, method: str, path: str, code: int) -> None:
    client = client_of(shop, Access(login=LOGIN))
    for headers in ({}, *({"authorization": text} for text in WRONG)):
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not any(sku in answer.text for sku in HOSTILE)
    assert client.request(method, path, headers=KNOWN).status_code == code


WRONG = [
    "",
    "Basic",
    "Basic !",
    "Basic c2hvcDo=",
    "Bearer " + KNOWN["authorization"][6:],
    "Basic c2hvcDpwQHNzOnfDtnJkeA==",
]


def test_metrics_want_the_login_and_health_does_not(shop: Shop) -> None:
    client = client_of(shop, Access(login=LOGIN))
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers=KNOWN).status_code == 200
    assert client.get("/healthz").status_code == 200
    assert client.get("/", headers={"host": "127.0.0.1/healthz?"}).status_code in (400, 401)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "localhost.evil.example"]
)
@pytest.mark.parametrize("path", ["/", "/assets/asset-0000", "/assets/asset-0000/files/glb", "/metrics", "/healthz"])
def test_a_name_that_was_pointed_here_is_refused(shop: Shop, host: str, path: str) -> None:
    """DNS rebinding: the foreign page's own name leads to loopback, and the browser says that name."""
    answer = client_of(shop).get(path, headers={"host": host})
    assert answer.status_code == 400
    assert "asset" not in answer.text


def test_the_command_asks_for_a_login_beyond_loopback(tmp_path: Path) -> None:
    """The real command on an address that is not loopback by its name; it still stays on this machine."""
    port = free_port()
    kept = {n: v for n, v in os.environ.items() if not n.startswith("MESHMILL_")}
    kept |= {"MESHMILL_HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-m", "cli.main", "gallery", "--serve", str(port), "--host", "127.0.0.2"]
    server = subprocess.Popen(command, env=kept, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        said = server.stderr.readline()
        login = said.partition("this login: ")[2].strip()
        assert login.startswith("meshmill:")
        url = f"http://127.0.0.2:{port}/"
        refused = patiently(url, {})
        assert refused == 401
        token = base64.b64encode(login.encode()).decode()
        assert patiently(url, {"Authorization": f"Basic {token}"}) == 200
    finally:
        server.terminate()
        server.wait(60)


def patiently(url: str, headers: dict[str, str]) -> int:
    """The answer's code, once the server is up."""
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
