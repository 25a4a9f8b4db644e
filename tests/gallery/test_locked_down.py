"""Every answer of the gallery, errors included: strict headers, no CORS, no listing, nothing inline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from db.engine import DatabaseDown
from gallery.app import Access, create_app
from tests.gallery.conftest import Shop

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
